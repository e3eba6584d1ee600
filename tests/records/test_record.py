"""Records of format 2: varints, fields, headers; what is not a record is said to be none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.records.record import Record, encode_record, encode_varint, parse_records, read_varint, read_varlong


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "00"),
        (-1, "01"),
        (1, "02"),
        (63, "7e"),
        (-64, "7f"),
        (64, "8001"),
        (-65, "8101"),
        (8191, "fe7f"),
        (2147483647, "feffffff0f"),
        (-2147483648, "ffffffff0f"),
    ],
)
def test_varints_are_zigzag_with_seven_bits_a_byte(value: int, encoded: str) -> None:
    raw = bytes.fromhex(encoded)
    assert encode_varint(value) == raw
    assert read_varint(raw, 0) == (value, len(raw))
    assert read_varlong(b"\xff" + raw, 1) == (value, len(raw) + 1)


@given(st.integers(-(2**63), 2**63 - 1))
def test_varlongs_carry_every_int64(value: int) -> None:
    raw = encode_varint(value)
    assert len(raw) <= 10
    assert read_varlong(raw, 0) == (value, len(raw))


def test_varints_that_do_not_end_are_refused() -> None:
    with pytest.raises(KafkaError, match="longer than five bytes"):
        read_varint(b"\x80" * 10, 0)
    with pytest.raises(KafkaError, match="longer than ten bytes"):
        read_varlong(b"\x80" * 11, 0)
    with pytest.raises(IndexError):
        read_varint(b"\x80\x80", 0)


def test_a_record_has_exactly_the_bytes_of_the_format() -> None:
    raw = encode_record(3, 100, b"key", None, [("h", b"v"), ("n", None)])
    fields = ("22", "00", "c801", "06", "06" + "6b6579", "01", "04", "0268" + "0276", "026e" + "01")
    assert raw == bytes.fromhex("".join(fields))
    (record,) = parse_records(raw, 1, 10, 1000)
    assert record == Record(13, 1100, b"key", None, [("h", b"v"), ("n", None)])


def test_null_and_empty_are_different_for_keys_values_and_header_values() -> None:
    rows = [(None, b""), (b"", None), (b"", b""), (None, None)]
    body = b"".join(encode_record(i, 0, key, value, [("h", value)]) for i, (key, value) in enumerate(rows))
    records = parse_records(body, 4, 0, 0)
    assert [(record.key, record.value) for record in records] == rows
    assert [record.headers[0][1] for record in records] == [value for _, value in rows]


def test_header_keys_that_are_not_utf8_survive_a_round_trip() -> None:
    raw = bytes.fromhex("1400000001010204fffe01")
    (record,) = parse_records(raw, 1, 0, 0)
    key, value, headers = record.key, record.value, record.headers
    assert encode_record(0, 0, key, value, headers) == raw


GOOD = encode_record(0, 0, b"key", b"value", [("h", b"x")])


@pytest.mark.parametrize(
    ("body", "count", "text"),
    [
        (GOOD, 2, "premature EOF"),
        (GOOD + GOOD, 1, "still remaining"),
        (GOOD[:-1], 1, "Invalid record size: expected 18 bytes in record payload, but instead the buffer has only 17"),
        (b"\x01" + GOOD[1:], 1, "Invalid record size"),
        (bytes([GOOD[0] - 2]) + GOOD[1:], 1, "reaches beyond its record|expected to read"),
        (
            bytes([GOOD[0] + 2]) + GOOD[1:] + b"\x00",
            1,
            "expected to read 19 bytes in record payload, but instead read 18",
        ),
        (bytes.fromhex("0c000000010101"), 1, "Found invalid number of record headers -1"),
        (bytes.fromhex("0c00000001017e"), 1, "Found invalid number of record headers. 63 is larger than"),
        (bytes.fromhex("100000000101020101"), 1, "Invalid negative header key size -1"),
        (GOOD, -1, "Found invalid record count -1"),
    ],
)
def test_a_body_that_is_not_its_declared_records_is_an_invalid_record(body: bytes, count: int, text: str) -> None:
    with pytest.raises(KafkaError, match=text) as raised:
        parse_records(body, count, 0, 0)
    assert raised.value.error == ErrorCode.INVALID_RECORD
