"""The checkpoint files of a log directory that say where its logs begin and end, and up to where they are on the disk.

    recovery-point-offset-checkpoint   every log: what lies before needs no check after an unclean stop
    log-start-offset-checkpoint        logs whose start does not follow from their first segment (DeleteRecords)
    replication-offset-checkpoint      high watermarks, for Apache Kafka to read

They are put together on the logs' thread and may be written and synced on another (`CheckpointWrite.write`). The entry
of a deleted log must not meet a new log of the same name: see `make_way`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from kafkalite.identifiers import TopicPartition
from kafkalite.storage.checkpoint_files import encode_offset_checkpoint, read_offset_checkpoint
from kafkalite.storage.file_names import (
    LOG_START_OFFSET_CHECKPOINT_FILE,
    RECOVERY_POINT_CHECKPOINT_FILE,
    REPLICATION_OFFSET_CHECKPOINT_FILE,
)
from kafkalite.storage.filesystem import FileSystem, write_file_atomically
from kafkalite.storage.log_directories import LogDirectories
from kafkalite.storage.log_directory import LogDirectory
from kafkalite.storage.partition_log import PartitionLog

_logger = logging.getLogger(__name__)


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
    """Makes the checkpoints of a manager's log directories, from the logs that `logs_in` finds in each."""

    def __init__(
        self,
        filesystem: FileSystem,
        directories: LogDirectories,
        logs_in: Callable[[LogDirectory], list[PartitionLog]],
        report_failure: Callable[[str, OSError], None],
    ) -> None:
        """`report_failure` is told of a log.dir in which a checkpoint could not be written."""
        self._filesystem = filesystem
        self._directories = directories
        self._logs_in = logs_in
        self._report_failure = report_failure
        self._last: dict[str, bytes] = {}  # what was given out last: an idle broker writes nothing
        self._stale: set[TopicPartition] = set()
        self._defers_start_offsets = False
        self._prepared = 0
        self._lock = threading.Lock()
        self._written: dict[str, int] = {}

    def read(self, directory: str, name: str) -> dict[TopicPartition, int]:
        """Raises CorruptCheckpointError, OSError."""
        return read_offset_checkpoint(self._filesystem, f"{directory}/{name}")

    # --- what has to be written: `write` it in a worker thread, and report OSErrors back here (`note_failure`) ---

    def prepare_recovery_points(self) -> list[CheckpointWrite]:
        """The files that have to change."""
        return self._prepare_each(self._recovery_points)

    def prepare_start_offsets(self) -> list[CheckpointWrite]:
        """The files that have to change."""
        return self._prepare_each(self._start_offsets)

    def prepare_high_watermarks(self) -> list[CheckpointWrite]:
        """The files that have to change.

        Nothing is read from them here. Apache Kafka takes from them, when it takes over, what had been committed.
        """
        return self._prepare_each(self._high_watermarks)

    def prepare_start_offsets_in(self, directory: LogDirectory) -> list[CheckpointWrite]:
        """The file of one directory, where it has to change."""
        return _those_that_change([self._start_offsets(directory)])

    def prepare_all_in(self, directory: LogDirectory) -> list[CheckpointWrite]:
        """The three files of one directory, as far as they have to change."""
        prepared = (self._recovery_points(directory), self._start_offsets(directory), self._high_watermarks(directory))
        return _those_that_change(prepared)

    def _prepare_each(self, prepare: Callable[[LogDirectory], CheckpointWrite | None]) -> list[CheckpointWrite]:
        return _those_that_change(prepare(directory) for directory in self._directories.online())

    def _recovery_points(self, directory: LogDirectory) -> CheckpointWrite | None:
        points = {log.topic_partition: log.recovery_point for log in self._logs_in(directory)}
        return self._prepare(f"{directory.path}/{RECOVERY_POINT_CHECKPOINT_FILE}", points)

    def _start_offsets(self, directory: LogDirectory) -> CheckpointWrite | None:
        offsets = {
            log.topic_partition: log.log_start_offset
            for log in self._logs_in(directory)
            if log.log_start_offset > log.segments[0].base_offset
        }
        return self._prepare(f"{directory.path}/{LOG_START_OFFSET_CHECKPOINT_FILE}", offsets)

    def _high_watermarks(self, directory: LogDirectory) -> CheckpointWrite | None:
        offsets = {log.topic_partition: log.high_watermark for log in self._logs_in(directory)}
        return self._prepare(f"{directory.path}/{REPLICATION_OFFSET_CHECKPOINT_FILE}", offsets)

    def _prepare(self, path: str, offsets: dict[TopicPartition, int]) -> CheckpointWrite | None:
        """None if the file would be the same again."""
        data = encode_offset_checkpoint(offsets)
        if self._last.get(path) == data:
            return None
        self._last[path] = data
        self._prepared += 1
        return CheckpointWrite(self, path, data, self._prepared)

    # --- writing ---

    def write(self, write: CheckpointWrite) -> None:
        """See `CheckpointWrite.write`."""
        with self._lock:
            if self._written.get(write.path, 0) < write.number:
                write_file_atomically(self._filesystem, write.path, write.data)
                self._written[write.path] = write.number

    def write_now(self, writes: Iterable[CheckpointWrite]) -> None:
        """Writes them one after the other; a failure is reported, and leaves the others alone."""
        for write in writes:
            try:
                write.write()
            except OSError as error:
                self.note_failure(write, error)

    def note_failure(self, write: CheckpointWrite, error: OSError) -> None:
        """What whoever writes a checkpoint elsewhere reports back here: the same content has to be written again."""
        _logger.error("Disk error while writing checkpoint %s: %s", write.path, error)
        self._last.pop(write.path, None)
        self._report_failure(write.log_directory, error)

    def note_records_deleted(self, directory: str) -> None:
        """DeleteRecords has moved the start of a log."""
        if not self._defers_start_offsets:
            self.write_now(self.prepare_start_offsets())

    @contextmanager
    def start_offsets_written_later(self) -> Iterator[None]:
        """Within it, logs whose starts move write no checkpoint of their own: whoever moves many starts writes one
        behind it (`prepare_start_offsets`), before it tells anybody."""
        self._defers_start_offsets = True
        try:
            yield
        finally:
            self._defers_start_offsets = False

    # --- entries of logs that have gone ---

    def note_stale(self, topic_partitions: Iterable[TopicPartition]) -> None:
        """These have entries in the files, or may have, and no log any more."""
        self._stale.update(topic_partitions)

    def make_way(self, topic_partition: TopicPartition) -> None:
        """Writes the files anew if a new log of this name would find the entries of an old one."""
        if topic_partition in self._stale:
            self.write_now(self.prepare_recovery_points())
            self.write_now(self.prepare_start_offsets())
            self._stale.clear()


def _those_that_change(writes: Iterable[CheckpointWrite | None]) -> list[CheckpointWrite]:
    return [write for write in writes if write is not None]


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
