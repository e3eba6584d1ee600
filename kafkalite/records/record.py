"""Records of message format 2: what stands inside a batch, once it is decompressed.

    record   = length varint, attributes int8 (0), timestamp delta varlong, offset delta varint,
               key length varint (-1: null), key, value length varint (-1: null), value,
               header count varint, headers
    header   = key length varint, key (UTF-8), value length varint (-1: null), value

Varints are zigzag: small numbers of either sign are short. Deltas count from the base timestamp and base offset of the
batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

from kafkalite.errors import ErrorCode, KafkaError

Header: TypeAlias = tuple[str, bytes | None]

NO_TIMESTAMP: Final = -1


class Record(NamedTuple):
    """One record with its absolute offset; `timestamp` in milliseconds, -1 where the format has none."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] = ()


def invalid_record(message: str) -> KafkaError:
    """The error for bytes that do not form the records that their batch declares (InvalidRecordException)."""
    return KafkaError(ErrorCode.INVALID_RECORD, message)


def encode_varint(value: int) -> bytes:
    """Zigzag varint of a signed number of up to 64 bits."""
    zigzag = value << 1 if value >= 0 else (-value << 1) - 1
    if zigzag < 0x80:
        return _ONE_BYTE[zigzag]
    if zigzag < 0x4000:
        return bytes((zigzag & 0x7F | 0x80, zigzag >> 7))
    out = bytearray()
    while zigzag >= 0x80:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)


def read_varint(buffer: bytes | bytearray | memoryview, position: int) -> tuple[int, int]:
    """A varint of at most five bytes and the position behind it; raises IndexError at the end of the buffer."""
    byte = buffer[position]
    position += 1
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), position
    zigzag = byte & 0x7F
    shift = 7
    while True:
        byte = buffer[position]
        position += 1
        zigzag |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 28:
            raise invalid_record("Found invalid record structure: a varint is longer than five bytes")
    zigzag &= 0xFFFFFFFF
    return (zigzag >> 1) ^ -(zigzag & 1), position


def read_varlong(buffer: bytes | bytearray | memoryview, position: int) -> tuple[int, int]:
    """A varint of at most ten bytes and the position behind it; raises IndexError at the end of the buffer."""
    zigzag = shift = 0
    while True:
        byte = buffer[position]
        position += 1
        zigzag |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 63:
            raise invalid_record("Found invalid record structure: a varlong is longer than ten bytes")
    zigzag &= 0xFFFFFFFFFFFFFFFF
    return (zigzag >> 1) ^ -(zigzag & 1), position


def encode_record(
    offset_delta: int,
    timestamp_delta: int,
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[Header] = (),
) -> bytes:
    """The bytes of one record, its length in front."""
    if not headers:
        key_part = b"\x01" if key is None else encode_varint(len(key)) + key
        value_part = b"\x01" if value is None else encode_varint(len(value)) + value
        plain = b"\x00%b%b%b%b\x00" % (
            encode_varint(timestamp_delta),
            encode_varint(offset_delta),
            key_part,
            value_part,
        )
        return encode_varint(len(plain)) + plain
    parts = [b"\x00", encode_varint(timestamp_delta), encode_varint(offset_delta)]
    if key is None:
        parts.append(b"\x01")
    else:
        parts.append(encode_varint(len(key)))
        parts.append(key)
    if value is None:
        parts.append(b"\x01")
    else:
        parts.append(encode_varint(len(value)))
        parts.append(value)
    parts.append(encode_varint(len(headers)))
    for header_key, header_value in headers:
        raw_key = header_key.encode("utf-8", "surrogateescape")
        parts.append(encode_varint(len(raw_key)))
        parts.append(raw_key)
        if header_value is None:
            parts.append(b"\x01")
        else:
            parts.append(encode_varint(len(header_value)))
            parts.append(header_value)
    body = b"".join(parts)
    return encode_varint(len(body)) + body


def parse_records(
    body: bytes,
    count: int,
    base_offset: int,
    base_timestamp: int,
    log_append_time: int | None = None,
    *,
    into: list[Record] | None = None,
) -> list[Record]:
    """All records of a decompressed batch body, which must hold exactly `count` of them.

    With `log_append_time` every record carries that timestamp instead of its own. Raises KafkaError(INVALID_RECORD);
    the records before the damage are then in the list given as `into`.
    """
    if count < 0:
        raise invalid_record(f"Found invalid record count {count} in magic v2 batch")
    records: list[Record] = [] if into is None else into
    position = 0
    try:
        for _ in range(count):
            size, position = read_varint(body, position)
            record_end = position + size
            if size < 0 or record_end > len(body):
                raise invalid_record(
                    f"Invalid record size: expected {size} bytes in record payload, but instead the buffer has only "
                    f"{len(body) - position} remaining bytes."
                )
            timestamp_delta, position = read_varlong(body, position + 1)
            offset_delta, position = read_varint(body, position)
            key, position = _read_bytes(body, position, record_end)
            value, position = _read_bytes(body, position, record_end)
            header_count, position = read_varint(body, position)
            headers: Sequence[Header] = ()
            if header_count:
                headers, position = _read_headers(body, position, record_end, header_count)
            if position != record_end:
                raise invalid_record(
                    f"Invalid record size: expected to read {size} bytes in record payload, but instead read "
                    f"{position - record_end + size}"
                )
            timestamp = base_timestamp + timestamp_delta if log_append_time is None else log_append_time
            records.append(Record(base_offset + offset_delta, timestamp, key, value, headers))
    except IndexError:
        raise invalid_record("Incorrect declared batch size, premature EOF reached") from None
    # A batch without records (compaction leaves those) has nothing to compare: Apache Kafka does not look either.
    if count and position != len(body):
        raise invalid_record("Incorrect declared batch size, records still remaining in file")
    return records


def _read_bytes(body: bytes, position: int, end: int) -> tuple[bytes | None, int]:
    size, position = read_varint(body, position)
    if size < 0:
        return None, position
    after = position + size
    if after > end:
        raise invalid_record(f"Found invalid record structure: a field of {size} bytes reaches beyond its record")
    return body[position:after], after


def _read_headers(body: bytes, position: int, end: int, count: int) -> tuple[list[Header], int]:
    if count < 0:
        raise invalid_record(f"Found invalid number of record headers {count}")
    if count > end - position:
        raise invalid_record(
            f"Found invalid number of record headers. {count} is larger than the remaining size of the buffer"
        )
    headers: list[Header] = []
    for _ in range(count):
        raw_key, position = _read_bytes(body, position, end)
        if raw_key is None:
            raise invalid_record("Invalid negative header key size -1")
        value, position = _read_bytes(body, position, end)
        headers.append((raw_key.decode("utf-8", "surrogateescape"), value))
    return headers, position


_ONE_BYTE: Final = tuple(bytes((zigzag,)) for zigzag in range(0x80))
