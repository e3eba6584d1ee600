"""Flushing a log in three steps, so that the slow one can run in another thread.

    flush = prepare_flush(log)      on the log's thread: brings index files up to date, opens what has to be synced
    flush.sync()                    anywhere: only fsync; raises OSError
    flush.finish(now_ms)            on the log's thread: the recovery point moves

Appends may go on between the steps. What has to be on the disk before the recovery point may stand at an offset: all
batches before it, the complete indexes of inactive segments, leader-epoch-checkpoint, partition.metadata, and the names
of new files. The active segment's indexes are a help only: recovery goes on from where they end.
"""

from __future__ import annotations

from kafkalite.errors import KafkaError
from kafkalite.storage.file_names import PARTITION_METADATA_FILE
from kafkalite.storage.filesystem import File
from kafkalite.storage.partition_log import PartitionLog


class LogFlush:
    """What one flush of one log syncs."""

    __slots__ = ("_directories", "_log", "_position", "files", "offset", "snapshot_offset")

    def __init__(self, log: PartitionLog) -> None:
        self._log = log
        self._position = (log.active_segment.base_offset, log.active_segment.size)
        self.offset = log.log_end_offset
        self.files: list[File] = []
        self._directories: list[str] = []
        self.snapshot_offset: int | None = None

    def add_directory(self, path: str) -> None:
        if path not in self._directories:
            self._directories.append(path)

    def close(self) -> None:
        """Lets go of the files, synced or not."""
        for file in self.files:
            file.close()
        self.files = []

    def sync(self) -> None:
        """Syncs and closes the handles. Raises OSError: nothing can be said of the files then."""
        try:
            for file in self.files:
                file.sync()
            for directory in self._directories:
                self._log.context.filesystem.sync_directory(directory)
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
        if self.snapshot_offset is not None:
            # A snapshot beside each segment stays; of those taken by flushes the last one is enough.
            base_offsets = {segment.base_offset for segment in log.segments}
            latest = self.snapshot_offset
            log.snapshots.remove_where(lambda offset: offset < latest and offset not in base_offsets)


def prepare_flush(log: PartitionLog, *, with_checkpoint: bool = False, syncs_volume: bool = False) -> LogFlush | None:
    """The flush of all that is appended so far, None if nothing is new.

    `with_checkpoint` writes the active segment's indexes and a producer snapshot too, so that a recovery reads nothing
    before this point; without it only what the promise to the producer needs. With `syncs_volume` no file is opened:
    the caller flushes many logs and calls `FileSystem.sync_volume` once for all of them before they `finish`.
    """
    offset = log.log_end_offset
    needs_metadata = log.is_metadata_unsynced
    if offset <= log.recovery_point and not needs_metadata and not log.leader_epoch_cache.is_dirty:
        return None
    flush = LogFlush(log)
    try:
        if with_checkpoint:
            flush.snapshot_offset = log.take_producer_snapshot()
        for segment in log.segments_from(log.recovery_point):
            is_active = segment is log.active_segment
            if with_checkpoint and is_active:
                segment.write_indexes()
            if syncs_volume:
                continue
            if offset > log.recovery_point:
                flush.files.append(segment.file.duplicate())
            if with_checkpoint or not is_active:
                flush.files.extend(segment.open_index_files())
            if segment.base_offset >= log.recovery_point:
                flush.add_directory(log.directory)
        if not syncs_volume:
            _add_small_files(flush, log)
    except OSError as error:
        flush.close()
        raise log.storage_error("preparing a flush", error) from error
    log.leader_epoch_cache.is_dirty = log.is_metadata_unsynced = False
    return flush


def _add_small_files(flush: LogFlush, log: PartitionLog) -> None:
    filesystem = log.context.filesystem
    for snapshot in log.snapshots.offsets:
        if snapshot > log.recovery_point:
            flush.files.append(filesystem.open(log.snapshots.path(snapshot)))
    if log.leader_epoch_cache.is_dirty:
        flush.files.append(filesystem.open(log.leader_epoch_cache.path))
        flush.add_directory(log.directory)
    if log.is_metadata_unsynced:
        flush.files.append(filesystem.open(f"{log.directory}/{PARTITION_METADATA_FILE}"))
        flush.add_directory(log.directory)
        flush.add_directory(log.log_directory)
