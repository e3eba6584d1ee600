"""Which segments of a log may go, and how they go: renamed to `.deleted` first, removed after `file.delete.delay.ms`.

A segment goes when it lies before the log's start offset (DeleteRecords), and on topics with cleanup.policy=delete when
the log is larger than `retention.bytes` without it, or its largest timestamp is older than `retention.ms`. They go from
the oldest on, without gaps; when all may go, a new segment takes their place and the offsets go on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.storage.file_names import DELETED_SUFFIX
from kafkalite.storage.log_segment import LogSegment
from kafkalite.storage.partition_log import PartitionLog

_logger = logging.getLogger(__name__)

_LOGS_PER_STEP: Final = 100
"""So many logs are looked at for segments to delete before others have their turn."""
_WEIGHT_OF_DELETION: Final = 100
"""Each segment's files are renamed and a new one may be made, which takes as long as looking at so many logs."""


def delete_old_segments(log: PartitionLog, now_ms: int) -> int:
    """Applies retention to one log; returns the number of segments that went. Raises KafkaError."""
    deleted = _delete_before_start_offset(log, now_ms)
    if log.config.is_deleted:
        deleted += _delete_by_size(log, now_ms)
        deleted += _delete_by_time(log, now_ms)
    return deleted


def retention_steps(logs: Iterable[PartitionLog], now_ms: int) -> Iterator[int]:
    """Applies retention to a hundred logs at a time, fewer where segments go; gives how many segments went."""
    deleted = 0
    weight = 0
    for log in logs:
        gone = 0
        try:
            gone = 0 if log.is_closed else delete_old_segments(log, now_ms)
        except KafkaError:
            pass  # logged and reported where it happened; the other logs are none the worse for it
        deleted += gone
        weight += _WEIGHT_OF_DELETION * gone + 1
        if weight >= _LOGS_PER_STEP:
            yield deleted
            deleted = weight = 0
    yield deleted


def delete_records(log: PartitionLog, before_offset: int) -> int:
    """Moves the log's start to `before_offset` (-1: to its end) and returns the low watermark.

    The segments before it go with the next `delete_old_segments`. Raises KafkaError: OFFSET_OUT_OF_RANGE behind the
    end, POLICY_VIOLATION on topics that are only compacted.
    """
    if not log.config.is_deleted:
        raise KafkaError(ErrorCode.POLICY_VIOLATION)
    if before_offset == -1:
        before_offset = log.high_watermark
    if before_offset < 0 or before_offset > log.high_watermark:
        raise KafkaError(
            ErrorCode.OFFSET_OUT_OF_RANGE,
            f"The specified offset {before_offset} is higher than the high watermark {log.high_watermark} of the "
            f"partition {log.topic_partition}",
        )
    if increment_log_start_offset(log, before_offset):
        log.context.note_records_deleted(log.log_directory)
    return log.log_start_offset


def increment_log_start_offset(log: PartitionLog, offset: int) -> bool:
    """Moves the log's start forward, and what hangs on it; whether it moved."""
    if offset <= log.log_start_offset:
        return False
    log.log_start_offset = offset
    log.recovery_point = max(log.recovery_point, offset)
    log.leader_epoch_cache.truncate_from_start(offset)
    log.update_last_stable_offset()
    if log.on_append is not None:  # whoever reads the log is told where it begins
        log.on_append(log)
    return True


def _delete_before_start_offset(log: PartitionLog, now_ms: int) -> int:
    def is_before_start(segment: LogSegment, next_base_offset: int | None) -> bool:
        return next_base_offset is not None and next_base_offset <= log.log_start_offset

    return _delete_while(log, is_before_start, now_ms, "log start offset")


def _delete_by_size(log: PartitionLog, now_ms: int) -> int:
    retention_bytes = log.config.retention_bytes
    excess = log.size() - retention_bytes
    if retention_bytes < 0 or excess < 0:
        return 0

    def is_excess(segment: LogSegment, next_base_offset: int | None) -> bool:
        nonlocal excess
        if excess < segment.size:
            return False
        excess -= segment.size
        return True

    return _delete_while(log, is_excess, now_ms, "retention size")


def _delete_by_time(log: PartitionLog, now_ms: int) -> int:
    retention_ms = log.config.retention_ms
    if retention_ms < 0:
        return 0

    def is_too_old(segment: LogSegment, next_base_offset: int | None) -> bool:
        return now_ms - segment.largest_timestamp() > retention_ms

    return _delete_while(log, is_too_old, now_ms, "retention time")


def _delete_while(log: PartitionLog, may_go: Callable[[LogSegment, int | None], bool], now_ms: int, reason: str) -> int:
    segments = log.segments
    count = 0
    try:
        while count < len(segments):
            is_last = count + 1 == len(segments)
            segment = segments[count]
            if is_last and not segment.size:
                break
            if not may_go(segment, None if is_last else segments[count + 1].base_offset):
                break
            count += 1
        if count:
            if count == len(segments):
                log.roll(now_ms)
            going = log.segments[:count]
            _logger.info("Deleting %d segments of %s due to %s: %s", count, log.topic_partition, reason, going)
            # First the start offset, then the files: no reader is sent to a segment that is going.
            increment_log_start_offset(log, log.segments[count].base_offset)
            log.segments.drop_first(count)
            for segment in going:
                retire_segment(log, segment, now_ms)
    except OSError as error:
        raise log.storage_error("deleting segments", error) from error
    return count


def retire_segment(log: PartitionLog, segment: LogSegment, now_ms: int) -> None:
    """Renames a segment's files and its producer snapshot to `.deleted`, to be removed later."""
    due_ms = now_ms + log.config.file_delete_delay_ms
    segment.release_file()
    for path in segment.rename_files(DELETED_SUFFIX):
        log.context.delete_later(path, due_ms)
    path_of_snapshot = log.snapshots.retire(segment.base_offset)
    if path_of_snapshot is not None:
        log.context.delete_later(path_of_snapshot, due_ms)
