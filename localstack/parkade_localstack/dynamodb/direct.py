"""The common operations on items go straight from the connection to moto.

As shipped a request runs through some thirty handlers, and its answer is parsed by the service's model and written
anew; of six times the time that moto takes, none changes what is answered.  Whatever is out of the ordinary takes the
way as shipped: other operations, requests from browsers or with binary values, unknown regions, and all that moto does
not answer with success.  A refused write has changed nothing, so it can be refused again.
"""

import functools
import json
import logging
from typing import NamedTuple

from localstack.aws.accounts import get_account_id_from_access_key_id
from localstack.aws.api.core import ServiceOperation
from localstack.aws.app import LocalstackAwsGateway
from localstack.aws.connect import INTERNAL_REQUEST_PARAMS_HEADER
from localstack.aws.handlers import rewrite_region
from localstack.utils.strings import long_uid
from moto.dynamodb.responses import DynamoHandler
from moto.iam.models import mark_account_as_visited

from parkade_localstack.dynamodb import lock

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
    "ConsumedCapacity",
    "Count",
    "Item",
    "Items",
    "ItemCollectionMetrics",
    "LastEvaluatedKey",
    "ScannedCount",
}
JSON = "application/x-amz-json-1.0"
BODY_MAX = 1 << 20
# Headers that some handler looks at.
SPECIAL = ("origin", "referer", "content-encoding", "transfer-encoding", INTERNAL_REQUEST_PARAMS_HEADER)
BINARY = (b'"B"', b'"BS"')


class Caller(NamedTuple):
    account: str
    region: str
    access_key: str


def serve_at_once() -> None:
    process = LocalstackAwsGateway.process
    log = logging.getLogger("localstack.request.aws")

    def process_at_once(self, request, response):
        target = request.headers.get("X-Amz-Target", "")
        if not target.startswith(TARGET) or log.isEnabledFor(logging.INFO) or not _is_ordinary(request):
            return process(self, request, response)
        operation = target[len(TARGET) :]
        caller = _caller(request.headers.get("Authorization", ""))
        if caller is None or operation not in METHODS or not _is_loaded(self, operation):
            return process(self, request, response)
        data = request.get_data()
        if any(mark in data for mark in BINARY):
            return process(self, request, response)
        with lock.HELD_WHILE_MOTO_RUNS:
            answer = _answer(operation, caller, request, data)
            if answer is None:
                return process(self, request, response)
        response.data = answer
        response.headers["Content-Type"] = JSON
        response.headers["x-amzn-requestid"] = long_uid()
        response.headers["x-localstack"] = "true"

    LocalstackAwsGateway.process = process_at_once


def _is_ordinary(request) -> bool:
    headers = request.headers
    return (
        request.method == "POST"
        and request.environ["RAW_URI"] == "/"
        and headers.get("Content-Type") == JSON
        and 0 < (request.content_length or 0) < BODY_MAX
        and not any(name in headers for name in SPECIAL)
        and "amazonaws.com" not in headers.get("Host", "")  # each may name a region
        and "region/" not in headers.get("User-Agent", "")
    )


def _is_loaded(gateway: LocalstackAwsGateway, operation: str) -> bool:
    return ServiceOperation("dynamodb", operation) in gateway.service_request_router.handlers


def _caller(authorization: str) -> Caller | None:
    """Who asks, and where, as LocalStack and moto read it from the signature; None where it has another form."""
    scheme, _, rest = authorization.partition(" ")
    credential = rest.partition(",")[0]
    return _caller_of(credential) if scheme == "AWS4-HMAC-SHA256" else None


@functools.lru_cache(maxsize=1024)
def _caller_of(credential: str) -> Caller | None:
    name, _, scope = credential.partition("=")
    parts = scope.split("/")
    if name != "Credential" or len(parts) != 5 or parts[3:] != ["dynamodb", "aws4_request"]:
        return None
    access_key, _, region, *_ = parts
    if region not in rewrite_region.region_rewriter_strategy.available_regions:
        return None
    seen_by_moto = DynamoHandler.access_key_regex.search(f"AWS4-HMAC-SHA256 {credential}")
    return Caller(
        get_account_id_from_access_key_id(access_key), region, seen_by_moto[1] if seen_by_moto else "AKIAEXAMPLE"
    )


def _answer(operation: str, caller: Caller, request, data: bytes) -> bytes | None:
    """What moto answers, or None if it is anything but success."""
    try:
        handler = DynamoHandler()
        handler.body = json.loads(data)
        if handler.body.get("ReturnValues", "NONE") != "NONE":  # it might have binary values, when it is too late
            return None
        handler.current_account, handler.region, handler.access_key = caller
        handler.headers, handler.response_headers = request.headers, {}
        answer = getattr(handler, METHODS[operation])()
        if not isinstance(answer, str):
            return None
        body = json.loads(answer)
    except Exception:
        return None
    if '"B": ' in answer or '"BS": ' in answer:
        return None
    mark_account_as_visited(caller.account, caller.access_key, "dynamodb", caller.region)
    return json.dumps({key: value for key, value in body.items() if key in ANSWERED and value is not None}).encode()
