"""A log on its way to another log directory: a copy that catches up, and then takes the place of the original.

    <destination>/<topic>-<partition>.<id>-future    the copy, until it has caught up

The copy takes batches as they are, offsets and epochs included, so that it is the same log. When both end at the same
offset, the copy's directory gets the partition's name and the original's is renamed to -delete; a start that finds both
in between has the copy (`LogManager.read_logs`). A copy that a stop or a crash has left behind is removed at the next
start, if the original is there.
"""

from __future__ import annotations

import logging

from kafkalite.records.record_batch import iter_batches
from kafkalite.storage.file_names import FUTURE_DIRECTORY_SUFFIX, renamed_directory, unique_suffix
from kafkalite.storage.log_directory import LogDirectory
from kafkalite.storage.log_flush import prepare_flush
from kafkalite.storage.log_loader import load_log
from kafkalite.storage.log_manager import LogManager
from kafkalite.storage.partition_log import PartitionLog
from kafkalite.storage.producer_state import AppendOrigin

_logger = logging.getLogger(__name__)


class FutureLog:
    """The copy of one log. All of it happens on the logs' thread, a step at a time."""

    def __init__(self, logs: LogManager, source: PartitionLog, destination: LogDirectory, *, now_ms: int) -> None:
        """Makes the copy's directory; raises OSError."""
        self._logs = logs
        self.source = source
        self.destination = destination
        name = renamed_directory(source.topic_partition, unique_suffix(), FUTURE_DIRECTORY_SUFFIX)
        self.copy = PartitionLog.create(
            logs.context,
            f"{destination.path}/{name}",
            source.topic_partition,
            source.topic_id,
            source.config,
            now_ms=now_ms,
            log_start_offset=_first_batch_offset(source),
        )

    @property
    def lag(self) -> int:
        """How many offsets the copy is behind."""
        return self.source.log_end_offset - self.copy.log_end_offset

    def advance(self, max_bytes: int, *, now_ms: int) -> bool:
        """Copies the next batches; true when there is nothing left to copy. Raises KafkaError, OSError."""
        offset = max(self.copy.log_end_offset, self.source.log_start_offset)
        if offset < self.source.log_end_offset:
            data = self.source.read(offset, max_bytes).records.read()
            whole = 0
            for position, header in iter_batches(data):
                whole = position + header.size_in_bytes
            self.copy.append(data[:whole], now_ms=now_ms, origin=AppendOrigin.REPLICATION)
        return self.lag == 0 and self.source.unfinished_append is None

    def take_over(self, *, now_ms: int) -> PartitionLog:
        """Puts the copy, which has caught up, in the original's place; returns it. Raises KafkaError, OSError."""
        copy, source = self.copy, self.source
        flush = prepare_flush(copy, with_checkpoint=True)
        if flush is not None:
            flush.run(now_ms)
        copy.close()
        copy.release_files(with_active=True)
        filesystem = self._logs.context.filesystem
        directory = f"{self.destination.path}/{source.topic_partition}"
        filesystem.rename(copy.directory, directory)
        filesystem.sync_directory(self.destination.path)
        moved = load_log(
            self._logs.context,
            directory,
            source.topic_partition,
            source.config,
            now_ms=now_ms,
            had_clean_shutdown=True,
            log_start_offset=source.log_start_offset,
            recovery_point=copy.log_end_offset,
        )
        self._logs.replace(moved, now_ms)
        return moved

    def abandon(self) -> None:
        """Removes the copy."""
        self.copy.close()
        self.copy.release_files(with_active=True)
        try:
            self._logs.context.filesystem.remove_tree(self.copy.directory)
        except OSError as error:  # its log directory has failed; the next start that finds it removes it
            _logger.warning("%s cannot be removed: %s", self.copy.directory, error)


def _first_batch_offset(log: PartitionLog) -> int:
    """Where the batch begins that the log's start lies in: DeleteRecords may have moved that between its records."""
    offset = log.log_start_offset
    if offset < log.log_end_offset:
        for _, header in iter_batches(log.read(offset, 1).records.read()):
            return min(offset, header.base_offset)
    return offset
