"""When the loop looks for the next event before it sleeps, and when it does not."""

from __future__ import annotations

import asyncio
import os
import select
import threading
from typing import Any

import pytest

from kafkalite.network.busy_poll import CLOSE_NS, ENOUGH, LONGEST_NS, SHORTEST_NS, BusyPoll, busy_poll

LOOK_NS = 1_000
ANSWER_NS = 10_000


class Time:
    """A clock that moves when it is told to, and with each look for events; an event may come at some moment."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000
        self.event_ns: int | None = None
        self.looks = 0
        self.busy_poll = BusyPoll(self.poll, lambda: self.now_ns)

    def poll(self, timeout: int) -> list[Any]:
        assert timeout == 0
        self.looks += 1
        self.now_ns += LOOK_NS
        return ["event"] if self.event_ns is not None and self.now_ns >= self.event_ns else []

    def request_after(self, gap_ns: int) -> int:
        """A request that comes so long after the last answer is answered; how often it was looked for the next one,
        which does not come."""
        self.now_ns += gap_ns
        asked_ns = self.now_ns
        self.now_ns += ANSWER_NS
        looks = self.looks
        self.busy_poll.wait(asked_ns)
        return self.looks - looks


def follow_closely(time: Time) -> int:
    """Enough requests that follow closely; returns how often the next event was looked for."""
    return sum(time.request_after(20_000) for _ in range(ENOUGH))


def test_after_enough_requests_that_follow_closely_the_next_one_is_looked_for() -> None:
    time = Time()
    time.request_after(10 * CLOSE_NS)
    assert sum(time.request_after(20_000) for _ in range(ENOUGH - 1)) == 0
    began_ns = time.now_ns
    assert time.request_after(20_000) > 0
    assert LONGEST_NS <= time.now_ns - began_ns - 20_000 - ANSWER_NS <= LONGEST_NS + 2 * LOOK_NS


def test_as_long_as_requests_come_they_are_looked_for_and_no_longer_than_until_they_are_there() -> None:
    time = Time()
    time.request_after(10 * CLOSE_NS)
    for _ in range(ENOUGH - 1):
        time.request_after(20_000)
    for _ in range(100):
        time.event_ns = time.now_ns + 20_000 + ANSWER_NS + 15_000
        assert time.request_after(20_000) == 15_000 // LOOK_NS
        time.event_ns = None


def test_a_wait_in_vain_is_not_repeated_before_others_have_followed_closely() -> None:
    time = Time()
    time.request_after(10 * CLOSE_NS)
    assert follow_closely(time) > 0
    assert sum(time.request_after(20_000) for _ in range(ENOUGH - 1)) == 0


@pytest.mark.parametrize("gap_ns", [SHORTEST_NS, CLOSE_NS + 1, 5_000_000])
def test_requests_that_were_there_already_or_come_late_are_not_looked_for(gap_ns: int) -> None:
    time = Time()
    assert sum(time.request_after(gap_ns) for _ in range(1_000)) == 0


def test_one_late_request_ends_it() -> None:
    time = Time()
    time.request_after(10 * CLOSE_NS)
    for _ in range(ENOUGH - 1):
        time.request_after(20_000)
    time.request_after(CLOSE_NS + 1)
    assert sum(time.request_after(20_000) for _ in range(ENOUGH - 1)) == 0


async def test_a_loops_events_are_seen_before_it_asks_for_them() -> None:
    found = busy_poll(asyncio.get_running_loop())
    if len(os.sched_getaffinity(0)) < 2:
        assert found is None
        return
    assert found is not None
    reader, writer = os.pipe()
    came = asyncio.Event()
    asyncio.get_running_loop().add_reader(reader, came.set)
    try:
        await asyncio.sleep(0.01)
        assert found._poll(0) == []
        os.write(writer, b"x")
        [(_, mask)] = found._poll(0)
        assert mask & select.POLLIN
        await asyncio.wait_for(came.wait(), 10)
    finally:
        asyncio.get_running_loop().remove_reader(reader)
        os.close(reader)
        os.close(writer)


def test_a_broker_beside_its_clients_in_one_process_sleeps() -> None:
    found: list[object] = []

    async def look() -> None:
        found.append(busy_poll(asyncio.get_running_loop()))

    thread = threading.Thread(target=lambda: asyncio.run(look()))
    thread.start()
    thread.join()
    assert found == [None]
