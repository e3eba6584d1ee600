"""Producer ids, taken from blocks that the metadata log reserves, so that no id is given twice (KIP-730)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

PRODUCER_ID_BLOCK_SIZE: Final = 1000


class ProducerIds:
    """Gives out the ids of a block and reserves the next block when it is used up."""

    def __init__(self, reserve_block: Callable[[], int]) -> None:
        """`reserve_block` writes a reservation to the metadata log and returns the block's first id."""
        self._reserve_block = reserve_block
        self._next_id = 0
        self._end = 0

    def next_id(self) -> int:
        """An id that nobody has had before."""
        if self._next_id == self._end:
            self._next_id = self._reserve_block()
            self._end = self._next_id + PRODUCER_ID_BLOCK_SIZE
        producer_id = self._next_id
        self._next_id += 1
        return producer_id
