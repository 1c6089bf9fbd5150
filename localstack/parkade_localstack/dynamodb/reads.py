"""A Query reads its partition, not the table."""

import threading

from moto.dynamodb.models.table import Table

_EVERY_PARTITION = object()
# moto's Query asks the table for all its items; what the thread's Query is about is noted here meanwhile.
_query = threading.local()


def query_one_partition() -> None:
    query, all_items = Table.query, Table.all_items

    def noted_query(self, hash_key, *args, **kwargs):
        index = kwargs.get("index_name") or (args[6] if len(args) > 6 else None)
        _query.partition = _EVERY_PARTITION if index else hash_key
        try:
            return query(self, hash_key, *args, **kwargs)
        finally:
            _query.partition = None

    def items_of_query(self):
        partition = getattr(_query, "partition", None)
        if partition is None:
            return all_items(self)
        if partition is _EVERY_PARTITION:  # for an index; moto sorts what matches
            return _unsorted(self)
        if partition not in self.items:
            return []
        found = self.items[partition]
        return list(found.values()) if self.range_key_attr else [found]

    Table.query, Table.all_items = noted_query, items_of_query


def _unsorted(table: Table) -> list:
    if not table.range_key_attr:
        return list(table.items.values())
    return [item for partition in table.items.values() for item in partition.values()]
