"""A Query reads its partition, not the table, and does not copy items that it only counts."""

import contextlib
import functools
import threading

from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import DynamoHandler

from parkade_localstack.dynamodb.items import copy_item

_EVERY_PARTITION = object()


class _Query(threading.local):
    """The thread's current Query, recorded while it runs."""

    # moto requests all items of the table.
    partition = None
    # `Select=COUNT`.
    only_counts = False
    # By identity, since no item changes meanwhile; None outside of `Table.query`.
    sizes: dict[int, int] | None = None


_query = _Query()


def query_one_partition() -> None:
    query, all_items = Table.query, Table.all_items

    def recorded_query(self, hash_key, *args, **kwargs):
        index = kwargs.get("index_name") or (args[6] if len(args) > 6 else None)
        _query.partition = _EVERY_PARTITION if index else hash_key
        try:
            return query(self, hash_key, *args, **kwargs)
        finally:
            _query.partition = None

    def items_of_query(self):
        partition = _query.partition
        if partition is None:
            return all_items(self)
        if partition is _EVERY_PARTITION:  # for an index; moto sorts the matches
            return _unsorted(self)
        if partition not in self.items:
            return []
        found = self.items[partition]
        return list(found.values()) if self.range_key_attr else [found]

    Table.query, Table.all_items = recorded_query, items_of_query


def _unsorted(table: Table) -> list:
    if not table.range_key_attr:
        return list(table.items.values())
    return [item for partition in table.items.values() for item in partition.values()]


@contextlib.contextmanager
def recorded(handler: DynamoHandler):
    """Records whether the request only counts, while it runs; for callers of functions below `DynamoHandler.query`."""
    _query.only_counts = str(handler.body.get("Select", "")).upper() == "COUNT"
    try:
        yield
    finally:
        _query.only_counts = False


def count_without_copies() -> None:
    """moto measures each item twice, and copies all items found before it counts them."""
    handle, query, measured = DynamoHandler.query, Table.query, Item.size

    @functools.wraps(handle)
    def recorded_handle(self):
        with recorded(self):
            return handle(self)

    def recorded_query(self, *args, **kwargs):
        _query.sizes = {}
        try:
            return query(self, *args, **kwargs)
        finally:
            _query.sizes = None

    def copy_of_result(self, memo):
        # A thread that is about to change an item runs no Query, whatever else the request contains.
        is_only_counted = _query.only_counts and _query.sizes is not None
        return self if is_only_counted else copy_item(self, memo)

    def size(self) -> int:
        sizes = _query.sizes
        if sizes is None:
            return measured(self)
        if id(self) not in sizes:
            sizes[id(self)] = measured(self)
        return sizes[id(self)]

    DynamoHandler.query, Table.query = recorded_handle, recorded_query
    Item.__deepcopy__, Item.size = copy_of_result, size
