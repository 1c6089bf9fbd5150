"""Short and stable addresses of REST APIs."""

import functools

from localstack.aws.handlers import cors
from localstack.constants import TAG_KEY_CUSTOM_ID
from localstack.services.apigateway.legacy.provider import ApigatewayProvider
from localstack.services.apigateway.next_gen.execute_api.router import ApiGatewayRouter


def serve_named_apis_at_the_root() -> None:
    """An API that chooses its id by the tag `_custom_id_` is also at `/<id>/<stage>/…`.

    Only such an API: its name is known not to be that of a bucket, which would be at the same path.
    """
    original = ApigatewayProvider.create_rest_api
    served: set[str] = set()

    @functools.wraps(original)  # with the marks by which LocalStack finds the operation
    def create_rest_api(self, context, request):
        api = original(self, context, request)
        if TAG_KEY_CUSTOM_ID in (request.get("tags") or {}) and api["id"] not in served:
            served.add(api["id"])  # the route stays when the API goes, and is 404 until it is created again
            _serve(self.router, api["id"])
        return api

    ApigatewayProvider.create_rest_api = create_rest_api
    _let_the_api_decide_on_origins(served)


def _let_the_api_decide_on_origins(served: set[str]) -> None:
    """LocalStack rejects requests from origins that it does not know, except those to APIs, which it knows by the long address."""
    is_execute_api_call = cors.is_execute_api_call

    @functools.wraps(is_execute_api_call)
    def is_call_of_an_api(context):
        return context.request.path.lstrip("/").partition("/")[0] in served or is_execute_api_call(context)

    cors.is_execute_api_call = is_call_of_an_api


def _serve(router: ApiGatewayRouter, api: str) -> None:
    def endpoint(request, **parameters):
        # LocalStack finds the path below the stage in the address as it was sent.
        sent = request.environ.get("RAW_URI") or request.path
        request.environ["RAW_URI"] = ApiGatewayRouter.EXECUTE_API_INTERNAL_PATH + sent
        return router.handler(request, **parameters)

    add = functools.partial(router.router.add, endpoint=endpoint)
    add(path=f"/{api}/<stage>/", defaults={"api_id": api, "path": ""}, strict_slashes=False)
    add(path=f"/{api}/<stage>/<greedy_path:path>", defaults={"api_id": api}, strict_slashes=True)
