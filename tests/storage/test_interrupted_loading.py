"""A start that is stopped while it loads or recovers logs: at any batch, and nothing is lost by it."""

from __future__ import annotations

import pytest

from kafkalite.config.topic_config import TopicConfig
from kafkalite.identifiers import TopicPartition
from kafkalite.records.record_batch import decode_records, iter_batches
from kafkalite.storage.file_names import CLEAN_SHUTDOWN_FILE
from kafkalite.storage.log_context import LoadingInterruptedError, LogContext
from kafkalite.storage.log_manager import LogManager
from kafkalite.storage.partition_log import PartitionLog
from log_disk import NOW_MS, TOPIC_ID, BatchMaker, Disk, new_memory_disk, value_of

SEGMENT = {"internal.segment.bytes": "3000", "index.interval.bytes": "300"}
CONFIG = TopicConfig(SEGMENT)
PARTITIONS = [TopicPartition("topic", index) for index in range(3)]
RECORDS = 40


def killed_disk(batch: BatchMaker) -> Disk:
    """Three logs of an idempotent producer, over several segments each, the last batch of each torn."""
    disk = new_memory_disk()
    manager = disk.open()
    for partition in PARTITIONS:
        log = manager.create(partition, TOPIC_ID, CONFIG, NOW_MS)
        for number in range(RECORDS + 1):
            log.append(batch(b"%04d" % number + bytes(100), producer_id=7, epoch=0, sequence=number), now_ms=NOW_MS)
        path = f"{log.directory}/{log.segments[-1].base_offset:020d}.log"
        disk.filesystem.write_bytes(path, disk.filesystem.read_bytes(path)[:-5])
    disk.kill()
    return disk


def values(log: PartitionLog) -> list[bytes]:
    found: list[bytes] = []
    offset = 0
    while offset < log.log_end_offset:
        data = log.read(offset, 2_000).records.read()
        for position, header in iter_batches(data):
            found += [value_of(record)[:4] for record in decode_records(data, position)]
            offset = header.next_offset
    return found


def test_it_may_be_stopped_at_any_batch(batch: BatchMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = 0
    stop_at = 0

    def check_loading(_: LogContext) -> None:
        nonlocal checks
        checks += 1
        if checks == stop_at:
            raise LoadingInterruptedError

    monkeypatch.setattr(LogContext, "check_loading", check_loading)
    while True:
        disk = killed_disk(batch)
        checks, stop_at = 0, stop_at + 1
        manager = LogManager(disk.filesystem, [disk.path])
        manager.open_directories()
        try:
            manager.read_logs(lambda _: CONFIG, now_ms=NOW_MS)
        except LoadingInterruptedError:
            assert all(manager.get(partition) is None for partition in PARTITIONS)
            manager.abandon_loading()
            assert not disk.filesystem.exists(f"{disk.path}/{CLEAN_SHUTDOWN_FILE}")
        else:
            break
        manager = LogManager(disk.filesystem, [disk.path])
        manager.open_directories()
        manager.read_logs(lambda _: CONFIG, now_ms=NOW_MS)
        manager.put_into_service()
        for partition in PARTITIONS:
            log = manager.get(partition)
            assert log is not None and values(log) == [b"%04d" % number for number in range(RECORDS)], stop_at
            [producer] = log.active_producers()
            assert producer.last_sequence == RECORDS - 1
        manager.close(now_ms=NOW_MS)
    assert stop_at > len(PARTITIONS) * RECORDS  # it was stopped at every batch, not only between logs


def test_an_interrupted_loading_ends_at_the_next_log_or_batch(batch: BatchMaker) -> None:
    disk = killed_disk(batch)
    manager = LogManager(disk.filesystem, [disk.path])
    manager.open_directories()
    loaded: list[int] = []

    def interrupt(done: int, total: int) -> None:
        loaded.append(done)
        manager.interrupt_loading()

    with pytest.raises(LoadingInterruptedError):
        manager.read_logs(lambda _: CONFIG, now_ms=NOW_MS, on_progress=interrupt)
    assert loaded == [1]
    manager.abandon_loading()
    assert not disk.filesystem.exists(f"{disk.path}/.lock")
