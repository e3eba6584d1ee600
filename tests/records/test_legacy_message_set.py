"""Message sets of formats 0 and 1: exact bytes, wrappers and their offsets, damage, conversion to format 2."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.records.compression import CompressionType, compress
from kafkalite.records.legacy_message_set import build_entry, build_message_set
from kafkalite.records.record import Record
from kafkalite.records.record_batch import TimestampType, check_crc, decode_records, iter_batches, read_header

LEGACY_CODECS = [CompressionType.NONE, CompressionType.GZIP, CompressionType.SNAPPY, CompressionType.LZ4]
RECORDS = [Record(100 + i, 5000 - i, b"key" if i % 2 else None, b"value %d" % i if i % 3 else None) for i in range(7)]


def without_timestamps(records: list[Record]) -> list[Record]:
    return [record._replace(timestamp=-1) for record in records]


def read_all(message_set: bytes) -> list[Record]:
    records: list[Record] = []
    for position, header in iter_batches(message_set):
        check_crc(message_set, position, header)
        records += decode_records(message_set, position)
    return records


def test_an_entry_of_magic_0_has_exactly_the_bytes_of_the_format() -> None:
    entry = build_entry(7, -1, b"k", b"va", magic=0)
    assert entry.hex() == "0000000000000007000000110a3b05d30000000000016b000000027661"


def test_an_entry_of_magic_1_has_a_timestamp_and_its_type() -> None:
    entry = build_entry(7, 1000, None, b"", magic=1, timestamp_type=TimestampType.LOG_APPEND_TIME)
    fields = (
        "0000000000000007",
        "00000016",
        entry[12:16].hex(),
        "01",
        "08",
        "00000000000003e8",
        "ffffffff",
        "00000000",
    )
    assert entry.hex() == "".join(fields)
    header = read_header(entry)
    assert (header.magic, header.base_offset, header.last_offset, header.size_in_bytes) == (1, 7, 7, len(entry))
    assert (header.max_timestamp, header.timestamp_type) == (1000, TimestampType.LOG_APPEND_TIME)
    assert (header.records_count, header.producer_id, header.partition_leader_epoch) == (1, -1, -1)


@pytest.mark.parametrize("codec", LEGACY_CODECS)
@pytest.mark.parametrize("magic", [0, 1])
def test_what_was_built_is_read_again_with_absolute_offsets(magic: int, codec: CompressionType) -> None:
    message_set = build_message_set(RECORDS, magic=magic, compression=codec)
    assert len(list(iter_batches(message_set))) == (1 if codec else len(RECORDS))
    assert read_all(message_set) == (RECORDS if magic else without_timestamps(RECORDS))


def test_a_wrapper_shows_its_last_offset_and_largest_timestamp() -> None:
    header = read_header(build_message_set(RECORDS, magic=1, compression=CompressionType.GZIP))
    assert (header.base_offset, header.last_offset, header.max_timestamp) == (106, 106, 5000)
    assert (header.is_compressed, header.records_count) == (True, -1)


def test_a_wrapper_of_magic_1_holds_offsets_that_count_from_its_first() -> None:
    inner = b"".join(build_entry(offset, 10, None, b"x", magic=1) for offset in (0, 1, 4))
    wrapper = build_entry(
        50, 10, None, compress(CompressionType.GZIP, inner), magic=1, compression=CompressionType.GZIP
    )
    assert [record.offset for record in decode_records(wrapper)] == [46, 47, 50]


def test_a_wrapper_whose_offset_was_left_at_zero_leaves_the_inner_offsets_as_they_are() -> None:
    inner = b"".join(build_entry(offset, 10, None, b"x", magic=1) for offset in (0, 1, 2))
    wrapper = build_entry(0, 10, None, compress(CompressionType.GZIP, inner), magic=1, compression=CompressionType.GZIP)
    assert [record.offset for record in decode_records(wrapper)] == [0, 1, 2]


def test_log_append_time_of_a_wrapper_is_every_inner_records_time() -> None:
    inner = b"".join(build_entry(offset, offset, None, b"x", magic=1) for offset in range(3))
    wrapper = build_entry(
        2,
        9999,
        None,
        compress(CompressionType.LZ4, inner),
        magic=1,
        compression=CompressionType.LZ4,
        timestamp_type=TimestampType.LOG_APPEND_TIME,
    )
    assert [record.timestamp for record in decode_records(wrapper)] == [9999, 9999, 9999]


def wrap(inner: bytes | None, codec: CompressionType = CompressionType.GZIP, offset: int = 5) -> bytes:
    value = None if inner is None else compress(codec, inner, magic=1)
    return build_entry(offset, 1, None, value, magic=1, compression=codec)


@pytest.mark.parametrize(
    ("wrapper", "text"),
    [
        (wrap(None), "null value"),
        (wrap(b""), "no inner records"),
        (wrap(wrap(build_entry(0, 1, None, b"x", magic=1))), "Inner messages must not be compressed"),
        (
            wrap(build_entry(9, 1, None, b"x", magic=1)),
            "wrapper offset '5' is less than the last inner message offset '9'",
        ),
        (wrap(b"x", CompressionType.ZSTD), "Invalid wrapper compressionType"),
    ],
)
def test_wrappers_that_make_no_sense_are_invalid_records(wrapper: bytes, text: str) -> None:
    with pytest.raises(KafkaError, match=text) as raised:
        decode_records(wrapper)
    assert raised.value.error == ErrorCode.INVALID_RECORD


def test_a_damaged_inner_entry_is_noticed_by_its_own_checksum() -> None:
    inner = bytearray(build_entry(0, 1, b"key", b"value", magic=1))
    inner[-1] ^= 1
    with pytest.raises(KafkaError, match="Record is corrupt") as raised:
        decode_records(wrap(bytes(inner)))
    assert raised.value.error == ErrorCode.CORRUPT_MESSAGE


@pytest.mark.parametrize("magic", [0, 1])
def test_every_flipped_bit_behind_the_checksum_is_noticed(magic: int) -> None:
    entry = build_entry(3, 4, b"key", b"value", magic=magic)
    for position in range(17, len(entry)):
        damaged = bytearray(entry)
        damaged[position] ^= 4
        with pytest.raises(KafkaError, match="Record is corrupt"):
            check_crc(damaged, 0, read_header(damaged))


@given(st.data(), st.sampled_from([0, 1]), st.sampled_from(LEGACY_CODECS))
def test_no_damage_makes_reading_raise_anything_but_the_one_error(
    data: st.DataObject, magic: int, codec: CompressionType
) -> None:
    buffer = bytearray(build_message_set(RECORDS, magic=magic, compression=codec))
    for _ in range(data.draw(st.integers(1, 4))):
        buffer[data.draw(st.integers(0, len(buffer) - 1))] = data.draw(st.integers(0, 255))
    try:
        for position, _ in iter_batches(buffer):
            decode_records(buffer, position, max_decompressed_size=1 << 20)
    except KafkaError as error:
        assert error.error in (ErrorCode.CORRUPT_MESSAGE, ErrorCode.INVALID_RECORD, ErrorCode.UNKNOWN_SERVER_ERROR)
