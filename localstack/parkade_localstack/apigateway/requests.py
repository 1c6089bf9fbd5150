"""Requests as they were sent: LocalStack takes bodies apart that look like forms, and headers by their spelling."""

from localstack.services.apigateway.next_gen.execute_api.handlers import parse
from localstack.services.apigateway.next_gen.execute_api.handlers.method_request import MethodRequestHandler


def keep_bodies() -> None:
    """A body of the type that `curl -d` sends is parsed as a form and put together again, differently, and one over
    500 KB is answered with an empty 200."""
    parse.restore_payload = lambda request: request.get_data(parse_form_data=False)


def match_required_headers_in_any_case() -> None:
    """Header names have no case, and many clients send them in lower case."""
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
