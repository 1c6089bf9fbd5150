"""Time to live: expired items are deleted, within a second and not within days."""

import logging
import threading
import time

from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.table import Table

from parkade_localstack.dynamodb import lock
from parkade_localstack.dynamodb.streams import TTL_SERVICE
from parkade_localstack.dynamodb.writes import without_stream

LOG = logging.getLogger(__name__)
SWEEP_SECONDS = 1
# DynamoDB treats a time more than five years ago as an error and keeps the item.
TOO_OLD_SECONDS = 5 * 365 * 86_400


def start_sweeper() -> None:
    threading.Thread(target=_sweep_forever, name="dynamodb-ttl", daemon=True).start()


def _sweep_forever() -> None:
    while True:
        time.sleep(SWEEP_SECONDS)
        try:
            sweep(time.time())
        except Exception:
            LOG.exception("deleting expired items")


def sweep(now: float) -> None:
    with lock.HELD_WHILE_MOTO_RUNS:
        for regions in list(dynamodb_backends.values()):
            for backend in list(regions.values()):
                for table in list(backend.tables.values()):
                    if table.ttl.get("TimeToLiveStatus") == "ENABLED":
                        _sweep_table(table, now)


def _sweep_table(table: Table, now: float) -> None:
    attribute = table.ttl["AttributeName"]
    partitions = list(table.items.values())
    items = [i for p in partitions for i in list(p.values())] if table.range_key_attr else partitions
    for item in items:
        expires = item.attrs.get(attribute)
        if expires is None or expires.type != "N" or not now - TOO_OLD_SECONDS < float(expires.value) < now:
            continue
        with without_stream(table) as shard:
            table.delete_item(item.hash_key, item.range_key)
        if shard is not None:
            shard.add(item, None, TTL_SERVICE)
