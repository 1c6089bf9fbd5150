"""The common operations on items go straight from the connection to moto.

As shipped an answer of moto's is written three times and read twice before LocalStack parses it by the service's model
and writes it anew; of six times the time that moto takes, none changes what is answered.  Other operations, requests
with binary values, and all that moto does not answer with success, take the way as shipped.  A refused write has
changed nothing, so it can be refused again.
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
# What an answer may have at its top: the way as shipped drops the rest.
ANSWERED = {
    "Attributes",
    "ConsumedCapacity",  # where it was asked for
    "Count",
    "Item",
    "Items",
    "ItemCollectionMetrics",
    "LastEvaluatedKey",
    "ScannedCount",
}
JSON = "application/x-amz-json-1.0"
BINARY = (b'"B"', b'"BS"')
# Whether the thread wants moto's answer before it is written.
_raw = threading.local()


def serve_at_once() -> None:
    dump = responses.dynamo_json_dump
    responses.dynamo_json_dump = lambda what: what if getattr(_raw, "wanted", False) else dump(what)
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
        answer = _answer(operation, caller, call)
    return answer and shortcuts.answer(JSON, answer, f"x-amzn-requestid: {long_uid()}")


def _answer(operation: str, caller: Caller, call: Call) -> bytes | None:
    """What moto answers, or None if it is anything but success."""
    try:
        handler = DynamoHandler()
        handler.body = json.loads(call.body)
        if handler.body.get("ReturnValues", "NONE") != "NONE":  # it might have binary values, when it is too late
            return None
        access_key = _as_moto_sees(caller.access_key)
        handler.current_account, handler.region, handler.access_key = caller.account, caller.region, access_key
        handler.headers, handler.response_headers = call.headers, {}
        answer = _carry_out(handler, METHODS[operation])
        if not isinstance(answer, dict):
            return None
        kept = {key: value for key, value in answer.items() if key in ANSWERED and value is not None}
        text = json.dumps(kept, cls=DynamoJsonEncoder)
    except Exception:
        return None
    if '"B": ' in text or '"BS": ' in text:
        return None
    mark_account_as_visited(caller.account, access_key, "dynamodb", caller.region)
    return text.encode()


def _carry_out(handler: DynamoHandler, method: str):
    """The answer before it is written; where something is done with what is written, that is read again."""
    if handler.body.get("ReturnConsumedCapacity", "NONE") != "NONE" or method == "transact_write_items":
        answer = getattr(handler, method)()
        return json.loads(answer) if isinstance(answer, str) else answer
    _raw.wanted = True
    try:
        with reads.noted(handler):
            answer = _without_capacity(method)(handler)
    finally:
        _raw.wanted = False
    if isinstance(answer, dict):
        answer.pop("ConsumedCapacity", None)
    return answer


@functools.cache
def _without_capacity(method: str):
    """The operation without what adds consumed capacity to its written answer."""
    return inspect.unwrap(getattr(DynamoHandler, method))


@functools.lru_cache(maxsize=1024)
def _as_moto_sees(access_key: str) -> str:
    found = DynamoHandler.access_key_regex.search(f"AWS4-HMAC-SHA256 Credential={access_key}/")
    return found[1] if found else "AKIAEXAMPLE"
