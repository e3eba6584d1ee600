"""What the log says while a start reads logs for longer than a moment."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

logger = logging.getLogger("kafkalite")

INTERVAL_MS: Final = 1_000


class LoadProgress:
    """Called after each log that has been read; says every second how far the start has come."""

    __slots__ = ("_next_ms", "_steady_ms")

    def __init__(self, steady_ms: Callable[[], int]) -> None:
        self._steady_ms = steady_ms
        self._next_ms = steady_ms() + INTERVAL_MS

    def __call__(self, loaded: int, total: int) -> None:
        now_ms = self._steady_ms()
        if now_ms >= self._next_ms and loaded < total:
            self._next_ms = now_ms + INTERVAL_MS
            logger.info("Loading logs: %d of %d", loaded, total)
