"""`ClientRequestToken`: a transaction sent twice within ten minutes is executed once."""

import json
import time
from collections import OrderedDict
from typing import NamedTuple

from moto.dynamodb.exceptions import DynamodbException
from moto.dynamodb.responses import DynamoHandler

KEPT_SECONDS = 600
MISMATCH = "com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException"


class CachedResponse(NamedTuple):
    at: float
    request: str
    response: str


_cached: OrderedDict[tuple[str, str, str], CachedResponse] = OrderedDict()


def enforce_request_tokens() -> None:
    original = DynamoHandler.transact_write_items

    def transact_write_items(self):
        token = self.body.get("ClientRequestToken")
        if not token:
            return original(self)
        _drop_expired()
        key = (self.current_account, self.region, token)
        request = json.dumps(self.body.get("TransactItems"), sort_keys=True)
        if known := _cached.get(key):
            if known.request != request:
                raise DynamodbException(
                    MISMATCH, "Request uses the same client token as a previous, but non-identical request"
                )
            return known.response
        response = original(self)
        _cached[key] = CachedResponse(time.monotonic(), request, response)
        return response

    DynamoHandler.transact_write_items = transact_write_items


def _drop_expired() -> None:
    before = time.monotonic() - KEPT_SECONDS
    while _cached and next(iter(_cached.values())).at < before:
        _cached.popitem(last=False)
