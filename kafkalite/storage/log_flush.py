"""Flushing a log in three steps, so that the slow one can run in another thread.

    flush = prepare_flush(log)      on the log's thread: brings index files up to date, opens what has to be synced
    flush.sync()                    anywhere: only fsync; raises OSError
    flush.finish(now_ms)            on the log's thread: the recovery point moves

Appends may go on between the steps. What has to be on the disk before the recovery point may stand at an offset: all
batches before it, the complete indexes of inactive segments, leader-epoch-checkpoint, partition.metadata, and the names
of new files. A flush `with_checkpoint` syncs the active segment's indexes too and writes a producer snapshot when that
has happened: where there is such a snapshot inside a segment, its indexes can be believed up to there, and a recovery
reads nothing before it. The active segment's indexes mean nothing otherwise.
"""

from __future__ import annotations

from kafkalite.errors import KafkaError
from kafkalite.storage.file_names import PARTITION_METADATA_FILE
from kafkalite.storage.filesystem import File
from kafkalite.storage.partition_log import PartitionLog


class LogFlush:
    """What one flush of one log syncs."""

    __slots__ = ("_batches", "_directories", "_log", "_position", "files", "offset", "snapshot")

    def __init__(self, log: PartitionLog) -> None:
        self._log = log
        self._position = (log.active_segment.base_offset, log.active_segment.size)
        self._batches = log.unflushed_batches
        self.offset = log.log_end_offset
        self.files: list[File] = []
        self._directories: list[str] = []
        self.snapshot: bytes | None = None

    def cover(self, base_offset: int) -> None:
        """Restricts the flush to the segments before that one."""
        self._position = (base_offset, 0)
        self._batches = 0  # not known
        self.offset = base_offset

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
        log.note_flushed(self.offset, *self._position, self._batches, now_ms)
        if self.snapshot is None:
            return
        # A snapshot beside each segment stays; of those taken by flushes the last one is enough.
        base_offsets = {segment.base_offset for segment in log.segments}
        try:
            log.snapshots.write_encoded(self.offset, self.snapshot)
            log.snapshots.remove_where(lambda offset: offset < self.offset and offset not in base_offsets)
        except OSError as error:
            log.storage_error("writing a producer snapshot", error)  # reported; the log itself is flushed

    def snapshot_path(self) -> str | None:
        """The producer snapshot that `finish` has written and nobody has synced."""
        return None if self.snapshot is None else self._log.snapshots.path(self.offset)


def prepare_flush(
    log: PartitionLog,
    *,
    with_checkpoint: bool = False,
    syncs_volume: bool = False,
    max_segments: int | None = None,
    only_rolled: bool = False,
) -> LogFlush | None:
    """The flush of all that is appended so far, None if nothing is new.

    A log that has rolled more than `max_segments` times since its last flush is flushed up to there only, which bounds
    how many files are open at once; the next flush goes on. With `only_rolled` the active segment is left out.

    `with_checkpoint` writes the active segment's indexes and a producer snapshot too, so that a recovery reads nothing
    before this point (a log that has no snapshot at its end counts as not flushed); without it only what the promise to
    the producer needs. With `syncs_volume` no file is opened:
    the caller flushes many logs and calls `FileSystem.sync_volume` once for all of them before they `finish`.
    """
    offset = log.log_end_offset
    start = log.recovery_point if log.unsynced_indexes_from is None else log.unsynced_indexes_from
    has_small_files = log.is_metadata_unsynced or log.leader_epoch_cache.is_dirty
    lacks_checkpoint = with_checkpoint and offset > log.log_start_offset and log.snapshots.latest_offset() != offset
    is_flushed = offset <= log.recovery_point and log.unsynced_indexes_from is None
    if is_flushed and not has_small_files and not lacks_checkpoint:
        return None
    flush = LogFlush(log)
    first, end = log.segments.slot_of(min(start, log.recovery_point)), len(log.segments)
    if only_rolled:
        end -= 1
    if max_segments is not None and end - first > max_segments:
        end = first + max_segments
    if end < len(log.segments):
        flush.cover(log.segments[end].base_offset)
    try:
        log.leader_epoch_cache.write()
        if lacks_checkpoint and end == len(log.segments):
            flush.snapshot = log.encode_producer_snapshot()
        unsynced_data = log.segments.slot_of(log.recovery_point)
        for slot in range(first, end):
            segment = log.segments[slot]
            is_active = segment is log.active_segment
            if (with_checkpoint and is_active) or (not is_active and segment.indexes.has_unwritten()):
                segment.indexes.write()
            if syncs_volume:
                continue
            if slot >= unsynced_data and offset > log.recovery_point:
                flush.files.append(segment.file.duplicate())
            if with_checkpoint or not is_active:
                flush.files.extend(segment.indexes.open_files())
            if with_checkpoint or segment.base_offset >= log.recovery_point:
                flush.add_directory(log.directory)  # there may be new names in it
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
        if log.recovery_point <= snapshot <= flush.offset:
            flush.files.append(filesystem.open(log.snapshots.path(snapshot)))
    if log.leader_epoch_cache.is_dirty:
        flush.files.append(filesystem.open(log.leader_epoch_cache.path))
        flush.add_directory(log.directory)
    if log.is_metadata_unsynced:
        flush.files.append(filesystem.open(f"{log.directory}/{PARTITION_METADATA_FILE}"))
        flush.add_directory(log.directory)
        flush.add_directory(log.log_directory)


def sync_all(flushes: list[LogFlush]) -> list[OSError | None]:
    """Syncs one after the other, from any thread, and gives the outcome of each; no sync is tried twice."""
    outcomes: list[OSError | None] = []
    for flush in flushes:
        try:
            flush.sync()
        except OSError as error:
            outcomes.append(error)
        else:
            outcomes.append(None)
    return outcomes
