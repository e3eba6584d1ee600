"""A log manager on either file system, and batches to put into it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from kafkalite.config.topic_config import TopicConfig
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.records.compression import CompressionType
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from kafkalite.storage.filesystem import FileSystem, LocalFileSystem
from kafkalite.storage.log_manager import LogManager
from kafkalite.storage.memory_filesystem import MemoryFileSystem
from kafkalite.storage.partition_log import PartitionLog

NOW_MS = 1_700_000_000_000
TOPIC_ID = Uuid(bytes(range(16)))


class Disk:
    """A file system with one log directory, and what opening and closing logs on it takes."""

    def __init__(self, filesystem: FileSystem, path: str) -> None:
        self.filesystem = filesystem
        self.path = path
        self.topic_partition = TopicPartition("topic", 0)
        self.directory = f"{path}/topic-0"
        self.now_ms = NOW_MS
        self._manager: LogManager | None = None

    def open(self, **overrides: object) -> LogManager:
        config = TopicConfig({name.replace("_", "."): str(value) for name, value in overrides.items()})
        manager = LogManager(self.filesystem, [self.path])
        manager.open_directories()
        manager.load_logs(lambda topic: config, now_ms=self.now_ms)
        self._manager = manager
        return manager

    def open_log(self, **overrides: object) -> PartitionLog:
        """Starts a manager and gives the log of topic-0, new or as it was left."""
        manager = self.open(**overrides)
        config = TopicConfig({name.replace("_", "."): str(value) for name, value in overrides.items()})
        return manager.create(self.topic_partition, TOPIC_ID, config, self.now_ms)

    @property
    def manager(self) -> LogManager:
        assert self._manager is not None
        return self._manager

    def close(self) -> None:
        self.manager.close(now_ms=self.now_ms)
        self._manager = None

    def kill(self) -> None:
        """Ends the manager as kill -9 does: what was written stays, nothing more is."""
        self.manager.release_locks()
        self._manager = None

    def files(self) -> list[str]:
        return sorted(self.filesystem.list_directory(self.directory))

    def read(self, name: str) -> bytes:
        return self.filesystem.read_bytes(f"{self.directory}/{name}")

    def write(self, name: str, data: bytes) -> None:
        self.filesystem.write_bytes(f"{self.directory}/{name}", data)


class BatchMaker(Protocol):
    def __call__(
        self,
        *values: bytes,
        timestamp: int = NOW_MS,
        timestamps: list[int] | None = None,
        key: bytes | None = None,
        sequence: int = -1,
        producer_id: int = -1,
        epoch: int = -1,
        is_transactional: bool = False,
        compression: CompressionType = CompressionType.NONE,
    ) -> bytes: ...


def _make_batch(
    *values: bytes,
    timestamp: int = NOW_MS,
    timestamps: list[int] | None = None,
    key: bytes | None = None,
    sequence: int = -1,
    producer_id: int = -1,
    epoch: int = -1,
    is_transactional: bool = False,
    compression: CompressionType = CompressionType.NONE,
) -> bytes:
    stamps = timestamps or [timestamp] * len(values)
    return build_batch(
        [Record(index, stamps[index], key, value) for index, value in enumerate(values)],
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
        is_transactional=is_transactional,
        compression=compression,
    )


@pytest.fixture
def batch() -> BatchMaker:
    """`batch(b"value", ..., timestamp=..., producer_id=..., sequence=...) -> bytes` of one record batch."""
    return _make_batch


@pytest.fixture(params=["memory", "local"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    """An empty log directory, in memory and on disk."""
    if request.param == "memory":
        disk = Disk(MemoryFileSystem(lambda: disk.now_ms), "/data")
        return disk
    return Disk(LocalFileSystem(), str(tmp_path / "data"))


@pytest.fixture
def memory_disk() -> Disk:
    disk = Disk(MemoryFileSystem(lambda: disk.now_ms), "/data")
    return disk


@pytest.fixture
def end_marker() -> Callable[..., bytes]:
    """`end_marker(producer_id, epoch, is_commit=..., coordinator_epoch=...) -> bytes` of a control batch."""

    def make(producer_id: int, epoch: int, *, is_commit: bool = True, coordinator_epoch: int = 0) -> bytes:
        key = b"\x00\x00" + (b"\x00\x01" if is_commit else b"\x00\x00")
        value = b"\x00\x00" + coordinator_epoch.to_bytes(4, "big", signed=True)
        return build_batch(
            [Record(0, NOW_MS, key, value)],
            producer_id=producer_id,
            producer_epoch=epoch,
            is_transactional=True,
            is_control=True,
        )

    return make
