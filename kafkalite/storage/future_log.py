"""A log on its way to another log directory: a copy that catches up, and then takes the place of the original.

    <destination>/<topic>-<partition>.<id>-future    the copy, until it has caught up

The copy takes batches as they are, offsets and epochs included, so that it is the same log. When both end at the same
offset, the copy's directory gets the partition's name and the original's is renamed to -delete; a start that finds both
in between has the copy (`LogManager.read_logs`). A copy that a stop or a crash has left behind is recovered as any log
is, and goes on where it ends (`resume`), if it is still a part of the original.
"""

from __future__ import annotations

from kafkalite.records.record_batch import iter_batches
from kafkalite.storage.log_directory import LogDirectory
from kafkalite.storage.log_flush import prepare_flush
from kafkalite.storage.log_loader import load_log
from kafkalite.storage.log_manager import LogManager
from kafkalite.storage.partition_log import PartitionLog
from kafkalite.storage.producer_state import AppendOrigin


class FutureLog:
    """The copy of one log. All of it happens on the logs' thread, a step at a time."""

    def __init__(self, logs: LogManager, source: PartitionLog, copy: PartitionLog) -> None:
        self._logs = logs
        self.source = source
        self.copy = copy
        self.destination = logs.directory_of(copy)

    @classmethod
    def begin(cls, logs: LogManager, source: PartitionLog, destination: LogDirectory, *, now_ms: int) -> FutureLog:
        """Makes the copy's directory. Raises OSError, and KafkaError(INVALID_TOPIC_EXCEPTION) for too long a name."""
        logs.create_future(source, destination, _first_batch_offset(source), now_ms)
        return cls(logs, source, logs.future_logs[source.topic_partition])

    @classmethod
    def resume(cls, logs: LogManager, source: PartitionLog, copy: PartitionLog) -> FutureLog | None:
        """The move that an earlier run has begun; None where the copy is no part of the log (its tail may have outlived
        the log's a loss of power)."""
        if copy.topic_id is None or copy.topic_id != source.topic_id:
            return None
        if any(segment.size for segment in copy.segments):
            epoch = copy.leader_epoch_cache.latest_epoch
            known = source.leader_epoch_cache.end_offset_for(epoch, source.log_end_offset)
            if known.epoch != epoch or copy.log_end_offset > known.start_offset:
                return None
        return cls(logs, source, copy)

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

    def abandon(self, now_ms: int) -> None:
        """Has the copy removed. Raises OSError."""
        self._logs.delete_future(self.source.topic_partition, now_ms)


def _first_batch_offset(log: PartitionLog) -> int:
    """Where the batch begins that the log's start lies in: DeleteRecords may have moved that between its records."""
    offset = log.log_start_offset
    if offset < log.log_end_offset:
        for _, header in iter_batches(log.read(offset, 1).records.read()):
            return min(offset, header.base_offset)
    return offset
