"""The frame of a record of the metadata log, as value of an ordinary record in `__cluster_metadata-0`.

frame version   unsigned varint, 1
api key         unsigned varint: which record
version         unsigned varint: of that record
message         the record's fields
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final, TypeVar

from kafkalite.protocol.primitives import Buffer, ProtocolError, read_unsigned_varint, write_unsigned_varint
from kafkalite.protocol.schema import Message

M = TypeVar("M", bound=Message)

FRAME_VERSION: Final = 1
_TYPES: dict[int, type[MetadataRecord]] = {}


class MetadataRecord(Message):
    """A change of the cluster's metadata."""

    api_key: ClassVar[int] = -1

    def __init_subclass__(cls, *, api_key: int, versions: str = "0+", flexible: str = "none") -> None:
        super().__init_subclass__(versions=versions, flexible=flexible)
        cls.api_key = api_key
        _TYPES[api_key] = cls

    def to_frame(self, version: int | None = None) -> bytes:
        """The framed bytes, in the newest version unless told otherwise."""
        if version is None:
            version = self.valid_versions.highest
        out = bytearray((FRAME_VERSION,))
        write_unsigned_varint(out, self.api_key)
        write_unsigned_varint(out, version)
        self.encode_into(out, version)
        return bytes(out)


def read_frame(value: Buffer) -> MetadataRecord:
    """Reads a framed record; raises ProtocolError for an unknown frame, record or version."""
    return read_frame_and_version(value)[0]


def read_frame_and_version(value: Buffer) -> tuple[MetadataRecord, int]:
    """Reads a framed record and the version in which it is written."""
    from kafkalite.protocol import metadata_records  # noqa: F401  (the definitions register themselves)

    return read_framed(value, _TYPES)


def read_framed(value: Buffer, types: Mapping[int, type[M]]) -> tuple[M, int]:
    """Reads a framed record of one of these types, by api key, and its version; raises ProtocolError."""
    try:
        frame_version, position = read_unsigned_varint(value, 0)
    except IndexError as error:
        raise ProtocolError("Error while reading frame version") from error
    if not frame_version:
        raise ProtocolError(
            "Could not deserialize metadata record with frame version 0. Note that upgrades from the preview release "
            "of KRaft in 2.8 to newer versions are not supported."
        )
    if frame_version != FRAME_VERSION:
        raise ProtocolError(
            f"Could not deserialize metadata record due to unknown frame version {frame_version}(only frame version "
            f"{FRAME_VERSION} is supported)"
        )
    try:
        api_key, position = read_unsigned_varint(value, position)
        version, position = read_unsigned_varint(value, position)
    except IndexError as error:
        raise ProtocolError("a metadata record ends within its frame") from error
    cls = types.get(api_key)
    if cls is None or version not in cls.valid_versions:
        raise ProtocolError(f"Unknown metadata record type {api_key} version {version}")
    record, end = cls.decode_from(value, position, version)
    if end < len(value):
        raise ProtocolError(f"Found {len(value) - end} byte(s) of garbage after {api_key}")
    return record, version
