"""Which log is cleaned next, and up to where each is clean (LogCleanerManager, LogCleaner).

The offsets up to which logs are clean stand in `cleaner-offset-checkpoint` of each log directory. The filthiest log
comes first: the one with the largest part of dirty bytes, once that is above `min.cleanable.dirty.ratio` or a dirty
segment is older than `max.compaction.lag.ms`. Never cleaned are the active segment, what lies behind the last stable
offset, and segments younger than `min.compaction.lag.ms`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from time import sleep
from typing import Final, Generic, NamedTuple, TypeVar

from kafkalite.errors import KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.storage.checkpoint_files import (
    CorruptCheckpointError,
    encode_offset_checkpoint,
    read_offset_checkpoint,
)
from kafkalite.storage.cleaner_process import UNLIMITED_RATE, CleanerProcess
from kafkalite.storage.file_names import CLEANER_OFFSET_CHECKPOINT_FILE
from kafkalite.storage.file_records import InvalidBatchError
from kafkalite.storage.filesystem import FileSystem, write_file_atomically
from kafkalite.storage.log_cleaner import LogCleaning
from kafkalite.storage.log_segment import LogSegment
from kafkalite.storage.offset_map import BYTES_PER_ENTRY
from kafkalite.storage.partition_log import PartitionLog
from kafkalite.storage.segment_cleaner import CleanedGroup, CleaningAborted, CleaningStarved, SegmentCleaner

T = TypeVar("T")
_logger = logging.getLogger(__name__)

DEFAULT_DEDUPE_BUFFER_SIZE: Final = 128 * 1024 * 1024


class LogToClean(NamedTuple):
    """A log and what there is to clean in it."""

    log: PartitionLog
    first_dirty_offset: int
    first_uncleanable_offset: int
    """A segment's base offset."""
    clean_bytes: int
    cleanable_bytes: int
    needs_compaction_now: bool

    @property
    def cleanable_ratio(self) -> float:
        total_bytes = self.clean_bytes + self.cleanable_bytes
        return self.cleanable_bytes / total_bytes if total_bytes else 0.0


class LogCleanerManager:
    """Chooses logs and leads them through their cleaning, step by step."""

    def __init__(
        self,
        filesystem: FileSystem,
        *,
        dedupe_buffer_size: int = DEFAULT_DEDUPE_BUFFER_SIZE,
    ) -> None:
        self._filesystem = filesystem
        self.dedupe_buffer_size = dedupe_buffer_size
        """What the keys of one cleaning may take in memory."""
        self.max_bytes_per_second: float = UNLIMITED_RATE
        self.has_own_process = False
        """Whether a process of its own does the work, for which the file system must be the machine's. It is kept until
        `stop_process`."""
        self._process: CleanerProcess | None = None
        self._is_patient = True
        self.was_aborted = False
        """Whether the last cleaning came to no end, so that the next one had better wait for a while."""
        self._checkpoints: dict[str, dict[TopicPartition, int]] = {}
        self._unwritten: set[str] = set()
        self._uncleanable: set[PartitionLog] = set()
        self._is_stopping = False

    # --- choosing ---

    def grab_filthiest(self, logs: Iterable[PartitionLog], now_ms: int) -> LogToClean | None:
        """The log that needs cleaning most, None while none needs it."""
        logs = list(logs)
        self._uncleanable.intersection_update(logs)
        candidates = [
            to_clean
            for log in logs
            if log.config.is_compacted
            and not log.is_closed
            and log not in self._uncleanable
            and (to_clean := self.what_to_clean(log, now_ms)).cleanable_bytes
            and (to_clean.needs_compaction_now or to_clean.cleanable_ratio > log.config.min_cleanable_dirty_ratio)
        ]
        return max(candidates, key=lambda to_clean: to_clean.cleanable_ratio, default=None)

    def what_to_clean(self, log: PartitionLog, now_ms: int) -> LogToClean:
        """From where to where a log can be cleaned now."""
        first_dirty_offset = self._first_dirty_offset(log)
        segments = log.segments
        uncleanable_offset = min(log.last_stable_offset, log.active_segment.base_offset)
        min_lag_ms = log.config.min_compaction_lag_ms
        if min_lag_ms > 0:
            for segment in log.segments.from_offset(first_dirty_offset):
                if segment is log.active_segment or segment.largest_timestamp() > now_ms - min_lag_ms:
                    uncleanable_offset = min(uncleanable_offset, segment.base_offset)
                    break
        # Segments are cleaned as a whole: up to the one that holds the first offset that may not be touched.
        uncleanable_offset = max(uncleanable_offset, first_dirty_offset)
        first_uncleanable_offset = log.active_segment.base_offset
        clean_bytes = cleanable_bytes = 0
        for segment, following in pairwise(segments):
            if following.base_offset > uncleanable_offset:
                first_uncleanable_offset = segment.base_offset
                break
            if segment.base_offset < first_dirty_offset:
                clean_bytes += segment.size
            if following.base_offset > first_dirty_offset:
                cleanable_bytes += segment.size
        return LogToClean(
            log,
            first_dirty_offset,
            first_uncleanable_offset,
            clean_bytes,
            cleanable_bytes,
            cleanable_bytes > 0 and self._is_overdue(log, first_dirty_offset, now_ms),
        )

    @staticmethod
    def _is_overdue(log: PartitionLog, first_dirty_offset: int, now_ms: int) -> bool:
        """Whether a dirty segment began longer ago than `max.compaction.lag.ms`."""
        clean_until_ms = now_ms - log.config.max_compaction_lag_ms
        return clean_until_ms > 0 and any(
            0 < segment.first_batch_timestamp() < clean_until_ms
            for segment in log.segments.from_offset(first_dirty_offset)
            if segment is not log.active_segment
        )

    def _first_dirty_offset(self, log: PartitionLog) -> int:
        clean_offset = self._checkpoint_of(log.log_directory).get(log.topic_partition)
        if clean_offset is None:
            return log.log_start_offset
        if clean_offset < log.log_start_offset:
            if not log.config.is_deleted:
                _logger.warning(
                    "Resetting first dirty offset of %s to log start offset %d since the checkpointed offset %d is "
                    "invalid.",
                    log.topic_partition,
                    log.log_start_offset,
                    clean_offset,
                )
            return log.log_start_offset
        if clean_offset > log.log_end_offset:
            _logger.warning(
                "The last checkpoint dirty offset for partition %s is %d, which is larger than the log end offset %d. "
                "Resetting to the log start offset %d.",
                log.topic_partition,
                clean_offset,
                log.log_end_offset,
                log.log_start_offset,
            )
            return log.log_start_offset
        return clean_offset

    def _checkpoint_of(self, log_directory: str) -> dict[TopicPartition, int]:
        checkpoint = self._checkpoints.get(log_directory)
        if checkpoint is None:
            path = f"{log_directory}/{CLEANER_OFFSET_CHECKPOINT_FILE}"
            try:
                checkpoint = read_offset_checkpoint(self._filesystem, path)
            except (CorruptCheckpointError, OSError) as error:
                _logger.warning("Cleaning all logs of %s from their start: %s", log_directory, error)
                checkpoint = {}
            self._checkpoints[log_directory] = checkpoint
        return checkpoint

    # --- cleaning ---

    def clean_filthiest(self, logs: Iterable[PartitionLog], now_ms: int) -> Iterator[Callable[[], None]]:
        """Cleans the log that needs it most: each value is a step for a worker thread, taken before the next is asked.

        What happens between the steps happens on the log's thread, which iterates. Steps keep their errors for the
        iteration, where they end the cleaning with a line in the log; a log with damage is left alone from then on.
        """
        self.was_aborted = False
        to_clean = self.grab_filthiest(logs, now_ms)
        if to_clean is None:
            return
        log = to_clean.log
        try:
            yield from self._clean(to_clean, now_ms)
        except CleaningStarved as error:
            _logger.info("Log cleaning begins again, at a higher priority: %s", error)
            self._is_patient = False
        except CleaningAborted as error:
            _logger.info("Log cleaning was aborted: %s", error)
            self.was_aborted = True
        except (InvalidBatchError, KafkaError, ValueError) as error:
            _logger.warning(
                "Unexpected error during log cleaning of %s. Marking its partition as uncleanable: %s",
                log.topic_partition,
                error,
            )
            self._uncleanable.add(log)
        except OSError as error:
            log.storage_error("cleaning", error)

    def _clean(self, to_clean: LogToClean, now_ms: int) -> Iterator[Callable[[], None]]:
        log = to_clean.log
        _logger.info("Beginning cleaning of log %s from offset %d", log.topic_partition, to_clean.first_dirty_offset)
        cleaning = LogCleaning.prepare(
            log,
            to_clean.first_dirty_offset,
            to_clean.first_uncleanable_offset,
            now_ms=now_ms,
            max_keys=max(1, self.dedupe_buffer_size // BYTES_PER_ENTRY),
        )
        is_done = False
        try:
            beginning: _Step[CleanerProcess | SegmentCleaner] = _Step(lambda: self._begin(cleaning, log))
            yield beginning
            cleaner = beginning.result()
            indexing: _Step[int] = _Step(cleaner.build_offset_map)
            yield indexing
            end_offset = indexing.result()
            while True:
                copying: _Step[CleanedGroup | None] = _Step(cleaner.clean_next_group)
                yield copying
                group = copying.result()
                if group is None:
                    break
                segment: LogSegment = cleaning.swap_in(group, now_ms)
                retiring: _Step[list[str]] = _Step(cleaning.retire)
                yield retiring
                cleaning.settle(segment, retiring.result(), now_ms)
            is_done = True
        finally:
            if not is_done:
                self.stop_process()  # what it holds of this cleaning is of no use any more
                cleaning.discard()
        yield from self._note_clean(log, end_offset)
        stats = cleaner.stats
        _logger.info(
            "Cleaned log %s up to offset %d: %d bytes became %d",
            log.topic_partition,
            end_offset,
            stats.bytes_read,
            stats.bytes_written,
        )

    def _begin(self, cleaning: LogCleaning, log: PartitionLog) -> CleanerProcess | SegmentCleaner:
        if not self.has_own_process:

            def check(size: int) -> None:
                if self._is_stopping or log.is_closed:
                    raise CleaningAborted(f"{log.topic_partition} is being closed")
                sleep(size / self.max_bytes_per_second if self.max_bytes_per_second < UNLIMITED_RATE else 0)

            return SegmentCleaner(self._filesystem, cleaning.task, check)
        if self._process is None:
            try:
                self._process = CleanerProcess(is_patient=self._is_patient)
            except (
                OSError
            ) as error:  # the interpreter is being replaced, memory is short: nothing is wrong with the log
                _logger.warning("The cleaner's process cannot be started, cleaning goes on in a thread: %s", error)
                self.has_own_process = False
                return self._begin(cleaning, log)
        if self._is_stopping:
            raise CleaningAborted("the broker is stopping")
        self._process.begin(cleaning.task, self.max_bytes_per_second)
        return self._process

    def stop(self) -> None:
        """Ends the cleaning that is going on, and any that would follow. From any thread."""
        self._is_stopping = True
        if self._process is not None:
            self._process.kill()

    def stop_process(self) -> None:
        """Gives the worker's process back; the next cleaning starts another, which is patient again."""
        self._is_patient = True
        if self._process is not None:
            self._process.close()
            self._process = None

    def _note_clean(self, log: PartitionLog, end_offset: int) -> Iterator[Callable[[], None]]:
        if log.is_closed:
            return
        self._checkpoint_of(log.log_directory)[log.topic_partition] = end_offset
        yield from self._write_checkpoint(log.log_directory)

    def forget(self, topic_partition: TopicPartition, log_directory: str) -> None:
        """Takes a deleted log out of the checkpoint, so that one of the same name begins anew."""
        if self._checkpoint_of(log_directory).pop(topic_partition, None) is not None:
            self._unwritten.add(log_directory)

    def write_checkpoints(self) -> Iterator[Callable[[], None]]:
        """Writes the checkpoints from which something was forgotten, in steps as `clean_filthiest`'s."""
        for log_directory in list(self._unwritten):
            yield from self._write_checkpoint(log_directory)

    def _write_checkpoint(self, log_directory: str) -> Iterator[Callable[[], None]]:
        path = f"{log_directory}/{CLEANER_OFFSET_CHECKPOINT_FILE}"
        data = encode_offset_checkpoint(self._checkpoint_of(log_directory))
        self._unwritten.discard(log_directory)
        writing: _Step[None] = _Step(lambda: write_file_atomically(self._filesystem, path, data))
        yield writing
        try:
            writing.result()
        except OSError as error:
            _logger.error("Failed to write %s: %s", path, error)
            self._unwritten.add(log_directory)


class _Step(Generic[T]):
    """A call for another thread, whose result or error waits for the one that asked for it."""

    __slots__ = ("_call", "_error", "_result")

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._error: Exception | None = CleaningAborted("a step was left out")
        self._result: T

    def __call__(self) -> None:
        try:
            self._result = self._call()
            self._error = None
        except Exception as error:
            self._error = error

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._result
