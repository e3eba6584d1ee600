"""Timers of a coordinator: named deadlines and what happens at them, in an order that is always the same.

Nothing here sleeps or wakes: whoever drives the coordinator asks for `next_deadline_ms` and runs what `pop_due` gives.
A heartbeat moves a deadline back, so that is one dictionary look-up: the heap keeps the old, earlier place, and only
when that moment comes is the timer put where it belongs. Apache Kafka's CoordinatorTimer.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from heapq import heapify, heappop, heappush
from typing import Final

from kafkalite.coordinator.coordinator_result import CoordinatorResult

Operation = Callable[[int], "CoordinatorResult[None]"]
"""What happens at a deadline; it is given the wall clock's milliseconds."""

NEVER: Final = 1 << 62
_GARBAGE_ALLOWANCE: Final = 64


class _Timer:
    __slots__ = ("deadline_ms", "key", "operation", "queued_ms")

    def __init__(self, key: Hashable, deadline_ms: int, operation: Operation) -> None:
        self.key = key
        self.deadline_ms = deadline_ms
        self.queued_ms = deadline_ms
        self.operation = operation


class CoordinatorTimers:
    """Deadlines by key; scheduling a key again replaces its deadline and operation.

    `steady_ms` tells the time that deadlines are measured in: milliseconds that only grow.
    """

    __slots__ = ("_heap", "_sequence", "_steady_ms", "_timers")

    def __init__(self, steady_ms: Callable[[], int]) -> None:
        self._steady_ms = steady_ms
        self._timers: dict[Hashable, _Timer] = {}
        self._heap: list[tuple[int, int, _Timer]] = []
        self._sequence = 0

    def __contains__(self, key: Hashable) -> bool:
        return key in self._timers

    def __len__(self) -> int:
        return len(self._timers)

    def schedule(self, key: Hashable, delay_ms: int, operation: Operation) -> None:
        """Runs `operation` once `delay_ms` have passed from now."""
        deadline_ms = self._steady_ms() + delay_ms
        timer = self._timers.get(key)
        if timer is None:
            timer = self._timers[key] = _Timer(key, deadline_ms, operation)
            self._push(timer)
            return
        timer.operation = operation
        timer.deadline_ms = deadline_ms
        if deadline_ms < timer.queued_ms:
            # The place in the heap is too late; the timer gets a new identity, so that the old place means nothing.
            timer = self._timers[key] = _Timer(key, deadline_ms, operation)
            self._push(timer)

    def postpone(self, key: Hashable, delay_ms: int) -> bool:
        """Gives a timer that exists a new deadline, its operation unchanged; False where there is none."""
        timer = self._timers.get(key)
        if timer is None:
            return False
        deadline_ms = self._steady_ms() + delay_ms
        if deadline_ms < timer.queued_ms:
            self.schedule(key, delay_ms, timer.operation)
        else:
            timer.deadline_ms = deadline_ms
        return True

    def cancel(self, key: Hashable) -> None:
        """Forgets a timer, if there is one."""
        if self._timers.pop(key, None) is not None and len(self._heap) > 2 * len(self._timers) + _GARBAGE_ALLOWANCE:
            self._heap = [place for place in self._heap if self._timers.get(place[2].key) is place[2]]
            heapify(self._heap)

    def clear(self) -> None:
        """Forgets all timers."""
        self._timers.clear()
        self._heap.clear()

    def deadline_ms(self, key: Hashable) -> int | None:
        """When a timer is due, or None where there is none."""
        timer = self._timers.get(key)
        return None if timer is None else timer.deadline_ms

    @property
    def next_deadline_ms(self) -> int:
        """No timer is due before this moment, though at it perhaps none is either; NEVER where there is none."""
        return self._heap[0][0] if self._heap else NEVER

    def pop_due(self) -> Iterator[Operation]:
        """The operations that are due now, earliest deadline first; what they schedule for now comes after them."""
        now_ms = self._steady_ms()
        while self._heap and self._heap[0][0] <= now_ms:
            timer = heappop(self._heap)[2]
            if self._timers.get(timer.key) is not timer:
                continue
            if timer.deadline_ms > timer.queued_ms:
                # It was moved back since it was queued: even if it is due, others may be due before it.
                self._push(timer)
                continue
            del self._timers[timer.key]
            yield timer.operation

    def _push(self, timer: _Timer) -> None:
        timer.queued_ms = timer.deadline_ms
        self._sequence += 1
        heappush(self._heap, (timer.deadline_ms, self._sequence, timer))
