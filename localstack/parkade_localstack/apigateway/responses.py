"""Gateway responses: errors in the form that the API's definition gives them."""

import itertools
import json
import logging

from jsonschema import Draft4Validator
from localstack.http import Response
from localstack.services.apigateway.helpers import EMPTY_MODEL, ModelResolver
from localstack.services.apigateway.next_gen.execute_api.gateway_response import (
    AccessDeniedError,
    BadRequestBodyError,
    BaseGatewayException,
    InternalServerError,
    get_gateway_response_or_default,
)
from localstack.services.apigateway.next_gen.execute_api.handlers.gateway_exception import GatewayExceptionHandler

from parkade_localstack.apigateway.variables import error_variables, substitute

LOG = logging.getLogger(__name__)
JSON = "application/json"
DEFAULT_TEMPLATE = '{"message":$context.error.messageString}'
# AWS writes this one with a capital.
DENIED_TEMPLATE = '{"Message":$context.error.messageString}'
# As many as AWS would list; a body may violate a schema in thousands of places.
VIOLATIONS_MAX = 10
CHECKED_MAX = 100
# The message contains the offending value, which may be the whole body.
TEXT_MAX = 200


def apply() -> None:
    GatewayExceptionHandler.__call__ = write_response


def write_response(self, chain, exception: Exception, context, response: Response) -> None:
    """An exception handler: writes the gateway response for the exception."""
    if not isinstance(exception, BaseGatewayException):
        # AWS would not show the caller an exception's text.
        LOG.error("serving %s %s", context.request.method, context.request.path, exc_info=exception)
        exception = InternalServerError("Internal server error")
    validation = _violations(context) if isinstance(exception, BadRequestBodyError) else exception.message or ""
    context.context_variables["error"] = error_variables(exception.message, _kind(exception), validation)
    response.update_from(_render(exception, context))


def _kind(exception: BaseGatewayException) -> str | None:
    return None if exception.type is None else str(exception.type)


def _render(exception: BaseGatewayException, context) -> Response:
    definition = get_gateway_response_or_default(exception.type, context.deployment.rest_api.gateway_responses) or {}
    content_type, template = _template(definition, exception)
    body = substitute(template, context.context_variables, context.stage_variables or {}, missing="")
    rendered = Response(
        response=body,
        status=int(definition.get("statusCode") or exception.status_code or 500),
        headers={"Content-Type": content_type, "x-amzn-ErrorType": exception.code},
    )
    for name, source in (definition.get("responseParameters") or {}).items():
        value = _parameter(source, context)
        if value is not None:
            rendered.headers[name.removeprefix("gatewayresponse.header.")] = value
    return rendered


def _template(definition: dict, exception: BaseGatewayException) -> tuple[str, str]:
    templates = definition.get("responseTemplates") or {}
    if JSON not in templates and templates:
        return next(iter(templates.items()))
    template = templates.get(JSON, DEFAULT_TEMPLATE)
    if template == DEFAULT_TEMPLATE and isinstance(exception, AccessDeniedError):
        template = DENIED_TEMPLATE
    return JSON, template


def _parameter(source: str, context) -> str | None:
    """A header's value: a constant in quotes, or taken from the request or `context`."""
    if source.startswith("'"):
        return source[1:-1]
    request = context.invocation_request
    kind, _, name = source.removeprefix("method.request.").partition(".")
    match kind:
        case "header":
            return request["headers"].get(name)
        case "querystring":
            return request["query_string_parameters"].get(name)
        case "path":
            return (request.get("path_parameters") or {}).get(name)
        case "context" | "stageVariables":
            return substitute(f"${source}", context.context_variables, context.stage_variables or {}, "") or None
        case _:
            return None


def _violations(context) -> str:
    """The violations in the body, as a list in brackets."""
    request, api = context.invocation_request, context.deployment.rest_api
    if getattr(context.request, "unreadable", False):
        return "[the body is not what its Content-Encoding says]"
    models = context.resource_method.get("requestModels") or {}
    name = models.get(JSON, models.get("$default", EMPTY_MODEL))
    try:
        body = json.loads(request.get("body") or "{}")
        schema = ModelResolver(rest_api_container=api, model_name=name).get_resolved_model()
        found = itertools.islice(Draft4Validator(schema).iter_errors(body), CHECKED_MAX)
        errors = sorted(found, key=lambda error: list(map(str, error.path)))
    except ValueError:
        return "[the body is not JSON]"
    except RecursionError:
        return "[the body is nested too deeply]"
    listed = [f"{_cut(_path(error))}: {_cut(error.message)}" for error in errors[:VIOLATIONS_MAX]]
    # No quotes or backslashes: templates put the text between quotes.
    return ("[" + ", ".join(listed) + "]").replace("\\", "/").replace('"', "'")


def _path(error) -> str:
    return "".join(f"/{step}" for step in error.path) or "object"


def _cut(text: str) -> str:
    """Without its middle: it begins with the value and ends with what is wrong with it."""
    if len(text) <= TEXT_MAX:
        return text
    return f"{text[: TEXT_MAX // 2]}…{text[-TEXT_MAX // 2 :]}"
