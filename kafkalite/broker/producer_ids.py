"""Producer ids, taken from blocks that the metadata log reserves, so that no id is given twice (KIP-730)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from kafkalite.broker.metadata_store import MetadataStore
from kafkalite.errors import KafkaError
from kafkalite.metadata.producer_id_control import generate_next_producer_id_block

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


class ProducerIdBlocks:
    """The blocks, each one claimed by a record of the metadata log."""

    def __init__(self, metadata: MetadataStore, node_id: int) -> None:
        self._metadata = metadata
        self._node_id = node_id
        self._reserving: Awaitable[None] | None = None

    def reserve(self) -> range:
        """The next block, once its record is durable. Raises KafkaError."""
        result = generate_next_producer_id_block(self._metadata.written_image, self._node_id)
        self._metadata.append(result.records)
        return result.response

    def request(self, take: Callable[[range | None], None]) -> None:
        """Calls `take` with the next block while the loop goes on, with None where it could not be had."""
        try:
            result = generate_next_producer_id_block(self._metadata.written_image, self._node_id)
        except KafkaError:
            take(None)
            return
        reserved = self._metadata.commit(result.records, lambda error: take(None if error else result.response))
        if reserved is not None:
            self._reserving = asyncio.ensure_future(reserved)  # the loop by itself would let go of it
