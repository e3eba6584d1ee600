"""What an event does to a coordinator: records to append, an answer now or later, and what follows once appended.

A coordinator is a state machine. An operation looks at the state and returns a `CoordinatorResult`; whoever drives it
appends the records as one batch, replays them, tells `on_appended`, and answers. Apache Kafka's CoordinatorShard and
CoordinatorResult.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar

from kafkalite.errors import KafkaError
from kafkalite.protocol.coordinator_record import CoordinatorKey, CoordinatorValue

T = TypeVar("T")
R = TypeVar("R")


class CoordinatorRecord(NamedTuple):
    """A record of a coordinator's topic; `value` is None in a tombstone, `version` None for the newest."""

    key: CoordinatorKey
    value: CoordinatorValue | None
    version: int | None = None

    def to_bytes(self) -> tuple[bytes, bytes | None]:
        """Key and value as they stand in the log."""
        return self.key.to_bytes(), None if self.value is None else self.value.to_bytes(self.version)


class Deferred(Generic[T]):
    """An answer that may come later, exactly once; whoever waits for it registers one listener."""

    __slots__ = ("_listener", "_value", "is_done")

    def __init__(self) -> None:
        self.is_done = False
        self._value: T | None = None
        self._listener: Callable[[T], None] | None = None

    @property
    def value(self) -> T:
        """The answer; only once it is there."""
        if not self.is_done:
            raise RuntimeError("there is no answer yet")
        return self._value  # type: ignore[return-value]

    def complete(self, value: T) -> None:
        """Answers; a second answer is a bug of the coordinator and raises."""
        if self.is_done:
            raise RuntimeError("a request is answered twice")
        self.is_done = True
        self._value = value
        if self._listener is not None:
            self._listener(value)

    def on_done(self, listener: Callable[[T], None]) -> None:
        """Calls `listener` with the answer, at once if it is there."""
        if self.is_done:
            listener(self.value)
        else:
            self._listener = listener


class CoordinatorResult(Generic[T]):
    """The effects of one operation.

    `on_appended(error)` runs when the records are in the log (None) or could not be written (the error).
    `is_replayed` is False where the operation has already put into the state what its records say, as a rebalance does:
    replaying would forget who waits. Records that are not `is_atomic` may be split over several batches.
    """

    __slots__ = ("is_atomic", "is_replayed", "on_appended", "records", "reply")

    def __init__(
        self,
        records: Sequence[CoordinatorRecord] = (),
        reply: T | Deferred[T] | None = None,
        *,
        on_appended: Callable[[KafkaError | None], None] | None = None,
        is_replayed: bool = True,
        is_atomic: bool = True,
    ) -> None:
        self.records = records
        self.reply = reply
        self.on_appended = on_appended
        self.is_replayed = is_replayed
        self.is_atomic = is_atomic

    def with_reply(self, reply: R | Deferred[R]) -> CoordinatorResult[R]:
        """The same effects with an answer."""
        return CoordinatorResult(
            self.records,
            reply,
            on_appended=self.on_appended,
            is_replayed=self.is_replayed,
            is_atomic=self.is_atomic,
        )


NO_EFFECTS: Final[CoordinatorResult[Any]] = CoordinatorResult()
