"""Items are copied, measured and serialized in one traversal of their values.

As shipped, each level of a nested value is copied whole before the next one is visited, and each attribute put into an
item measures all those before it.
"""

import base64

from moto.dynamodb.exceptions import ItemSizeTooLarge
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.utilities import bytesize

# moto's own limit.
SIZE_MAX = 405_000


def walk_once() -> None:
    DynamoType.__deepcopy__ = lambda self, memo: _copy(self)
    DynamoType.to_regular_json = _to_regular_json
    DynamoType.size = _sized(DynamoType.size)
    Item.__init__ = _init_item
    Item.__deepcopy__ = copy_item


def _copy(value):
    """A copy of a value of moto, which is a tree."""
    kind = type(value)
    if kind is DynamoType:
        copied = DynamoType.__new__(DynamoType)
        copied.type, copied.value = value.type, _copy(value.value)
        return copied
    if kind is list:
        return [_copy(member) for member in value]
    if kind is dict:
        return {name: _copy(member) for name, member in value.items()}
    return value  # a string, a number, a boolean or bytes


def copy_item(self: Item, memo) -> Item:
    copied = Item.__new__(Item)
    copied.__dict__.update(self.__dict__)
    copied.hash_key, copied.range_key = _copy(self.hash_key), _copy(self.range_key)
    copied.attrs = _limited((name, _copy(value)) for name, value in self.attrs.items())
    return copied


def _limited(members) -> LimitedSizeDict:
    """Without the size check for each member."""
    limited = LimitedSizeDict()
    dict.update(limited, members)
    return limited


def _init_item(self: Item, hash_key, range_key, attrs) -> None:
    self.hash_key, self.range_key = hash_key, range_key
    self.attrs = _limited((name, DynamoType(value)) for name, value in attrs.items())
    if self.size() > SIZE_MAX:
        raise ItemSizeTooLarge


def _sized(original):
    def size(self: DynamoType) -> int:
        if self.is_map():
            return sum(bytesize(name) + member.size() for name, member in self.value.items())
        return original(self)

    return size


def _to_regular_json(self: DynamoType) -> dict:
    value = self.value
    if isinstance(value, dict):
        value = {name: _regular(member) for name, member in value.items()}
    elif isinstance(value, list):
        value = [_regular(member) for member in value]
    elif self.is_binary():
        value = base64.b64decode(value)
    return {self.type: value}


def _regular(member):
    return member.to_regular_json() if isinstance(member, DynamoType) else _copy(member)
