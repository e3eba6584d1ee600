"""Message sets of the formats 0 and 1, which logs that began before Apache Kafka 0.11 may still hold.

    entry    = offset int64, length int32, CRC-32 uint32 of all that follows it, magic int8 (0 or 1),
               attributes int8: 0-2 codec, 3 LogAppendTime (magic 1), timestamp int64 (magic 1 only),
               key length int32 (-1: null), key, value length int32 (-1: null), value

A compressed entry's value is a message set of its own. The wrapper carries the offset of its last inner entry; the
inner offsets are absolute under magic 0 and count from 0 under magic 1. Wrappers do not nest.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from struct import error as struct_error
from typing import Final, NamedTuple
from zlib import crc32

from kafkalite.records.compression import (
    DEFAULT_MAX_DECOMPRESSED_SIZE,
    Buffer,
    CompressionType,
    compress,
    decompress,
)
from kafkalite.records.record import Record, invalid_record
from kafkalite.records.record_batch import (
    LOG_OVERHEAD,
    MIN_LEGACY_RECORD_SIZE,
    BatchHeader,
    TimestampType,
    corrupt_record,
    iter_batches,
)

RECORD_OVERHEAD: Final = {0: 14, 1: 22}
"""An entry's length with neither key nor value."""

_CRC_POSITION: Final = 12
_MAGIC_POSITION: Final = 16
_KEY_SIZE_POSITION: Final = {0: 18, 1: 26}
_INT32: Final = Struct(">i")
_ENTRY_V0: Final = Struct(">qiIbb")
_ENTRY_V1: Final = Struct(">qiIbbq")


def check_entry(buffer: Buffer, position: int, header: BatchHeader) -> None:
    """Raises KafkaError(CORRUPT_MESSAGE) unless the entry is whole and as its CRC says."""
    size = header.size_in_bytes
    if header.batch_length < MIN_LEGACY_RECORD_SIZE:
        raise corrupt_record(
            f"Record is corrupt (crc could not be retrieved as the record is too small, size = {header.batch_length})"
        )
    if size > len(buffer) - position:
        raise corrupt_record(f"Record of {size} bytes has only {len(buffer) - position} left in its buffer")
    computed = crc32(memoryview(buffer)[position + _MAGIC_POSITION : position + size])
    if computed != header.crc:
        raise corrupt_record(f"Record is corrupt (stored crc = {header.crc}, computed crc = {computed})")


class LegacyRecord(NamedTuple):
    """A record of an entry, with the checksum that it carries itself and whether that is right."""

    record: Record
    crc: int
    is_valid: bool


def read_entry(
    buffer: Buffer,
    position: int,
    header: BatchHeader,
    *,
    max_decompressed_size: int = DEFAULT_MAX_DECOMPRESSED_SIZE,
) -> list[LegacyRecord]:
    """The records of one entry: itself, or what its compressed value holds, with absolute offsets.

    Checksums are compared, not required. Raises KafkaError as `record_batch.decode_records` does.
    """
    key, value = _key_and_value(buffer, position, header)
    if not header.is_compressed:
        record = Record(header.base_offset, header.max_timestamp, key, value)
        return [LegacyRecord(record, header.crc, _is_valid(buffer, position, header))]
    codec = header.compression_type
    if codec == CompressionType.ZSTD:
        raise invalid_record(f"Invalid wrapper compressionType found in legacy deep record iterator {header.magic}")
    if value is None:
        raise invalid_record(f"Found invalid compressed record set with null value (magic = {header.magic})")
    inner = decompress(codec, value, max_size=max_decompressed_size, magic=header.magic)
    records: list[LegacyRecord] = []
    for inner_position, entry in iter_batches(inner):
        if entry.magic > 1:
            raise invalid_record(f"Compressed message magic {entry.magic} does not match wrapper magic {header.magic}")
        if entry.is_compressed:
            raise invalid_record("Inner messages must not be compressed")
        inner_key, inner_value = _key_and_value(inner, inner_position, entry)
        timestamp = entry.max_timestamp
        if entry.magic == 1 and header.timestamp_type:
            timestamp = header.max_timestamp
        record = Record(entry.base_offset, timestamp, inner_key, inner_value)
        records.append(LegacyRecord(record, entry.crc, _is_valid(inner, inner_position, entry)))
    if not records:
        raise invalid_record("Found invalid compressed record set with no inner records")
    # Some releases of librdkafka leave the wrapper's offset at 0: then the inner ones stand as they are.
    if header.magic == 0 or header.base_offset == 0:
        return records
    last_inner_offset = records[-1].record.offset
    if header.base_offset < last_inner_offset:
        raise invalid_record(
            f"Found invalid wrapper offset in compressed v1 message set, wrapper offset '{header.base_offset}' is less "
            f"than the last inner message offset '{last_inner_offset}' and it is not zero."
        )
    first_offset = header.base_offset - last_inner_offset
    return [
        LegacyRecord(record._replace(offset=first_offset + record.offset), crc, is_valid)
        for record, crc, is_valid in records
    ]


def decode_entry(
    buffer: Buffer,
    position: int,
    header: BatchHeader,
    *,
    max_decompressed_size: int = DEFAULT_MAX_DECOMPRESSED_SIZE,
) -> list[Record]:
    """The records of one entry with absolute offsets; raises KafkaError as `record_batch.decode_records` does.

    The entry's own CRC is not checked (see `check_entry`), those of inner entries are.
    """
    entries = read_entry(buffer, position, header, max_decompressed_size=max_decompressed_size)
    if header.is_compressed:
        for record, crc, is_valid in entries:
            if not is_valid:
                raise corrupt_record(f"Record is corrupt (stored crc = {crc}) at offset {record.offset}")
    return [entry.record for entry in entries]


def _is_valid(buffer: Buffer, position: int, header: BatchHeader) -> bool:
    return crc32(memoryview(buffer)[position + _MAGIC_POSITION : position + header.size_in_bytes]) == header.crc


def _key_and_value(buffer: Buffer, position: int, header: BatchHeader) -> tuple[bytes | None, bytes | None]:
    entry = memoryview(buffer)[position : position + header.size_in_bytes]
    if len(entry) < LOG_OVERHEAD + max(0, header.batch_length):
        raise corrupt_record(f"Record of {header.size_in_bytes} bytes has only {len(entry)} left in its buffer")
    fields: list[bytes | None] = []
    at = _KEY_SIZE_POSITION[header.magic]
    for _ in range(2):
        try:
            (size,) = _INT32.unpack_from(entry, at)
        except struct_error:
            raise invalid_record("Found invalid record structure: a message ends inside a length") from None
        at += 4
        if size < 0:
            fields.append(None)
            continue
        if size > len(entry) - at:
            raise invalid_record(f"Found invalid record structure: a field of {size} bytes reaches beyond its message")
        fields.append(bytes(entry[at : at + size]))
        at += size
    return fields[0], fields[1]


def build_entry(
    offset: int,
    timestamp: int,
    key: bytes | None,
    value: bytes | None,
    *,
    magic: int,
    compression: CompressionType = CompressionType.NONE,
    timestamp_type: TimestampType = TimestampType.CREATE_TIME,
) -> bytes:
    """One entry; `compression` only marks the value as compressed already."""
    body = b"".join(
        (
            _INT32.pack(-1 if key is None else len(key)),
            key or b"",
            _INT32.pack(-1 if value is None else len(value)),
            value or b"",
        )
    )
    length = RECORD_OVERHEAD[magic] - 8 + len(body)
    if magic == 0:
        head = _ENTRY_V0.pack(offset, length, 0, 0, compression)
    else:
        head = _ENTRY_V1.pack(offset, length, 0, 1, compression | timestamp_type << 3, timestamp)
    entry = bytearray(head + body)
    entry[_CRC_POSITION:_MAGIC_POSITION] = crc32(memoryview(entry)[_MAGIC_POSITION:]).to_bytes(4, "big")
    return bytes(entry)


def build_message_set(
    records: Sequence[Record],
    *,
    magic: int,
    compression: CompressionType = CompressionType.NONE,
    timestamp_type: TimestampType = TimestampType.CREATE_TIME,
    level: int | None = None,
) -> bytes:
    """The records as entries of their own, or under `compression` as one wrapper. Headers are lost: there were none."""
    if not compression:
        return b"".join(
            build_entry(
                record.offset, record.timestamp, record.key, record.value, magic=magic, timestamp_type=timestamp_type
            )
            for record in records
        )
    first_offset = records[0].offset if magic == 1 else 0
    inner = b"".join(
        build_entry(
            record.offset - first_offset,
            record.timestamp,
            record.key,
            record.value,
            magic=magic,
            timestamp_type=timestamp_type,
        )
        for record in records
    )
    return build_entry(
        records[-1].offset,
        max(record.timestamp for record in records),
        None,
        compress(compression, inner, level=level, magic=magic),
        magic=magic,
        compression=compression,
        timestamp_type=timestamp_type,
    )
