"""A stop on a disk that takes nothing more: the logs are closed and the locks are free, and what failed is said."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from kafkalite.storage.filesystem import Buffer, File
from kafkalite.storage.memory_filesystem import MemoryFile, MemoryFileSystem
from offline_broker import OfflineBroker

METADATA_LOG = "/__cluster_metadata-0/"


class FullMetadataDisk(MemoryFileSystem):
    """Takes nothing more for the metadata log once it is told so."""

    is_full = False

    def open(self, path: str, *, create: bool = False, read_only: bool = False) -> File:
        file = super().open(path, create=create, read_only=read_only)
        if METADATA_LOG not in path or not path.endswith(".log"):
            return file
        assert isinstance(file, MemoryFile)
        return FullFile(self, file)


class FullFile(MemoryFile):
    __slots__ = ("_owner",)

    def __init__(self, owner: FullMetadataDisk, file: MemoryFile) -> None:
        super().__init__(file._content, file.path, file._is_read_only, file._clock_ms)
        self._owner = owner

    def append(self, *pieces: Buffer) -> None:
        if self._owner.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().append(*pieces)

    def duplicate(self) -> FullFile:
        return FullFile(self._owner, self)


def test_logs_are_closed_although_the_metadata_log_cannot_be_written(
    new_offline_broker: Callable[..., OfflineBroker],
) -> None:
    filesystem = FullMetadataDisk()
    offline = OfflineBroker(filesystem=filesystem)
    offline.create_topic("t")
    log = offline.broker.logs.get(TopicPartition("t", 0))
    assert log is not None
    log.append(build_batch([Record(0, 0, None, b"kept", ())]), now_ms=offline.clock.now_ms())
    directory = offline.broker.logs.directories[0].path
    filesystem.is_full = True
    with pytest.raises(KafkaError) as raised:
        offline.close()
    assert raised.value.error is ErrorCode.KAFKA_STORAGE_ERROR
    assert filesystem.exists(f"{directory}/.kafka_cleanshutdown")
    assert not filesystem.exists(f"{directory}/.lock")

    filesystem.is_full = False
    again = new_offline_broker(filesystem=filesystem)
    log = again.broker.logs.get(TopicPartition("t", 0))
    assert log is not None and log.log_end_offset == 1
    assert again.broker.logs.directories[0].had_clean_shutdown
