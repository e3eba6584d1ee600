"""Producer ids, taken from blocks that the metadata log reserves, so that no id is given twice (KIP-730)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

PREFETCH_REMAINING: Final = 100
"""With so many ids left the next block is asked for, so that nobody has to wait for it."""


class ProducerIds:
    """Gives out the ids of a block, and has the next block reserved before it is used up."""

    def __init__(
        self, reserve_block: Callable[[], range], request_block: Callable[[Callable[[range | None], None]], None]
    ) -> None:
        """`reserve_block` writes a reservation to the metadata log and returns the ids that it claims; `request_block`
        does so some time later, and calls with None where it could not be written."""
        self._reserve_block = reserve_block
        self._request_block = request_block
        self._next_id = 0
        self._end = 0
        self._following: range | None = None
        self._is_requested = False

    def next_id(self) -> int:
        """An id that nobody has had before. Raises KafkaError where no more can be reserved."""
        if self._next_id == self._end:
            block, self._following = self._following or self._reserve_block(), None
            self._next_id, self._end = block.start, block.stop
        producer_id = self._next_id
        self._next_id += 1
        if self._end - self._next_id == PREFETCH_REMAINING and self._following is None and not self._is_requested:
            self._is_requested = True
            self._request_block(self._take)
        return producer_id

    def _take(self, block: range | None) -> None:
        self._is_requested = False
        self._following = block
