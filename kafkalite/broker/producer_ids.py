"""Producer ids, taken from blocks that the metadata log reserves, so that no id is given twice (KIP-730)."""

from __future__ import annotations

from collections.abc import Callable


class ProducerIds:
    """Gives out the ids of a block and reserves the next block when it is used up."""

    def __init__(self, reserve_block: Callable[[], range]) -> None:
        """`reserve_block` writes a reservation to the metadata log and returns the ids that it claims."""
        self._reserve_block = reserve_block
        self._next_id = 0
        self._end = 0

    def next_id(self) -> int:
        """An id that nobody has had before."""
        if self._next_id == self._end:
            block = self._reserve_block()
            self._next_id, self._end = block.start, block.stop
        producer_id = self._next_id
        self._next_id += 1
        return producer_id
