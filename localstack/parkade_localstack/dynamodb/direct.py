"""The common operations on items go straight from the connection to moto.

As shipped, a response of moto is serialized three times and parsed twice before LocalStack parses it by the service's
model and serializes it again: six times the time that moto takes, without changing the response.  Other operations,
requests with binary values, and any response that is not a success go through LocalStack's gateway as shipped.  A
rejected write has changed nothing, so it can be sent again.
"""

import functools
import inspect
import json
import threading

from localstack.utils.strings import long_uid
from moto.dynamodb import responses
from moto.dynamodb.models.utilities import DynamoJsonEncoder
from moto.dynamodb.responses import DynamoHandler
from moto.iam.models import mark_account_as_visited

from parkade_localstack import shortcuts
from parkade_localstack.dynamodb import lock, reads
from parkade_localstack.shortcuts import Call, Caller

TARGET = "DynamoDB_20120810."
METHODS = {
    "GetItem": "get_item",
    "Query": "query",
    "PutItem": "put_item",
    "UpdateItem": "update_item",
    "DeleteItem": "delete_item",
    "TransactWriteItems": "transact_write_items",
}
# Top-level members of a response: LocalStack's gateway drops the rest.
RESPONSE_MEMBERS = {
    "Attributes",
    "ConsumedCapacity",  # if requested
    "Count",
    "Item",
    "Items",
    "ItemCollectionMetrics",
    "LastEvaluatedKey",
    "ScannedCount",
}
JSON = "application/x-amz-json-1.0"
BINARY = (b'"B"', b'"BS"')
# Whether the thread needs moto's response before it is serialized.
_raw = threading.local()


def serve_directly() -> None:
    dump = responses.dynamo_json_dump
    responses.dynamo_json_dump = lambda what: what if getattr(_raw, "is_requested", False) else dump(what)
    shortcuts.add(_serve)


def _serve(call: Call) -> bytes | None:
    target = call.headers.get("x-amz-target", "")
    if (
        not target.startswith(TARGET)
        or call.headers.get("content-type") != JSON
        or call.head.target != "/"
        or not shortcuts.is_ordinary(call)
        or any(mark in call.body for mark in BINARY)
    ):
        return None
    operation, caller = target[len(TARGET) :], shortcuts.caller(call, "dynamodb")
    if caller is None or operation not in METHODS or not shortcuts.handler_of(call, "dynamodb", operation):
        return None
    with lock.HELD_WHILE_MOTO_RUNS:
        response = _respond(operation, caller, call)
    return response and shortcuts.response(JSON, response, f"x-amzn-requestid: {long_uid()}")


def _respond(operation: str, caller: Caller, call: Call) -> bytes | None:
    """moto's response, or None unless it is a success."""
    try:
        handler = DynamoHandler()
        handler.body = json.loads(call.body)
        if handler.body.get("ReturnValues", "NONE") != "NONE":  # it might have binary values, found too late
            return None
        access_key = _as_moto_sees(caller.access_key)
        handler.current_account, handler.region, handler.access_key = caller.account, caller.region, access_key
        handler.headers, handler.response_headers = call.headers, {}
        response = _execute(handler, METHODS[operation])
        if not isinstance(response, dict):
            return None
        kept = {key: value for key, value in response.items() if key in RESPONSE_MEMBERS and value is not None}
        text = json.dumps(kept, cls=DynamoJsonEncoder)
    except Exception:
        return None
    if '"B": ' in text or '"BS": ' in text:
        return None
    mark_account_as_visited(caller.account, access_key, "dynamodb", caller.region)
    return text.encode()


def _execute(handler: DynamoHandler, method: str):
    """The response before it is serialized; if another patch works on the serialized form, that is parsed again."""
    if handler.body.get("ReturnConsumedCapacity", "NONE") != "NONE" or method == "transact_write_items":
        response = getattr(handler, method)()
        return json.loads(response) if isinstance(response, str) else response
    _raw.is_requested = True
    try:
        with reads.recorded(handler):
            response = _without_capacity(method)(handler)
    finally:
        _raw.is_requested = False
    if isinstance(response, dict):
        response.pop("ConsumedCapacity", None)
    return response


@functools.cache
def _without_capacity(method: str):
    """The operation without the decorator that adds consumed capacity to its serialized response."""
    return inspect.unwrap(getattr(DynamoHandler, method))


@functools.lru_cache(maxsize=1024)
def _as_moto_sees(access_key: str) -> str:
    found = DynamoHandler.access_key_regex.search(f"AWS4-HMAC-SHA256 Credential={access_key}/")
    return found[1] if found else "AKIAEXAMPLE"
