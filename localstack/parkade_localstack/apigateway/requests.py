"""Requests as they were sent: LocalStack parses bodies that look like forms, and compares headers case-sensitively."""

import zlib

from jsonschema import ValidationError
from jsonschema.validators import validator_for
from localstack.services.apigateway.next_gen.execute_api import handlers
from localstack.services.apigateway.next_gen.execute_api.gateway_response import BadRequestBodyError
from localstack.services.apigateway.next_gen.execute_api.handlers import method_request, parse
from localstack.services.apigateway.next_gen.execute_api.handlers.method_request import MethodRequestHandler

VALIDATORS_MAX = 1024


def keep_bodies() -> None:
    """A body of the type that `curl -d` sends is parsed as a form and serialized again, differently, and one over 500
    KB
    gets an empty 200."""
    parse.restore_payload = lambda request: request.get_data(parse_form_data=False)


def match_required_headers_in_any_case() -> None:
    """Header names are case-insensitive, and many clients send them in lower case."""
    original = MethodRequestHandler._get_missing_required_parameters

    def missing_parameters(method, request):
        headers = request["headers"]
        remaining = {
            name: required
            for name, required in (method.get("requestParameters") or {}).items()
            if not (name.startswith("method.request.header.") and name.rpartition(".")[2] in headers)
        }
        return original({**method, "requestParameters": remaining}, request)

    MethodRequestHandler._get_missing_required_parameters = staticmethod(missing_parameters)


def reject_unreadable_bodies() -> None:
    """A body that is not JSON is a client error, whatever Python raises: nested too deeply, not UTF-8, a number with
    too
    many digits, or not the gzip that its header declares."""
    original = MethodRequestHandler._is_body_valid

    def is_body_valid(method, rest_api, request) -> bool:
        try:
            return original(method, rest_api, request)
        except (RecursionError, ValueError):
            return False

    MethodRequestHandler._is_body_valid = staticmethod(is_body_valid)
    restore = parse.restore_payload

    def restore_payload(request) -> bytes:
        try:
            return restore(request)
        except (OSError, EOFError, zlib.error):
            request.unreadable = True
            return b""

    def reject_unreadable(chain, context, response) -> None:
        if getattr(context.request, "unreadable", False):
            raise BadRequestBodyError("Invalid request body")

    parse.restore_payload = restore_payload
    handlers.modify_request.append(reject_unreadable)


def keep_validators() -> None:
    """LocalStack validates the model itself before each body: here once, and the validator is cached."""
    kept: dict[int, tuple[dict, object]] = {}

    def validate(instance, schema) -> None:
        # Cached by identity, which is stable while the schema is in the cache: models are resolved once per deployment.
        known = kept.get(id(schema))
        if known is None:
            kind = validator_for(schema)
            kind.check_schema(schema)
            if len(kept) >= VALIDATORS_MAX:
                kept.clear()
            known = kept[id(schema)] = (schema, kind(schema))
        for error in known[1].iter_errors(instance):
            raise ValidationError(error.message)

    method_request.validate = validate
