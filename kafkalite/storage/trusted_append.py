"""Appending the broker's own batches, which are trusted: what coordinators write, and the copy of a log that moves.

A client's batch goes another way: see client_append.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.records.compression import Buffer
from kafkalite.records.record import NO_TIMESTAMP
from kafkalite.records.record_batch import (
    BATCH_PREFIX_SIZE,
    CONTROL_MASK,
    LOG_OVERHEAD,
    BatchHeader,
    check_crc,
    corrupt_record,
    iter_batches,
    pack_batch_prefix,
    read_header,
    set_offset_and_epoch,
)
from kafkalite.storage.end_transaction_marker import EndTransactionMarker, read_end_transaction_marker
from kafkalite.storage.log_append_info import LogAppendInfo
from kafkalite.storage.producer_state import AppendOrigin, VerificationState

if TYPE_CHECKING:
    from kafkalite.storage.partition_log import PartitionLog


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
            return _append_single_batch(log, memoryview(records), header, now_ms, leader_epoch, defer_flush)
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
    segment = log.segments.active
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
        aborted = log.producer_state.add_batch(header, marker)
        if aborted is not None:
            segment.transaction_index.append(aborted)
    log.update_last_stable_offset()
    is_flush_due = log.is_flush_due()
    if is_flush_due and not defer_flush:
        log.flush(now_ms)
        is_flush_due = False
    if log.on_append is not None:
        log.on_append(log)
    return LogAppendInfo(first_offset, offset - 1, NO_TIMESTAMP, log.log_start_offset, False, is_flush_due)


def _append_single_batch(
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
    segment = log.segments.active
    if segment.should_roll(log.config, size, header[8], last_offset, now_ms):
        segment = log.roll(now_ms, offset)
    try:
        segment.append(
            pack_batch_prefix(offset, header[1], leader_epoch), batch[BATCH_PREFIX_SIZE:], last_offset, header[8]
        )
    except OSError as error:
        raise log.storage_error("appending records", error) from error
    return log.note_appended(header, NO_TIMESTAMP, now_ms, defer_flush)
