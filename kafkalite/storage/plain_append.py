"""Appending what most producers send: batches that go to the log as they are, several of them with one write.

Plain is a batch of format 2 on a topic whose records the broker need not look at or stamp
(`AppendRules.takes_plain_batches`), that does not end a segment; without a producer id, or the next one of an
idempotent producer that is known in its epoch. Batches of several producers may come together, those of each in a row.
All else takes `PartitionLog.append`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kafkalite.errors import KafkaError
from kafkalite.records.compression import Buffer
from kafkalite.records.log_validator import validate_client_batch
from kafkalite.records.record import NO_TIMESTAMP
from kafkalite.records.record_batch import (
    BATCH_PREFIX_SIZE,
    COMPRESSION_MASK,
    LOG_OVERHEAD,
    BatchHeader,
    pack_batch_prefix,
)
from kafkalite.storage.unfinished_append import UnfinishedAppend

if TYPE_CHECKING:
    from kafkalite.storage.partition_log import PartitionLog
    from kafkalite.storage.producer_state import ProducerStateManager

_UNPLAIN_ATTRIBUTES: Final = ~COMPRESSION_MASK
_MAX_SEQUENCE: Final = 0x7FFFFFFF


def append_plain(
    log: PartitionLog,
    batches: list[tuple[memoryview, BatchHeader]],
    now_ms: int,
    may_put_off: bool,
    on_written: Callable[[int], object] | None,
) -> int | UnfinishedAppend | None:
    """Appends batches, given with their headers, and returns the first offset; None, and nothing was appended, if one
    of them is not plain, not valid, or cannot be written: `PartitionLog.append` knows what is the matter.

    `may_put_off`: where writing will probably take long, it is left to the caller. What he gets holds the bytes.
    `on_written` is told the first offset as soon as the bytes stand there, before the log takes them in.
    """
    leader_epoch = log.leader_epoch
    max_message_bytes = log.config.max_message_bytes
    latest_allowed_ms = now_ms + log.append_rules.timestamp_after_max_ms
    the_producer_id, producer_epoch, next_sequence = -1, -1, 0  # none
    earlier_producers: set[int] | None = None
    first_offset = offset = log.log_end_offset
    pieces: list[Buffer] = []
    size, max_timestamp = 0, NO_TIMESTAMP
    for records, header in batches:
        _, length, _, _, _, attributes, last_offset_delta, base_timestamp, timestamp, producer_id, _, _, _ = header
        if not base_timestamp <= timestamp <= latest_allowed_ms or attributes & _UNPLAIN_ATTRIBUTES:
            return None
        if producer_id != the_producer_id:
            if earlier_producers is None:
                earlier_producers = set()
            if next_sequence > _MAX_SEQUENCE or producer_id in earlier_producers:
                return None
            if the_producer_id >= 0:
                earlier_producers.add(the_producer_id)
            the_producer_id, producer_epoch, next_sequence = producer_id, -1, 0
            if producer_id >= 0:
                known = _next_of_producer(log.producer_state, producer_id)
                if known is None:
                    return None
                producer_epoch, next_sequence = known
        if producer_id >= 0:
            if header[10] != producer_epoch or header[11] != next_sequence:
                return None
            next_sequence += last_offset_delta + 1
        try:
            validate_client_batch(records, log.topic_partition, max_message_bytes=max_message_bytes, header=header)
        except KafkaError:
            return None
        pieces += (pack_batch_prefix(offset, length, leader_epoch), records[BATCH_PREFIX_SIZE:])
        offset += last_offset_delta + 1
        size += length + LOG_OVERHEAD
        if timestamp > max_timestamp:
            max_timestamp = timestamp
    if next_sequence > _MAX_SEQUENCE:
        return None
    segment = log.segments.active
    if (
        leader_epoch > log.leader_epoch_cache.written_epoch
        or not segment.size  # whose first batch decides when it rolls
        or segment.should_roll(log.config, size, max_timestamp, offset - 1, now_ms, len(batches))
    ):
        return None
    headers = [header for _, header in batches]
    context = log.context
    if may_put_off and context.write_pace.is_slow(size) and context.filesystem.is_durable:
        unfinished = UnfinishedAppend(log, segment, (b"".join(pieces),), headers, NO_TIMESTAMP, now_ms)
        log.unfinished_append = unfinished
        return unfinished
    try:
        context.write_pace.append(segment.file, pieces, size)
    except OSError:
        return None
    if on_written is not None:
        on_written(first_offset)
    log.note_several_appended(segment, headers, now_ms)
    return first_offset


def _next_of_producer(state: ProducerStateManager, producer_id: int) -> tuple[int, int] | None:
    """The epoch and sequence number that an idempotent producer goes on with: no duplicate, no gap, no other epoch.
    None where more has to be looked at: a new producer, an open transaction, one that is being verified."""
    entry = state.producers.get(producer_id)
    if entry is None or not entry.batches or entry.current_txn_first_offset >= 0 or state.verification_states:
        return None
    return entry.producer_epoch, entry.batches[-1].last_sequence + 1
