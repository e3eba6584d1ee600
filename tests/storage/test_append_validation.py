"""What a client's append must fulfil, and what the log changes in it."""

from __future__ import annotations

import pytest

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.records.compression import CompressionType
from kafkalite.records.legacy_message_set import build_message_set
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch, decode_records, read_header
from kafkalite.records.record_validation import RecordValidationError
from kafkalite.storage.partition_log import PartitionLog
from log_disk import BatchMaker, Disk


def refusal(disk: Disk, log: PartitionLog, records: bytes) -> ErrorCode:
    before = disk.read("00000000000000000000.log")
    with pytest.raises(KafkaError) as raised:
        log.append(records, now_ms=disk.now_ms)
    assert disk.read("00000000000000000000.log") == before
    return raised.value.error


def test_bytes_that_are_no_batch_of_this_format_are_refused(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log()
    good = batch(b"value")
    flipped = bytearray(good)
    flipped[70] ^= 1
    control = build_batch([Record(0, 1, b"\x00\x00\x00\x01", b"\x00\x00\x00\x00\x00\x00")], is_control=True)
    old = build_message_set([Record(0, disk.now_ms, None, b"x")], magic=1)
    shifted = build_batch([Record(5, disk.now_ms, None, b"x")], base_offset=5)
    for records, error in (
        (b"", ErrorCode.INVALID_RECORD),
        (good[:40], ErrorCode.INVALID_RECORD),
        (bytes(flipped), ErrorCode.CORRUPT_MESSAGE),
        (control, ErrorCode.INVALID_RECORD),
        (old, ErrorCode.INVALID_RECORD),
        (shifted, ErrorCode.INVALID_RECORD),
        (good + good, ErrorCode.INVALID_RECORD),
        (batch(b"x", producer_id=3, epoch=0, sequence=-1), ErrorCode.INVALID_RECORD),
    ):
        assert refusal(disk, log, records) is error
    disk.close()


def test_what_follows_the_batch_is_not_appended(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log()
    good = batch(b"value")
    log.append(good + good[:30], now_ms=disk.now_ms)
    assert len(log.read(0, 1 << 20).records.read()) == len(good)
    log.append(memoryview(b"before" + good + b"behind")[6:-6], now_ms=disk.now_ms)
    assert log.log_end_offset == 2
    disk.close()


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd", "uncompressed"])
def test_a_topic_s_own_compression_type_replaces_the_producer_s(disk: Disk, batch: BatchMaker, codec: str) -> None:
    log = disk.open_log(compression_type=codec)
    expected = CompressionType.NONE if codec == "uncompressed" else CompressionType[codec.upper()]
    for source in CompressionType:
        sent = batch(b"a" * 200, b"b" * 200, producer_id=1, epoch=0, sequence=2 * source, compression=source)
        offset = log.append(sent, now_ms=disk.now_ms).first_offset
        stored = log.read(offset, 1 << 20).records.read()
        header = read_header(stored)
        assert header.compression_type is expected
        assert (header.base_offset, header.producer_id, header.base_sequence) == (offset, 1, 2 * source)
        assert [record.value for record in decode_records(stored)] == [b"a" * 200, b"b" * 200]
        assert log.append(sent, now_ms=disk.now_ms).is_duplicate
    disk.close()


def test_a_batch_that_grows_beyond_the_limit_when_it_is_decompressed_is_refused(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log(compression_type="uncompressed", max_message_bytes=1000)
    compressed = batch(bytes(5000), compression=CompressionType.GZIP)
    assert len(compressed) < 1000
    assert refusal(disk, log, compressed) is ErrorCode.MESSAGE_TOO_LARGE
    disk.close()


def test_records_without_a_key_are_refused_on_compacted_topics_by_their_index(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log(cleanup_policy="compact,delete")
    mixed = build_batch([Record(0, disk.now_ms, b"key", b"x"), Record(1, disk.now_ms, None, b"y")])
    with pytest.raises(RecordValidationError) as raised:
        log.append(mixed, now_ms=disk.now_ms)
    assert [error.batch_index for error in raised.value.record_errors] == [1]
    log.append(batch(b"x", b"y", key=b"key"), now_ms=disk.now_ms)
    disk.close()


def test_a_changed_configuration_holds_from_the_next_append_on(disk: Disk, batch: BatchMaker) -> None:
    from kafkalite.config.topic_config import TopicConfig

    log = disk.open_log()
    log.append(batch(bytes(500)), now_ms=disk.now_ms)
    log.update_config(TopicConfig({"max.message.bytes": "400", "message.timestamp.type": "LogAppendTime"}))
    assert refusal(disk, log, batch(bytes(500))) is ErrorCode.MESSAGE_TOO_LARGE
    assert log.append(batch(b"x"), now_ms=disk.now_ms + 9).log_append_time_ms == disk.now_ms + 9
    disk.close()
