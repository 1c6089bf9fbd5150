"""Access logs: a line for each request, in the stage's format, in the log group that the stage names."""

import time

from localstack.services.apigateway.next_gen.execute_api import handlers
from localstack.services.apigateway.next_gen.execute_api.gateway import RestApiGateway
from localstack.services.apigateway.next_gen.execute_api.handlers.integration import IntegrationHandler

from parkade_localstack.apigateway.variables import substitute
from parkade_localstack.telemetry import deliver_later, put_log_events


def apply() -> None:
    handlers.modify_request.append(_note_start)
    _measure_integrations()
    _log_responses()


def _note_start(chain, context, response) -> None:
    context.started = time.perf_counter()


def _measure_integrations() -> None:
    original = IntegrationHandler.__call__

    def measured(self, chain, context, response):
        started = time.perf_counter()
        try:
            original(self, chain, context, response)
        except Exception as error:
            context.integration_error = str(getattr(error, "message", None) or error)
            raise
        finally:
            context.integration_ms = _ms_since(started)

    IntegrationHandler.__call__ = measured


def _log_responses() -> None:
    original = RestApiGateway.__init__

    def with_access_log(self):
        original(self)
        self.response_handlers.append(_log)

    RestApiGateway.__init__ = with_access_log


def _log(chain, context, response) -> None:
    settings = (context.stage_configuration or {}).get("accessLogSettings") or {}
    template, destination = settings.get("format"), settings.get("destinationArn")
    if not template or ":log-group:" not in (destination or ""):
        return
    line = substitute(template, _variables(context, response), context.stage_variables or {}, missing="-")
    # arn:aws:logs:REGION:ACCOUNT:log-group:NAME, sometimes followed by :*
    _, _, _, region, account, _, group, *_ = destination.split(":")
    key = (account, region, group, f"{context.api_id}-{context.stage}")
    deliver_later(put_log_events, key, {"timestamp": int(time.time() * 1000), "message": line})


def _variables(context, response) -> dict:
    """`$context` for access logs: the request's variables and its result."""
    integration_ms = getattr(context, "integration_ms", None)
    endpoint_status = (context.endpoint_response or {}).get("status_code")
    error = getattr(context, "integration_error", None)
    started = getattr(context, "started", None)
    authorizer = context.context_variables.get("authorizer")
    return {
        **context.context_variables,
        "status": response.status_code,
        "responseLength": len(response.data),
        "responseLatency": None if started is None else _ms_since(started),
        "integrationLatency": integration_ms,
        "integrationStatus": endpoint_status,
        "integrationErrorMessage": error,
        "integration": {
            "latency": integration_ms,
            # For a Lambda proxy AWS logs the status of the Lambda call: 200 even if the function responds with another.
            "status": None if endpoint_status is None else 200 if _is_lambda(context) else endpoint_status,
            "integrationStatus": endpoint_status,
            "error": error,
        },
        "authorizer": authorizer and {**authorizer, "latency": authorizer.get("integrationLatency")},
        "xrayTraceId": context.trace_id,
        "endpointType": "REGIONAL",
    }


def _is_lambda(context) -> bool:
    return bool(context.integration) and context.integration.get("type") == "AWS_PROXY"


def _ms_since(started: float) -> int:
    return int((time.perf_counter() - started) * 1000)
