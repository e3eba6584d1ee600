"""Appending to a log and reading from it."""

from __future__ import annotations

import pytest

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.records.compression import CompressionType
from kafkalite.records.legacy_message_set import build_message_set
from kafkalite.records.record import Record
from kafkalite.records.record_batch import decode_records, iter_batches, read_header
from kafkalite.storage.log_read import FetchDataInfo
from kafkalite.storage.partition_log import PartitionLog
from log_disk import BatchMaker, Disk


def values(fetched: FetchDataInfo) -> list[tuple[int, bytes | None]]:
    data = fetched.records.read()
    return [
        (record.offset, record.value) for position, _ in iter_batches(data) for record in decode_records(data, position)
    ]


def fill(log: PartitionLog, batch: BatchMaker, count: int, size: int = 100) -> None:
    for number in range(count):
        log.append(batch(b"%04d" % number + bytes(size)), now_ms=log.last_flush_ms)


def test_appended_batches_get_consecutive_offsets_and_read_back(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log()
    first = log.append(batch(b"a", b"b"), now_ms=disk.now_ms)
    second = log.append(batch(b"c"), now_ms=disk.now_ms)
    assert (first.first_offset, first.last_offset, first.log_append_time_ms) == (0, 1, -1)
    assert (second.first_offset, second.last_offset) == (2, 2)
    assert values(log.read(0, 1 << 20)) == [(0, b"a"), (1, b"b"), (2, b"c")]
    assert (log.log_start_offset, log.log_end_offset, log.high_watermark, log.last_stable_offset) == (0, 3, 3, 3)
    disk.close()


def test_an_appended_batch_differs_from_the_sent_one_in_offset_and_epoch_only(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log()
    log.append(batch(b"a"), now_ms=disk.now_ms)
    sent = batch(b"payload", compression=CompressionType.GZIP)
    log.append(sent, now_ms=disk.now_ms, leader_epoch=7)
    stored = log.read(1, 1 << 20).records.read()
    assert stored[16:] == sent[16:]
    header = read_header(stored)
    assert (header.base_offset, header.partition_leader_epoch) == (1, 7)
    disk.close()


def test_a_read_from_the_middle_of_a_batch_gives_the_whole_batch(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log()
    log.append(batch(b"a", b"b", b"c"), now_ms=disk.now_ms)
    assert values(log.read(2, 1 << 20)) == [(0, b"a"), (1, b"b"), (2, b"c")]
    disk.close()


def test_a_read_behind_the_end_is_out_of_range_and_at_the_end_empty(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log()
    log.append(batch(b"a"), now_ms=disk.now_ms)
    assert log.read(1, 1 << 20).records.size == 0
    with pytest.raises(KafkaError) as raised:
        log.read(2, 1 << 20)
    assert raised.value.error is ErrorCode.OFFSET_OUT_OF_RANGE
    disk.close()


def test_the_first_batch_of_a_read_comes_whole_unless_that_is_not_wanted(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log()
    fill(log, batch, 3)
    size = read_header(log.read(0, 1 << 20).records.read()).size_in_bytes
    assert log.read(0, 1).records.size == size
    assert log.read(0, 1, minimum_one_batch=False).records.size == 0
    assert log.read(0, size + 10).records.size == size + 10
    disk.close()


def test_reads_find_every_offset_in_many_segments(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log(internal_segment_bytes=5000, index_interval_bytes=300)
    fill(log, batch, 300)
    assert len(log.segments) > 5
    for offset in range(300):
        assert values(log.read(offset, 1))[0][0] == offset
    disk.close()


def test_a_log_that_was_closed_opens_with_all_its_records(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log(internal_segment_bytes=5000, index_interval_bytes=300)
    fill(log, batch, 100)
    disk.close()
    log = disk.open_log(internal_segment_bytes=5000, index_interval_bytes=300)
    assert (log.log_end_offset, log.recovery_point) == (100, 100)
    assert [values(log.read(offset, 1))[0][0] for offset in range(100)] == list(range(100))
    fill(log, batch, 1)
    assert log.log_end_offset == 101
    disk.close()


def test_a_log_whose_broker_was_killed_opens_with_all_its_records(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log(internal_segment_bytes=5000, index_interval_bytes=300)
    fill(log, batch, 100)
    disk.kill()
    log = disk.open_log(internal_segment_bytes=5000, index_interval_bytes=300)
    assert (log.log_end_offset, log.recovery_point) == (100, 0)
    assert [values(log.read(offset, 1))[0][0] for offset in range(100)] == list(range(100))
    disk.close()


def test_a_batch_larger_than_the_limits_is_refused(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log(max_message_bytes=200, internal_segment_bytes=150)
    for size, error in ((300, ErrorCode.MESSAGE_TOO_LARGE), (100, ErrorCode.RECORD_LIST_TOO_LARGE)):
        with pytest.raises(KafkaError) as raised:
            log.append(batch(bytes(size)), now_ms=disk.now_ms)
        assert raised.value.error is error
    assert log.log_end_offset == 0
    disk.close()


@pytest.mark.parametrize("codec", [CompressionType.NONE, CompressionType.GZIP, CompressionType.SNAPPY])
@pytest.mark.parametrize("magic", [0, 1])
def test_message_sets_of_old_formats_are_read_recovered_and_followed_by_new_batches(
    disk: Disk, batch: BatchMaker, magic: int, codec: CompressionType
) -> None:
    disk.open_log()
    disk.close()
    sets = [
        build_message_set(
            [Record(first + index, disk.now_ms + first + index, b"k", b"%d" % (first + index)) for index in range(3)],
            magic=magic,
            compression=codec,
        )
        for first in range(0, 300, 3)
    ]
    disk.write("00000000000000000000.log", b"".join(sets) + sets[0][:10])
    for name in ("00000000000000000000.index", "00000000000000000000.timeindex"):
        disk.filesystem.remove(f"{disk.directory}/{name}")
    disk.filesystem.remove(f"{disk.path}/.kafka_cleanshutdown")
    log = disk.open_log()
    assert log.log_end_offset == 300
    expected = [(offset, b"%d" % offset) for offset in range(300)]
    assert values(log.read(0, 1 << 20)) == expected
    for offset in range(0, 300, 7):
        first = values(log.read(offset, 1))
        assert (offset, b"%d" % offset) in first
    found = log.offset_for_timestamp(disk.now_ms + 100)
    assert found == ((disk.now_ms + 100, 100, -1) if magic else None)
    log.append(batch(b"new"), now_ms=disk.now_ms)
    disk.close()
    log = disk.open_log()
    assert values(log.read(0, 1 << 20)) == [*expected, (300, b"new")]
    disk.close()
