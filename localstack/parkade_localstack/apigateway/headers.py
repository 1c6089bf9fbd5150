"""Required headers are found however they are spelt."""

from localstack.services.apigateway.next_gen.execute_api.handlers.method_request import MethodRequestHandler


def match_required_headers_in_any_case() -> None:
    """Header names have no case, and many clients send them in lower case; LocalStack compares them as they are."""
    original = MethodRequestHandler._get_missing_required_parameters

    def missing_parameters(method, request):
        required = method.get("requestParameters") or {}
        headers = request["headers"]
        found = {
            name
            for name in required
            if name.startswith("method.request.header.") and name.rpartition(".")[2] in headers
        }
        remaining = {name: needed for name, needed in required.items() if name not in found}
        return original({**method, "requestParameters": remaining}, request)

    MethodRequestHandler._get_missing_required_parameters = staticmethod(missing_parameters)
