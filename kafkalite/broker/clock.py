"""The broker's only view of time: wall-clock milliseconds, a steady counter, and calls at a later moment.

Everything below asks a `Clock` that it is given, so a test can hold time still and move it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol


class Timer(Protocol):
    """A call that has been put off."""

    def cancel(self) -> None:
        """The call will not be made."""


class Clock(Protocol):
    """Where the broker gets the time from, and who wakes it later."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, as they stand in records; may jump when the machine's clock is set."""

    def steady_ms(self) -> int:
        """Milliseconds that only grow: for timeouts and intervals."""

    def call_later(self, delay_ms: float, call: Callable[..., Any], *arguments: Any) -> Timer:
        """Calls on the event loop's thread once `delay_ms` have passed."""


class SystemClock:
    """The machine's time and the running event loop's timers."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def steady_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000

    def call_later(self, delay_ms: float, call: Callable[..., Any], *arguments: Any) -> Timer:
        return self._loop.call_later(delay_ms / 1000, call, *arguments)
