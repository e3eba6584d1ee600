"""The checkpoint files of a log directory that say where its logs begin and end, and up to where they are on the disk.

    recovery-point-offset-checkpoint   every log: what lies before needs no check after an unclean stop
    log-start-offset-checkpoint        logs whose start does not follow from their first segment (DeleteRecords)
    replication-offset-checkpoint      high watermarks, for Apache Kafka to read

They are put together on the logs' thread and may be written and synced on another (`CheckpointWrite.write`). The entry
of a deleted log must not meet a new log of the same name: see `is_stale`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from kafkalite.identifiers import TopicPartition
from kafkalite.storage.checkpoint_files import encode_offset_checkpoint, read_offset_checkpoint
from kafkalite.storage.file_names import (
    LOG_START_OFFSET_CHECKPOINT_FILE,
    RECOVERY_POINT_CHECKPOINT_FILE,
    REPLICATION_OFFSET_CHECKPOINT_FILE,
)
from kafkalite.storage.filesystem import FileSystem, write_file_atomically
from kafkalite.storage.partition_log import PartitionLog


class CheckpointWrite:
    """A checkpoint file about to be replaced."""

    __slots__ = ("_checkpoints", "data", "number", "path")

    def __init__(self, checkpoints: LogCheckpoints, path: str, data: bytes, number: int) -> None:
        self._checkpoints = checkpoints
        self.path = path
        self.data = data
        self.number = number

    @property
    def log_directory(self) -> str:
        return self.path.rpartition("/")[0]

    def write(self) -> None:
        """Replaces the file and syncs it, from any thread; never undoes a later one. Raises OSError."""
        self._checkpoints.write(self)


class LogCheckpoints:
    """Makes the checkpoints of a manager's log directories."""

    def __init__(self, filesystem: FileSystem) -> None:
        self._filesystem = filesystem
        self._last: dict[str, bytes] = {}  # what was given out last: an idle broker writes nothing
        self._stale: set[TopicPartition] = set()
        self._prepared = 0
        self._lock = threading.Lock()
        self._written: dict[str, int] = {}

    def write(self, write: CheckpointWrite) -> None:
        """See `CheckpointWrite.write`."""
        with self._lock:
            if self._written.get(write.path, 0) < write.number:
                write_file_atomically(self._filesystem, write.path, write.data)
                self._written[write.path] = write.number

    def read(self, directory: str, name: str) -> dict[TopicPartition, int]:
        """Raises CorruptCheckpointError, OSError."""
        return read_offset_checkpoint(self._filesystem, f"{directory}/{name}")

    def note_stale(self, topic_partitions: Iterable[TopicPartition]) -> None:
        """These have entries in the files, or may have, and no log any more."""
        self._stale.update(topic_partitions)

    def is_stale(self, topic_partition: TopicPartition) -> bool:
        """Whether a new log of this name would find the entries of an old one: write the files first."""
        return topic_partition in self._stale

    def forget_stale(self) -> None:
        """The files of all directories have been written."""
        self._stale.clear()

    def prepare_recovery_points(self, directory: str, logs: Iterable[PartitionLog]) -> CheckpointWrite | None:
        """The file to be written, None if it would be the same again."""
        points = {log.topic_partition: log.recovery_point for log in logs}
        return self._prepare(f"{directory}/{RECOVERY_POINT_CHECKPOINT_FILE}", points)

    def prepare_start_offsets(self, directory: str, logs: Iterable[PartitionLog]) -> CheckpointWrite | None:
        """The file to be written, None if it would be the same again."""
        offsets = {
            log.topic_partition: log.log_start_offset
            for log in logs
            if log.log_start_offset > log.segments[0].base_offset
        }
        return self._prepare(f"{directory}/{LOG_START_OFFSET_CHECKPOINT_FILE}", offsets)

    def prepare_high_watermarks(self, directory: str, logs: Iterable[PartitionLog]) -> CheckpointWrite | None:
        """The file to be written, None if it would be the same again.

        Nothing is read from it here. Apache Kafka takes from it, when it takes over, what had been committed.
        """
        offsets = {log.topic_partition: log.high_watermark for log in logs}
        return self._prepare(f"{directory}/{REPLICATION_OFFSET_CHECKPOINT_FILE}", offsets)

    def forget_write(self, write: CheckpointWrite) -> None:
        """It has failed: the same content has to be written again."""
        self._last.pop(write.path, None)

    def _prepare(self, path: str, offsets: dict[TopicPartition, int]) -> CheckpointWrite | None:
        data = encode_offset_checkpoint(offsets)
        if self._last.get(path) == data:
            return None
        self._last[path] = data
        self._prepared += 1
        return CheckpointWrite(self, path, data, self._prepared)


def write_all(writes: list[CheckpointWrite]) -> list[OSError | None]:
    """Writes one after the other, from any thread, and gives the outcome of each."""
    outcomes: list[OSError | None] = []
    for write in writes:
        try:
            write.write()
        except OSError as error:
            outcomes.append(error)
        else:
            outcomes.append(None)
    return outcomes
