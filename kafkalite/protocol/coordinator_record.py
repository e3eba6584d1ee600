"""The frame of the coordinators' records: an int16 before each message, in keys the type, in values the version.

A record whose value is null is a tombstone: what its key names has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, TypeAlias, TypeVar

from kafkalite.protocol.primitives import Buffer, ProtocolError
from kafkalite.protocol.schema import Message

K = TypeVar("K", bound="CoordinatorKey")
V = TypeVar("V", bound="CoordinatorValue")


class CoordinatorKey(Message):
    """What a record is about. Keys have a single version; the number before them is the record's type."""

    record_type: ClassVar[int] = -1

    def __init_subclass__(cls, *, record_type: int, versions: str = "0", flexible: str = "none") -> None:
        super().__init_subclass__(versions=versions, flexible=flexible)
        cls.record_type = record_type

    def to_bytes(self) -> bytes:
        """The record's type and the key."""
        out = bytearray(self.record_type.to_bytes(2, "big"))
        self.encode_into(out, 0)
        return bytes(out)


class CoordinatorValue(Message):
    """What is said of a key."""

    record_type: ClassVar[int] = -1

    def __init_subclass__(cls, *, record_type: int, versions: str = "0", flexible: str = "none") -> None:
        super().__init_subclass__(versions=versions, flexible=flexible)
        cls.record_type = record_type

    def to_bytes(self, version: int | None = None) -> bytes:
        """The version, by default the newest, and the value."""
        if version is None:
            version = self.valid_versions.highest
        out = bytearray(version.to_bytes(2, "big"))
        self.encode_into(out, version)
        return bytes(out)


RecordType: TypeAlias = tuple[type[CoordinatorKey], type[CoordinatorValue]]
"""The key and the value of one type of record."""


def by_number(record_types: Iterable[RecordType]) -> dict[int, RecordType]:
    """The types by the numbers that stand before their keys."""
    return {key_type.record_type: (key_type, value_type) for key_type, value_type in record_types}


def read_prefix(buffer: Buffer) -> int:
    """The number before a key or value."""
    if len(buffer) < 2:
        raise ProtocolError("a coordinator record is shorter than its version")
    return int.from_bytes(buffer[:2], "big", signed=True)


def read_key(cls: type[K], buffer: Buffer) -> K:
    """Reads a key of a known type."""
    return cls.decode_from(buffer, 2, 0)[0]


def read_value(cls: type[V], buffer: Buffer) -> V:
    """Reads a value in whatever version stands before it; raises ProtocolError where that is unknown."""
    version = read_prefix(buffer)
    if version not in cls.valid_versions:
        raise ProtocolError(f"{cls.__name__} has no version {version}")
    return cls.decode_from(buffer, 2, version)[0]


def decode_record(
    types: Mapping[int, RecordType], key: bytes, value: bytes | None
) -> tuple[CoordinatorKey, CoordinatorValue | None] | None:
    """A record's key and value; None for a type that is not among those, which a later release may have written."""
    record_type = types.get(read_prefix(key))
    if record_type is None:
        return None
    key_type, value_type = record_type
    return read_key(key_type, key), None if value is None else read_value(value_type, value)
