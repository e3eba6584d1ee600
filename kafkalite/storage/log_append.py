"""What an append answers, and the appending of the broker's own batches (a client's: PartitionLog.append)."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.records.compression import Buffer
from kafkalite.records.record import NO_TIMESTAMP
from kafkalite.records.record_batch import (
    CONTROL_MASK,
    LOG_OVERHEAD,
    BatchHeader,
    check_crc,
    corrupt_record,
    iter_batches,
    read_header,
    set_offset_and_epoch,
)
from kafkalite.storage.end_transaction_marker import EndTransactionMarker, read_end_transaction_marker
from kafkalite.storage.producer_state import AppendOrigin, ProducerStateManager, VerificationState
from kafkalite.storage.transaction_index import AbortedTxn

if TYPE_CHECKING:
    from kafkalite.storage.log_segment import LogSegment
    from kafkalite.storage.partition_log import PartitionLog

_PREFIX: Final = Struct(">qii")
"""Base offset, batch length, leader epoch."""


class LogAppendInfo(NamedTuple):
    """Where an append went. For a batch that was there already: where it is, and nothing was written."""

    first_offset: int
    last_offset: int
    log_append_time_ms: int
    """-1 unless the topic stamps its records (or the batch was a duplicate: its own timestamp then)."""
    log_start_offset: int
    is_duplicate: bool = False
    is_flush_due: bool = False
    """flush.messages are waiting for a sync, and the caller took it upon itself (`defer_flush`)."""


class UnfinishedAppend:
    """Clients' batches that have their place at the end of a log while their bytes are on their way there.

    `write` is called once, in any thread. `finish`, on the log's thread and any number of times, waits for it and takes
    the batches into the log: until then nobody sees them, and they have no effect.
    """

    __slots__ = (
        "_error",
        "_file",
        "_headers",
        "_log",
        "_log_append_time_ms",
        "_now_ms",
        "_outcome",
        "_pieces",
        "_segment",
        "_writing",
    )

    def __init__(
        self,
        log: PartitionLog,
        segment: LogSegment,
        pieces: Sequence[Buffer],
        headers: list[BatchHeader],
        log_append_time_ms: int,
        now_ms: int,
    ) -> None:
        """`pieces`: the bytes of the batches, of which these are the headers."""
        self._log = log
        self._segment = segment
        self._file = segment.file
        self._pieces = pieces
        self._headers = headers
        self._log_append_time_ms = log_append_time_ms
        self._now_ms = now_ms
        self._writing = Lock()
        self._writing.acquire()
        self._error: OSError | None = None
        self._outcome: LogAppendInfo | KafkaError | None = None

    def write(self) -> None:
        """Writes the bytes, all or none of them."""
        try:
            self._file.append(*self._pieces)
        except OSError as error:
            self._error = error
        finally:
            self._pieces = ()
            self._writing.release()

    def finish(self) -> LogAppendInfo:
        """Where the batches stand now, from the first to the last; raises KafkaError where they could not be written.
        A flush may be due."""
        if self._outcome is None:
            with self._writing:
                pass
            self._log.unfinished_append = None
            if self._error is None and not self._log.is_closed:
                self._outcome = self._take_in()
            else:
                self._outcome = self._log.storage_error("appending records", self._error or OSError())
        if isinstance(self._outcome, KafkaError):
            raise self._outcome
        return self._outcome

    def settle(self) -> None:
        """`finish` for whoever only needs the log to be done with it: an error is told to who waits for the batches."""
        try:
            self.finish()
        except KafkaError:
            pass

    def _take_in(self) -> LogAppendInfo:
        log, segment = self._log, self._segment
        first_offset = log.log_end_offset
        segment.note_several_appended(self._headers, first_offset)
        if segment.is_open():
            segment.file.size = segment.size  # another handle than the one written to, if that was let go of meanwhile
        for header in self._headers:
            appended = log.note_appended(header, self._log_append_time_ms, self._now_ms, True)
        return appended._replace(first_offset=first_offset)


def append_trusted(
    log: PartitionLog,
    records: Buffer,
    now_ms: int,
    leader_epoch: int,
    origin: AppendOrigin,
    verification_guard: VerificationState | None,
    transaction_version: int,
    defer_flush: bool,
) -> LogAppendInfo:
    """Appends the broker's own batches (one or several, control batches too) with one write into one segment.

    With AppendOrigin.REPLICATION they keep their offsets and epochs, which may leave gaps.
    """
    log.context.check_writable()
    if origin is AppendOrigin.COORDINATOR:
        header = read_header(records)
        is_alone = header[3] == 2 and header[1] + LOG_OVERHEAD == len(records)
        if is_alone and header[9] < 0 and not header[5] & CONTROL_MASK:
            return _append_plain_batch(log, memoryview(records), header, now_ms, leader_epoch, defer_flush)
    buffer = bytearray(records)
    batches = list(iter_batches(buffer))
    if not batches or batches[-1][0] + batches[-1][1].size_in_bytes != len(buffer):
        raise corrupt_record(f"The records of an append to {log.topic_partition} are no whole batches")
    is_replication = origin is AppendOrigin.REPLICATION
    first_offset = offset = log.log_end_offset
    placed: list[tuple[int, BatchHeader, EndTransactionMarker | None]] = []
    for position, header in batches:
        if is_replication:
            check_crc(buffer, position, header)
            if header.base_offset < offset:
                raise KafkaError(
                    ErrorCode.UNKNOWN_SERVER_ERROR,
                    f"Unexpected offset in append to {log.topic_partition}. First offset {header.base_offset} is "
                    f"less than the next offset {offset}.",
                )
            if position == 0:
                first_offset = header.base_offset
        else:
            set_offset_and_epoch(buffer, position, offset, leader_epoch)
            header = header._replace(base_offset=offset, partition_leader_epoch=leader_epoch)
        marker = None
        if header.producer_id >= 0:
            if header.is_control:
                marker = read_end_transaction_marker(buffer, position, header)
                if marker is not None:
                    log.producer_state.check_marker(header, marker, offset, origin, transaction_version)
            else:
                log.producer_state.check_data_batch(header, offset, origin, verification_guard)
        placed.append((position, header, marker))
        offset = header.next_offset
    if len(buffer) > log.config.segment_bytes:
        raise log.batch_larger_than_segment(len(buffer))
    max_timestamp = max(header.max_timestamp for _, header, _ in placed)
    for _, header, _ in placed:
        if header.partition_leader_epoch > log.leader_epoch_cache.written_epoch:
            log.leader_epoch_cache.assign(header.partition_leader_epoch, header.base_offset)
    segment = log.segments[-1]
    if segment.should_roll(log.config, len(buffer), max_timestamp, offset - 1, now_ms):
        segment = log.roll(now_ms, first_offset)
    try:
        segment.append_batches(buffer, [(position, header) for position, header, _ in placed])
    except OSError as error:
        raise log.storage_error("appending records", error) from error
    log.log_end_offset = log.high_watermark = offset
    log.last_append_ms = now_ms
    log.unflushed_batches += len(placed)
    for _, header, marker in placed:
        aborted = update_producer_state(log.producer_state, header, marker)
        if aborted is not None:
            segment.transaction_index.append(aborted)
    log.update_last_stable_offset()
    is_flush_due = offset - log.recovery_point >= log.config.flush_messages
    if is_flush_due and not defer_flush:
        log.flush(now_ms)
        is_flush_due = False
    if log.on_append is not None:
        log.on_append(log)
    return LogAppendInfo(first_offset, offset - 1, NO_TIMESTAMP, log.log_start_offset, False, is_flush_due)


def _append_plain_batch(
    log: PartitionLog,
    batch: memoryview,
    header: BatchHeader,
    now_ms: int,
    leader_epoch: int,
    defer_flush: bool,
) -> LogAppendInfo:
    """Appends one batch without a producer, as coordinators write most of theirs."""
    size = len(batch)
    if size > log.config.segment_bytes:
        raise log.batch_larger_than_segment(size)
    offset = log.log_end_offset
    if leader_epoch > log.leader_epoch_cache.written_epoch:
        log.leader_epoch_cache.assign(leader_epoch, offset)
    last_offset = offset + header[6]
    segment = log.segments[-1]
    if segment.should_roll(log.config, size, header[8], last_offset, now_ms):
        segment = log.roll(now_ms, offset)
    try:
        segment.append(_PREFIX.pack(offset, header[1], leader_epoch), batch[_PREFIX.size :], last_offset, header[8])
    except OSError as error:
        raise log.storage_error("appending records", error) from error
    return log.note_appended(header, NO_TIMESTAMP, now_ms, defer_flush)


def update_producer_state(
    state: ProducerStateManager, header: BatchHeader, marker: EndTransactionMarker | None
) -> AbortedTxn | None:
    """Takes one batch of the log into the producers' state; the transaction index's entry if it aborts one."""
    if header.producer_id < 0:
        return None
    if not header.is_control:
        state.add_data_batch(header, header.base_offset)
        return None
    return None if marker is None else state.add_marker(header, marker, header.base_offset)
