"""A client's own figures (librdkafka's statistics) as the table that --print-metrics prints."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

_WAIT_S: Final = 2.0


class ClientMetrics:
    """Keeps the last statistics that the client has given."""

    def __init__(self) -> None:
        self._last = "{}"
        self._taken = 0

    def take(self, statistics: str) -> None:
        """The client's statistics callback."""
        self._last = statistics
        self._taken += 1

    def wait_for_one_more(self, poll: Callable[[float], Any]) -> None:
        """Returns when the client has given figures that count all there was to do."""
        before, deadline = self._taken, time.monotonic() + _WAIT_S
        while self._taken == before and time.monotonic() < deadline:
            poll(0.05)

    def print(self) -> None:
        metrics = dict(sorted(_flat("", json.loads(self._last))))
        width = max(map(len, metrics), default=0)
        print(f"\n{'Metric Name':{width}}   Value")
        for name, value in metrics.items():
            print(f"{name:{width}} : {f'{value:.3f}' if isinstance(value, float) else value}")


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield prefix, value
        return
    for name, part in value.items():
        yield from _flat(f"{prefix}:{name}" if prefix else name, part)
