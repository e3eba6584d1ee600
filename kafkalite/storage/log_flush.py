"""Flushing a log in three steps, so that the slow one can run in another thread.

    flush = prepare_flush(log)      on the log's thread: brings index files up to date, opens what has to be synced
    flush.sync()                    anywhere: only fsync; raises OSError
    flush.finish(now_ms)            on the log's thread: the recovery point moves

Appends may go on between the steps. What has to be on the disk before the recovery point may stand at an offset: all
batches before it, the complete indexes of inactive segments, leader-epoch-checkpoint, partition.metadata, and the names
of new files. The active segment's indexes are a help only: recovery goes on from where they end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kafkalite.errors import KafkaError
from kafkalite.storage.file_names import PARTITION_METADATA_FILE
from kafkalite.storage.filesystem import File, FileSystem
from kafkalite.storage.partition_log import PartitionLog

_MANY_FILES: Final = 64


class LogFlush:
    """What one flush of one log syncs."""

    __slots__ = ("_directories", "_files", "_filesystem", "_log", "_position", "_snapshot_offset", "offset")

    def __init__(
        self,
        log: PartitionLog,
        filesystem: FileSystem,
        offset: int,
        files: list[File],
        directories: list[str],
        snapshot_offset: int | None,
    ) -> None:
        self._log = log
        self._position = (log.active_segment.base_offset, log.active_segment.size)
        self._filesystem = filesystem
        self.offset = offset
        self._files = files
        self._directories = directories
        self._snapshot_offset = snapshot_offset

    def size(self) -> int:
        """How many files and directories there are to sync."""
        return len(self._files) + len(self._directories)

    def close(self) -> None:
        """Lets go of the files, synced or not."""
        for file in self._files:
            file.close()
        self._files = []

    def sync(self) -> None:
        """Syncs and closes the handles. Raises OSError: nothing can be said of the files then."""
        try:
            for file in self._files:
                file.sync()
            for directory in self._directories:
                self._filesystem.sync_directory(directory)
        finally:
            self.close()

    def run(self, now_ms: int) -> None:
        """All that follows the preparation, in one go. Raises KafkaError."""
        try:
            self.sync()
        except OSError as error:
            raise self.fail(error) from error
        self.finish(now_ms)

    def fail(self, error: OSError) -> KafkaError:
        """Reports a sync that failed, on the log's thread; returns the error for whoever waits."""
        return self._log.storage_error("flushing", error, is_sync=True)

    def finish(self, now_ms: int) -> None:
        """Notes in the log what is on the disk now."""
        log = self._log
        log.note_flushed(self.offset, *self._position, now_ms)
        if self._snapshot_offset is not None:
            # A snapshot beside each segment stays; of those taken by flushes the last one is enough.
            base_offsets = {segment.base_offset for segment in log.segments}
            latest = self._snapshot_offset
            log.snapshots.remove_where(lambda offset: offset < latest and offset not in base_offsets)


def sync_flushes(filesystem: FileSystem, directory: str, flushes: Sequence[LogFlush]) -> None:
    """Syncs many flushes of logs in one log directory, all at once where there are many files. Raises OSError."""
    if sum(flush.size() for flush in flushes) <= _MANY_FILES:
        for flush in flushes:
            flush.sync()
        return
    try:
        filesystem.sync_volume(directory)
    finally:
        for flush in flushes:
            flush.close()


def prepare_flush(log: PartitionLog, *, with_checkpoint: bool = False) -> LogFlush | None:
    """The flush of all that is appended so far, None if nothing is new.

    `with_checkpoint` writes the active segment's indexes and a producer snapshot too, so that a recovery reads nothing
    before this point; without it only what the promise to the producer needs.
    """
    offset = log.log_end_offset
    needs_metadata = log.is_metadata_unsynced
    if offset <= log.recovery_point and not needs_metadata and not log.leader_epoch_cache.is_dirty:
        return None
    filesystem = log.context.filesystem
    files: list[File] = []
    directories: list[str] = []
    try:
        snapshot_offset = log.take_producer_snapshot() if with_checkpoint else None
        for segment in log.segments_from(log.recovery_point):
            if offset > log.recovery_point:
                files.append(segment.file.duplicate())
            is_active = segment is log.active_segment
            if with_checkpoint and is_active:
                segment.write_indexes()
            if with_checkpoint or not is_active:
                files.extend(segment.open_index_files())
            if segment.base_offset >= log.recovery_point and log.directory not in directories:
                directories.append(log.directory)
        for snapshot in log.snapshots.offsets:
            if snapshot > log.recovery_point:
                files.append(filesystem.open(log.snapshots.path(snapshot)))
        if log.leader_epoch_cache.is_dirty:
            files.append(filesystem.open(log.leader_epoch_cache.path))
            if log.directory not in directories:
                directories.append(log.directory)
            log.leader_epoch_cache.is_dirty = False
        if needs_metadata:
            files.append(filesystem.open(f"{log.directory}/{PARTITION_METADATA_FILE}"))
            directories = [log.directory, log.log_directory]
            log.is_metadata_unsynced = False
    except OSError as error:
        for file in files:
            file.close()
        raise log.storage_error("preparing a flush", error) from error
    return LogFlush(log, filesystem, offset, files, directories, snapshot_offset)
