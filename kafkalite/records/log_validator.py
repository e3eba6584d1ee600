"""What a produced batch must fulfil before it may be appended, as Apache Kafka's LogValidator and UnifiedLog ask it.

Two depths, so that storage pays for what a topic needs:

`validate_client_batch` reads the header, the bytes once for the CRC, and the lengths of the records, decompressing them
where need be: what no consumer could decompress is refused. It answers for everything that the log, its indexes and the
producer state take from a batch: sizes, magic, codec, offset range and count, sequence, no control records. It does not
look into records, so it believes a client's max timestamp and offset deltas.

`validate_records` reads every record, as Apache Kafka does for each produced batch: their number and form, keys on
compacted topics, timestamps within bounds, consecutive offsets under compression. That costs about a microsecond a
record and, for a compressed batch, its decompression. `needs_record_validation` says for which batches the header
alone cannot answer; for others the difference is a producer that contradicts its own header.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.records.compression import (
    DEFAULT_MAX_DECOMPRESSED_SIZE,
    Buffer,
    CompressionType,
    compress,
)
from kafkalite.records.crc32c import crc32c
from kafkalite.records.record import NO_TIMESTAMP, Record, invalid_record, read_varint, read_varlong
from kafkalite.records.record_batch import (
    ATTRIBUTES_POSITION,
    COMPRESSION_MASK,
    CONTROL_MASK,
    LOG_OVERHEAD,
    MAGIC_POSITION,
    RECORD_BATCH_OVERHEAD,
    TIMESTAMP_TYPE_MASK,
    BatchHeader,
    TimestampType,
    assemble_batch,
    build_batch,
    corrupt_record,
    is_valid,
    iter_batches,
    parse_body,
    read_header,
    records_body,
    set_max_timestamp,
)

NO_BOUND: Final = 0x7FFFFFFFFFFFFFFF
"""The default of message.timestamp.before.max.ms: any age will do."""

_CODEC_AND_CONTROL: Final = COMPRESSION_MASK | CONTROL_MASK

NO_RECORD_BOUND: Final = 0x7FFFFFF7
"""The default of max.decompressed.message.bytes: any record that a Java array can hold."""


class RecordError(NamedTuple):
    """A record that was refused: its index in the batch, and why."""

    batch_index: int
    message: str


class RecordValidationError(KafkaError):
    """INVALID_RECORD or INVALID_TIMESTAMP with the single records' errors, which Produce answers list (KIP-467)."""

    def __init__(self, error: ErrorCode, message: str, record_errors: list[RecordError]) -> None:
        super().__init__(error, message)
        self.record_errors = record_errors


class RecordsInfo(NamedTuple):
    """What one walk over a batch's records tells."""

    max_timestamp: int
    has_consecutive_offsets: bool
    """Whether the offset deltas are 0, 1, 2, ...: Apache Kafka rebuilds compressed batches where they are not."""


class ValidatedBatch(NamedTuple):
    """A batch ready to be given its offsets: the one that came, or new bytes where something inside had to change."""

    batch: Buffer
    header: BatchHeader


def validate_client_batch(
    records: Buffer,
    topic_partition: object,
    *,
    max_message_bytes: int,
    produce_version: int = 13,
    header: BatchHeader | None = None,
) -> BatchHeader:
    """The header of the one batch that a producer may send for a partition, or the KafkaError that refuses it.

    Codes, texts and their order are Apache Kafka's (ProduceRequest, UnifiedLog, LogValidator). An incomplete second
    batch is not looked at: what is appended is `header.size_in_bytes` bytes. Of the records only their number is
    checked, after decompression where they are compressed. `header`: of a batch of format 2 whose header has been read.
    """
    if header is None and len(records) >= RECORD_BATCH_OVERHEAD and records[MAGIC_POSITION] == 2:
        header = read_header(records)
    if header is not None:
        length, crc, attributes, last_offset_delta = header[1], header[4], header[5], header[6]
        count = header[12]
        codec = attributes & _CODEC_AND_CONTROL
        if (
            length + LOG_OVERHEAD == len(records) <= max_message_bytes
            and header[0] == 0
            and count == last_offset_delta + 1 > 0
            and codec <= 4
            and (header[9] < 0 or header[11] >= 0)
            and (codec != 4 or produce_version >= 7)
            and crc32c((records if type(records) is memoryview else memoryview(records))[ATTRIBUTES_POSITION:]) == crc
        ):
            if not codec:
                if count == 1 and len(records) > RECORD_BATCH_OVERHEAD + 1:  # as is usual without lingering
                    size, second = records[RECORD_BATCH_OVERHEAD], records[RECORD_BATCH_OVERHEAD + 1]
                    if size < 0x80:
                        end = RECORD_BATCH_OVERHEAD + 1 + (size >> 1)
                    elif second < 0x80:
                        end = RECORD_BATCH_OVERHEAD + 2 + (size >> 1 & 0x3F) + (second << 6)
                    else:
                        end = 0
                    if end == len(records) and not size & 1:
                        return header
                check_records_count(records, count, RECORD_BATCH_OVERHEAD)
            else:
                check_records_count(records_body(records, 0, header), count)
            return header
    return _validate_slowly(records, topic_partition, max_message_bytes, produce_version)


def _validate_slowly(
    records: Buffer, topic_partition: object, max_message_bytes: int, produce_version: int
) -> BatchHeader:
    batches = iter_batches(records)
    first = next(batches, None)
    request = f"Produce requests with version {produce_version}"
    if first is None:
        raise invalid_record(f"{request} must have at least one record batch per partition")
    header = first[1]
    if header.magic != 2:
        raise invalid_record(f"{request} are only allowed to contain record batches with magic version 2")
    if produce_version < 7 and header.compression_type == CompressionType.ZSTD:
        raise KafkaError(
            ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"{request} are not allowed to use ZStandard compression"
        )
    if next(batches, None) is not None:
        raise invalid_record(f"{request} are only allowed to contain exactly one record batch per partition")

    if header.base_offset != 0:
        raise invalid_record(
            f"The baseOffset of the record batch in the append to {topic_partition} should be 0, but it is "
            f"{header.base_offset}"
        )
    if header.size_in_bytes > max_message_bytes:
        raise KafkaError(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"The record batch size in the append to {topic_partition} is {header.size_in_bytes} bytes which exceeds "
            f"the maximum configured value of {max_message_bytes}).",
        )
    if not is_valid(records, 0, header):
        raise corrupt_record(f"Record is corrupt (stored crc = {header.crc}) in topic partition {topic_partition}.")
    _ = header.compression_type  # raises for the numbers that no codec has

    count_from_offsets = header.last_offset_delta + 1
    offsets = f"[{header.base_offset}, {header.last_offset}]"
    if count_from_offsets <= 0:
        raise invalid_record(f"Batch has an invalid offset range: {offsets} in topic partition {topic_partition}")
    if header.records_count <= 0:
        raise invalid_record(
            f"Invalid reported count for record batch: {header.records_count} in topic partition {topic_partition}"
        )
    if count_from_offsets != header.records_count:
        raise invalid_record(
            f"Inconsistent batch offset range {offsets} and count of records {header.records_count} in topic "
            f"partition {topic_partition}"
        )
    if header.is_control:
        raise invalid_record(f"Clients are not allowed to write control records in topic partition {topic_partition}")
    if header.has_producer_id and header.base_sequence < 0:
        raise invalid_record(
            f"Invalid sequence number {header.base_sequence} in record batch with producerId {header.producer_id} in "
            f"topic partition {topic_partition}"
        )
    if not header.is_compressed:
        batch = memoryview(records)[: header.size_in_bytes]
        check_records_count(batch, header.records_count, RECORD_BATCH_OVERHEAD)
    return header


def needs_record_validation(
    header: BatchHeader,
    *,
    now_ms: int,
    is_compacted: bool,
    timestamp_type: TimestampType,
    timestamp_before_max_ms: int = NO_BOUND,
    timestamp_after_max_ms: int = NO_BOUND,
) -> bool:
    """Whether the header leaves open what Apache Kafka would answer, or what it would write.

    So it is for keys on a compacted topic, for a max timestamp that cannot be one (some clients leave it unset) or
    timestamps out of bounds, and for a batch that claims LogAppendTime already.
    """
    if is_compacted or header[5] & TIMESTAMP_TYPE_MASK:
        return True
    if timestamp_type:
        return False
    base_timestamp, max_timestamp = header[7], header[8]
    return (
        max_timestamp < base_timestamp
        or max_timestamp - now_ms > timestamp_after_max_ms
        or (timestamp_before_max_ms != NO_BOUND and now_ms - base_timestamp > timestamp_before_max_ms)
        or (timestamp_before_max_ms != NO_BOUND and header[12] > 1)
    )


def check_records_count(body: Buffer, records_count: int, position: int = 0) -> None:
    """Raises KafkaError(INVALID_RECORD) unless the records from `position` to the body's end are exactly so many.

    Hops from length to length, and over runs of equally long records, as most producers make them, in one go: between
    a fiftieth and a tenth of the cost of reading the records, and enough that every reader can find the batch's end.
    """
    end = len(body)
    left = records_count
    try:
        while left > 0:
            size = body[position]
            if size < 0x80:
                prefix, stride = 1, 1 + (size >> 1)
            else:
                second = body[position + 1]
                if second < 0x80:
                    prefix, stride = 2, 2 + (size >> 1 & 0x3F) + (second << 6)
                else:
                    length, behind = read_varint(body, position)
                    if length < 0:
                        raise invalid_record("Invalid record size: it is negative")
                    position = behind + length
                    left -= 1
                    continue
            if size & 1:
                raise invalid_record("Invalid record size: it is negative")
            # A record of this length ends where the next one of this length begins: so it is a run of them as long as
            # the same length stands at every such place.
            window = body[position : position + stride * (left if left < _RUN else _RUN)]
            if stride < _DENSE_STRIDE:
                window = bytes(window)
            lengths = bytes(window[::stride])
            run = len(lengths) - len(lengths.lstrip(lengths[:1]))
            if prefix == 2 and run > 1:
                lengths = bytes(window[1::stride])
                second_run = len(lengths) - len(lengths.lstrip(lengths[:1]))
                if second_run < run:
                    run = second_run
            position += stride * run
            left -= run
            if run < 4:
                position, left = _hop(body, position, min(left, _HOPS), left)
    except IndexError:
        raise invalid_record("Incorrect declared batch size, premature EOF reached") from None
    if position < end:
        raise invalid_record("Incorrect declared batch size, records still remaining in file")
    if position > end:
        raise invalid_record("Incorrect declared batch size, premature EOF reached")


_RUN: Final = 256
_DENSE_STRIDE: Final = 256
"""Bytes that are closer to each other are picked faster from a copy than from a view."""
_HOPS: Final = 32
"""So many records are stepped over one by one where lengths differ, before the next attempt at a run."""


def _hop(body: Buffer, position: int, hops: int, left: int) -> tuple[int, int]:
    """Steps over single records; returns where that leads, and how many are left then."""
    for _ in range(hops):
        size = body[position]
        if size < 0x80 and not size & 1:
            position += 1 + (size >> 1)
            continue
        second = body[position + 1]
        if second < 0x80 and not size & 1:
            position += 2 + (size >> 1 & 0x3F) + (second << 6)
            continue
        length, position = read_varint(body, position)
        if length < 0:
            raise invalid_record("Invalid record size: it is negative")
        position += length
    return position, left - hops


def validate_records(
    body: bytes,
    header: BatchHeader,
    topic_partition: object,
    *,
    now_ms: int,
    is_compacted: bool = False,
    timestamp_type: TimestampType = TimestampType.CREATE_TIME,
    timestamp_before_max_ms: int = NO_BOUND,
    timestamp_after_max_ms: int = NO_BOUND,
    max_decompressed_message_bytes: int = NO_RECORD_BOUND,
) -> RecordsInfo:
    """Reads every record of a decompressed body; raises RecordValidationError listing the records that are refused.

    Form: as many records as declared and no byte more, lengths that stay inside their record, headers with keys.
    Rules: a key on a compacted topic; on a CreateTime topic a timestamp (other than -1) that is at most
    `timestamp_before_max_ms` older and `timestamp_after_max_ms` newer than now; no claim of LogAppendTime; in a
    compressed batch no record (its length not counted) of more than `max_decompressed_message_bytes`.
    Not looked at, as in Apache Kafka: whether header keys are UTF-8, and offset deltas of uncompressed batches.
    """
    min_delta, max_delta, is_consecutive, has_null_key = scan_records(
        body, header.records_count, max_decompressed_message_bytes if header.is_compressed else NO_RECORD_BOUND
    )
    is_stamped = header.attributes & TIMESTAMP_TYPE_MASK
    oldest, newest = header.base_timestamp + min_delta, header.base_timestamp + max_delta
    if is_stamped:
        oldest = newest = header.max_timestamp
    if (
        (is_compacted and has_null_key)
        or (is_stamped and (timestamp_type or newest == NO_TIMESTAMP))
        or (
            not timestamp_type
            and (now_ms - oldest > timestamp_before_max_ms or newest - now_ms > timestamp_after_max_ms)
        )
    ):
        _refuse_records(
            parse_body(body, header),
            header,
            topic_partition,
            now_ms=now_ms,
            is_compacted=is_compacted,
            timestamp_type=timestamp_type,
            timestamp_before_max_ms=timestamp_before_max_ms,
            timestamp_after_max_ms=timestamp_after_max_ms,
        )
    return RecordsInfo(max(newest, NO_TIMESTAMP), is_consecutive)


def _refuse_records(
    records: list[Record],
    header: BatchHeader,
    topic_partition: object,
    *,
    now_ms: int,
    is_compacted: bool,
    timestamp_type: TimestampType,
    timestamp_before_max_ms: int,
    timestamp_after_max_ms: int,
) -> None:
    """Raises for what is wrong with single records; returns if, record by record, nothing is."""
    errors: list[RecordError] = []
    has_invalid_timestamp = False
    bounds = f"[{now_ms - timestamp_before_max_ms}, {now_ms + timestamp_after_max_ms}]"
    for index, record in enumerate(records):
        if is_compacted and record.key is None:
            errors.append(
                RecordError(
                    index, f"Compacted topic cannot accept message without key in topic partition {topic_partition}"
                )
            )
        elif not timestamp_type and record.timestamp != NO_TIMESTAMP:
            age = now_ms - record.timestamp
            if age > timestamp_before_max_ms or -age > timestamp_after_max_ms:
                has_invalid_timestamp = True
                errors.append(
                    RecordError(
                        index,
                        f"Timestamp {record.timestamp} of message with offset {record.offset} is out of range. The "
                        f"timestamp should be within {bounds}",
                    )
                )
        elif header.attributes & TIMESTAMP_TYPE_MASK:
            has_invalid_timestamp = True
            errors.append(
                RecordError(
                    index,
                    f"Invalid timestamp type in message {_describe(record, header)}. Producer should not set timestamp "
                    "type to LogAppendTime.",
                )
            )
    if not errors:
        return
    if has_invalid_timestamp:
        raise RecordValidationError(
            ErrorCode.INVALID_TIMESTAMP, "One or more records have been rejected due to invalid timestamp", errors
        )
    shown = ", ".join(f"RecordError(batchIndex={error.batch_index}, message='{error.message}')" for error in errors[:3])
    raise RecordValidationError(
        ErrorCode.INVALID_RECORD,
        f"One or more records have been rejected due to {len(errors)} record errors in total, and only showing the "
        f"first three errors at most: [{shown}]",
        errors,
    )


def _describe(record: Record, header: BatchHeader) -> str:
    kind = "PartialDefaultRecord" if header.is_compressed else "DefaultRecord"
    absent = -1 if header.is_compressed else 0
    key_size = absent if record.key is None else len(record.key)
    value_size = absent if record.value is None else len(record.value)
    return (
        f"{kind}(offset={record.offset}, timestamp={record.timestamp}, key={key_size} bytes, value={value_size} bytes)"
    )


def scan_records(
    body: bytes, records_count: int, max_record_size: int = NO_RECORD_BOUND
) -> tuple[int, int, bool, bool]:
    """Smallest and largest timestamp delta, whether offset deltas count up from 0, whether a key is null.

    Checks the size and form of every record (see `validate_records`) and copies nothing. One byte is the usual length
    of most fields, so that case is written out.
    """
    if records_count < 0:
        raise invalid_record(f"Found invalid record count {records_count} in magic v2 batch")
    if records_count == 0:
        return 0, 0, True, False
    position = 0
    end = len(body)
    min_delta, max_delta = NO_BOUND, -NO_BOUND
    is_consecutive = True
    has_null_key = False
    try:
        for expected_delta in range(records_count):
            byte = body[position]
            if byte < 0x80:
                size = (byte >> 1) ^ -(byte & 1)
                position += 1
            else:
                size, position = read_varint(body, position)
            record_end = position + size
            if size < 0 or record_end > end:
                raise invalid_record(
                    f"Invalid record size: expected {size} bytes in record payload, but instead the buffer has only "
                    f"{end - position} remaining bytes."
                )
            if size > max_record_size:
                raise invalid_record(f"A record of {size} bytes is larger than the allowed {max_record_size}")
            byte = body[position + 1]
            if byte < 0x80:
                delta = (byte >> 1) ^ -(byte & 1)
                position += 2
            else:
                delta, position = read_varlong(body, position + 1)
            if delta > max_delta:
                max_delta = delta
            if delta < min_delta:
                min_delta = delta
            byte = body[position]
            if byte < 0x80:
                delta = (byte >> 1) ^ -(byte & 1)
                position += 1
            else:
                delta, position = read_varint(body, position)
            if delta != expected_delta:
                is_consecutive = False
            byte = body[position]
            if byte < 0x80:
                size = (byte >> 1) ^ -(byte & 1)
                position += 1
            else:
                size, position = read_varint(body, position)
            if size < 0:
                has_null_key = True
            else:
                position += size
            byte = body[position]
            if byte < 0x80:
                size = (byte >> 1) ^ -(byte & 1)
                position += 1
            else:
                size, position = read_varint(body, position)
            if size > 0:
                position += size
            byte = body[position]
            position += 1
            if byte:
                position = _skip_headers(body, position - 1, record_end)
            if position != record_end:
                raise invalid_record("Found invalid record structure: its fields do not fill the declared size")
    except IndexError:
        raise invalid_record("Incorrect declared batch size, premature EOF reached") from None
    if position != end:
        raise invalid_record("Incorrect declared batch size, records still remaining in file")
    return min_delta, max_delta, is_consecutive, has_null_key


def _skip_headers(body: bytes, position: int, record_end: int) -> int:
    count, position = read_varint(body, position)
    if count < 0:
        raise invalid_record(f"Found invalid number of record headers {count}")
    if count > record_end - position:
        raise invalid_record(
            f"Found invalid number of record headers. {count} is larger than the remaining size of the buffer"
        )
    for _ in range(count):
        size, position = read_varint(body, position)
        if size < 0:
            raise invalid_record(f"Invalid negative header key size {size}")
        size, position = read_varint(body, position + size)
        if size > 0:
            position += size
    return position


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


def recompress(
    batch: Buffer,
    position: int,
    header: BatchHeader,
    codec: CompressionType,
    level: int | None = None,
    *,
    max_decompressed_size: int = DEFAULT_MAX_DECOMPRESSED_SIZE,
) -> bytes:
    """The same batch under another codec or level: the records' bytes, offsets, timestamps, producer stay."""
    body = records_body(batch, position, header, max_decompressed_size=max_decompressed_size)
    attributes = header.attributes & ~COMPRESSION_MASK | codec
    return assemble_batch(header._replace(attributes=attributes), compress(codec, body, level=level))
