"""Record batches: what the header says, what may be rewritten in place, what damage is noticed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.records.compression import CompressionType
from kafkalite.records.record import Record
from kafkalite.records.record_batch import (
    TimestampType,
    build_batch,
    check_crc,
    decode_records,
    increment_sequence,
    is_valid,
    iter_batches,
    read_header,
    set_max_timestamp,
    set_offset_and_epoch,
)

Make = Callable[[int], list[Record]]


def refused(error: ErrorCode, call: Callable[[], object]) -> str:
    with pytest.raises(KafkaError) as raised:
        call()
    assert raised.value.error == error
    return raised.value.message


def test_the_header_tells_every_field_that_the_batch_was_built_with(sample_records: Make) -> None:
    records = [record._replace(offset=record.offset + 1000) for record in sample_records(10)]
    batch = build_batch(
        records,
        base_offset=1000,
        compression=CompressionType.ZSTD,
        partition_leader_epoch=7,
        producer_id=12345,
        producer_epoch=3,
        base_sequence=40,
        is_transactional=True,
    )
    header = read_header(batch)
    assert (header.base_offset, header.last_offset, header.next_offset, header.records_count) == (1000, 1009, 1010, 10)
    assert header.size_in_bytes == len(batch) == header.batch_length + 12
    assert (header.magic, header.partition_leader_epoch) == (2, 7)
    assert (header.producer_id, header.producer_epoch, header.base_sequence, header.last_sequence) == (12345, 3, 40, 49)
    assert header.base_timestamp == records[0].timestamp
    assert header.max_timestamp == max(record.timestamp for record in records)
    assert header.compression_type is CompressionType.ZSTD
    assert header.timestamp_type is TimestampType.CREATE_TIME
    assert header.is_transactional and header.is_compressed and header.is_idempotent and header.has_producer_id
    assert not header.is_control and not header.has_delete_horizon and header.delete_horizon_ms is None
    check_crc(batch, 0, header)


def test_a_batch_in_the_middle_of_a_buffer_is_read_from_its_position(sample_records: Make) -> None:
    batch = build_batch(sample_records(3))
    buffer = memoryview(b"before" + batch + b"behind")
    header = read_header(buffer, 6)
    assert header == read_header(batch)
    assert is_valid(buffer, 6, header)
    assert decode_records(buffer, 6) == decode_records(batch)


def test_offset_and_epoch_change_in_place_without_touching_the_crc(sample_records: Make) -> None:
    buffer = bytearray(b"xx" + build_batch(sample_records(5)))
    before = read_header(buffer, 2)
    set_offset_and_epoch(buffer, 2, 777, 9)
    after = read_header(buffer, 2)
    assert after == before._replace(base_offset=777, partition_leader_epoch=9)
    check_crc(buffer, 2, after)
    assert [record.offset for record in decode_records(buffer, 2)] == [777, 778, 779, 780, 781]


def test_log_append_time_replaces_every_records_timestamp_and_the_crc_follows(sample_records: Make) -> None:
    buffer = bytearray(build_batch(sample_records(5)))
    before = read_header(buffer)
    set_max_timestamp(buffer, 0, 1_800_000_000_000)
    after = read_header(buffer)
    assert after.timestamp_type is TimestampType.LOG_APPEND_TIME
    assert after.max_timestamp == 1_800_000_000_000
    assert after.base_timestamp == before.base_timestamp
    assert after.crc != before.crc
    check_crc(buffer, 0, after)
    assert {record.timestamp for record in decode_records(buffer)} == {1_800_000_000_000}


def test_going_back_to_create_time_shows_the_producers_timestamps_again(sample_records: Make) -> None:
    original = build_batch(sample_records(5))
    buffer = bytearray(original)
    set_max_timestamp(buffer, 0, 1_800_000_000_000)
    set_max_timestamp(buffer, 0, read_header(original).max_timestamp, TimestampType.CREATE_TIME)
    assert bytes(buffer) == original


def test_a_compacted_batch_keeps_the_last_offset_and_shows_its_delete_horizon(sample_records: Make) -> None:
    survivors = [record for record in sample_records(10) if record.offset in (2, 5)]
    batch = build_batch(survivors, last_offset=9, delete_horizon_ms=1_900_000_000_000)
    header = read_header(batch)
    assert (header.base_offset, header.last_offset, header.records_count) == (0, 9, 2)
    assert header.delete_horizon_ms == 1_900_000_000_000
    expected = [(record.offset, record.timestamp, record.key, record.value) for record in survivors]
    assert [record[:4] for record in decode_records(batch)] == expected


def test_a_batch_that_compaction_emptied_holds_its_offsets_and_no_records() -> None:
    batch = build_batch([], base_offset=50, last_offset=59, producer_id=4, producer_epoch=0, base_sequence=7)
    header = read_header(batch)
    assert (header.base_offset, header.last_offset, header.last_sequence, header.records_count) == (50, 59, 16, 0)
    check_crc(batch, 0, header)
    assert decode_records(batch) == []


@pytest.mark.parametrize("offsets", [[0, 0], [1, 0], [-1, 0], [0, 11]])
def test_offsets_that_do_not_rise_within_the_batch_are_a_programming_error(offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="does not follow"):
        build_batch([Record(offset, 0, None, b"") for offset in offsets], last_offset=10)


@pytest.mark.parametrize(
    ("sequence", "increment", "expected"),
    [(5, 3, 8), (2147483647, 0, 2147483647), (2147483647, 1, 0), (2147483640, 10, 2)],
)
def test_sequence_numbers_continue_at_zero_behind_the_largest(sequence: int, increment: int, expected: int) -> None:
    assert increment_sequence(sequence, increment) == expected


def test_a_producer_batch_without_a_producer_id_has_no_sequence(sample_records: Make) -> None:
    header = read_header(build_batch(sample_records(3)))
    assert (header.producer_id, header.base_sequence, header.last_sequence) == (-1, -1, -1)
    assert not header.is_idempotent


def test_batches_are_walked_up_to_an_incomplete_one(sample_records: Make) -> None:
    batches = [build_batch(sample_records(n), base_offset=0) for n in (1, 4, 2)]
    whole = b"".join(batches)
    positions = [0, len(batches[0]), len(batches[0]) + len(batches[1])]
    assert [position for position, _ in iter_batches(whole)] == positions
    assert [header.records_count for _, header in iter_batches(whole)] == [1, 4, 2]
    for cut in (1, 5, 60, len(batches[2]) - 1):
        assert [position for position, _ in iter_batches(whole[:-cut])] == positions[:2]
    assert [position for position, _ in iter_batches(whole, positions[1])] == positions[1:]
    assert list(iter_batches(b"")) == []


@pytest.mark.parametrize("length", [-1, 0, 13, -(2**31)])
def test_an_impossible_length_stops_the_walk(sample_records: Make, length: int) -> None:
    buffer = bytearray(build_batch(sample_records(1)))
    buffer[8:12] = length.to_bytes(4, "big", signed=True)
    message = refused(ErrorCode.CORRUPT_MESSAGE, lambda: list(iter_batches(buffer)))
    assert message == f"Record size {length} is less than the minimum record overhead (14)"


@pytest.mark.parametrize(("magic", "shown"), [(3, 3), (255, -1), (128, -128)])
def test_an_unknown_magic_stops_the_walk(sample_records: Make, magic: int, shown: int) -> None:
    buffer = bytearray(build_batch(sample_records(1)))
    buffer[16] = magic
    expected = f"Invalid magic found in record: {shown}"
    assert refused(ErrorCode.CORRUPT_MESSAGE, lambda: list(iter_batches(buffer))) == expected
    assert refused(ErrorCode.CORRUPT_MESSAGE, lambda: read_header(buffer)) == expected


def test_every_flipped_bit_behind_the_crc_is_noticed(sample_records: Make) -> None:
    batch = build_batch(sample_records(2))
    for position in range(17, len(batch)):
        damaged = bytearray(batch)
        damaged[position] ^= 0x10
        header = read_header(damaged)
        assert not is_valid(damaged, 0, header)
        message = refused(ErrorCode.CORRUPT_MESSAGE, lambda d=damaged, h=header: check_crc(d, 0, h))  # type: ignore[misc]
        assert message.startswith(f"Record is corrupt (stored crc = {header.crc}, computed crc = ")


def test_a_batch_shorter_than_its_header_or_cut_off_is_corrupt(sample_records: Make) -> None:
    batch = build_batch(sample_records(2))
    header = read_header(batch)
    short = header._replace(batch_length=40)
    assert not is_valid(batch, 0, short)
    assert "smaller than the minimum allowed overhead 61" in refused(
        ErrorCode.CORRUPT_MESSAGE, lambda: check_crc(batch, 0, short)
    )
    assert not is_valid(batch[:-1], 0, header)
    refused(ErrorCode.CORRUPT_MESSAGE, lambda: check_crc(batch[:-1], 0, header))
    refused(ErrorCode.CORRUPT_MESSAGE, lambda: decode_records(batch[:-1]))


@pytest.mark.parametrize("codec", [5, 6, 7])
def test_a_codec_number_that_no_codec_has_is_refused(sample_records: Make, codec: int) -> None:
    buffer = bytearray(build_batch(sample_records(2)))
    buffer[22] |= codec
    assert (
        refused(ErrorCode.UNKNOWN_SERVER_ERROR, lambda: decode_records(buffer))
        == f"Unknown compression type id: {codec}"
    )


@given(st.binary(max_size=300))
def test_no_bytes_make_reading_raise_anything_but_the_one_error(noise: bytes) -> None:
    for call in (read_header, decode_records, lambda b: list(iter_batches(b))):
        try:
            call(noise)
        except KafkaError as error:
            assert error.error in (
                ErrorCode.CORRUPT_MESSAGE,
                ErrorCode.INVALID_RECORD,
                ErrorCode.UNKNOWN_SERVER_ERROR,
            )


@given(st.data(), st.sampled_from(list(CompressionType)))
def test_no_damage_to_a_batch_makes_reading_raise_anything_but_the_one_error(
    data: st.DataObject, codec: CompressionType
) -> None:
    buffer = bytearray(
        build_batch([Record(i, i, b"k", b"v" * 30, [("h", b"x")]) for i in range(10)], compression=codec)
    )
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(buffer) - 1))
        buffer[position] = data.draw(st.integers(0, 255))
    try:
        records = decode_records(buffer, max_decompressed_size=1 << 20)
    except KafkaError:
        return
    assert len(records) <= len(buffer) * 300
