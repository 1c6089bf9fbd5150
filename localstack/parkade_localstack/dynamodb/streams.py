"""Stream records and iterators as DynamoDB has them, and a way to wait for a record."""

import base64
import json
import threading
from datetime import timezone

from botocore.utils import parse_timestamp
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.models.table import StreamRecord, StreamShard
from moto.dynamodbstreams.models import DynamoDBStreamsBackend, ShardIterator, dynamodbstreams_backends

from parkade_localstack.dynamodb import lock

# By table: a record of one table does not wake the pollers of others.
_arrived: dict[str, threading.Condition] = {}
# The identity in the records of expired items.
TTL_SERVICE = {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}


def apply() -> None:
    StreamShard.add = add
    ShardIterator.__init__ = _init_iterator
    DynamoDBStreamsBackend.get_records = _get_records
    DynamoDBStreamsBackend.get_shard_iterator = _get_shard_iterator


def add(shard: StreamShard, old: Item | None, new: Item | None, user_identity: dict | None = None) -> None:
    """One record for the change that a write made; none if it changed nothing."""
    if old is None and new is None or old and new and old.to_json() == new.to_json():
        return
    table = shard.table
    view = table.stream_specification["StreamViewType"]
    kind = "INSERT" if old is None else "REMOVE" if new is None else "MODIFY"
    record = StreamRecord(table, view, kind, old, new, shard.starting_sequence_number + len(shard.items))
    record.record["awsRegion"] = table.region_name
    images = record.record["dynamodb"]
    if old is None:
        images.pop("OldImage", None)
    if new is None:
        images.pop("NewImage", None)
    if user_identity:
        record.record["userIdentity"] = user_identity
    shard.items.append(record)
    arrived = _arrival(table.name)
    with arrived:
        arrived.notify_all()


def _arrival(table: str) -> threading.Condition:
    return _arrived.get(table) or _arrived.setdefault(table, threading.Condition())


class Position:
    """The position of an iterator: it is encoded in the iterator, so that none need be stored."""

    def __init__(self, table: str, sequence: int):
        self.table, self.sequence = table, sequence

    def encode(self) -> str:
        return base64.b64encode(json.dumps([self.table, self.sequence]).encode()).decode()

    @classmethod
    def of(cls, iterator_arn: str) -> "Position":
        return cls(*json.loads(base64.b64decode(iterator_arn.rpartition("|")[2])))


def _init_iterator(self, backend, shard, kind, sequence_number=None):
    first = shard.starting_sequence_number
    self.streams_backend, self.stream_shard, self.shard_iterator_type = backend, shard, kind
    match kind:
        case "TRIM_HORIZON":
            self.sequence_number = first
        case "LATEST":
            self.sequence_number = first + len(shard.items)
        case "AT_SEQUENCE_NUMBER":
            self.sequence_number = int(sequence_number)
        case "AFTER_SEQUENCE_NUMBER":
            self.sequence_number = int(sequence_number) + 1
    self.id = Position(shard.table.name, self.sequence_number).encode()


def _get_shard_iterator(self, arn, shard_id, shard_iterator_type, sequence_number=None):
    return ShardIterator(self, self._get_table_from_arn(arn).stream_shard, shard_iterator_type, sequence_number)


def _get_records(self, iterator_arn, limit):
    position = Position.of(iterator_arn)
    shard = self.dynamodb.get_table(position.table).stream_shard
    records = shard.get(position.sequence, limit)
    following = ShardIterator(self, shard, "AT_SEQUENCE_NUMBER", position.sequence + len(records))
    return {"NextShardIterator": following.arn, "Records": records}


def wait_for_records(iterator_arn: str, seconds: float) -> bool:
    """Whether GetRecords with this iterator has records to return, now or within this many seconds."""
    region, account = iterator_arn.split(":")[3:5]
    position = Position.of(iterator_arn)

    def there() -> bool:
        table = dynamodb_backends[account][region].tables.get(position.table)
        shard = table and table.stream_shard
        # The caller detects a deleted table itself.
        return not shard or position.sequence < shard.starting_sequence_number + len(shard.items)

    arrived = _arrival(position.table)
    with arrived:
        return arrived.wait_for(there, seconds)


def read_records(iterator_arn: str, limit: int) -> dict | None:
    """The response of GetRecords, without HTTP; None if the request needs HTTP.

    That is a deleted table, and binary values, which the HTTP path encodes and decodes.
    """
    region, account = iterator_arn.split(":")[3:5]
    with lock.HELD_WHILE_MOTO_RUNS:
        table = dynamodb_backends[account][region].tables.get(Position.of(iterator_arn).table)
        if not table or not table.stream_shard:
            return None
        response = dynamodbstreams_backends[account][region].get_records(iterator_arn, limit)
        text = json.dumps(response)
    if '"B": ' in text or '"BS": ' in text:
        return None
    # A copy: the receiver changes the records.
    response = json.loads(text)
    for record in response["Records"]:
        images = record["dynamodb"]
        # In whole seconds and UTC, as in an HTTP response.
        created = parse_timestamp(images["ApproximateCreationDateTime"])
        images["ApproximateCreationDateTime"] = created.replace(microsecond=0, tzinfo=created.tzinfo or timezone.utc)
    return response
