"""Group commit: who waits for a sync, and how many syncs that takes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from kafkalite.broker.log_flusher import LogFlusher
from kafkalite.config.topic_config import TopicConfig
from kafkalite.errors import ErrorCode
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from kafkalite.storage.filesystem import File
from kafkalite.storage.log_manager import LogManager
from kafkalite.storage.memory_filesystem import MemoryFile, MemoryFileSystem
from kafkalite.storage.partition_log import PartitionLog

NOW_MS = 1_700_000_000_000


class SlowDisk(MemoryFileSystem):
    """Syncs when it is told to, counts the syncs of segments, fails on request."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Semaphore(0)
        self.synced: list[str] = []
        self.is_failing = False

    def open(self, path: str, *, create: bool = False, read_only: bool = False) -> File:
        file = super().open(path, create=create, read_only=read_only)
        assert isinstance(file, MemoryFile)
        return SlowFile(self, file)


class SlowFile(MemoryFile):
    __slots__ = ("_disk",)

    def __init__(self, disk: SlowDisk, file: MemoryFile) -> None:
        super().__init__(file._content, file.path, file._is_read_only, file._clock_ms)
        self._disk = disk

    def sync(self) -> None:
        if self.path.endswith(".log"):
            self._disk.go_on.acquire()
            self._disk.synced.append(self.path)
            if self._disk.is_failing:
                raise OSError(5, "Input/output error")

    def duplicate(self) -> MemoryFile:
        return SlowFile(self._disk, self)


@pytest.fixture
def disk() -> SlowDisk:
    return SlowDisk()


@pytest.fixture
def manager(disk: SlowDisk) -> LogManager:
    manager = LogManager(disk, ["/a"])
    manager.directories.open()
    manager.read_logs(lambda topic: TopicConfig(), now_ms=NOW_MS)
    manager.put_into_service()
    return manager


@pytest.fixture
def flusher() -> Iterator[LogFlusher]:
    flusher = LogFlusher(lambda: NOW_MS)
    yield flusher
    flusher.close()


def append(manager: LogManager, partition: int) -> PartitionLog:
    log = manager.create(TopicPartition("t", partition), Uuid(bytes(range(16))), TopicConfig(), NOW_MS)
    log.append(build_batch([Record(0, NOW_MS, None, b"x")]), now_ms=NOW_MS)
    return log


async def test_all_that_arrive_while_a_sync_runs_share_the_next_one(
    disk: SlowDisk, manager: LogManager, flusher: LogFlusher
) -> None:
    log = append(manager, 0)
    first = flusher.flush(log)
    await asyncio.sleep(0)
    later = []
    for _ in range(100):
        append(manager, 0)
        later.append(flusher.flush(log))
    assert not first.done() and disk.synced == []
    disk.go_on.release()
    assert await first is None
    assert log.recovery_point == 1
    assert not any(future.done() for future in later)
    disk.go_on.release()
    assert await asyncio.gather(*later) == [None] * 100
    assert (log.recovery_point, len(disk.synced)) == (101, 2)


async def test_several_logs_are_synced_in_one_round(disk: SlowDisk, manager: LogManager, flusher: LogFlusher) -> None:
    waiting = [flusher.flush(append(manager, partition)) for partition in range(3)]
    disk.go_on.release(3)
    assert await asyncio.gather(*waiting) == [None] * 3
    assert len(disk.synced) == 3


async def test_a_log_that_is_flushed_already_waits_for_nothing(
    disk: SlowDisk, manager: LogManager, flusher: LogFlusher
) -> None:
    log = append(manager, 0)
    disk.go_on.release(1)
    assert await flusher.flush(log) is None
    assert await flusher.flush(log) is None
    assert len(disk.synced) == 1


async def test_a_failed_sync_is_everyone_s_error(disk: SlowDisk, manager: LogManager, flusher: LogFlusher) -> None:
    log = append(manager, 0)
    disk.is_failing = True
    waiting = [flusher.flush(log), flusher.flush(log)]
    disk.go_on.release()
    errors = await asyncio.gather(*waiting)
    assert [error.error for error in errors if error is not None] == [ErrorCode.KAFKA_STORAGE_ERROR] * 2
    assert not manager.directories[0].is_online


async def test_who_has_gone_is_not_missed(disk: SlowDisk, manager: LogManager, flusher: LogFlusher) -> None:
    log = append(manager, 0)
    gone, staying = flusher.flush(log), flusher.flush(log)
    gone.cancel()
    disk.go_on.release()
    assert await staying is None
