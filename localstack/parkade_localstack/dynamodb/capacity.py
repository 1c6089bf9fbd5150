"""Consumed capacity by size, as DynamoDB counts it, so that the cost of a design can be tested locally.

moto says 1 for any write and 0.5 for any read. What a filter or a projection leaves out is not seen here: of a Query
with one, only the number of items is right.
"""

import functools
import json
import math
from collections import Counter

from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import DynamoHandler

from parkade_localstack.dynamodb.writes import Place

WRITE_UNIT = 1024
READ_UNIT = 4096
# A transaction prepares and commits: each costs.
TRANSACTION_FACTOR = 2


def count_by_size() -> None:
    for name in ("put_item", "update_item", "delete_item"):
        setattr(DynamoHandler, name, _counting(getattr(DynamoHandler, name), _single_write))
    DynamoHandler.batch_write_item = _counting(DynamoHandler.batch_write_item, _batch_write)
    DynamoHandler.transact_write_items = _counting(DynamoHandler.transact_write_items, _transaction)
    DynamoHandler.get_item = _counting(DynamoHandler.get_item, _get)
    DynamoHandler.query = _counting(DynamoHandler.query, _query)
    DynamoHandler.scan = _counting(DynamoHandler.scan, _query)


def _counting(operation, measure):
    """`measure(handler)` is called before the operation, what it returns after it, with the answer."""

    @functools.wraps(operation)
    def counted(self):
        if self.body.get("ReturnConsumedCapacity", "NONE") not in ("TOTAL", "INDEXES"):
            return _without_capacity(operation(self))
        after = measure(self)
        answer = operation(self)
        if not isinstance(answer, str):  # an error, already a response
            return answer
        body = json.loads(answer)
        body["ConsumedCapacity"] = after(body)
        return json.dumps(body)

    return counted


def _without_capacity(answer):
    """moto tells it for some operations without being asked."""
    if isinstance(answer, str) and '"ConsumedCapacity"' in answer:
        body = json.loads(answer)
        body.pop("ConsumedCapacity", None)
        return json.dumps(body)
    return answer


# -- writes ----------------------------------------------------------------------------------------------------------


class _Write:
    """One item as it was; `units` after the write tells what the write has cost."""

    def __init__(self, backend: DynamoDBBackend, table: str, key: dict):
        self.place = Place.of(backend.get_table(table), key)
        self.name = self.place.table.name
        # A write puts another item or changes this one, so what counts is noted now.
        old = self.place.read()
        self.old = old and (old.size(), _index_entries(self.place.table, old))

    def units(self) -> int:
        item = self.place.read()
        new = item and (item.size(), _index_entries(self.place.table, item))
        sizes = [side[0] for side in (self.old, new) if side]
        units = max(math.ceil(max(sizes, default=0) / WRITE_UNIT), 1)
        return units + _index_units(self.old and self.old[1] or {}, new and new[1] or {})


def _index_entries(table: Table, item: Item) -> dict[str, tuple[str, str, int]]:
    """For each index that has the item: its key there, what the index holds of it, and how large that is."""
    entries = {}
    for index in table.all_indexes():
        if all(name in item.attrs for name in index.schema_key_attrs):
            key = json.dumps([item.attrs[name].to_json() for name in index.schema_key_attrs])
            held = index.project(item)
            entries[index.name] = (key, json.dumps(held.to_json(), sort_keys=True), held.size())
    return entries


def _index_units(old: dict, new: dict) -> int:
    """An index is written where its entry changes, and twice where the entry moves."""
    units = 0
    for name in old.keys() | new.keys():
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if before and after and before[0] == after[0]:
            units += math.ceil(max(before[2], after[2]) / WRITE_UNIT)
        else:
            units += sum(math.ceil(side[2] / WRITE_UNIT) for side in (before, after) if side)
    return units


def _single_write(handler: DynamoHandler):
    body = handler.body
    write = _Write(handler.dynamodb_backend, body["TableName"], body.get("Item") or body.get("Key"))
    return lambda answer: _one(write.name, write.units())


def _batch_write(handler: DynamoHandler):
    writes = [
        _Write(handler.dynamodb_backend, table, request.get("Item") or request.get("Key"))
        for table, requests in handler.body["RequestItems"].items()
        for entry in requests
        for request in entry.values()
    ]
    return lambda answer: _by_table(writes, 1)


def _transaction(handler: DynamoHandler):
    writes = [
        _Write(handler.dynamodb_backend, operation["TableName"], operation.get("Item") or operation.get("Key"))
        for entry in handler.body["TransactItems"]
        for operation in entry.values()
    ]
    return lambda answer: _by_table(writes, TRANSACTION_FACTOR)


def _by_table(writes: list[_Write], factor: int) -> list[dict]:
    units: Counter[str] = Counter()
    for write in writes:
        units[write.name] += write.units() * factor
    return [_one(name, total) for name, total in units.items()]


# -- reads -----------------------------------------------------------------------------------------------------------


def _get(handler: DynamoHandler):
    body = handler.body
    place = Place.of(handler.dynamodb_backend.get_table(body["TableName"]), body["Key"])
    item = place.read()
    return lambda answer: _one(place.table.name, _read_units(item.size() if item else 0, body))


def _query(handler: DynamoHandler):
    def after(answer: dict) -> dict:
        items = answer.get("Items", [])
        size = sum(_size(item) for item in items)
        if items:
            size = size * answer.get("ScannedCount", len(items)) / len(items)
        return _one(handler.body["TableName"], _read_units(size, handler.body))

    return after


def _size(item: dict) -> int:
    return sum(len(name.encode()) + DynamoType(value).size() for name, value in item.items())


def _read_units(size: float, body: dict) -> float:
    units = max(math.ceil(size / READ_UNIT), 1)
    return units if body.get("ConsistentRead") else units / 2


def _one(table: str, units: float) -> dict:
    return {"TableName": table, "CapacityUnits": units}
