"""Which transactional batches and markers compaction may drop, learnt while batches go by in their order.

Follows Apache Kafka's CleanedTransactionMetadata: the records of aborted transactions go at once, a marker only after
all of its transaction's batches have gone, and then only when its delete horizon is over (which the cleaner sees to).
"""

from __future__ import annotations

from collections.abc import Iterable

from kafkalite.records.compression import Buffer
from kafkalite.records.record_batch import BatchHeader
from kafkalite.storage.end_transaction_marker import read_end_transaction_marker
from kafkalite.storage.transaction_index import AbortedTxn


class CleanedTransactions:
    """The transactions that are open at the batch that was read last."""

    def __init__(self, aborted: Iterable[AbortedTxn]) -> None:
        """`aborted` are the aborted transactions that overlap the range that will be read, and no others."""
        self._upcoming = sorted(set(aborted), key=lambda entry: entry.first_offset, reverse=True)
        self._open_aborted: dict[int, AbortedTxn] = {}
        self._observed: set[int] = set()
        """Producers whose open aborted transaction has batches left."""
        self._open_committed: set[int] = set()
        self.still_aborted: list[AbortedTxn] = []
        """Aborted transactions whose marker was met behind batches of theirs: the new transaction index needs them."""

    def is_droppable(self, buffer: Buffer, position: int, header: BatchHeader) -> bool:
        """Takes in the next batch; whether its transaction lets it go."""
        if not header.is_control:
            return self._is_droppable_data(header)
        self._begin_aborted_up_to(header.last_offset)
        if not header.records_count:
            return True  # a marker that was kept for its producer's sake, and emptied, by an earlier cleaning
        marker = read_end_transaction_marker(buffer, position, header)
        if marker is None:
            return False
        producer_id = header.producer_id
        if marker.is_commit:
            has_batches = producer_id in self._open_committed
            self._open_committed.discard(producer_id)
            return not has_batches
        aborted = self._open_aborted.pop(producer_id, None)
        if aborted is None or producer_id not in self._observed:
            return True
        self._observed.discard(producer_id)
        self.still_aborted.append(aborted)
        return False

    def _is_droppable_data(self, header: BatchHeader) -> bool:
        self._begin_aborted_up_to(header.last_offset)
        if not header.is_transactional:
            return False
        if header.producer_id in self._open_aborted:
            self._observed.add(header.producer_id)
            return True
        self._open_committed.add(header.producer_id)
        return False

    def _begin_aborted_up_to(self, offset: int) -> None:
        while self._upcoming and self._upcoming[-1].first_offset <= offset:
            aborted = self._upcoming.pop()
            self._open_aborted.setdefault(aborted.producer_id, aborted)
