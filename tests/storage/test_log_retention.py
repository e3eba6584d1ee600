"""Segments that go by time, by size and before the log's start; DeleteRecords."""

from __future__ import annotations

import pytest

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.storage.partition_log import PartitionLog
from log_disk import BatchMaker, Disk
from log_rounds import cleanup_logs, delete_due_files

HOUR_MS = 3600 * 1000
SEGMENT = {"internal_segment_bytes": 1000, "index_interval_bytes": 300}


def fill(log: PartitionLog, batch: BatchMaker, count: int, *, now_ms: int, step_ms: int = 0) -> None:
    for number in range(count):
        log.append(batch(bytes(100), timestamp=now_ms + number * step_ms), now_ms=now_ms)


def test_segments_whose_newest_record_is_too_old_go(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log(retention_ms=HOUR_MS, **SEGMENT)
    fill(log, batch, 30, now_ms=disk.now_ms, step_ms=60_000)
    bases = [segment.base_offset for segment in log.segments]
    newest = [segment.max_timestamp for segment in log.segments]
    assert len(bases) > 4
    assert cleanup_logs(disk.manager, newest[1] + HOUR_MS) == 1
    assert log.log_start_offset == bases[1] == log.segments[0].base_offset
    assert cleanup_logs(disk.manager, newest[1] + HOUR_MS + 1) == 1
    with pytest.raises(KafkaError) as raised:
        log.read(bases[2] - 1, 100)
    assert raised.value.error is ErrorCode.OFFSET_OUT_OF_RANGE
    assert log.read(bases[2], 100).records.size > 0
    disk.close()
    log = disk.open_log(retention_ms=HOUR_MS, **SEGMENT)
    assert (log.log_start_offset, log.log_end_offset) == (bases[2], 30)
    disk.close()


def test_when_all_segments_go_the_offsets_go_on(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log(retention_ms=HOUR_MS, **SEGMENT)
    fill(log, batch, 20, now_ms=disk.now_ms)
    count = len(log.segments)
    assert cleanup_logs(disk.manager, disk.now_ms + HOUR_MS + 1) == count
    assert (log.log_start_offset, log.log_end_offset, log.size()) == (20, 20, 0)
    assert cleanup_logs(disk.manager, disk.now_ms + 2 * HOUR_MS) == 0
    assert log.append(batch(b"x"), now_ms=disk.now_ms).first_offset == 20
    disk.close()
    assert disk.open_log(**SEGMENT).log_end_offset == 21
    disk.close()


def test_records_without_a_timestamp_are_as_old_as_their_file(memory_disk: Disk, batch: BatchMaker) -> None:
    disk = memory_disk
    log = disk.open_log(retention_ms=HOUR_MS, **SEGMENT)
    for _ in range(20):
        log.append(batch(bytes(100), timestamp=-1), now_ms=disk.now_ms)
    assert cleanup_logs(disk.manager, disk.now_ms + HOUR_MS) == 0
    assert cleanup_logs(disk.manager, disk.now_ms + HOUR_MS + 1) > 1


def test_what_exceeds_the_size_goes_but_never_more(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log(retention_bytes=2500, retention_ms=-1, **SEGMENT)
    fill(log, batch, 40, now_ms=disk.now_ms)
    sizes = [segment.size for segment in log.segments]
    cleanup_logs(disk.manager, disk.now_ms)
    assert 2500 <= log.size() < 2500 + sizes[0]
    assert cleanup_logs(disk.manager, disk.now_ms) == 0
    disk.close()


def test_compacted_topics_keep_their_old_segments(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log(cleanup_policy="compact", retention_ms=1, retention_bytes=1, **SEGMENT)
    for _ in range(20):
        log.append(batch(bytes(100), key=b"k"), now_ms=disk.now_ms)
    assert cleanup_logs(disk.manager, disk.now_ms + HOUR_MS) == 0
    with pytest.raises(KafkaError) as raised:
        log.delete_records(5)
    assert raised.value.error is ErrorCode.POLICY_VIOLATION
    with pytest.raises(KafkaError) as raised:
        log.append(batch(b"without a key"), now_ms=disk.now_ms)
    assert raised.value.error is ErrorCode.INVALID_RECORD
    disk.close()


def test_deleted_records_are_gone_at_once_and_their_segments_later(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log(**SEGMENT)
    fill(log, batch, 30, now_ms=disk.now_ms)
    target = log.segments[2].base_offset + 1
    count = len(log.segments)
    assert log.delete_records(target) == target
    with pytest.raises(KafkaError):
        log.read(target - 1, 100)
    assert log.read(target, 1).records.size > 0
    assert cleanup_logs(disk.manager, disk.now_ms) == 2
    assert len(log.segments) == count - 2
    disk.kill()
    log = disk.open_log(**SEGMENT)
    assert (log.log_start_offset, log.log_end_offset) == (target, 30)
    assert log.delete_records(-1) == 30
    assert log.delete_records(3) == 30
    for offset in (31, -2):
        with pytest.raises(KafkaError) as raised:
            log.delete_records(offset)
        assert raised.value.error is ErrorCode.OFFSET_OUT_OF_RANGE
    disk.close()


def test_files_of_deleted_segments_wait_for_their_delay_and_open_readers_go_on(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log(file_delete_delay_ms=5000, retention_ms=HOUR_MS, **SEGMENT)
    fill(log, batch, 30, now_ms=disk.now_ms)
    reading = log.read(0, 1 << 20).records
    before = reading.read()
    now_ms = disk.now_ms + 2 * HOUR_MS
    cleanup_logs(disk.manager, now_ms)
    deleted = [name for name in disk.files() if name.endswith(".deleted")]
    assert "00000000000000000000.log.deleted" in deleted and "00000000000000000000.index.deleted" in deleted
    assert delete_due_files(disk.manager, now_ms + 4999) == 0
    assert delete_due_files(disk.manager, now_ms + 5000) == len(deleted)
    assert not any(name.endswith(".deleted") for name in disk.files())
    assert reading.read() == before
    disk.close()


def test_a_segment_rolls_when_its_time_is_over(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log(segment_ms=HOUR_MS)
    log.append(batch(b"a", timestamp=disk.now_ms), now_ms=disk.now_ms)
    log.append(batch(b"b", timestamp=disk.now_ms + HOUR_MS), now_ms=disk.now_ms)
    assert len(log.segments) == 1
    log.append(batch(b"c", timestamp=disk.now_ms + HOUR_MS + 1), now_ms=disk.now_ms + HOUR_MS + 1)
    assert [segment.base_offset for segment in log.segments] == [0, 2]
    disk.close()


def test_a_segment_rolls_when_its_index_is_full(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log(segment_index_bytes=36, index_interval_bytes=0)
    for _ in range(20):
        log.append(batch(bytes(10)), now_ms=disk.now_ms)
    assert len(log.segments) > 2
    assert all(len(segment.offset_index) <= 4 for segment in log.segments)
    disk.close()
    log = disk.open_log(segment_index_bytes=36, index_interval_bytes=0)
    assert [log.read(offset, 1).records.size > 0 for offset in range(20)] == [True] * 20
    disk.close()
