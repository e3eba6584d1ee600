"""Replaying the log of a coordinator's partition into its shard (CoordinatorLoader), in steps.

Where the topic is compacted, the last one of records with the same key is enough: it is replayed in its place. Records
of transactions keep their order among the others. A record costs some microseconds, and there may be millions of them:
so many are dealt with in a step, and between the steps the loop serves its connections.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from kafkalite.protocol.primitives import ProtocolError
from kafkalite.records.record import Record
from kafkalite.records.record_batch import decode_batch, iter_batches
from kafkalite.storage.end_transaction_marker import read_end_transaction_marker

if TYPE_CHECKING:
    from kafkalite.broker.clock import Clock
    from kafkalite.broker.coordinator_runtime import CoordinatorContext

logger = logging.getLogger(__name__)
_LONG_MS = 1_000

RECORDS_PER_STEP: Final = 1_000
_NO_PRODUCER_ID: Final = -1


class CoordinatorLoader:
    """Loads one partition."""

    def __init__(self, context: CoordinatorContext[Any], clock: Clock, buffer_size: int) -> None:
        self._context = context
        self._clock = clock
        self._buffer_size = buffer_size
        self._latest: dict[bytes, Record] = {}

    def steps(self) -> Iterator[None]:
        """Replays what is in the log, also what comes into it meanwhile; the partition may be used when they end."""
        context = self._context
        began_ms = self._clock.steady_ms()
        offset = context.log.log_start_offset
        is_compacted = context.log.config.is_compacted
        count = 0
        in_step = 0
        while offset < context.log.log_end_offset:
            data = context.log.read(offset, self._buffer_size).records.read()
            next_offset = offset
            for position, header in iter_batches(data):
                next_offset = header.next_offset
                if header.producer_id >= 0:
                    yield from self._replay_latest()
                if header.is_control:
                    marker = read_end_transaction_marker(data, position, header)
                    if marker is not None:
                        context.shard.replay_end_transaction_marker(header.producer_id, is_commit=marker.is_commit)
                    continue
                latest = self._latest
                for record in decode_batch(data, position, header):
                    if record.offset < offset:
                        continue
                    count += 1
                    if record.key is None:
                        logger.error("Record %d of %s has no key: ignored", record.offset, context.topic_partition)
                    elif header.producer_id >= 0 or not is_compacted:
                        self._replay(record, header.producer_id)
                    else:
                        latest.pop(record.key, None)
                        latest[record.key] = record
                    in_step += 1
                    if in_step >= RECORDS_PER_STEP:
                        in_step = 0
                        yield
            if next_offset == offset:
                yield from self._replay_latest()
                break
            offset = next_offset
            if offset >= context.log.log_end_offset:
                yield from self._replay_latest()
        context.shard.on_loaded(self._clock.now_ms())
        if count:
            took_ms = self._clock.steady_ms() - began_ms
            # One line for each of fifty partitions, at every start, is for those alone who look for it.
            level = logging.INFO if took_ms >= _LONG_MS else logging.DEBUG
            logger.log(level, "Loaded %d records of %s in %d ms", count, context.topic_partition, took_ms)

    def _replay_latest(self) -> Iterator[None]:
        """In the order in which they were written."""
        latest, self._latest = self._latest, {}
        for number, record in enumerate(latest.values(), 1):
            self._replay(record, _NO_PRODUCER_ID)
            if number % RECORDS_PER_STEP == 0:
                yield

    def _replay(self, record: Record, producer_id: int) -> None:
        shard = self._context.shard
        assert record.key is not None
        try:
            decoded = shard.decode(record.key, record.value)
        except ProtocolError as error:
            logger.error("Record %d of %s cannot be read: %s", record.offset, self._context.topic_partition, error)
            return
        if decoded is None:
            logger.warning(
                "Record %d of %s is of an unknown type: ignored", record.offset, self._context.topic_partition
            )
            return
        shard.replay(record.offset, producer_id, *decoded, self._clock.now_ms())
