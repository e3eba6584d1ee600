"""Waiting for something to happen to partitions: who is told of the answer, when, and what stays behind."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from kafkalite.broker.clock import SystemClock
from kafkalite.broker.purgatory import FEW, DelayedOperation, Purgatory
from kafkalite.identifiers import TopicPartition

HERE = TopicPartition("here", 0)
THERE = TopicPartition("there", 0)


@pytest.fixture
async def purgatory() -> Purgatory:
    return Purgatory(SystemClock(asyncio.get_running_loop()))


async def test_a_change_wakes_who_watches_the_partition_in_the_next_round_and_tells_at_once(
    purgatory: Purgatory,
) -> None:
    looks: list[bool] = []

    def look(is_expired: bool) -> str:
        looks.append(is_expired)
        return "answer"

    told: list[object] = []
    operation = purgatory.delay([HERE], 60_000, look)
    operation.add_done_callback(lambda done: told.append(done.result()))
    purgatory.notify(THERE)
    purgatory.notify(HERE)
    purgatory.notify(HERE)
    assert looks == []
    await asyncio.sleep(0)
    assert (looks, told) == ([False], ["answer"])
    assert operation.done()
    assert purgatory.size == 0


async def test_who_waits_long_enough_gets_what_there_is(purgatory: Purgatory) -> None:
    operation = purgatory.delay([HERE], 1, lambda is_expired: "little" if is_expired else None)
    purgatory.notify(HERE)
    assert await operation == "little"
    assert await operation == "little"


async def test_an_answer_that_cannot_be_made_raises_for_who_waits(purgatory: Purgatory) -> None:
    def look(is_expired: bool) -> None:
        raise LookupError("no such answer")

    operation = purgatory.delay([HERE], 60_000, look)
    purgatory.notify(HERE)
    with pytest.raises(LookupError, match="no such answer"):
        await operation
    assert purgatory.size == 0


async def test_who_goes_away_is_forgotten_and_looked_for_no_more(purgatory: Purgatory) -> None:
    looks: list[bool] = []
    operation = purgatory.delay([HERE, THERE], 60_000, looks.append)
    ended: list[DelayedOperation] = []
    operation.add_done_callback(ended.append)
    purgatory.notify(HERE)
    operation.cancel()
    assert ended == [operation]
    assert purgatory.size == 0
    purgatory.notify(THERE)
    await asyncio.sleep(0)
    assert looks == []
    with pytest.raises(asyncio.CancelledError):
        operation.result()
    operation.cancel()
    assert ended == [operation]


async def test_few_who_were_woken_may_look_before_the_next_round(purgatory: Purgatory) -> None:
    few = [purgatory.delay([HERE], 60_000, lambda is_expired: "answer") for _ in range(FEW)]
    purgatory.look_for_few()
    assert not any(operation.done() for operation in few)
    purgatory.notify(HERE)
    purgatory.look_for_few()
    assert all(operation.done() for operation in few)
    many = [purgatory.delay([HERE], 60_000, lambda is_expired: "answer") for _ in range(FEW + 1)]
    purgatory.notify(HERE)
    purgatory.look_for_few()
    assert not any(operation.done() for operation in many)
    await asyncio.sleep(0)
    assert all(operation.done() for operation in many)


async def test_who_is_called_by_one_that_looked_leaves_others_to_the_next_round(purgatory: Purgatory) -> None:
    first = purgatory.delay([HERE], 60_000, lambda is_expired: "answer")
    second = purgatory.delay([THERE], 60_000, lambda is_expired: "answer")

    def go_on(_: DelayedOperation) -> None:
        purgatory.notify(THERE)
        purgatory.look_for_few()

    first.add_done_callback(go_on)
    purgatory.notify(HERE)
    purgatory.look_for_few()
    assert (first.done(), second.done()) == (True, False)
    await asyncio.sleep(0)
    assert second.done()


async def test_what_was_answered_is_not_kept_by_who_waited_for_it(purgatory: Purgatory) -> None:
    class Waiter:
        """Knows what it waits for, as a connection does."""

        def __init__(self) -> None:
            self.operation = purgatory.delay([HERE], 60_000, lambda is_expired: "answer")
            self.operation.add_done_callback(self.answered)

        def answered(self, done: DelayedOperation) -> None:
            assert done is self.operation

    gc.disable()
    try:
        waiter = Waiter()
        is_there = weakref.ref(waiter)
        purgatory.notify(HERE)
        await asyncio.sleep(0)
        assert waiter.operation.done()
        del waiter
        assert is_there() is None
    finally:
        gc.enable()
