"""Calls from one LocalStack service to another go straight to the provider instead of through HTTP."""

import io

from botocore.response import StreamingBody

# Operations of providers that LocalStack wrote itself (moto's need the HTTP request) and whose responses hold no times
# (they would need conversion to what boto returns).
DIRECT = {
    ("lambda", "Invoke"),
    ("events", "PutEvents"),
    ("cloudwatch", "PutMetricData"),
    ("sqs", "SendMessage"),
    ("sqs", "SendMessageBatch"),
    ("sqs", "ReceiveMessage"),
    ("sqs", "DeleteMessage"),
    ("sqs", "DeleteMessageBatch"),
    ("sqs", "GetQueueUrl"),
    ("sqs", "GetQueueAttributes"),
}
# How LocalStack's clients pass the principal on whose behalf they call.
METADATA = {"_SourceArn": "source_arn", "_ServicePrincipal": "service_principal"}
# A poller may request more than a client may: parameter, its limit for clients, the header that carries it.
SQS_OVERRIDES = (
    ("sqs_override_max_message_count", 10, "x-localstack-sqs-override-message-count"),
    ("sqs_override_wait_time_seconds", 20, "x-localstack-sqs-override-wait-time-seconds"),
)


def call_providers_directly() -> None:
    from localstack.aws.connect import InternalClientFactory

    original = InternalClientFactory._get_client_post_hook

    def post_hook(self, client):
        client = original(self, client)
        by_protocol = client._make_api_call

        def make_api_call(operation, parameters):
            handler = _handler(client.meta.service_model.service_name, operation, parameters)
            if handler is None:
                return by_protocol(operation, parameters)
            return _call(client, handler, operation, parameters, by_protocol)

        client._make_api_call = make_api_call
        return client

    InternalClientFactory._get_client_post_hook = post_hook


def _handler(service: str, operation: str, parameters: dict):
    """The provider's function, or None if the protocol is needed, for instance while the service is not loaded."""
    from localstack.aws.api.core import ServiceOperation
    from localstack.runtime import get_current_runtime

    if (service, operation) not in DIRECT:
        return None
    if service == "events" and any("Time" in entry for entry in parameters["Entries"]):
        return None
    router = get_current_runtime().components.gateway.service_request_router
    handler = router.handlers.get(ServiceOperation(service, operation))
    return handler.skeleton.dispatch_table.get(operation) if handler else None


def _call(client, handler, operation: str, parameters: dict, by_protocol):
    from localstack.aws.api import ServiceException

    service = client.meta.service_model.service_name
    context, given = _context(client, operation, parameters)
    if service == "lambda":
        given["Payload"] = _as_stream(given.get("Payload"))
    else:
        given = _without_none(given)
    context.service_request = given
    try:
        result = handler(context, given) or {}
    except ServiceException as error:
        if error.status_code < 500:
            # Rejected without side effects: called again by protocol, it raises boto's own exception.
            return by_protocol(operation, parameters)
        raise client.exceptions.from_code(error.code)(_error_response(error, context.request_id), operation) from error
    if service == "lambda":
        result = dict(result)
        payload = result.get("Payload") or b""
        payload = payload.encode() if isinstance(payload, str) else payload
        result["Payload"] = StreamingBody(io.BytesIO(payload), len(payload))
    else:
        result = _without_none(result)
    result["ResponseMetadata"] = {
        "RequestId": context.request_id,
        "HTTPStatusCode": result.get("StatusCode", 200),
        "HTTPHeaders": {},
        "RetryAttempts": 0,
    }
    return result


def _context(client, operation: str, parameters: dict):
    """The context that the gateway would have built, and the request without the parameters meant for the gateway."""
    from localstack.aws.accounts import get_account_id_from_access_key_id
    from localstack.aws.api import RequestContext
    from localstack.http import Request

    given = dict(parameters)
    context = RequestContext(Request(path="/"))
    context.service = client.meta.service_model
    context.operation = context.service.operation_model(operation)
    context.protocol = context.service.protocol
    context.region = client.meta.region_name
    context.account_id = get_account_id_from_access_key_id(client._request_signer._credentials.access_key)
    context.internal_request_params = {name: given.pop(key) for key, name in METADATA.items() if key in given}
    for parameter, limit, header in SQS_OVERRIDES:
        number = given.pop(parameter, None)
        if number and number > limit:
            context.request.headers[header] = str(number)
    context.trace_context["aws_trace_header"] = _trace_header(given.pop("TraceHeader", None))
    return context, given


def _trace_header(given):
    from localstack.utils.xray.trace_header import TraceHeader

    header = TraceHeader.from_header_str(given) if isinstance(given, str) else given or TraceHeader()
    return header.ensure_root_exists()


def _as_stream(payload):
    if payload is None or hasattr(payload, "read"):
        return payload
    return io.BytesIO(payload.encode() if isinstance(payload, str) else bytes(payload))


def _without_none(value):
    """A copy without the members that are None, which are not sent over the wire. A copy, because neither side expects
    to share objects with the other."""
    if isinstance(value, dict):
        return {key: _without_none(member) for key, member in value.items() if member is not None}
    if isinstance(value, (list, tuple)):
        return [_without_none(member) for member in value]
    return value


def _error_response(error, request_id: str) -> dict:
    return {
        "Error": {"Code": error.code, "Message": str(error)},
        "ResponseMetadata": {"HTTPStatusCode": error.status_code, "RequestId": request_id},
    }
