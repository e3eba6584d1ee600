"""OpenTelemetry's MetricsData, built by hand after its definition, and bytes that are none."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.opentelemetry_metrics import decode_metrics


def varint(number: int) -> bytes:
    encoded = b""
    while number > 0x7F:
        encoded += bytes([number & 0x7F | 0x80])
        number >>= 7
    return encoded + bytes([number])


def field(number: int, content: bytes | str) -> bytes:
    data = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(data)) + data


def attribute(number: int, key: str, value: bytes) -> bytes:
    return field(number, field(1, key) + field(2, value))


def metrics(*encoded: bytes, resource: bytes = b"") -> bytes:
    scope_metrics = field(1, field(1, "scope")) + b"".join(field(2, metric) for metric in encoded)
    return field(1, field(1, resource) + field(2, scope_metrics))


TIME = b"\x19" + struct.pack("<Q", 1_700_000_000_123_456_789)
A_DOUBLE = b"\x21" + struct.pack("<d", 2.5)
AN_INT = b"\x31" + struct.pack("<q", -7)


def test_gauges_and_sums_are_read_with_what_they_belong_to() -> None:
    gauge = (
        field(1, "a.gauge")
        + field(3, "ms")
        + field(5, field(1, TIME + A_DOUBLE + attribute(7, "node.id", b"\x18\x01")))
    )
    delta = field(1, "a.delta") + field(7, field(1, TIME + AN_INT) + b"\x10\x01\x18\x01")
    total = field(1, "a.total") + field(7, field(1, AN_INT + attribute(7, "topic", field(1, "t"))) + b"\x10\x02")
    resource = attribute(1, "client.id", field(1, "app"))
    points = decode_metrics(metrics(gauge, delta, total, resource=resource))
    assert [(point.name, point.kind, point.value, point.unit) for point in points] == [
        ("a.gauge", "gauge", 2.5, "ms"),
        ("a.delta", "delta", -7, ""),
        ("a.total", "cumulative", -7, ""),
    ]
    assert [point.time_ms for point in points] == [1_700_000_000_123, 1_700_000_000_123, 0]
    assert [point.attributes for point in points] == [{"node.id": 1}, {}, {"topic": "t"}]
    assert all(point.resource == {"client.id": "app"} for point in points)


def test_what_is_not_known_is_passed_over() -> None:
    histogram = field(1, "a.histogram") + field(9, field(1, b"\x09" + bytes(8)))
    empty = field(1, "nothing measured") + field(5, field(1, TIME))
    gauge = field(1, "a") + b"\x78\x05\x7d\x00\x00\x00\x00" + field(5, field(1, A_DOUBLE))
    assert [point.name for point in decode_metrics(metrics(histogram, empty, gauge))] == ["a"]
    assert decode_metrics(b"") == []


@pytest.mark.parametrize(
    "value, expected",
    [
        (b"\x10\x01", True),
        (b"\x18" + b"\xff" * 9 + b"\x01", -1),
        (b"\x21" + struct.pack("<d", 0.5), 0.5),
        (field(1, "é"), "é"),
        (b"", ""),
    ],
)
def test_attributes_are_texts_numbers_and_booleans(value: bytes, expected: object) -> None:
    gauge = field(1, "a") + field(5, field(1, A_DOUBLE + attribute(7, "key", value)))
    [point] = decode_metrics(metrics(gauge))
    assert point.attributes == {"key": expected}


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"\x0a",
        b"\x0a\x05a",
        b"\x0b",
        b"\xff" * 11,
        field(1, b"\x12\xff"),
        field(1, field(2, b"\x10\x01")) + b"\x08",
    ],
)
def test_what_is_cut_off_or_something_else_is_refused(data: bytes) -> None:
    with pytest.raises(KafkaError) as refused:
        decode_metrics(data)
    assert refused.value.error is ErrorCode.INVALID_RECORD


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_decode_or_be_refused(data: bytes) -> None:
    for message in (data, metrics(data), metrics(field(5, data)), metrics(field(7, field(1, data)))):
        try:
            decode_metrics(message)
        except KafkaError as error:
            assert error.error is ErrorCode.INVALID_RECORD
