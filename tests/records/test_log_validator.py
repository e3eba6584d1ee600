"""What producers' batches are refused for, in whose words, and what is changed in those that are accepted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.records.batch_conversion import validate_and_convert
from kafkalite.records.compression import CompressionType, compress
from kafkalite.records.legacy_message_set import build_message_set
from kafkalite.records.log_validator import check_records_count, validate_client_batch
from kafkalite.records.record import Record, encode_record, invalid_record, parse_records, read_varint
from kafkalite.records.record_batch import (
    TimestampType,
    assemble_batch,
    build_batch,
    check_crc,
    decode_records,
    read_header,
    records_body,
)
from kafkalite.records.record_validation import RecordValidationError, scan_records, validate_records

Make = Callable[[int], list[Record]]
TP = TopicPartition("sample", 0)
NOW = 1_700_000_100_000
HOUR = 3_600_000
CREATE_TIME, LOG_APPEND_TIME = TimestampType


def plain(count: int = 3, **fields: object) -> bytes:
    return build_batch([Record(i, NOW - 5 + i, b"k%d" % i, b"value") for i in range(count)], **fields)  # type: ignore[arg-type]


def changed(batch: bytes, **fields: int) -> bytes:
    """The batch with other header fields, length and CRC made right again."""
    return assemble_batch(read_header(batch)._replace(**fields), batch[61:])


@pytest.mark.parametrize("codec", list(CompressionType))
@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_a_sound_batch_passes_with_its_header(codec: CompressionType, wrap: type) -> None:
    batch = plain(compression=codec, producer_id=5, producer_epoch=0, base_sequence=0, is_transactional=True)
    assert validate_client_batch(wrap(batch), TP, max_message_bytes=len(batch)) == read_header(batch)


def test_an_incomplete_second_batch_is_left_unread() -> None:
    batch = plain()
    assert validate_client_batch(batch + plain()[:-1], TP, max_message_bytes=10_000) == read_header(batch)


REFUSALS = {
    "empty": (b"", ErrorCode.INVALID_RECORD, "must have at least one record batch per partition"),
    "cut off": (plain()[:-1], ErrorCode.INVALID_RECORD, "must have at least one record batch per partition"),
    "two batches": (plain() * 2, ErrorCode.INVALID_RECORD, "exactly one record batch per partition"),
    "old format": (
        build_message_set([Record(0, 1, b"k", b"v" * 90)], magic=1),
        ErrorCode.INVALID_RECORD,
        "only allowed to contain record batches with magic version 2",
    ),
    "unknown format": (
        plain()[:16] + b"\x03" + plain()[17:],
        ErrorCode.CORRUPT_MESSAGE,
        "Invalid magic found in record: 3",
    ),
    "no length": (plain()[:8] + bytes(4) + plain()[12:], ErrorCode.CORRUPT_MESSAGE, "Record size 0 is less than"),
    "base offset": (
        build_batch([Record(7, 0, b"", b"")], base_offset=7),
        ErrorCode.INVALID_RECORD,
        "The baseOffset of the record batch in the append to sample-0 should be 0, but it is 7",
    ),
    "too large": (
        build_batch([Record(0, 0, b"", bytes(1000))]),
        ErrorCode.MESSAGE_TOO_LARGE,
        "The record batch size in the append to sample-0 is 1070 bytes which exceeds the maximum configured value of "
        "1000).",
    ),
    "crc": (plain()[:-1] + b"\xff", ErrorCode.CORRUPT_MESSAGE, "in topic partition sample-0."),
    "codec": (changed(plain(), attributes=6), ErrorCode.UNKNOWN_SERVER_ERROR, "Unknown compression type id: 6"),
    "negative range": (
        changed(plain(), last_offset_delta=-1),
        ErrorCode.INVALID_RECORD,
        "Batch has an invalid offset range: [0, -1] in topic partition sample-0",
    ),
    "no records": (
        changed(plain(), records_count=0),
        ErrorCode.INVALID_RECORD,
        "Invalid reported count for record batch: 0 in topic partition sample-0",
    ),
    "count": (
        changed(plain(), records_count=2),
        ErrorCode.INVALID_RECORD,
        "Inconsistent batch offset range [0, 2] and count of records 2 in topic partition sample-0",
    ),
    "control": (
        plain(is_control=True),
        ErrorCode.INVALID_RECORD,
        "Clients are not allowed to write control records in topic partition sample-0",
    ),
    "fewer records": (
        changed(plain(), records_count=4, last_offset_delta=3),
        ErrorCode.INVALID_RECORD,
        "Incorrect declared batch size, premature EOF reached",
    ),
    "more records": (
        changed(plain(), records_count=2, last_offset_delta=1),
        ErrorCode.INVALID_RECORD,
        "Incorrect declared batch size, records still remaining in file",
    ),
    "sequence": (
        plain(producer_id=9, producer_epoch=0),
        ErrorCode.INVALID_RECORD,
        "Invalid sequence number -1 in record batch with producerId 9 in topic partition sample-0",
    ),
}


@pytest.mark.parametrize("case", sorted(REFUSALS))
def test_an_unsound_batch_is_refused_with_apache_kafkas_code_and_words(case: str) -> None:
    batch, code, text = REFUSALS[case]
    with pytest.raises(KafkaError) as raised:
        validate_client_batch(batch, TP, max_message_bytes=1000)
    assert (raised.value.error, text in raised.value.message) == (code, True), raised.value.message


def test_zstd_needs_produce_version_7() -> None:
    batch = plain(compression=CompressionType.ZSTD)
    validate_client_batch(batch, TP, max_message_bytes=1000, produce_version=7)
    with pytest.raises(KafkaError, match="version 6 are not allowed to use ZStandard compression") as raised:
        validate_client_batch(batch, TP, max_message_bytes=1000, produce_version=6)
    assert raised.value.error == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE


@given(st.binary(max_size=200), st.integers(0, 100))
def test_no_bytes_make_validation_raise_anything_but_the_one_error(noise: bytes, position: int) -> None:
    for candidate in (noise, plain()[:position] + noise + plain()[position + len(noise) :]):
        try:
            header = validate_client_batch(candidate, TP, max_message_bytes=1 << 20)
            scan_records(records_body(candidate, 0, header, max_decompressed_size=10_000), header.records_count)
        except KafkaError:
            pass


def body_of(batch: bytes) -> bytes:
    return records_body(batch, 0, read_header(batch))


def test_keyless_records_on_a_compacted_topic_are_listed_one_by_one() -> None:
    batch = build_batch([Record(i, NOW, None if i in (1, 3) else b"", b"v") for i in range(5)])
    validate_records(body_of(batch), read_header(batch), TP, now_ms=NOW)
    with pytest.raises(RecordValidationError) as raised:
        validate_records(body_of(batch), read_header(batch), TP, now_ms=NOW, is_compacted=True)
    text = "Compacted topic cannot accept message without key in topic partition sample-0"
    assert raised.value.error == ErrorCode.INVALID_RECORD
    assert raised.value.record_errors == [(1, text), (3, text)]
    assert raised.value.message == (
        "One or more records have been rejected due to 2 record errors in total, and only showing the first three "
        f"errors at most: [RecordError(batchIndex=1, message='{text}'), RecordError(batchIndex=3, message='{text}')]"
    )


def test_timestamps_out_of_bounds_are_listed_and_no_timestamp_is_always_in_bounds() -> None:
    times = [NOW, NOW - HOUR, NOW - HOUR - 1, NOW + 10, NOW + 11, -1]
    batch = build_batch([Record(i, time, b"k", b"v") for i, time in enumerate(times)])
    with pytest.raises(RecordValidationError) as raised:
        validate_records(
            body_of(batch), read_header(batch), TP, now_ms=NOW, timestamp_before_max_ms=HOUR, timestamp_after_max_ms=10
        )
    assert raised.value.error == ErrorCode.INVALID_TIMESTAMP
    assert raised.value.message == "One or more records have been rejected due to invalid timestamp"
    assert [error.batch_index for error in raised.value.record_errors] == [2, 4]
    assert raised.value.record_errors[0].message == (
        f"Timestamp {NOW - HOUR - 1} of message with offset 2 is out of range. The timestamp should be within "
        f"[{NOW - HOUR}, {NOW + 10}]"
    )
    info = validate_records(
        body_of(batch),
        read_header(batch),
        TP,
        now_ms=NOW,
        timestamp_type=LOG_APPEND_TIME,
        timestamp_before_max_ms=HOUR,
        timestamp_after_max_ms=10,
    )
    assert info.max_timestamp == NOW + 11


def test_a_producer_may_not_claim_log_append_time_on_such_a_topic() -> None:
    batch = plain(1, timestamp_type=LOG_APPEND_TIME, log_append_time_ms=NOW)
    with pytest.raises(RecordValidationError) as raised:
        validate_records(body_of(batch), read_header(batch), TP, now_ms=NOW, timestamp_type=LOG_APPEND_TIME)
    assert raised.value.error == ErrorCode.INVALID_TIMESTAMP
    assert raised.value.record_errors[0].message == (
        f"Invalid timestamp type in message DefaultRecord(offset=0, timestamp={NOW}, key=2 bytes, value=5 bytes). "
        "Producer should not set timestamp type to LogAppendTime."
    )
    result = validate_and_convert(batch, read_header(batch), TP, now_ms=NOW)
    assert result.header.timestamp_type is CREATE_TIME


GOOD = encode_record(0, 3, b"key", b"value", [("h", b"x"), ("n", None)])


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (GOOD, 2),
        (GOOD + GOOD, 1),
        (GOOD[:-1], 1),
        (b"\x01" + GOOD[1:], 1),
        (bytes([GOOD[0] - 2]) + GOOD[1:], 1),
        (bytes([GOOD[0] + 2]) + GOOD[1:] + b"\x00", 1),
        (bytes.fromhex("0c000000010101"), 1),
        (bytes.fromhex("0c00000001017e"), 1),
        (bytes.fromhex("100000000101020101"), 1),
        (GOOD, -1),
    ],
)
def test_a_scan_refuses_the_form_that_reading_refuses(body: bytes, count: int) -> None:
    for read in (lambda: parse_records(body, count, 0, 0), lambda: scan_records(body, count)):
        with pytest.raises(KafkaError) as raised:
            read()
        assert raised.value.error == ErrorCode.INVALID_RECORD


@given(
    st.lists(
        st.tuples(st.integers(-(2**45), 2**45), st.none() | st.binary(max_size=99), st.integers(0, 300)), min_size=1
    )
)
def test_a_scan_tells_what_reading_would_tell(rows: list[tuple[int, bytes | None, int]]) -> None:
    offset = -1
    records = []
    for time, key, step in rows:
        offset += 1 + step // 290 * step
        records.append(Record(offset, time, key, bytes(step)))
    batch = build_batch(records)
    header = read_header(batch)
    assert scan_records(body_of(batch), len(records)) == (
        min(time for time, _, _ in rows) - header.base_timestamp,
        max(time for time, _, _ in rows) - header.base_timestamp,
        offset == len(records) - 1,
        any(key is None for _, key, _ in rows),
    )


RUNS = st.lists(st.tuples(st.integers(0, 9000) | st.integers(50, 70), st.integers(1, 300)), min_size=1, max_size=6)


@settings(deadline=None)
@given(RUNS, st.booleans(), st.data())
def test_counting_finds_exactly_the_declared_number(
    runs: list[tuple[int, int]], is_mixed: bool, data: st.DataObject
) -> None:
    """In runs of equally long records and where every length differs from the one before."""
    if is_mixed:
        sizes = [size + i * 37 % 5 for size, length in runs for i in range(length % 40)] or [0]
    else:
        sizes = [min(size, 200_000 // length) for size, length in runs for _ in range(length)]
    body = b"".join(encode_record(i % 50, 0, None, bytes(size)) for i, size in enumerate(sizes))
    count = len(sizes)
    check_records_count(body, count)
    check_records_count(memoryview(b"x" * 61 + body), count, 61)
    for wrong in (count - 1, count + 1, count + 400):
        with pytest.raises(KafkaError, match="Incorrect declared batch size"):
            check_records_count(body, wrong)
    cut = data.draw(st.integers(1, len(body)))
    with pytest.raises(KafkaError):
        check_records_count(body[:-cut], count)
    damaged = bytearray(body)
    damaged[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    assert _is_refused(lambda: check_records_count(damaged, count)) == _is_refused(
        lambda: _count_simply(damaged, count)
    )


def _is_refused(check: Callable[[], None]) -> bool:
    try:
        check()
    except KafkaError:
        return True
    return False


def _count_simply(body: bytearray, count: int) -> None:
    position = 0
    for _ in range(count):
        if position >= len(body):
            raise invalid_record("too few")
        try:
            length, position = read_varint(body, position)
        except IndexError:
            raise invalid_record("cut off") from None
        if length < 0:
            raise invalid_record("negative")
        position += length
    if position != len(body):
        raise invalid_record("too many, or cut off")


@pytest.mark.parametrize("target", [None, *CompressionType])
@pytest.mark.parametrize("source", list(CompressionType))
@pytest.mark.parametrize("timestamp_type", list(TimestampType))
def test_an_accepted_batch_has_the_topics_codec_and_time(
    source: CompressionType, target: CompressionType | None, timestamp_type: TimestampType, sample_records: Make
) -> None:
    records = sample_records(10)
    batch = build_batch(records, compression=source, producer_id=3, producer_epoch=1, base_sequence=8)
    result = validate_and_convert(
        batch, read_header(batch), TP, now_ms=NOW, target_compression=target, timestamp_type=timestamp_type
    )
    header = read_header(result.batch)
    assert header == result.header
    check_crc(result.batch, 0, header)
    assert header.compression_type == (source if target is None else target)
    assert header.timestamp_type is timestamp_type
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (3, 1, 8)
    largest = max(record.timestamp for record in records)
    assert header.max_timestamp == (NOW if timestamp_type else largest)
    assert [record.value for record in decode_records(result.batch)] == [record.value for record in records]
    if target in (None, source) and timestamp_type == CREATE_TIME:
        assert result.batch is batch


@pytest.mark.parametrize("codec", list(CompressionType))
def test_the_bound_on_decompressed_records_counts_each_by_itself(codec: CompressionType) -> None:
    def validate(*sizes: int) -> None:
        batch = build_batch([Record(i, NOW, b"k", bytes(size)) for i, size in enumerate(sizes)], compression=codec)
        validate_and_convert(batch, read_header(batch), TP, now_ms=NOW, max_decompressed_message_bytes=1000)

    validate(992, 992)  # eight bytes more in the record; its length does not count
    if codec == CompressionType.NONE:
        validate(993)
        return
    with pytest.raises(KafkaError, match="A record of 1001 bytes is larger than the allowed 1000") as raised:
        validate(5, 993)
    assert raised.value.error == ErrorCode.INVALID_RECORD


def test_a_max_timestamp_that_the_producer_left_unset_is_found_in_the_records() -> None:
    batch = bytearray(changed(plain(4), max_timestamp=-1))
    result = validate_and_convert(batch, read_header(batch), TP, now_ms=NOW)
    assert result.batch is batch
    assert read_header(batch).max_timestamp == NOW - 2
    check_crc(batch, 0, read_header(batch))


@pytest.mark.parametrize("codec", [codec for codec in CompressionType if codec])
def test_gaps_between_a_compressed_batchs_offsets_are_closed(codec: CompressionType) -> None:
    body = b"".join(encode_record(delta, delta, b"k", b"%d" % delta) for delta in (0, 2, 2, 9))
    header = read_header(plain(4, compression=codec, producer_id=1, producer_epoch=0, base_sequence=5))
    batch = assemble_batch(header._replace(base_timestamp=NOW), compress(codec, body))
    result = validate_and_convert(batch, read_header(batch), TP, now_ms=NOW)
    records = decode_records(result.batch)
    assert [(record.offset, record.value, record.timestamp) for record in records] == [
        (0, b"0", NOW),
        (1, b"2", NOW + 2),
        (2, b"2", NOW + 2),
        (3, b"9", NOW + 9),
    ]
    assert result.header[6:] == (3, NOW, NOW + 9, 1, 0, 5, 4)
