"""What a fetch session looks at: everything at first, then what may have something new to its client."""

from __future__ import annotations

import asyncio

import pytest

from kafkalite.broker.clock import SystemClock
from kafkalite.broker.fetch_sessions import FetchablePartition, FetchSession, FetchSessionCache
from kafkalite.broker.purgatory import Purgatory
from kafkalite.identifiers import TopicPartition
from kafkalite.protocol.messages.fetch import FetchPartition


@pytest.fixture
async def purgatory() -> Purgatory:
    return Purgatory(SystemClock(asyncio.get_running_loop()))


def session_of(purgatory: Purgatory, partitions: int) -> FetchSession:
    session = FetchSession(1, purgatory, uses_topic_ids=False, is_privileged=False, now_ms=0)
    for index in range(partitions):
        session.add(FetchablePartition(("t", index), "t", FetchPartition(partition=index)))
    session.see(1, 0)
    return session


def settle(session: FetchSession, *indexes: int) -> None:
    for index in indexes:
        session.settle(session.partitions["t", index], TopicPartition("t", index))


def looked_at(session: FetchSession) -> list[int]:
    return [partition.partition for partition in session.unsettled()]


async def test_what_is_settled_is_left_alone(purgatory: Purgatory) -> None:
    session = session_of(purgatory, 4)
    assert looked_at(session) == [0, 1, 2, 3]
    assert not session.has_settled
    settle(session, 0, 2, 3)
    assert looked_at(session) == [1]
    assert session.has_settled


async def test_what_happens_to_a_partition_unsettles_it_and_no_other(purgatory: Purgatory) -> None:
    session = session_of(purgatory, 4)
    settle(session, 0, 1, 2, 3)
    purgatory.notify(TopicPartition("t", 2))
    purgatory.notify(TopicPartition("t", 2))
    purgatory.notify(TopicPartition("elsewhere", 0))
    assert looked_at(session) == [2]
    settle(session, 2)
    purgatory.notify(TopicPartition("t", 2))
    assert looked_at(session) == [2]


async def test_partitions_are_looked_at_in_the_order_of_the_session_not_of_events(purgatory: Purgatory) -> None:
    session = session_of(purgatory, 4)
    session.move_to_end(session.partitions["t", 1])
    settle(session, 0, 1, 2, 3)
    for index in (3, 1, 0):
        purgatory.notify(TopicPartition("t", index))
    assert looked_at(session) == [0, 3, 1]
    assert list(session.partitions) == [("t", 0), ("t", 2), ("t", 3), ("t", 1)]


async def test_all_is_looked_at_again_when_metadata_or_isolation_level_have_changed(purgatory: Purgatory) -> None:
    session = session_of(purgatory, 3)
    settle(session, 0, 1, 2)
    session.see(1, 0)
    assert looked_at(session) == []
    session.see(2, 0)
    assert looked_at(session) == [0, 1, 2]
    settle(session, 0, 1, 2)
    session.see(2, 1)
    assert looked_at(session) == [0, 1, 2]


async def test_what_the_client_names_is_looked_at(purgatory: Purgatory) -> None:
    session = session_of(purgatory, 3)
    settle(session, 0, 1, 2)
    session.update([(("t", 1), "t", FetchPartition(partition=1, fetch_offset=7))], [("t", 2)])
    assert [(each.partition, each.fetch_offset) for each in session.unsettled()] == [(1, 7)]
    assert list(session.partitions) == [("t", 0), ("t", 1)]
    purgatory.notify(TopicPartition("t", 2))
    assert looked_at(session) == [1]


async def test_no_session_gets_an_id_that_none_can_have(purgatory: Purgatory) -> None:
    cache = FetchSessionCache(2, iter([0x7FFFFFFF, 0x7FFFFFF8, 0, 0x7FFFFFF7]).__next__)
    session = cache.create(1, purgatory, uses_topic_ids=False, is_privileged=False, now_ms=0)
    assert session is not None
    assert session.session_id == 0x7FFFFFF7


async def test_a_session_that_has_ended_hears_of_nothing(purgatory: Purgatory) -> None:
    cache = FetchSessionCache(1, iter([5, 6]).__next__)
    session = cache.create(2, purgatory, uses_topic_ids=False, is_privileged=False, now_ms=0)
    assert session is not None
    for index in range(2):
        session.add(FetchablePartition(("t", index), "t", FetchPartition(partition=index)))
    settle(session, 0, 1)
    session.update([(("t", 0), "t", FetchPartition(partition=0))], [])
    assert purgatory.observed == {TopicPartition("t", 1)}
    cache.remove(5)
    assert purgatory.observed == set()


async def test_something_new_in_a_settled_partition_wakes_who_waits_with_the_session(purgatory: Purgatory) -> None:
    session = session_of(purgatory, 3)
    settle(session, 0, 1, 2)
    looks: list[list[int]] = []

    def look(is_expired: bool) -> str | None:
        looks.append(looked_at(session))
        return "answer" if 2 in looks[-1] else None

    operation = purgatory.delay([], 60_000, look)
    session.wait_with(operation)
    purgatory.notify(TopicPartition("t", 1))
    await asyncio.sleep(0)
    assert not operation.done()
    purgatory.notify(TopicPartition("t", 2))
    assert await asyncio.wait_for(operation, 10) == "answer"
    assert looks == [[1], [1, 2]]
    purgatory.notify(TopicPartition("t", 0))
    await asyncio.sleep(0)
    assert looks == [[1], [1, 2]]
    assert purgatory.size == 0


async def test_stopping_answers_who_waits_for_settled_partitions_alone(purgatory: Purgatory) -> None:
    operation = purgatory.delay([], 60_000, lambda is_expired: "nothing" if is_expired else None)
    assert purgatory.size == 1
    purgatory.complete_all()
    assert await operation == "nothing"
    await asyncio.sleep(0)
    assert purgatory.size == 0
