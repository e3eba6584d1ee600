"""Compaction of one log (Cleaner): of each key only the last record stays, with all offsets as they were.

Tombstones and transaction markers stay for `delete.retention.ms`,
counted from the first cleaning that could have dropped them: the delete horizon, kept in the batch (KIP-534). A batch
that holds the last sequence number of a living producer stays, empty if need be, and so does the last batch of a
cleaning.

The steps take turns between a worker (W: a thread, or a process of its own, see cleaner_process) and the thread of the
log (L); each can be the last before a crash:

    LogCleaning.prepare     L   notes what the worker may know: these segments do not change any more
    build_offset_map        W
    clean_next_group        W   .cleaned files, synced, then renamed to .swap: from here on a start completes the swap
    swap_in                 L   the log reads the new segment
    retire                  W   the old ones' files become .deleted, which is synced
    settle                  L   .swap becomes the segment's name

A rename may wait for the file system's journal, which the worker's syncs keep busy; only the last one is made where the
segment is read, when the journal has just been written. Segments that retention has taken away meanwhile end the
cleaning: `CleaningAborted`.
"""

from __future__ import annotations

from itertools import pairwise

from kafkalite.errors import KafkaError
from kafkalite.storage.file_names import CLEANED_SUFFIX, DELETED_SUFFIX, LOG_SUFFIX, SWAP_SUFFIX
from kafkalite.storage.file_records import InvalidBatchError
from kafkalite.storage.filesystem import remove_if_exists
from kafkalite.storage.log_segment import SEGMENT_SUFFIXES, LogSegment
from kafkalite.storage.offset_index import ENTRY_SIZE as OFFSET_ENTRY_SIZE
from kafkalite.storage.partition_log import PartitionLog
from kafkalite.storage.segment_cleaner import (
    CleanedGroup,
    CleaningAborted,
    CleaningTask,
    SegmentCleaner,
    SourceSegment,
)
from kafkalite.storage.time_index import ENTRY_SIZE as TIME_ENTRY_SIZE


class LogCleaning:
    """One cleaning of one log, as the log's thread knows it."""

    def __init__(self, log: PartitionLog, task: CleaningTask, segments: dict[int, LogSegment]) -> None:
        self._log = log
        self._segments = segments
        self._replaced: list[LogSegment] = []
        self._retired_snapshots: list[str] = []
        self.task = task

    @classmethod
    def prepare(
        cls,
        log: PartitionLog,
        first_dirty_offset: int,
        first_uncleanable_offset: int,
        *,
        now_ms: int,
        max_keys: int,
    ) -> LogCleaning:
        """`first_uncleanable_offset` is a segment's base offset, neither behind the active segment's nor behind the
        last stable offset."""
        sources = []
        segments = {}
        for segment, following in pairwise(log.segments):
            if segment.base_offset >= first_uncleanable_offset:
                break
            segments[segment.base_offset] = segment
            sources.append(
                SourceSegment(
                    segment.path(LOG_SUFFIX),
                    segment.base_offset,
                    following.base_offset,
                    segment.size,
                    len(segment.offset_index) * OFFSET_ENTRY_SIZE,
                    len(segment.time_index) * TIME_ENTRY_SIZE,
                )
            )
        start = min(first_dirty_offset, sources[0].base_offset) if sources else first_dirty_offset
        task = CleaningTask(
            log.directory,
            log.config,
            sources,
            first_dirty_offset,
            first_uncleanable_offset,
            log.collect_aborted_transactions(start, first_uncleanable_offset),
            {entry.producer_id: (entry.last_data_offset, entry.producer_epoch) for entry in log.active_producers()},
            now_ms,
            max_keys,
        )
        return cls(log, task, segments)

    def swap_in(self, group: CleanedGroup, now_ms: int) -> LogSegment:
        """Lets the log read the new segment in the place of the old ones.

        Raises CleaningAborted where some of those have gone meanwhile.
        """
        log = self._log
        old = [self._segments[source.base_offset] for source in group.sources]
        segment = LogSegment(
            log.context,
            log.directory,
            group.base_offset,
            log.config,
            now_ms=now_ms,
            size=group.size,
            has_transaction_index_file=group.has_transaction_index,
            suffix=SWAP_SUFFIX,
        )
        if log.is_closed or not log.segments.replace(old, segment):
            raise CleaningAborted(f"{log.topic_partition}: segments have gone while they were cleaned")
        for replaced in old:
            replaced.release_file()
            if replaced.base_offset != segment.base_offset:
                snapshot = log.snapshots.forget(replaced.base_offset)
                if snapshot is not None:
                    self._retired_snapshots.append(snapshot)
        self._replaced = old
        return segment

    def retire(self) -> list[str]:
        """Gives the files of the segments that were replaced other names, and makes that durable before `settle` goes
        on; returns the new names. Nobody else uses those files any more. Raises OSError."""
        filesystem = self._log.context.filesystem
        paths: list[str] = []
        for replaced in self._replaced:
            paths += replaced.rename_files(DELETED_SUFFIX)
        for snapshot in self._retired_snapshots:
            try:
                filesystem.rename(snapshot, snapshot + DELETED_SUFFIX)
            except FileNotFoundError:
                continue
            paths.append(snapshot + DELETED_SUFFIX)
        filesystem.sync_directory(self.task.directory)
        self._replaced, self._retired_snapshots = [], []
        return paths

    def settle(self, segment: LogSegment, retired: list[str], now_ms: int) -> None:
        """Gives a segment that was swapped in its name, unless it has gone already, and has the files of the old ones
        removed in time. Raises KafkaError."""
        log = self._log
        for path in retired:
            log.context.delete_later(path, now_ms + log.config.file_delete_delay_ms)
        if log.is_closed or segment not in log.segments:
            return
        try:
            segment.rename_files("")
        except OSError as error:
            raise log.storage_error("naming a cleaned segment", error) from error

    def discard(self) -> None:
        """Removes what a cleaning that ended half-way has left. A `.swap` file that the log does not read must not wait
        for the next start: by then it could bring back what has been deleted. Raises OSError."""
        log = self._log
        if log.is_closed:
            return
        in_use = {segment.path(suffix) for segment in log.segments if segment.suffix for suffix in SEGMENT_SUFFIXES}
        for name in log.context.filesystem.list_directory(log.directory):
            path = f"{log.directory}/{name}"
            if name.endswith((CLEANED_SUFFIX, SWAP_SUFFIX)) and path not in in_use:
                remove_if_exists(log.context.filesystem, path)

    def run(self, now_ms: int, cleaner: SegmentCleaner | None = None) -> int:
        """All steps in one go; returns the offset up to which the log is clean. Raises what the steps raise."""
        if cleaner is None:
            cleaner = SegmentCleaner(self._log.context.filesystem, self.task)
        try:
            end_offset = cleaner.build_offset_map()
            while (group := cleaner.clean_next_group()) is not None:
                segment = self.swap_in(group, now_ms)
                self.settle(segment, self.retire(), now_ms)
        except (CleaningAborted, KafkaError, InvalidBatchError):
            self.discard()
            raise
        return end_offset
