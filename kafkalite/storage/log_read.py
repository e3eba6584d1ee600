"""Reading a log: from an offset to a slice of a segment, without touching what the batches hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.storage.log_segment import LogSegment
from kafkalite.storage.log_slice import EMPTY_SLICE, LogSlice
from kafkalite.storage.transaction_index import AbortedTxn

if TYPE_CHECKING:
    from kafkalite.storage.partition_log import PartitionLog


class FetchDataInfo:
    """What a read gives: a stretch of whole batches (the last one may be cut), and for read_committed what to skip."""

    __slots__ = ("aborted_transactions", "records")

    def __init__(self, records: LogSlice, aborted_transactions: list[AbortedTxn] | None) -> None:
        self.records = records
        self.aborted_transactions = aborted_transactions
        """Aborted transactions overlapping the records; None for read_uncommitted."""


def read_log(
    log: PartitionLog, offset: int, max_bytes: int, isolation_level: int, minimum_one_batch: bool
) -> FetchDataInfo:
    """See `PartitionLog.read`."""
    if offset < log.log_start_offset or offset > log.log_end_offset:
        raise _offset_out_of_range(log, offset)
    upper_bound = log.last_stable_offset if isolation_level else log.high_watermark
    if offset >= upper_bound:
        return FetchDataInfo(EMPTY_SLICE, [] if isolation_level else None)
    segments = log.segments
    segment = segments.active
    if offset < segment.base_offset:
        segment = segments.floor(offset)
    try:
        found = segment.find_batch(offset)
        while found is None:
            following = segments.higher(segment.base_offset)
            if following is None:
                return FetchDataInfo(EMPTY_SLICE, [] if isolation_level else None)
            segment = following
            found = segment.find_batch(offset)
        _, position, batch_size = found
        size = segment.size - position
        if upper_bound != log.log_end_offset:
            size = min(size, _end_position(log, upper_bound, segment) - position)
        if size > max_bytes:
            size = max_bytes if max_bytes >= batch_size else batch_size if minimum_one_batch else 0
        if size <= 0:
            return FetchDataInfo(EMPTY_SLICE, [] if isolation_level else None)
        records = LogSlice(segment.file, position, size)
        if not isolation_level:
            return FetchDataInfo(records, None)
        return FetchDataInfo(records, _aborted_transactions(log, offset, segment, position + size))
    except OSError as error:
        raise log.storage_error(f"reading from offset {offset}", error) from error


def _offset_out_of_range(log: PartitionLog, offset: int) -> KafkaError:
    if offset < log.log_start_offset:
        return KafkaError(
            ErrorCode.OFFSET_OUT_OF_RANGE,
            f"Received request for offset {offset} for partition {log.topic_partition}, but we only have log "
            f"segments starting from offset: {log.log_start_offset}.",
        )
    return KafkaError(
        ErrorCode.OFFSET_OUT_OF_RANGE,
        f"Received request for offset {offset} for partition {log.topic_partition}, but we only have log segments "
        f"upto {log.log_end_offset}.",
    )


def _end_position(log: PartitionLog, offset: int, segment: LogSegment) -> int:
    """Up to which position of a segment there are batches before `offset`."""
    cached = log.unstable_position
    if cached is None or cached[0] != offset:
        holder = log.segments.floor(offset)
        found = holder.find_batch(offset)
        cached = (offset, holder.base_offset, holder.size if found is None else found.position)
        log.unstable_position = cached
    _, base_offset, position = cached
    if segment.base_offset == base_offset:
        return position
    return segment.size if segment.base_offset < base_offset else 0


def _aborted_transactions(log: PartitionLog, offset: int, segment: LogSegment, end_position: int) -> list[AbortedTxn]:
    """The aborted transactions of a read that began at `offset` in a segment and ended at a position in it."""
    upper_bound = segment.offset_index.upper_bound_offset(end_position)
    if segment is log.segments.active:
        return _collect((segment,), offset, log.log_end_offset if upper_bound is None else upper_bound)
    segments = log.segments.from_offset(segment.base_offset)
    return _collect(segments, offset, segments[1].base_offset if upper_bound is None else upper_bound)


def collect_aborted_transactions(log: PartitionLog, start_offset: int, upper_bound_offset: int) -> list[AbortedTxn]:
    """The aborted transactions that overlap a range of offsets, in the order of their markers."""
    return _collect(log.segments.from_offset(start_offset), start_offset, upper_bound_offset)


def _collect(segments: Iterable[LogSegment], start_offset: int, upper_bound_offset: int) -> list[AbortedTxn]:
    aborted: list[AbortedTxn] = []
    for segment in segments:
        if segment.transaction_index.collect(start_offset, upper_bound_offset, aborted):
            break
    return aborted
