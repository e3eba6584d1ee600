"""A start that is stopped while it loads or recovers logs: at any batch, and nothing is lost by it."""

from __future__ import annotations

import pytest

from kafkalite.config.topic_config import TopicConfig
from kafkalite.identifiers import TopicPartition
from kafkalite.records.record_batch import decode_records, iter_batches
from kafkalite.storage.file_names import CLEAN_SHUTDOWN_FILE, LOCK_FILE
from kafkalite.storage.filesystem import Buffer, File
from kafkalite.storage.log_context import LoadingInterruptedError, LogContext
from kafkalite.storage.log_manager import LogManager
from kafkalite.storage.memory_filesystem import MemoryFileSystem
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
        manager.directories.open()
        try:
            manager.read_logs(lambda _: CONFIG, now_ms=NOW_MS)
        except LoadingInterruptedError:
            assert all(manager.get(partition) is None for partition in PARTITIONS)
            manager.abandon_loading()
            assert not disk.filesystem.exists(f"{disk.path}/{CLEAN_SHUTDOWN_FILE}")
        else:
            break
        manager = LogManager(disk.filesystem, [disk.path])
        manager.directories.open()
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
    manager.directories.open()
    loaded: list[int] = []

    def interrupt(done: int, total: int) -> None:
        loaded.append(done)
        manager.interrupt_loading()

    with pytest.raises(LoadingInterruptedError):
        manager.read_logs(lambda _: CONFIG, now_ms=NOW_MS, on_progress=interrupt)
    assert loaded == [1]
    manager.abandon_loading()
    assert not disk.filesystem.exists(f"{disk.path}/.lock")


class WatchedFileSystem(MemoryFileSystem):
    """Ends a run at one of the operations that change something."""

    def __init__(self) -> None:
        super().__init__(lambda: NOW_MS)
        self.changes: list[str] = []
        self.end_at = 1 << 30

    def note(self, path: str) -> None:
        if path.endswith(LOCK_FILE):
            return
        self.changes.append(path)
        if len(self.changes) >= self.end_at:
            raise Killed

    def open(self, path: str, *, create: bool = False, read_only: bool = False) -> File:
        if create:
            self.note(path)
        return super().open(path, create=create, read_only=read_only)

    def write_bytes(self, path: str, data: Buffer) -> None:
        self.note(path)
        super().write_bytes(path, data)

    def rename(self, old_path: str, new_path: str) -> None:
        self.note(new_path)
        super().rename(old_path, new_path)

    def remove(self, path: str) -> None:
        self.note(path)
        super().remove(path)


class Killed(BaseException):
    """Not an Exception: nothing may catch it."""


def cleanly_stopped_disk(batch: BatchMaker) -> tuple[Disk, WatchedFileSystem]:
    filesystem = WatchedFileSystem()
    disk = Disk(filesystem, "/data")
    manager = disk.open()
    for partition in PARTITIONS:
        log = manager.create(partition, TOPIC_ID, CONFIG, NOW_MS)
        for number in range(RECORDS):
            log.append(batch(b"%04d" % number + bytes(100), producer_id=7, epoch=0, sequence=number), now_ms=NOW_MS)
    disk.close()
    filesystem.changes.clear()
    return disk, filesystem


def read_logs(disk: Disk) -> tuple[LogManager, int]:
    """A start up to where its logs are served; gives how many had to be recovered."""
    manager = LogManager(disk.filesystem, [disk.path])
    manager.directories.open()
    return manager, manager.read_logs(lambda _: CONFIG, now_ms=NOW_MS).recovered


def test_a_clean_stop_stays_one_until_the_first_change(batch: BatchMaker) -> None:
    disk, filesystem = cleanly_stopped_disk(batch)
    for _ in range(2):
        manager, recovered = read_logs(disk)
        assert recovered == 0
        assert filesystem.changes == []
        manager.abandon_loading()  # a kill does as little
    manager, recovered = read_logs(disk)
    manager.put_into_service()
    assert recovered == 0
    assert filesystem.changes == [f"{disk.path}/{CLEAN_SHUTDOWN_FILE}"]
    manager.release_locks()  # killed
    assert read_logs(disk)[1] == len(PARTITIONS)


@pytest.mark.parametrize("name", ["00000000000000000000.index", "00000000000000000000.timeindex", "swap", "torn"])
def test_what_has_to_be_repaired_after_a_clean_stop_is_repaired_whenever_that_is_interrupted(
    batch: BatchMaker, name: str
) -> None:
    is_through = False
    end_at = 0
    while not is_through:
        end_at += 1
        disk, filesystem = cleanly_stopped_disk(batch)
        if name == "swap":
            for suffix in (".log", ".index", ".timeindex"):
                path = f"{disk.directory}/{0:020d}{suffix}"
                filesystem.write_bytes(f"{path}.swap", filesystem.read_bytes(path))
        elif name == "torn":
            last = max(each for each in filesystem.list_directory(disk.directory) if each.endswith(".log"))
            filesystem.write_bytes(
                f"{disk.directory}/{last}", filesystem.read_bytes(f"{disk.directory}/{last}") + b"\x00" * 30
            )
        else:
            filesystem.remove(f"{disk.directory}/{name}")
        filesystem.changes.clear()
        filesystem.end_at = end_at
        try:
            read_logs(disk)
        except Killed:
            if len(filesystem.changes) > 1:  # it was the first
                assert not filesystem.exists(f"{disk.path}/{CLEAN_SHUTDOWN_FILE}")
        else:
            is_through = True
            assert filesystem.changes[0] == f"{disk.path}/{CLEAN_SHUTDOWN_FILE}"
        filesystem.end_at = 1 << 30
        filesystem.held_locks.clear()
        manager, _ = read_logs(disk)
        manager.put_into_service()
        for partition in PARTITIONS:
            log = manager.get(partition)
            assert log is not None and values(log) == [b"%04d" % number for number in range(RECORDS)], end_at
            [producer] = log.active_producers()
            assert producer.last_sequence == RECORDS - 1
            for segment in log.segments[:-1]:
                segment.indexes.read(segment.size)
                assert segment.time_index.last_entry().timestamp == NOW_MS
        manager.close(now_ms=NOW_MS)
    assert end_at > 3
