"""Runs of records in one delivery state, as they are kept for share partitions, and how newer ones go over older ones.

Apache Kafka's PersisterStateBatch and PersisterStateBatchCombiner (KIP-932).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

UNINITIALIZED_START_OFFSET: Final = -1


class RecordState(IntEnum):
    """What has become of a record of a share partition; the value stands in the log."""

    AVAILABLE = 0
    ACQUIRED = 1
    ACKNOWLEDGED = 2
    ARCHIVING = 3
    ARCHIVED = 4

    @property
    def is_terminal(self) -> bool:
        """Whether the record is done with."""
        return self is RecordState.ACKNOWLEDGED or self is RecordState.ARCHIVED


class PersisterStateBatch(NamedTuple):
    """Records from `first_offset` to `last_offset`, both included; batches sort as Apache Kafka sorts them."""

    first_offset: int
    last_offset: int
    delivery_count: int
    delivery_state: int

    @property
    def delivery(self) -> tuple[int, int]:
        """What decides which of two overlapping batches is newer: deliveries only grow, and then states do."""
        return self.delivery_count, self.delivery_state


def combine_state_batches(
    so_far: Iterable[PersisterStateBatch],
    newer: Iterable[PersisterStateBatch],
    start_offset: int = UNINITIALIZED_START_OFFSET,
) -> list[PersisterStateBatch]:
    """The batches of both without overlaps, neighbours in one state joined, and nothing before `start_offset`.

    A batch that ends before it begins, as Apache Kafka may have stored one, is left out.
    """
    queue = [
        batch if batch.first_offset >= start_offset else batch._replace(first_offset=start_offset)
        for batches in (so_far, newer)
        for batch in batches
        if start_offset <= batch.last_offset and batch.first_offset <= batch.last_offset
    ]
    heapify(queue)
    combined: list[PersisterStateBatch] = []
    while queue:
        batch = heappop(queue)
        if not queue or not _touches(batch, queue[0]):
            combined.append(batch)
            continue
        for piece in _resolve(batch, heappop(queue)):
            heappush(queue, piece)
    return combined


def _touches(batch: PersisterStateBatch, after: PersisterStateBatch) -> bool:
    if after.first_offset <= batch.last_offset:
        return True
    return after.first_offset == batch.last_offset + 1 and after.delivery == batch.delivery


def _resolve(batch: PersisterStateBatch, after: PersisterStateBatch) -> list[PersisterStateBatch]:
    """Two batches that touch, `after` beginning no earlier, as batches that overlap no more: the newer one is whole."""
    if after.delivery == batch.delivery:
        return [batch._replace(last_offset=max(batch.last_offset, after.last_offset))]
    if after.delivery < batch.delivery:
        if after.last_offset <= batch.last_offset:
            return [batch]
        return [batch, after._replace(first_offset=batch.last_offset + 1)]
    pieces = [after]
    if after.first_offset > batch.first_offset:
        pieces.append(batch._replace(last_offset=after.first_offset - 1))
    if after.last_offset < batch.last_offset:
        pieces.append(batch._replace(first_offset=after.last_offset + 1))
    return pieces
