"""Opening the log of one partition as it lies on the disk (LogLoader), after a clean stop or any other.

After a clean stop nothing is read but the ends: what the last segment's index leaves open, and the latest producer
snapshot. After an unclean one, or where the end shows damage all the same, the log is recovered (log_recovery). Indexes
that are missing or do not fit are built again.
"""

from __future__ import annotations

import logging

from kafkalite.config.topic_config import TopicConfig
from kafkalite.errors import KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.storage.file_records import iter_file_batches
from kafkalite.storage.log_context import LogContext
from kafkalite.storage.log_files import MAX_RELATIVE_OFFSET, LogFiles
from kafkalite.storage.log_segment import LogSegment
from kafkalite.storage.offset_index import CorruptIndexError
from kafkalite.storage.partition_log import PartitionLog
from kafkalite.storage.producer_state import ProducerStateManager
from kafkalite.storage.producer_state_loader import ProducerStateLoader

_logger = logging.getLogger(__name__)


def load_log(
    context: LogContext,
    directory: str,
    topic_partition: TopicPartition,
    config: TopicConfig,
    *,
    now_ms: int,
    had_clean_shutdown: bool,
    log_start_offset: int = 0,
    recovery_point: int = 0,
) -> PartitionLog:
    """The log in an existing directory, with the offsets that the checkpoints have for it. Raises OSError."""
    return _LogLoader(
        context, directory, topic_partition, config, now_ms, had_clean_shutdown, log_start_offset, recovery_point
    ).load()


class _LogLoader:
    def __init__(
        self,
        context: LogContext,
        directory: str,
        topic_partition: TopicPartition,
        config: TopicConfig,
        now_ms: int,
        had_clean_shutdown: bool,
        log_start_offset: int,
        recovery_point: int,
    ) -> None:
        self._context = context
        self._directory = directory
        self._topic_partition = topic_partition
        self._config = config
        self._now_ms = now_ms
        self._had_clean_shutdown = had_clean_shutdown
        self._log_start_offset = log_start_offset
        self._recovery_point = recovery_point
        self._files = LogFiles(context, directory, topic_partition, config, now_ms)
        self._segments = self._files.segments
        self._producers = ProducerStateLoader(
            self._files,
            ProducerStateManager(
                topic_partition,
                expiration_ms=context.producer_id_expiration_ms,
                is_verification_enabled=context.is_transaction_verification_enabled,
            ),
            log_start_offset=log_start_offset,
            had_clean_shutdown=had_clean_shutdown,
            now_ms=now_ms,
        )

    def load(self) -> PartitionLog:
        files = self._files
        for segment in self._segments:
            self._check_index_files(segment)
        next_offset = self._find_log_end()
        if self._segments and next_offset < self._log_start_offset:
            _logger.warning(
                "Beginning the log in %s anew: its logEndOffset (%d) is smaller than its logStartOffset %d",
                self._directory,
                next_offset,
                self._log_start_offset,
            )
            files.set_aside(0)
            files.epochs.clear()
            files.snapshots.remove_where(lambda offset: True)
            self._producers.state.clear(self._log_start_offset)
        if not self._segments:
            next_offset = self._log_start_offset
            self._segments.append(
                LogSegment.create(
                    self._context,
                    self._directory,
                    next_offset,
                    self._config,
                    now_ms=self._now_ms,
                )
            )
            self._segments[0].release_file()
        log_start_offset = max(self._log_start_offset, self._segments[0].base_offset)
        files.epochs.truncate_from_end(next_offset)
        files.epochs.truncate_from_start(log_start_offset)
        recovery_point = next_offset if self._had_clean_shutdown else min(self._recovery_point, next_offset)
        return PartitionLog(
            self._context,
            self._directory,
            self._topic_partition,
            files.read_topic_id(),
            self._config,
            self._segments,
            files.epochs,
            self._producers.state,
            files.snapshots,
            log_start_offset=log_start_offset,
            log_end_offset=next_offset,
            recovery_point=max(recovery_point, log_start_offset),
            now_ms=self._now_ms,
        )

    def _check_index_files(self, segment: LogSegment) -> None:
        if (
            segment.size
            and not self._files.has_indexes(segment)
            and (self._had_clean_shutdown or segment.base_offset < self._recovery_point)
        ):
            _logger.warning("Could not find the index files of %r: rebuilding them", segment)
            segment.rebuild_indexes()
        try:
            _ = segment.transaction_index
        except CorruptIndexError as error:
            _logger.warning("Rebuilding the transaction index of %r: %s", segment, error)
            segment.indexes.reset_transaction()
            self._producers.rebuild_transaction_index(segment)

    def _find_log_end(self) -> int:
        """The offset behind the last valid batch; brings the producers' state there."""
        if not self._segments:
            self._producers.load_snapshot(self._log_start_offset)
            return self._log_start_offset
        if self._had_clean_shutdown:
            next_offset = self._find_clean_end()
            if next_offset is not None:
                return next_offset
            _logger.warning("%s ends in damage although its broker had stopped cleanly: recovering it", self._directory)
            self._context.note_change(self._directory)
            self._recovery_point = self._segments[-1].base_offset
        from kafkalite.storage.log_recovery import recover_log  # most starts need none of it

        return recover_log(
            self._files,
            self._producers,
            log_start_offset=self._log_start_offset,
            recovery_point=self._recovery_point,
        )

    def _find_clean_end(self) -> int | None:
        """The end of a log that was closed; None if its last segment does not end with a whole batch."""
        last = self._segments[-1]
        next_offset = last.base_offset
        if last.size:
            try:
                end = start = last.offset_index.last_entry().position
                for position, header in iter_file_batches(last.file, start, last.size):
                    end = position + header.size_in_bytes
                    next_offset = header.next_offset
                    last.bytes_since_last_index_entry = end - start
            except KafkaError:
                return None
            finally:
                last.release_file()
            if end != last.size or next_offset - 1 - last.base_offset > MAX_RELATIVE_OFFSET:
                return None
        if next_offset < self._log_start_offset:
            return next_offset
        if self._files.epochs.latest_epoch < 0 and any(segment.size for segment in self._segments):
            from kafkalite.storage.log_recovery import restore_epochs  # their file was lost

            restore_epochs(self._files, self._log_start_offset, next_offset)
        self._producers.remove_stray_snapshots(next_offset)
        snapshot_offset = self._producers.load_snapshot(next_offset)
        if snapshot_offset < next_offset:
            for segment in self._segments:
                self._producers.replay(segment, snapshot_offset)
                segment.release_file()
        self._producers.state.map_end_offset = next_offset
        return next_offset
