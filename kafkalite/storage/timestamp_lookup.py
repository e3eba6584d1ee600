"""Offsets by time: the first record at or after a timestamp, and the record with the largest one.

The time index leads to a stretch of the segment, the batches' headers to the batch, and only that one is decompressed.
Timestamps need not rise: within a batch the first record that is late enough counts, whatever stands behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from kafkalite.errors import KafkaError
from kafkalite.records.record import Record
from kafkalite.records.record_batch import BatchHeader, decode_batch
from kafkalite.storage.log_segment import LogSegment
from kafkalite.storage.time_index import NO_TIMESTAMP

if TYPE_CHECKING:
    from kafkalite.storage.partition_log import PartitionLog


class TimestampAndOffset(NamedTuple):
    timestamp: int
    offset: int
    leader_epoch: int
    """The epoch of the batch that holds the record, -1 where the format has none."""


def first_offset_at_or_after(log: PartitionLog, timestamp: int) -> TimestampAndOffset | None:
    """The first record of the log whose timestamp is at least `timestamp`. Raises KafkaError."""
    log_start_offset = log.log_start_offset
    try:
        for segment in log.segments.from_offset(log_start_offset):
            if segment.largest_timestamp() < timestamp:
                continue
            start_offset = max(segment.time_index.lookup(timestamp).offset, log_start_offset)
            for header, records in _batches(segment, start_offset, timestamp, log_start_offset):
                for record in records:
                    if record.timestamp >= timestamp and record.offset >= log_start_offset:
                        return TimestampAndOffset(record.timestamp, record.offset, header.partition_leader_epoch)
    except OSError as error:
        raise _look_up_error(log, error) from error
    return None


def offset_of_max_timestamp(log: PartitionLog) -> TimestampAndOffset | None:
    """The first record with the largest timestamp of the log; None where no record has one. Raises KafkaError."""
    log_start_offset = log.log_start_offset
    best: TimestampAndOffset | None = None
    try:
        for segment in log.segments.from_offset(log_start_offset):
            timestamp, batch_offset = segment.max_timestamp_and_offset
            if timestamp == NO_TIMESTAMP or (best is not None and timestamp <= best.timestamp):
                continue
            if batch_offset < log_start_offset or segment.base_offset < log_start_offset:
                timestamp, batch_offset = _max_timestamp_from(segment, log_start_offset)
                if timestamp == NO_TIMESTAMP or (best is not None and timestamp <= best.timestamp):
                    continue
            for header, records in _batches(segment, batch_offset, timestamp, log_start_offset):
                late_enough = (each for each in records if each.offset >= log_start_offset)
                found = next((record for record in late_enough if record.timestamp == timestamp), None)
                if found is not None:
                    best = TimestampAndOffset(timestamp, found.offset, header.partition_leader_epoch)
                    break
    except OSError as error:
        raise _look_up_error(log, error) from error
    return best


def _look_up_error(log: PartitionLog, error: OSError) -> KafkaError:
    return log.storage_error("looking up a timestamp", error)


def _batches(
    segment: LogSegment, from_offset: int, min_timestamp: int, log_start_offset: int
) -> Iterator[tuple[BatchHeader, list[Record]]]:
    """The batches that may hold a record that is late enough, from about an offset on, with their records."""
    file = segment.file
    for position, header in segment.batches_from(from_offset):
        if header.max_timestamp >= min_timestamp and header.last_offset >= log_start_offset:
            data = file.pread(header.size_in_bytes, position)
            yield header, decode_batch(data, 0, header)


def _max_timestamp_from(segment: LogSegment, log_start_offset: int) -> tuple[int, int]:
    """The largest timestamp of the records that are left in a segment whose first ones were deleted."""
    largest, offset = NO_TIMESTAMP, log_start_offset
    file = segment.file
    for position, header in segment.batches_from(log_start_offset):
        if header.last_offset < log_start_offset or header.max_timestamp <= largest:
            continue
        if header.base_offset >= log_start_offset:
            largest, offset = header.max_timestamp, header.last_offset
            continue
        for record in decode_batch(file.pread(header.size_in_bytes, position), 0, header):
            if record.offset >= log_start_offset and record.timestamp > largest:
                largest, offset = record.timestamp, header.last_offset
    return largest, offset
