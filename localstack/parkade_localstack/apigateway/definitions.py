"""Parts of an OpenAPI definition that LocalStack does not import: its gateway responses."""

import io

from localstack.services.apigateway import helpers
from localstack.services.apigateway.helpers import OpenAPIExt
from localstack.services.apigateway.legacy import provider
from localstack.services.apigateway.models import apigateway_stores
from localstack.services.apigateway.next_gen.execute_api.gateway_response import build_gateway_response
from localstack.utils.json import parse_json_or_yaml
from localstack.utils.strings import to_str

BUILT_IN_MODELS = ("Empty", "Error")


def import_gateway_responses() -> None:
    original = helpers.import_api_from_openapi_spec

    def import_api(rest_api, context, request):
        body = request["body"].read()
        request["body"] = io.BytesIO(body)
        definition = parse_json_or_yaml(to_str(body))
        container = apigateway_stores[context.account_id][context.region].rest_apis[rest_api.id]
        if request.get("mode") == "overwrite":
            container.models = {name: model for name, model in container.models.items() if name in BUILT_IN_MODELS}
            for kind in (container.authorizers, container.validators, container.gateway_responses):
                kind.clear()
        container.resolved_models.clear()  # cached by name, they would survive a change
        imported = original(rest_api, context, request)
        for kind, response in (definition.get(OpenAPIExt.GATEWAY_RESPONSES) or {}).items():
            status = response.get("statusCode")
            container.gateway_responses[kind] = build_gateway_response(
                kind,
                status_code=None if status is None else str(status),
                response_parameters=response.get("responseParameters"),
                response_templates=response.get("responseTemplates"),
                default_response=False,
            )
        return imported

    provider.import_api_from_openapi_spec = import_api
