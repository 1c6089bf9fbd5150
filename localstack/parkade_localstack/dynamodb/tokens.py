"""`ClientRequestToken`: a transaction sent twice within ten minutes is carried out once."""

import json
import time
from collections import OrderedDict
from typing import NamedTuple

from moto.dynamodb.exceptions import DynamodbException
from moto.dynamodb.responses import DynamoHandler

REMEMBERED_SECONDS = 600
MISMATCH = "com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException"


class Remembered(NamedTuple):
    at: float
    request: str
    answer: str


_remembered: OrderedDict[tuple[str, str, str], Remembered] = OrderedDict()


def honour_request_tokens() -> None:
    original = DynamoHandler.transact_write_items

    def transact_write_items(self):
        token = self.body.get("ClientRequestToken")
        if not token:
            return original(self)
        _forget_old()
        key = (self.current_account, self.region, token)
        request = json.dumps(self.body.get("TransactItems"), sort_keys=True)
        if known := _remembered.get(key):
            if known.request != request:
                raise DynamodbException(
                    MISMATCH, "Request uses the same client token as a previous, but non-identical request"
                )
            return known.answer
        answer = original(self)
        _remembered[key] = Remembered(time.monotonic(), request, answer)
        return answer

    DynamoHandler.transact_write_items = transact_write_items


def _forget_old() -> None:
    before = time.monotonic() - REMEMBERED_SECONDS
    while _remembered and next(iter(_remembered.values())).at < before:
        _remembered.popitem(last=False)
