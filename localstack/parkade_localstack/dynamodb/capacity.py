"""Consumed capacity by size, as DynamoDB counts it, so that the cost of a design can be tested locally.

moto reports 1 for any write and 0.5 for any read. What a filter or a projection leaves out is not counted here: for a
Query with one, only the number of items is right.
"""

import functools
import json
import math
from collections import Counter

from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import DynamoHandler

from parkade_localstack.dynamodb.writes import ItemPosition

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
    """`measure(handler)` is called before the operation, the function that it returns afterwards, with the response."""

    @functools.wraps(operation)
    def counted(self):
        if self.body.get("ReturnConsumedCapacity", "NONE") not in ("TOTAL", "INDEXES"):
            return _without_capacity(operation(self))
        after = measure(self)
        response = operation(self)
        if not isinstance(response, str):  # an error, already a response
            return response
        body = json.loads(response)
        body["ConsumedCapacity"] = after(body)
        return json.dumps(body)

    return counted


def _without_capacity(response):
    """moto adds it for some operations without a request for it."""
    if isinstance(response, str) and '"ConsumedCapacity"' in response:
        body = json.loads(response)
        body.pop("ConsumedCapacity", None)
        return json.dumps(body)
    return response


# -- writes ----------------------------------------------------------------------------------------------------------


class _Write:
    """One item before the write; `units` after it is the capacity that the write has consumed."""

    def __init__(self, backend: DynamoDBBackend, table: str, key: dict):
        self.position = ItemPosition.of(backend.get_table(table), key)
        self.name = self.position.table.name
        # A write replaces or changes this item, so its size is recorded now.
        old = self.position.read()
        self.old = old and (old.size(), _index_entries(self.position.table, old))

    def units(self) -> int:
        item = self.position.read()
        new = item and (item.size(), _index_entries(self.position.table, item))
        sizes = [side[0] for side in (self.old, new) if side]
        units = max(math.ceil(max(sizes, default=0) / WRITE_UNIT), 1)
        return units + _index_units(self.old and self.old[1] or {}, new and new[1] or {})


def _index_entries(table: Table, item: Item) -> dict[str, tuple[str, str, int]]:
    """For each index that has the item: its key there, the attributes that the index holds, and their size."""
    entries = {}
    for index in table.all_indexes():
        if all(name in item.attrs for name in index.schema_key_attrs):
            key = json.dumps([item.attrs[name].to_json() for name in index.schema_key_attrs])
            held = index.project(item)
            entries[index.name] = (key, json.dumps(held.to_json(), sort_keys=True), held.size())
    return entries


def _index_units(old: dict, new: dict) -> int:
    """An index is written where its entry changes, and twice where the entry moves to another key."""
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
    return lambda response: _one(write.name, write.units())


def _batch_write(handler: DynamoHandler):
    writes = [
        _Write(handler.dynamodb_backend, table, request.get("Item") or request.get("Key"))
        for table, requests in handler.body["RequestItems"].items()
        for entry in requests
        for request in entry.values()
    ]
    return lambda response: _by_table(writes, 1)


def _transaction(handler: DynamoHandler):
    writes = [
        _Write(handler.dynamodb_backend, operation["TableName"], operation.get("Item") or operation.get("Key"))
        for entry in handler.body["TransactItems"]
        for operation in entry.values()
    ]
    return lambda response: _by_table(writes, TRANSACTION_FACTOR)


def _by_table(writes: list[_Write], factor: int) -> list[dict]:
    units: Counter[str] = Counter()
    for write in writes:
        units[write.name] += write.units() * factor
    return [_one(name, total) for name, total in units.items()]


# -- reads -----------------------------------------------------------------------------------------------------------


def _get(handler: DynamoHandler):
    body = handler.body
    position = ItemPosition.of(handler.dynamodb_backend.get_table(body["TableName"]), body["Key"])
    item = position.read()
    return lambda response: _one(position.table.name, _read_units(item.size() if item else 0, body))


def _query(handler: DynamoHandler):
    def after(response: dict) -> dict:
        items = response.get("Items", [])
        size = sum(_size(item) for item in items)
        if items:
            size = size * response.get("ScannedCount", len(items)) / len(items)
        return _one(handler.body["TableName"], _read_units(size, handler.body))

    return after


def _size(item: dict) -> int:
    return sum(len(name.encode()) + DynamoType(value).size() for name, value in item.items())


def _read_units(size: float, body: dict) -> float:
    units = max(math.ceil(size / READ_UNIT), 1)
    return units if body.get("ConsistentRead") else units / 2


def _one(table: str, units: float) -> dict:
    return {"TableName": table, "CapacityUnits": units}
