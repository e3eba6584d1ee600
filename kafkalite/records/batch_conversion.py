"""What a log makes of a batch before it appends it: another codec, the log's timestamps, offsets without gaps."""

from __future__ import annotations

from typing import NamedTuple

from kafkalite.records.compression import (
    DEFAULT_MAX_DECOMPRESSED_SIZE,
    Buffer,
    CompressionType,
    compress,
)
from kafkalite.records.record_batch import (
    COMPRESSION_MASK,
    TIMESTAMP_TYPE_MASK,
    BatchHeader,
    TimestampType,
    assemble_batch,
    build_batch,
    parse_body,
    read_header,
    records_body,
    set_max_timestamp,
)
from kafkalite.records.record_validation import NO_BOUND, NO_RECORD_BOUND, validate_records


class ValidatedBatch(NamedTuple):
    """A batch ready to be given its offsets: the one that came, or new bytes where something inside had to change."""

    batch: Buffer
    header: BatchHeader


def validate_and_convert(
    batch: Buffer,
    header: BatchHeader,
    topic_partition: object,
    *,
    now_ms: int,
    target_compression: CompressionType | None = None,
    target_level: int | None = None,
    is_compacted: bool = False,
    timestamp_type: TimestampType = TimestampType.CREATE_TIME,
    timestamp_before_max_ms: int = NO_BOUND,
    timestamp_after_max_ms: int = NO_BOUND,
    max_decompressed_message_bytes: int = NO_RECORD_BOUND,
    max_decompressed_size: int = DEFAULT_MAX_DECOMPRESSED_SIZE,
) -> ValidatedBatch:
    """All that LogValidator does but for assigning offsets: every record checked, timestamps set, codec changed.

    `target_compression` is the topic's compression.type (None: producer's) with its level. The batch must begin at
    the buffer's start and have passed `validate_client_batch`; `max_decompressed_size` bounds what it may unfold to,
    `max_decompressed_message_bytes` each record. Timestamps are rewritten in `batch` itself where that
    is writable, else in a copy. A compressed batch with offset deltas that have gaps is rebuilt without them.
    """
    body = records_body(batch, 0, header, max_decompressed_size=max_decompressed_size)
    info = validate_records(
        body,
        header,
        topic_partition,
        now_ms=now_ms,
        is_compacted=is_compacted,
        timestamp_type=timestamp_type,
        timestamp_before_max_ms=timestamp_before_max_ms,
        timestamp_after_max_ms=timestamp_after_max_ms,
        max_decompressed_message_bytes=max_decompressed_message_bytes,
    )
    source_compression = header.compression_type
    codec = source_compression if target_compression is None else target_compression
    if source_compression == CompressionType.NONE and header.is_control:
        codec = source_compression
    max_timestamp = now_ms if timestamp_type else info.max_timestamp
    if (source_compression or codec) and not info.has_consecutive_offsets:
        rebuilt = _renumber(body, header, codec, target_level, timestamp_type, now_ms)
        return ValidatedBatch(rebuilt, read_header(rebuilt))
    if codec != source_compression:
        attributes = header.attributes & ~(COMPRESSION_MASK | TIMESTAMP_TYPE_MASK) | codec | timestamp_type << 3
        recompressed = assemble_batch(
            header._replace(attributes=attributes, max_timestamp=max_timestamp),
            compress(codec, body, level=target_level),
        )
        return ValidatedBatch(recompressed, read_header(recompressed))
    return with_timestamps(batch, header, max_timestamp, timestamp_type)


def with_timestamps(
    batch: Buffer, header: BatchHeader, max_timestamp: int, timestamp_type: TimestampType
) -> ValidatedBatch:
    """The batch with this max timestamp and type: rewritten in its own buffer where that is writable, else a copy."""
    if max_timestamp == header.max_timestamp and timestamp_type == header.timestamp_type:
        return ValidatedBatch(batch, header)
    if isinstance(batch, bytes) or (isinstance(batch, memoryview) and batch.readonly):
        batch = bytearray(batch)
    set_max_timestamp(batch, 0, max_timestamp, timestamp_type)
    return ValidatedBatch(batch, read_header(batch))


def _renumber(
    body: bytes,
    header: BatchHeader,
    codec: CompressionType,
    level: int | None,
    timestamp_type: TimestampType,
    now_ms: int,
) -> bytes:
    records = [
        record._replace(offset=header.base_offset + index) for index, record in enumerate(parse_body(body, header))
    ]
    return build_batch(
        records,
        base_offset=header.base_offset,
        compression=codec,
        level=level,
        partition_leader_epoch=header.partition_leader_epoch,
        timestamp_type=timestamp_type,
        log_append_time_ms=now_ms,
        producer_id=header.producer_id,
        producer_epoch=header.producer_epoch,
        base_sequence=header.base_sequence,
        is_transactional=header.is_transactional,
        is_control=header.is_control,
    )
