"""Record batches (message format 2): the header that the broker reads and rewrites, and the bytes behind it.

    position  field
    0         base offset int64              } not covered by the CRC:
    8         batch length int32             } what follows this field, so 12 less than the batch's size
    12        partition leader epoch int32   } the broker sets these in place
    16        magic int8 (2)
    17        CRC-32C uint32, of everything from the attributes on
    21        attributes int16: 0-2 codec, 3 LogAppendTime, 4 transactional, 5 control, 6 delete horizon
    23        last offset delta int32
    27        base timestamp int64, or the delete horizon
    35        max timestamp int64
    43        producer id int64, epoch int16, base sequence int32 (-1 each without a producer id)
    57        records count int32
    61        records, compressed as one block

Entries of the formats 0 and 1 (legacy_message_set) begin with offset, length and a magic at the same places;
`read_header` gives them the same face.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from struct import Struct
from struct import error as struct_error
from typing import Final, NamedTuple

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.records.compression import (
    COMPRESSION_TYPES,
    DEFAULT_MAX_DECOMPRESSED_SIZE,
    Buffer,
    CompressionType,
    compress,
    decompress,
    unknown_compression_type,
)
from kafkalite.records.crc32c import crc32c
from kafkalite.records.record import NO_TIMESTAMP, Record, encode_record, parse_records

LOG_OVERHEAD: Final = 12
HEADER_SIZE_UP_TO_MAGIC: Final = 17
RECORD_BATCH_OVERHEAD: Final = 61
MIN_LEGACY_RECORD_SIZE: Final = 14

MAGIC_POSITION: Final = 16
CRC_POSITION: Final = 17
ATTRIBUTES_POSITION: Final = 21
MAX_TIMESTAMP_POSITION: Final = 35

COMPRESSION_MASK: Final = 0x07
TIMESTAMP_TYPE_MASK: Final = 0x08
TRANSACTIONAL_MASK: Final = 0x10
CONTROL_MASK: Final = 0x20
DELETE_HORIZON_MASK: Final = 0x40

NO_PRODUCER_ID: Final = -1
NO_PRODUCER_EPOCH: Final = -1
NO_SEQUENCE: Final = -1
NO_PARTITION_LEADER_EPOCH: Final = -1

_MAX_INT32: Final = 0x7FFFFFFF


class TimestampType(IntEnum):
    """Who set a batch's timestamps: its producer, or the broker when it appended."""

    CREATE_TIME = 0
    LOG_APPEND_TIME = 1


class BatchHeader(NamedTuple):
    """The 61 bytes of a batch's header in their order, and what follows from them."""

    base_offset: int
    batch_length: int
    partition_leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    records_count: int

    @property
    def last_offset(self) -> int:
        return self[0] + self[6]

    @property
    def next_offset(self) -> int:
        """The offset behind this batch."""
        return self[0] + self[6] + 1

    @property
    def size_in_bytes(self) -> int:
        """The whole batch, header included."""
        return self[1] + 12

    @property
    def compression_type(self) -> CompressionType:
        """The codec; raises KafkaError for a number that no codec has."""
        try:
            return COMPRESSION_TYPES[self[5] & 0x07]
        except IndexError:
            raise unknown_compression_type(self[5] & 0x07) from None

    @property
    def is_compressed(self) -> bool:
        return self[5] & 0x07 != 0

    @property
    def timestamp_type(self) -> TimestampType:
        return TimestampType.LOG_APPEND_TIME if self[5] & 0x08 else TimestampType.CREATE_TIME

    @property
    def is_transactional(self) -> bool:
        return self[5] & 0x10 != 0

    @property
    def is_control(self) -> bool:
        return self[5] & 0x20 != 0

    @property
    def has_delete_horizon(self) -> bool:
        return self[5] & 0x40 != 0

    @property
    def delete_horizon_ms(self) -> int | None:
        """When the tombstones and markers in here may go: stands where the base timestamp was (KIP-534)."""
        return self[7] if self[5] & 0x40 else None

    @property
    def has_producer_id(self) -> bool:
        return self[9] > NO_PRODUCER_ID

    @property
    def is_idempotent(self) -> bool:
        """Whether sequence numbers count: there is a producer id, and this is no transaction marker."""
        return self[9] > NO_PRODUCER_ID and self[11] != NO_SEQUENCE

    @property
    def last_sequence(self) -> int:
        """The last record's sequence number, which continues at 0 behind the largest int32."""
        if self[11] == NO_SEQUENCE:
            return NO_SEQUENCE
        return increment_sequence(self[11], self[6])


_HEADER: Final = Struct(">qiibIhiqqqhii")
_unpack_header: Final = _HEADER.unpack_from
_make_header: Final = BatchHeader._make
_OFFSET_AND_LENGTH: Final = Struct(">qi")
_BASE_OFFSET: Final = Struct(">q")
_INT32: Final = Struct(">i")
_UINT32: Final = Struct(">I")
_LEGACY_V1: Final = Struct(">qiIbbq")
_LEGACY_V0: Final = Struct(">qiIbb")


def increment_sequence(sequence: int, increment: int) -> int:
    """The sequence number `increment` further on: 0 follows the largest int32."""
    incremented = sequence + increment
    return incremented if incremented <= _MAX_INT32 else incremented - _MAX_INT32 - 1


def corrupt_record(message: str) -> KafkaError:
    """The error for bytes that are no batch, or a damaged one (CorruptRecordException)."""
    return KafkaError(ErrorCode.CORRUPT_MESSAGE, message)


def read_header(buffer: Buffer, position: int = 0) -> BatchHeader:
    """The header of the batch at `position`; its contents are not checked, nor whether the batch is all there.

    An entry of format 0 or 1 comes as a header with its own offset as base and last offset (for a compressed one that
    is its last record's), its timestamp as both timestamps, and a records count of -1 when compressed.
    Raises KafkaError(CORRUPT_MESSAGE) where there are too few bytes or no known magic.
    """
    try:
        header = _make_header(_unpack_header(buffer, position))
    except struct_error:
        return _read_other_header(buffer, position)
    if header[3] == 2:
        return header
    return _read_other_header(buffer, position)


def _read_other_header(buffer: Buffer, position: int) -> BatchHeader:
    if len(buffer) - position < LOG_OVERHEAD + MIN_LEGACY_RECORD_SIZE:
        raise corrupt_record(f"{max(0, len(buffer) - position)} bytes are too few for a record batch's header")
    magic = buffer[position + MAGIC_POSITION]
    timestamp = NO_TIMESTAMP
    if magic == 1 and len(buffer) - position >= _LEGACY_V1.size:
        offset, length, crc, _, attributes, timestamp = _LEGACY_V1.unpack_from(buffer, position)
    elif magic == 0:
        offset, length, crc, _, attributes = _LEGACY_V0.unpack_from(buffer, position)
    elif magic in (1, 2):
        raise corrupt_record(f"{len(buffer) - position} bytes are too few for a record batch's header")
    else:
        raise corrupt_record(f"Invalid magic found in record: {magic - 256 if magic > 127 else magic}")
    count = -1 if attributes & COMPRESSION_MASK else 1
    attributes &= COMPRESSION_MASK | (TIMESTAMP_TYPE_MASK if magic else 0)
    return BatchHeader(offset, length, -1, magic, crc, attributes, 0, timestamp, timestamp, -1, -1, -1, count)


def iter_batches(buffer: Buffer, position: int = 0) -> Iterator[tuple[int, BatchHeader]]:
    """Each whole batch's position and header; an incomplete one at the end is left out without a word.

    Raises KafkaError(CORRUPT_MESSAGE) at an impossible length or an unknown magic, as ByteBufferLogInputStream does.
    Neither CRC nor contents are looked at.
    """
    end = len(buffer)
    while end - position >= HEADER_SIZE_UP_TO_MAGIC:
        _, length = _OFFSET_AND_LENGTH.unpack_from(buffer, position)
        if length < MIN_LEGACY_RECORD_SIZE:
            raise corrupt_record(
                f"Record size {length} is less than the minimum record overhead ({MIN_LEGACY_RECORD_SIZE})"
            )
        magic = buffer[position + MAGIC_POSITION]
        if magic > 2:
            raise corrupt_record(f"Invalid magic found in record: {magic - 256 if magic > 127 else magic}")
        after = position + LOG_OVERHEAD + length
        if after > end:
            return
        if magic == 2 and length < RECORD_BATCH_OVERHEAD - LOG_OVERHEAD:
            raise too_small(length + LOG_OVERHEAD)
        yield position, read_header(buffer, position)
        position = after


def too_small(size: int) -> KafkaError:
    """The error for a batch that its length leaves no room for a header."""
    return corrupt_record(
        f"Record batch is corrupt (the size {size} is smaller than the minimum allowed overhead "
        f"{RECORD_BATCH_OVERHEAD})"
    )


def compute_crc(buffer: Buffer, position: int, size_in_bytes: int) -> int:
    """The CRC-32C that a batch of format 2 at `position` should carry."""
    return crc32c(memoryview(buffer)[position + ATTRIBUTES_POSITION : position + size_in_bytes])


def is_valid(buffer: Buffer, position: int, header: BatchHeader) -> bool:
    """Whether the batch of format 2 is wholly in the buffer, long enough for a header, and as its CRC says."""
    size = header[1] + LOG_OVERHEAD
    return (
        RECORD_BATCH_OVERHEAD <= size <= len(buffer) - position
        and crc32c(memoryview(buffer)[position + ATTRIBUTES_POSITION : position + size]) == header[4]
    )


def check_crc(buffer: Buffer, position: int, header: BatchHeader) -> None:
    """Raises KafkaError(CORRUPT_MESSAGE) unless the batch or legacy entry is whole and as its checksum says."""
    if header.magic < 2:
        from kafkalite.records.legacy_message_set import check_entry

        check_entry(buffer, position, header)
        return
    size = header.size_in_bytes
    if size < RECORD_BATCH_OVERHEAD:
        raise too_small(size)
    if size > len(buffer) - position:
        raise corrupt_record(f"Record batch of {size} bytes has only {len(buffer) - position} left in its buffer")
    computed = compute_crc(buffer, position, size)
    if computed != header.crc:
        raise corrupt_record(f"Record is corrupt (stored crc = {header.crc}, computed crc = {computed})")


BATCH_PREFIX_SIZE: Final = 16
pack_batch_prefix: Final = Struct(">qii").pack
"""Base offset, batch length, leader epoch: a batch's first 16 bytes, all that a leader rewrites in most of them."""


def set_offset_and_epoch(buffer: bytearray | memoryview, position: int, base_offset: int, leader_epoch: int) -> None:
    """Gives a batch its place in the log, in the buffer itself; both fields lie outside the CRC."""
    _BASE_OFFSET.pack_into(buffer, position, base_offset)
    _INT32.pack_into(buffer, position + LOG_OVERHEAD, leader_epoch)


def set_max_timestamp(
    buffer: bytearray | memoryview,
    position: int,
    max_timestamp: int,
    timestamp_type: TimestampType = TimestampType.LOG_APPEND_TIME,
) -> None:
    """Sets the maximum timestamp and its type in the buffer itself, and the CRC anew if that changed anything."""
    header = read_header(buffer, position)
    attributes = header.attributes & ~TIMESTAMP_TYPE_MASK | (timestamp_type << 3)
    if attributes == header.attributes and max_timestamp == header.max_timestamp:
        return
    # The second byte of the attributes is unused; Apache Kafka clears it too when it writes them again.
    attributes &= 0x7F
    buffer[position + ATTRIBUTES_POSITION : position + ATTRIBUTES_POSITION + 2] = attributes.to_bytes(2, "big")
    _BASE_OFFSET.pack_into(buffer, position + MAX_TIMESTAMP_POSITION, max_timestamp)
    _UINT32.pack_into(buffer, position + CRC_POSITION, compute_crc(buffer, position, header.size_in_bytes))


def records_body(
    buffer: Buffer,
    position: int,
    header: BatchHeader,
    *,
    max_decompressed_size: int = DEFAULT_MAX_DECOMPRESSED_SIZE,
) -> bytes:
    """The records of a batch of format 2 as bytes, decompressed; raises KafkaError where that cannot be done."""
    size = header.size_in_bytes
    if size < RECORD_BATCH_OVERHEAD:
        raise too_small(size)
    if size > len(buffer) - position:
        raise corrupt_record(f"Record batch of {size} bytes has only {len(buffer) - position} left in its buffer")
    body = memoryview(buffer)[position + RECORD_BATCH_OVERHEAD : position + size]
    return decompress(header.compression_type, body, max_size=max_decompressed_size)


def decode_batch(
    buffer: Buffer,
    position: int,
    header: BatchHeader,
    *,
    max_decompressed_size: int = DEFAULT_MAX_DECOMPRESSED_SIZE,
) -> list[Record]:
    """The records of the batch or legacy entry whose header was read; see `decode_records`."""
    if header.magic < 2:
        from kafkalite.records.legacy_message_set import decode_entry

        return decode_entry(buffer, position, header, max_decompressed_size=max_decompressed_size)
    if header.records_count == 0:
        return []
    return parse_body(records_body(buffer, position, header, max_decompressed_size=max_decompressed_size), header)


def parse_body(body: bytes, header: BatchHeader) -> list[Record]:
    """The records in a decompressed body of the batch with this header."""
    log_append_time = header.max_timestamp if header.attributes & TIMESTAMP_TYPE_MASK else None
    return parse_records(body, header.records_count, header.base_offset, header.base_timestamp, log_append_time)


def decode_records(
    buffer: Buffer, position: int = 0, *, max_decompressed_size: int = DEFAULT_MAX_DECOMPRESSED_SIZE
) -> list[Record]:
    """All records of the one batch (or legacy entry) at `position`, decompressed.

    The CRC is not checked. Raises KafkaError: CORRUPT_MESSAGE for a header that makes no sense, INVALID_RECORD for
    records that do not fit it, UNKNOWN_SERVER_ERROR where decompression fails.
    """
    header = read_header(buffer, position)
    return decode_batch(buffer, position, header, max_decompressed_size=max_decompressed_size)


def build_batch(
    records: Sequence[Record],
    *,
    base_offset: int = 0,
    compression: CompressionType = CompressionType.NONE,
    level: int | None = None,
    partition_leader_epoch: int = NO_PARTITION_LEADER_EPOCH,
    timestamp_type: TimestampType = TimestampType.CREATE_TIME,
    log_append_time_ms: int = NO_TIMESTAMP,
    producer_id: int = NO_PRODUCER_ID,
    producer_epoch: int = NO_PRODUCER_EPOCH,
    base_sequence: int = NO_SEQUENCE,
    is_transactional: bool = False,
    is_control: bool = False,
    last_offset: int | None = None,
    delete_horizon_ms: int | None = None,
) -> bytes:
    """A batch of format 2 around records whose (absolute) offsets rise from `base_offset` on.

    `last_offset` lets a compacted batch end where the original did; with `timestamp_type` LOG_APPEND_TIME every record
    reads as `log_append_time_ms`. Raises ValueError for offsets outside of the batch.
    """
    if last_offset is None:
        last_offset = records[-1].offset if records else base_offset - 1
    if delete_horizon_ms is not None:
        base_timestamp = delete_horizon_ms
    else:
        base_timestamp = records[0].timestamp if records else NO_TIMESTAMP
    encoded: list[bytes] = []
    max_timestamp = NO_TIMESTAMP
    previous_offset = base_offset - 1
    for offset, timestamp, key, value, headers in records:
        if not previous_offset < offset <= last_offset:
            raise ValueError(f"offset {offset} does not follow {previous_offset} within a batch up to {last_offset}")
        previous_offset = offset
        if timestamp > max_timestamp:
            max_timestamp = timestamp
        encoded.append(encode_record(offset - base_offset, timestamp - base_timestamp, key, value, headers))
    if timestamp_type:
        max_timestamp = log_append_time_ms
    body = b"".join(encoded)
    if compression:
        body = compress(compression, body, level=level)
    attributes = (
        compression
        | (timestamp_type << 3)
        | (TRANSACTIONAL_MASK if is_transactional else 0)
        | (CONTROL_MASK if is_control else 0)
        | (DELETE_HORIZON_MASK if delete_horizon_ms is not None else 0)
    )
    return _assemble(
        (
            base_offset,
            RECORD_BATCH_OVERHEAD - LOG_OVERHEAD + len(body),
            partition_leader_epoch,
            2,
            0,
            attributes,
            last_offset - base_offset,
            base_timestamp,
            max_timestamp,
            producer_id,
            producer_epoch,
            base_sequence,
            len(records),
        ),
        body,
    )


def assemble_batch(header: BatchHeader, body: bytes) -> bytes:
    """A batch of this header before this (already compressed) body; length and CRC are set from the body."""
    return _assemble(header._replace(batch_length=RECORD_BATCH_OVERHEAD - LOG_OVERHEAD + len(body), crc=0), body)


def _assemble(fields: tuple[int, ...], body: bytes) -> bytes:
    out = bytearray(RECORD_BATCH_OVERHEAD + len(body))
    _HEADER.pack_into(out, 0, *fields)
    out[RECORD_BATCH_OVERHEAD:] = body
    _UINT32.pack_into(out, CRC_POSITION, compute_crc(out, 0, len(out)))
    return bytes(out)
