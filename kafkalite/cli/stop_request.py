"""An orderly stop of a tool that would go on for ever: SIGINT and SIGTERM are remembered, not died of."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any, Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Remembers that SIGINT or SIGTERM arrived, instead of dying of it, while it is entered."""

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def __bool__(self) -> bool:
        return self.signal_number is not None

    @property
    def exit_code(self) -> int:
        """What a process that died of the signal would have; 0 without one."""
        return 0 if self.signal_number is None else 128 + self.signal_number

    def __enter__(self) -> StopRequest:
        for number in _SIGNALS:
            self._previous[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, *details: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _remember(self, number: int, _frame: FrameType | None) -> None:
        self.signal_number = number
