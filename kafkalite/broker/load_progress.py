"""What the log says while a start reads logs for longer than a moment."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from kafkalite.identifiers import TopicPartition

logger = logging.getLogger("kafkalite")

INTERVAL_MS: Final = 1_000


class LoadProgress:
    """Told of each log that has been read, and of how much of one has been recovered; says every second how far the
    start has come."""

    __slots__ = ("_loaded", "_next_ms", "_steady_ms")

    def __init__(self, steady_ms: Callable[[], int]) -> None:
        self._steady_ms = steady_ms
        self._loaded = 0
        self._next_ms = steady_ms() + INTERVAL_MS

    def note_loaded(self, loaded: int, total: int) -> None:
        self._loaded = loaded
        if loaded < total and self._is_due():
            logger.info("Loading logs: %d of %d", loaded, total)

    def note_recovered(self, topic_partition: TopicPartition, size: int, total_size: int) -> None:
        """So many of the bytes of a log that have to be read have been read."""
        if size < total_size and self._is_due():
            logger.info(
                "Loading logs: %d loaded, %s being recovered (%d of %d MB)",
                self._loaded,
                topic_partition,
                size >> 20,
                total_size >> 20,
            )

    def _is_due(self) -> bool:
        now_ms = self._steady_ms()
        if now_ms < self._next_ms:
            return False
        self._next_ms = now_ms + INTERVAL_MS
        return True
