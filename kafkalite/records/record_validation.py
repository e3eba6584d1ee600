"""Reading every record of a produced batch, as Apache Kafka does for each: where the header alone cannot answer.

Their number and form, keys on compacted topics, timestamps within bounds, consecutive offsets under compression. That
costs about a microsecond a record and, for a compressed batch, its decompression. Where log_validator is enough
(PartitionLog knows) the difference is a producer that contradicts its own header.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.records.record import NO_TIMESTAMP, Record, invalid_record, read_varint, read_varlong
from kafkalite.records.record_batch import (
    TIMESTAMP_TYPE_MASK,
    BatchHeader,
    TimestampType,
    parse_body,
)

NO_BOUND: Final = 0x7FFFFFFFFFFFFFFF
"""The default of message.timestamp.before.max.ms: any age will do."""

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
