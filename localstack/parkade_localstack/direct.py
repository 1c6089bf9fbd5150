"""The calls that functions make most often go straight to the provider: invocations, events and queue attributes."""

import json
from io import BytesIO
from typing import Callable
from urllib.parse import unquote

from parkade_localstack import shortcuts
from parkade_localstack.shortcuts import Call

INVOKE_PREFIX, INVOKE_SUFFIX = "/2015-03-31/functions/", "/invocations"
ENTRY_MEMBERS = {"Source", "DetailType", "Detail", "EventBusName"}


def invoke_directly() -> None:
    shortcuts.add(_invoke)


def put_events_directly() -> None:
    target, content_type = "AWSEvents.PutEvents", "application/x-amz-json-1.1"
    shortcuts.add(lambda call: _call_in_json(call, target, content_type, "events", _events_of))


def get_queue_attributes_directly() -> None:
    target, content_type = "AmazonSQS.GetQueueAttributes", "application/x-amz-json-1.0"
    shortcuts.add(lambda call: _call_in_json(call, target, content_type, "sqs", _attributes_of))


def _invoke(call: Call):
    target, headers = call.head.target, call.headers
    if not (target.startswith(INVOKE_PREFIX) and target.endswith(INVOKE_SUFFIX) and shortcuts.is_ordinary(call)):
        return None
    name = unquote(target[len(INVOKE_PREFIX) : -len(INVOKE_SUFFIX)])
    if (
        not name
        or "/" in name
        or headers.get("x-amz-invocation-type", "RequestResponse") != "RequestResponse"
        or headers.get("x-amz-log-type", "None") != "None"
        or "x-amz-client-context" in headers
    ):
        return None
    request = {"FunctionName": name, "Payload": BytesIO(call.body)}
    context, result = _call(call, "lambda", "Invoke", request)
    if not isinstance(result, dict):
        return result
    headers = [f"X-Amz-Executed-Version: {result['ExecutedVersion']}"]
    if "FunctionError" in result:
        headers.insert(0, f"X-Amz-Function-Error: {result['FunctionError']}")
    headers += [f"x-amzn-requestid: {context.request_id}", f"x-amz-request-id: {context.request_id}"]
    payload = result["Payload"]
    payload = payload.encode() if isinstance(payload, str) else payload
    return shortcuts.response("text/plain; charset=utf-8", payload, *headers)


def _call_in_json(call: Call, target: str, content_type: str, service: str, read: Callable[[bytes], dict | None]):
    """For operations whose request and response need no conversion, provided that `read` accepts the body."""
    headers = call.headers
    if (
        headers.get("x-amz-target") != target
        or headers.get("content-type") != content_type
        or call.head.target != "/"
        or not shortcuts.is_ordinary(call)
    ):
        return None
    request = read(call.body)
    if request is None:
        return None
    context, result = _call(call, service, target.rpartition(".")[2], request)
    if not isinstance(result, dict):
        return result
    members = {name: value for name, value in result.items() if value is not None}
    return shortcuts.response(content_type, json.dumps(members).encode(), f"x-amzn-requestid: {context.request_id}")


def _attributes_of(body: bytes) -> dict | None:
    """The request if it has a queue and attribute names, and nothing else; else None."""
    try:
        request = json.loads(body)
    except ValueError:
        return None
    if not isinstance(request, dict) or request.keys() != {"QueueUrl", "AttributeNames"}:
        return None
    names = request["AttributeNames"]
    is_good = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return request if is_good and isinstance(request["QueueUrl"], str) else None


def _events_of(body: bytes) -> dict | None:
    """The request if it has no times (they would need parsing) and no unknown members (they would be dropped); else
    None."""
    try:
        request = json.loads(body)
    except ValueError:
        return None
    entries = request.get("Entries") if isinstance(request, dict) and len(request) == 1 else None
    if not isinstance(entries, list) or not entries:
        return None
    for entry in entries:
        if not isinstance(entry, dict) or not entry.keys() <= ENTRY_MEMBERS:
            return None
        if not all(isinstance(value, str) for value in entry.values()):
            return None
    return request


def _call(call: Call, service: str, operation: str, request: dict):
    """The context and the provider's response: a dict, a werkzeug response, or None to use LocalStack's gateway."""
    from localstack.aws import handlers
    from localstack.aws.api import RequestContext, ServiceException
    from localstack.http import Request
    from localstack.utils.xray.trace_header import TraceHeader

    handler, who = shortcuts.handler_of(call, service, operation), shortcuts.caller(call, service)
    if handler is None or who is None:
        return None, None
    skeleton = handler.skeleton
    context = RequestContext(Request("POST", path="/", headers={"User-Agent": call.headers.get("user-agent", "")}))
    context.service, context.protocol = skeleton.service, skeleton.service.protocol
    context.operation = skeleton.service.operation_model(operation)
    context.region, context.account_id = who.region, who.account
    header = TraceHeader.from_header_str(call.headers.get("x-amzn-trace-id"))
    context.trace_context["aws_trace_header"] = header.ensure_root_exists()
    context.service_request = request
    try:
        return context, skeleton.dispatch_table[operation](context, request)
    except Exception as error:
        if isinstance(error, ServiceException) and error.status_code < 500:
            return context, None  # rejected without side effects, so it can be called again
        response = handlers.handle_service_exception.create_exception_response(error, context)
        response.headers["x-localstack"] = "true"
        return context, response
