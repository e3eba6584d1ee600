"""The same bytes as other implementations: batches cross over to kafka-python and aiokafka and back, and from Java.

tests/golden/records/java_client_batches.txt was written by the Java client's MemoryRecordsBuilder: per line a magic, a
codec and a batch in hexadecimal.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka.record.default_records import DefaultRecordBatch as AioDefaultRecordBatch
from aiokafka.record.default_records import DefaultRecordBatchBuilder as AioDefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatch as AioLegacyRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder as AioLegacyRecordBatchBuilder
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from kafka.record.legacy_records import LegacyRecordBatch, LegacyRecordBatchBuilder

from kafkalite.records import lz4_frame
from kafkalite.records.compression import CompressionType
from kafkalite.records.legacy_message_set import build_message_set
from kafkalite.records.log_validator import validate_client_batch
from kafkalite.records.record import Record
from kafkalite.records.record_batch import (
    build_batch,
    check_crc,
    decode_records,
    iter_batches,
    read_header,
    records_body,
)
from kafkalite.records.record_validation import validate_records

Make = Callable[[int], list[Record]]

BUILDERS = {"kafka-python": DefaultRecordBatchBuilder, "aiokafka": AioDefaultRecordBatchBuilder}
READERS = {"kafka-python": DefaultRecordBatch, "aiokafka": AioDefaultRecordBatch}
LEGACY_BUILDERS = {"kafka-python": LegacyRecordBatchBuilder, "aiokafka": AioLegacyRecordBatchBuilder}
LEGACY_READERS = {"kafka-python": LegacyRecordBatch, "aiokafka": AioLegacyRecordBatch}
LEGACY_KINDS = [
    (0, CompressionType.NONE),
    (0, CompressionType.GZIP),
    (0, CompressionType.SNAPPY),
    (1, CompressionType.NONE),
    (1, CompressionType.GZIP),
    (1, CompressionType.SNAPPY),
    (1, CompressionType.LZ4),
]
"""Magic 0 with lz4 is in the Java client's batches alone: neither library supports it."""

JAVA_BATCHES = Path(__file__).parent.parent / "golden" / "records" / "java_client_batches.txt"

libraries = pytest.mark.parametrize("library", sorted(BUILDERS))


def comparable(records: Any) -> list[tuple[Any, ...]]:
    return [
        (record.offset, record.timestamp, record.key, record.value, [tuple(header) for header in record.headers])
        for record in records
    ]


@libraries
@pytest.mark.parametrize("codec", list(CompressionType))
def test_a_batch_of_another_library_is_read_and_valid(
    library: str, codec: CompressionType, sample_records: Make
) -> None:
    records = sample_records(300)
    builder = BUILDERS[library](2, codec, 0, 55, 2, 9, 1_000_000)
    for offset, timestamp, key, value, headers in records:
        assert builder.append(offset, timestamp=timestamp, key=key, value=value, headers=list(headers)), (
            "the library's batch is full"
        )
    batch = bytes(builder.build())
    header = validate_client_batch(batch, "t-0", max_message_bytes=1_000_000)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (55, 2, 9)
    assert header.compression_type == codec
    info = validate_records(records_body(batch, 0, header), header, "t-0", now_ms=0)
    assert info.max_timestamp == header.max_timestamp == max(record.timestamp for record in records)
    assert comparable(decode_records(batch)) == comparable(records)
    if codec == CompressionType.NONE:
        assert build_batch(records, producer_id=55, producer_epoch=2, base_sequence=9) == _with_epoch_of(batch)


def _with_epoch_of(batch: bytes) -> bytes:
    """The libraries write a partition leader epoch of 0 or -1, which means nothing before the broker sets it."""
    return batch[:12] + b"\xff\xff\xff\xff" + batch[16:]


@libraries
@pytest.mark.parametrize("codec", list(CompressionType))
def test_another_library_reads_our_batch(library: str, codec: CompressionType, sample_records: Make) -> None:
    records = sample_records(300)
    batch = READERS[library](bytearray(build_batch(records, compression=codec)))
    assert batch.validate_crc()
    assert comparable(batch) == comparable(records)


@libraries
@pytest.mark.parametrize(("magic", "codec"), LEGACY_KINDS)
def test_a_message_set_of_another_library_is_read(
    library: str, magic: int, codec: CompressionType, sample_records: Make
) -> None:
    records = [record._replace(headers=()) for record in sample_records(50)]
    builder = LEGACY_BUILDERS[library](magic, codec, 1_000_000)
    for offset, timestamp, key, value, _ in records:
        builder.append(offset, timestamp=timestamp if magic else None, key=key, value=value)
    message_set = bytes(builder.build())
    if magic == 0:
        records = [record._replace(timestamp=-1) for record in records]
    found: list[Record] = []
    for position, header in iter_batches(message_set):
        check_crc(message_set, position, header)
        found += decode_records(message_set, position)
    assert found == records
    if codec == CompressionType.NONE:
        assert build_message_set(records, magic=magic) == message_set


@libraries
@pytest.mark.parametrize(("magic", "codec"), LEGACY_KINDS)
def test_another_library_reads_our_message_set(
    library: str, magic: int, codec: CompressionType, sample_records: Make
) -> None:
    records = [record._replace(offset=record.offset + 1000) for record in sample_records(50)]
    message_set = build_message_set(records, magic=magic, compression=codec)
    found: list[tuple[Any, ...]] = []
    for position, header in iter_batches(message_set):
        entry = LEGACY_READERS[library](bytearray(message_set[position : position + header.size_in_bytes]), magic)
        assert entry.validate_crc()
        found += [(record.offset, record.timestamp, record.key, record.value) for record in entry]
    assert found == [
        (record.offset, record.timestamp if magic else None, record.key, record.value) for record in records
    ]


@libraries
def test_the_headers_fields_stand_where_another_library_finds_them(library: str, sample_records: Make) -> None:
    ours = build_batch(
        sample_records(5),
        partition_leader_epoch=6,
        producer_id=2**40,
        producer_epoch=7,
        base_sequence=8,
        is_transactional=True,
        is_control=True,
    )
    batch = READERS[library](bytearray(ours))
    header = read_header(ours)
    assert batch.base_offset == header.base_offset == 0
    assert batch.producer_id == header.producer_id == 2**40
    assert batch.producer_epoch == header.producer_epoch == 7
    assert batch.base_sequence == header.base_sequence == 8
    assert batch.last_offset_delta == header.last_offset_delta == 4
    assert batch.max_timestamp == header.max_timestamp
    assert batch.first_timestamp == header.base_timestamp
    assert batch.crc == header.crc
    assert batch.is_transactional and batch.is_control_batch


@pytest.mark.parametrize("line", JAVA_BATCHES.read_text().splitlines(), ids=lambda line: line[:8].strip())
def test_batches_of_the_java_client_are_read_and_written_alike(line: str) -> None:
    magic, codec_name, raw = line.split()
    theirs = bytes.fromhex(raw)
    codec = CompressionType.for_name(codec_name)
    records = [Record(100 + i, 5000 - i, b"key%d" % i if i % 2 else None, b"value %d " % i * 6) for i in range(4)]
    if magic == "2":
        ours = build_batch(records, base_offset=100, compression=codec)
    else:
        ours = build_message_set(records, magic=int(magic), compression=codec)
    if magic == "0":
        records = [record._replace(timestamp=-1) for record in records]
    for buffer in (theirs, ours):
        found: list[Record] = []
        for position, header in iter_batches(buffer):
            check_crc(buffer, position, header)
            assert header.magic == int(magic)
            assert header.compression_type == codec
            found += decode_records(buffer, position)
        assert found == records
    if codec == CompressionType.NONE:
        assert ours == theirs
    if codec == CompressionType.LZ4:
        start = theirs.index(lz4_frame.MAGIC)
        assert ours[start : start + 7] == theirs[start : start + 7]
