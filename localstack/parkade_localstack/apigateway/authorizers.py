"""Lambda authorizers, TOKEN and REQUEST, with their cache. Any failure of an authorizer denies the request."""

import json
import re
import threading
import time
from typing import NamedTuple

from localstack.aws.connect import connect_to
from localstack.services.apigateway.next_gen.execute_api import handlers
from localstack.services.apigateway.next_gen.execute_api.gateway_response import (
    AccessDeniedError,
    AuthorizerFailureError,
    BaseGatewayException,
    UnauthorizedError,
)

TTL_DEFAULT_SECONDS = 300
CACHED_MAX = 10_000
INVOKE = "execute-api:Invoke"
EXPLICIT_DENY = "User is not authorized to access this resource with an explicit deny"
NOT_ALLOWED = "User is not authorized to access this resource"


class Decision(NamedTuple):
    """The function's decision, and when it expires."""

    policy: dict
    until: float
    latency_ms: int


_decisions: dict[tuple, Decision] = {}
_lock = threading.Lock()


def apply() -> None:
    handlers.preprocess_request.append(authorize)


def authorize(chain, context, response) -> None:
    """A request handler: returns if the request is allowed, raises if not."""
    method = context.resource_method
    if (method.get("authorizationType") or "NONE").upper() != "CUSTOM":
        return
    try:
        _authorize(context, context.deployment.rest_api.authorizers[method["authorizerId"]])
    except BaseGatewayException:
        raise
    except Exception as error:
        # A failing function, our own error or a malformed policy: none may let the request pass.
        raise _failure() from error


def _authorize(context, authorizer: dict) -> None:
    identity = _identity(context.invocation_request, authorizer)
    arn = _method_arn(context)
    decision = _decision(context, authorizer, identity, arn)
    allowed = _decide(decision.policy["policyDocument"], arn)
    context.context_variables["authorizer"] = {
        **{name: _as_text(value) for name, value in (decision.policy.get("context") or {}).items()},
        "principalId": _principal(decision.policy),
        "integrationLatency": decision.latency_ms,
    }
    if key := decision.policy.get("usageIdentifierKey"):
        context.context_variables["identity"]["apiKey"] = key
    if not allowed:
        raise AccessDeniedError(NOT_ALLOWED)


def _identity(request: dict, authorizer: dict) -> tuple[str, ...]:
    """The values of the identity sources; if one is missing or malformed, the function is not called."""
    values = []
    for source in filter(None, (s.strip() for s in (authorizer.get("identitySource") or "").split(","))):
        value = _source_value(request, source)
        if not value:
            raise UnauthorizedError("Unauthorized")
        values.append(value)
    expression = authorizer.get("identityValidationExpression")
    if expression and authorizer["type"] == "TOKEN" and not re.fullmatch(expression, values[0]):
        raise UnauthorizedError("Unauthorized")
    return tuple(values)


def _source_value(request: dict, source: str) -> str | None:
    kind, _, name = source.removeprefix("method.request.").partition(".")
    match kind:
        case "header":
            return request["headers"].get(name)
        case "querystring":
            return request["query_string_parameters"].get(name)
        case _:
            raise ValueError(f"identity source {source} is not supported")


def _method_arn(context) -> str:
    return (
        f"arn:aws:execute-api:{context.region}:{context.account_id}:{context.api_id}/{context.stage}/"
        f"{context.request.method}{context.invocation_request['path']}"
    )


def _decision(context, authorizer: dict, identity: tuple[str, ...], arn: str) -> Decision:
    """From the cache if caching is enabled: the same identity, anywhere in the same stage."""
    ttl = authorizer.get("authorizerResultTtlInSeconds")
    ttl = TTL_DEFAULT_SECONDS if ttl is None else int(ttl)
    key = (context.api_id, context.stage, authorizer["id"], identity)
    now = time.monotonic()
    if ttl and identity and (known := _decisions.get(key)) and known.until > now:
        return known
    policy = _invoke(context, authorizer, identity, arn)
    decision = Decision(policy, now + ttl, int((time.monotonic() - now) * 1000))
    if ttl and identity:
        with _lock:
            if len(_decisions) >= CACHED_MAX:
                _decisions.clear()
            _decisions[key] = decision
    return decision


def _invoke(context, authorizer: dict, identity: tuple[str, ...], arn: str) -> dict:
    if authorizer["type"] == "TOKEN":
        event = {"type": "TOKEN", "authorizationToken": identity[0], "methodArn": arn}
    else:
        event = _request_event(context, arn)
    function = re.search(r"functions/(.+)/invocations", authorizer["authorizerUri"]).group(1)
    client = connect_to(aws_access_key_id=context.account_id, region_name=context.region).lambda_
    response = client.invoke(FunctionName=function, Payload=json.dumps(event))
    body = json.loads(response["Payload"].read() or "null")
    if response.get("FunctionError"):
        if body.get("errorMessage") == "Unauthorized":
            raise UnauthorizedError("Unauthorized")
        raise _failure()
    _principal(body)
    return body


def _request_event(context, arn: str) -> dict:
    request = context.invocation_request
    headers = request["headers"]
    return {
        "type": "REQUEST",
        "methodArn": arn,
        "resource": context.resource["path"],
        "path": request["path"],
        "httpMethod": context.request.method,
        "headers": dict(headers),
        "multiValueHeaders": {name: headers.getlist(name) for name in headers.keys()},
        "queryStringParameters": request["query_string_parameters"] or {},
        "multiValueQueryStringParameters": request["multi_value_query_string_parameters"] or {},
        "pathParameters": request["path_parameters"] or {},
        "stageVariables": context.stage_variables or {},
        "requestContext": context.context_variables,
    }


def _principal(policy: dict) -> str:
    principal = policy["principalId"]
    if not isinstance(principal, str):
        raise TypeError("principalId must be a string")
    return principal


def _decide(document: dict, arn: str) -> bool:
    """Whether the policy allows the method; AccessDenied if it denies it explicitly."""
    allowed = False
    statements = document["Statement"]
    for statement in [statements] if isinstance(statements, dict) else statements:
        actions, resources = _listed(statement["Action"]), _listed(statement["Resource"])
        if not any(_matches(a, INVOKE) for a in actions) or not any(_matches(r, arn) for r in resources):
            continue
        match statement["Effect"]:
            case "Deny":
                raise AccessDeniedError(EXPLICIT_DENY)
            case "Allow":
                allowed = True
            case effect:
                raise ValueError(f"unknown effect {effect}")
    return allowed


def _listed(value) -> list:
    return value if isinstance(value, list) else [value]


def _matches(pattern: str, text: str) -> bool:
    """`*` matches any text, slashes included, `?` one character."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text, re.DOTALL) is not None


def _as_text(value) -> str:
    """Functions get the context as strings; a value that is not plain is an error on AWS, too."""
    match value:
        case bool():
            return str(value).lower()
        case str() | int() | float():
            return str(value)
        case _:
            raise TypeError("an authorizer's context holds plain values only")


def _failure() -> AuthorizerFailureError:
    error = AuthorizerFailureError()
    error.message = None  # AWS gives no message
    return error
