"""Atomic updates and transactions, with one stream record for each item changed."""

import contextlib
import copy
import json
from typing import NamedTuple

from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.exceptions import (
    ConditionalCheckFailed,
    MockValidationException,
    MultipleTransactionsException,
    TooManyTransactionsException,
    TransactionCanceledException,
    TransactWriteSingleOpException,
)
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

TRANSACTION_MAX = 100
NO_REASON = (None, None, None)


class ItemPosition(NamedTuple):
    """The position of an item in moto's table, whether the item exists or not."""

    table: Table
    hash_key: DynamoType
    range_key: DynamoType | None

    @classmethod
    def of(cls, table: Table, key: dict) -> "ItemPosition":
        range_key = DynamoType(key[table.range_key_attr]) if table.range_key_attr else None
        return cls(table, DynamoType(key[table.hash_key_attr]), range_key)

    def read(self) -> Item | None:
        return self.table.get_item(self.hash_key, self.range_key)

    def restore(self, item: Item | None) -> None:
        """Restores the old item, without stream records and conditions."""
        if self.range_key is None:
            siblings, key = self.table.items, self.hash_key
        else:
            siblings, key = self.table.items[self.hash_key], self.range_key
        if item is None:
            siblings.pop(key, None)
        else:
            siblings[key] = item


@contextlib.contextmanager
def without_stream(table: Table):
    """Without stream records; yields the stream, if there is one, to write the right record into."""
    shard, table.stream_shard = table.stream_shard, None
    try:
        yield shard
    finally:
        table.stream_shard = shard


def atomic_updates() -> None:
    """moto's update of an absent item first inserts the key alone, so that it yields two records, and an update that
    fails half way keeps the changes made so far."""
    original = DynamoDBBackend.update_item

    def update_item(self, table_name, key, *args, **kwargs):
        position = ItemPosition.of(self.get_table(table_name), key)
        old = copy.deepcopy(position.read())
        with without_stream(position.table) as shard:
            try:
                new = original(self, table_name, key, *args, **kwargs)
            except BaseException:
                position.restore(old)
                raise
        if shard is not None:
            shard.add(old, new)
        return new

    DynamoDBBackend.update_item = update_item


def atomic_transactions() -> None:
    DynamoDBBackend.transact_write_items = transact_write_items


class Step(NamedTuple):
    """One operation of a transaction."""

    kind: str
    operation: dict
    position: ItemPosition
    key: dict
    old: Item | None


def transact_write_items(self: DynamoDBBackend, transact_items: list[dict]) -> None:
    """All conditions are checked before any write, so a rejected transaction has changed nothing."""
    steps = _plan(self, transact_items)
    reasons = [_refusal(step) for step in steps]
    if any(code for code, _, _ in reasons):
        raise TransactionCanceledException(reasons)
    tables = [step.position.table for step in steps]
    marks = {table.name: table.stream_shard for table in tables if table.stream_shard is not None}
    lengths = {name: len(shard.items) for name, shard in marks.items()}
    for number, step in enumerate(steps):
        try:
            _execute(self, step)
        except BaseException as error:
            for done in steps[: number + 1]:
                done.position.restore(done.old)
            for name, shard in marks.items():
                del shard.items[lengths[name] :]
            if isinstance(error, MockValidationException) or not isinstance(error, Exception):
                raise
            reasons[number] = (type(error).__name__, str(error), None)
            raise TransactionCanceledException(reasons) from error


def _plan(backend: DynamoDBBackend, transact_items: list[dict]) -> list[Step]:
    if len(transact_items) > TRANSACTION_MAX:
        raise TooManyTransactionsException()
    seen, steps = set(), []
    for item in transact_items:
        if len(item) != 1:
            raise TransactWriteSingleOpException
        [(kind, operation)] = item.items()
        table = backend.get_table(operation["TableName"])
        attributes = operation["Item"] if kind == "Put" else operation["Key"]
        key = {name: attributes[name] for name in table.table_key_attrs if name in attributes}
        identity = (table.name, json.dumps(key, sort_keys=True))
        if identity in seen:
            raise MultipleTransactionsException()
        seen.add(identity)
        position = ItemPosition.of(table, key)
        steps.append(Step(kind, operation, position, key, copy.deepcopy(position.read())))
    return steps


def _refusal(step: Step) -> tuple:
    """Code, message and old item if the step's condition does not hold."""
    operation = step.operation
    if operation.get("ConditionExpression") is None:
        return NO_REASON
    condition = get_filter_expression(
        operation["ConditionExpression"],
        operation.get("ExpressionAttributeNames"),
        operation.get("ExpressionAttributeValues"),
    )
    if condition.expr(step.old):
        return NO_REASON
    shown = step.old is not None and operation.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
    old = step.old.to_json()["Attributes"] if shown else None
    return ("ConditionalCheckFailed", str(ConditionalCheckFailed().message), old)


def _execute(backend: DynamoDBBackend, step: Step) -> None:
    name, operation = step.position.table.name, step.operation
    match step.kind:
        case "Put":
            backend.put_item(name, operation["Item"])
        case "Delete":
            backend.delete_item(name, step.key)
        case "Update":
            # The condition is passed on though it was checked: it may use names and values that moto else calls unused.
            backend.update_item(
                name,
                step.key,
                update_expression=operation["UpdateExpression"],
                condition_expression=operation.get("ConditionExpression"),
                expression_attribute_names=operation.get("ExpressionAttributeNames"),
                expression_attribute_values=operation.get("ExpressionAttributeValues"),
            )
        case "ConditionCheck":
            pass
