"""OpenTelemetry's MetricsData as clients push it (KIP-714): reads the numbers out of the protobuf message.

    MetricsData     1 ResourceMetrics*          ResourceMetrics  1 Resource, 2 ScopeMetrics*
    Resource        1 KeyValue*                 ScopeMetrics     2 Metric*
    Metric          1 name, 3 unit, 5 Gauge, 7 Sum               KeyValue  1 key, 2 AnyValue
    Gauge, Sum      1 NumberDataPoint*; Sum 2 temporality (1: since the last push, 2: since the start)
    NumberDataPoint 3 time (fixed64, ns), 4 double, 6 sfixed64, 7 KeyValue*
    AnyValue        1 string, 2 bool, 3 int, 4 double

A field is a varint `number << 3 | wire type`; wire type 0 is a varint, 1 eight bytes, 2 a length and bytes, 5 four
bytes. Unknown fields are passed over; so are histograms and summaries, which Kafka's clients do not send.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias

from kafkalite.errors import ErrorCode, KafkaError

Scalar: TypeAlias = str | bool | int | float

_VARINT: Final = 0
_EIGHT_BYTES: Final = 1
_BYTES: Final = 2
_FOUR_BYTES: Final = 5
_DELTA: Final = 1


class MetricPoint(NamedTuple):
    """One number that a client has measured."""

    name: str
    kind: str
    """`gauge`, `delta` (since the last push) or `cumulative`."""
    value: int | float
    unit: str
    time_ms: int
    attributes: Mapping[str, Scalar]
    resource: Mapping[str, Scalar]
    """What the client says of itself: client.id, group.id, transactional.id, its rack."""


def decode_metrics(data: bytes) -> list[MetricPoint]:
    """The points of a MetricsData message; raises KafkaError(INVALID_RECORD)."""
    try:
        return list(_points(memoryview(data)))
    except (IndexError, ValueError, struct.error) as error:
        raise KafkaError(ErrorCode.INVALID_RECORD, f"These are no OpenTelemetry metrics: {error}") from None


_Value: TypeAlias = int | memoryview


def _fields(message: memoryview) -> Iterator[tuple[int, _Value]]:
    """Field number and content: an int of a varint, else the bytes."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        wire_type = tag & 7
        if wire_type == _VARINT:
            number, position = _varint(message, position)
            yield tag >> 3, number
            continue
        if wire_type == _BYTES:
            size, position = _varint(message, position)
        elif wire_type in (_EIGHT_BYTES, _FOUR_BYTES):
            size = 8 if wire_type == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"wire type {wire_type}")
        if size > len(message) - position:
            raise ValueError("it ends too early")
        yield tag >> 3, message[position : position + size]
        position += size


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position
        shift += 7
    raise ValueError("a number is too long")


def _messages(message: memoryview, number: int) -> Iterator[memoryview]:
    """The repeated message in a field."""
    return (_bytes(value) for field, value in _fields(message) if field == number)


def _bytes(value: _Value) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number where bytes are due")
    return value


def _text(value: _Value) -> str:
    return str(_bytes(value), "utf-8")


def _points(data: memoryview) -> Iterator[MetricPoint]:
    for resource_metrics in _messages(data, 1):
        resource: dict[str, Scalar] = {}
        for found in _messages(resource_metrics, 1):
            resource.update(_attributes(found, 1))
        for scope_metrics in _messages(resource_metrics, 2):
            for metric in _messages(scope_metrics, 2):
                yield from _points_of(metric, resource)


def _points_of(metric: memoryview, resource: Mapping[str, Scalar]) -> Iterator[MetricPoint]:
    name = unit = kind = ""
    points: list[memoryview] = []
    for field, value in _fields(metric):
        if field == 1:
            name = _text(value)
        elif field == 3:
            unit = _text(value)
        elif field == 5:
            kind, points = "gauge", list(_messages(_bytes(value), 1))
        elif field == 7:
            sums = list(_fields(_bytes(value)))
            kind = "delta" if (2, _DELTA) in sums else "cumulative"
            points = [_bytes(found) for number, found in sums if number == 1]
    for point in points:
        number: int | float | None = None
        time_ns = 0
        for field, value in _fields(point):
            if field == 3:
                [time_ns] = struct.unpack("<Q", _bytes(value))
            elif field == 4:
                [number] = struct.unpack("<d", _bytes(value))
            elif field == 6:
                [number] = struct.unpack("<q", _bytes(value))
        if number is not None:
            yield MetricPoint(name, kind, number, unit, time_ns // 1_000_000, _attributes(point, 7), resource)


def _attributes(message: memoryview, number: int) -> dict[str, Scalar]:
    attributes: dict[str, Scalar] = {}
    for pair in _messages(message, number):
        key = ""
        content: Scalar = ""
        for field, value in _fields(pair):
            if field == 1:
                key = _text(value)
            elif field == 2:
                content = _scalar(_bytes(value))
        attributes[key] = content
    return attributes


def _scalar(message: memoryview) -> Scalar:
    for field, value in _fields(message):
        if field == 1:
            return _text(value)
        if field == 2:
            return bool(value)
        if field == 3 and isinstance(value, int):
            return value - (1 << 64) if value >> 63 else value
        if field == 4:
            return float(struct.unpack("<d", _bytes(value))[0])
    return ""
