"""Requests that wait until something happens to a partition, or until their time is over.

Appending to a partition wakes whoever watches it. The waking itself is put off, to the loop's next round at the latest,
so that an append is never held up by its readers, and a burst of appends wakes a reader once. Where a reader or two
wait, they are told before the writer: what he gets is a receipt, what they get is what they wait for.

Who only has to know that something has happened since, and waits for nothing yet, observes a partition instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable
from typing import Any, Final, Protocol, TypeAlias

from kafkalite.broker.clock import Clock, Timer
from kafkalite.identifiers import TopicPartition

FEW: Final = 2
"""So many who wait may be told of records before their writer is."""


class DelayedOperation:
    """An answer that is due when `try_complete` gives one, or at the latest when its time is over.

    `try_complete(is_expired)` returns the answer or None; it must give one when `is_expired` is true.

    To those who wait it is a future, but for one thing: it tells them in the moment in which it is done. A loop's
    future tells them in the next round, which a record on its way to a consumer would have to wait for.
    """

    __slots__ = ("_answer", "_callbacks", "_error", "_is_done", "is_woken", "partitions", "timer", "try_complete")

    def __init__(self, partitions: list[TopicPartition], try_complete: Callable[[bool], Any]) -> None:
        self.partitions = partitions
        self.try_complete = try_complete
        self.timer: Timer | None = None
        self.is_woken = False
        self._callbacks: list[DoneCallback] = []
        self._is_done = False
        self._answer: Any = None
        self._error: BaseException | None = None

    def done(self) -> bool:
        return self._is_done

    def result(self) -> Any:
        """The answer, or raises what making it raised; called when it is done."""
        if self._error is not None:
            raise self._error
        return self._answer

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        self._end(None, asyncio.CancelledError())

    def add_done_callback(self, callback: DoneCallback) -> None:
        """Has it called when the operation is done; it is not yet."""
        self._callbacks.append(callback)

    def complete(self, *, is_expired: bool) -> None:
        """Looks whether there is an answer; nothing, if it has been given already."""
        if self._is_done:
            return
        try:
            answer = self.try_complete(is_expired)
        except Exception as error:
            self._end(None, error)
            return
        if answer is not None:
            self._end(answer, None)

    def _end(self, answer: Any, error: BaseException | None) -> None:
        if self._is_done:
            return
        self._is_done = True
        self._answer = answer
        self._error = error
        callbacks, self._callbacks = self._callbacks, []  # they know of it: a cycle, unless it forgets them
        for callback in callbacks:
            callback(self)

    def __await__(self) -> Generator[Any, None, Any]:
        if not self._is_done:
            waiter = asyncio.get_running_loop().create_future()
            self.add_done_callback(lambda _: None if waiter.done() else waiter.set_result(None))
            yield from waiter
        return self.result()


DoneCallback: TypeAlias = Callable[[DelayedOperation], object]


class Observer(Protocol):
    """Who wants to know that something has happened to a partition."""

    def on_change(self) -> None: ...


class Purgatory:
    """The waiting operations by the partitions that they watch. Used on the event loop's thread alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._operations: dict[DelayedOperation, None] = {}
        self._watchers: dict[TopicPartition, dict[DelayedOperation, None]] = {}
        self._observers: dict[TopicPartition, dict[Observer, None]] = {}
        self._woken: list[DelayedOperation] = []
        self._is_look_scheduled = False
        self._is_looking = False

    def delay(
        self, partitions: Iterable[TopicPartition], timeout_ms: int, try_complete: Callable[[bool], Any]
    ) -> DelayedOperation:
        """Puts an operation here. Cancelling it takes it away."""
        operation = DelayedOperation(list(partitions), try_complete)
        self._operations[operation] = None
        for partition in operation.partitions:
            self._watchers.setdefault(partition, {})[operation] = None
        operation.timer = self._clock.call_later(timeout_ms, self._expire, operation)
        operation.add_done_callback(self._forget)
        return operation

    def observe(self, partition: TopicPartition, observer: Observer) -> None:
        """Has `observer.on_change` called when next something happens to a partition: once, and at once."""
        self._observers.setdefault(partition, {})[observer] = None

    def stop_observing(self, partition: TopicPartition, observer: Observer) -> None:
        observers = self._observers.get(partition)
        if observers is not None:
            observers.pop(observer, None)
            if not observers:
                del self._observers[partition]

    def notify(self, partition: TopicPartition) -> None:
        """Something has happened to a partition: whoever watches it looks again in the loop's next round."""
        if self._observers:
            for observer in self._observers.pop(partition, ()):
                observer.on_change()
        watchers = self._watchers.get(partition) if self._watchers else None
        if watchers:
            for operation in watchers:
                self.wake(operation)

    def wake(self, operation: DelayedOperation) -> None:
        """The operation looks again in the loop's next round, or when `look_for_few` is called before."""
        if not operation.is_woken:
            operation.is_woken = True
            self._woken.append(operation)
            if not self._is_look_scheduled:
                self._is_look_scheduled = True
                asyncio.get_running_loop().call_soon(self._look)

    def look_for_few(self) -> None:
        """Has those who were woken look at once, if they are few. Does nothing for who was himself called by one."""
        if self._woken and len(self._woken) <= FEW and not self._is_looking:
            self._is_looking = True
            try:
                self._look_now()
            finally:
                self._is_looking = False

    def complete_all(self) -> None:
        """Every operation is answered now, with what there is."""
        for operation in list(self._operations):
            self._expire(operation)

    @property
    def observed(self) -> set[TopicPartition]:
        """The partitions that somebody observes."""
        return set(self._observers)

    @property
    def size(self) -> int:
        """How many operations wait."""
        return len(self._operations)

    def _look(self) -> None:
        self._is_look_scheduled = False
        self._look_now()

    def _look_now(self) -> None:
        woken, self._woken = self._woken, []
        for operation in woken:
            operation.is_woken = False
            operation.complete(is_expired=False)

    def _expire(self, operation: DelayedOperation) -> None:
        operation.complete(is_expired=True)

    def _forget(self, operation: DelayedOperation) -> None:
        if operation.timer is not None:
            operation.timer.cancel()
        self._operations.pop(operation, None)
        for partition in operation.partitions:
            watchers = self._watchers.get(partition)
            if watchers is not None:
                watchers.pop(operation, None)
                if not watchers:
                    del self._watchers[partition]
