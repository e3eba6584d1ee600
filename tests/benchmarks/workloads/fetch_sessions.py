"""A fetch session of many partitions where only one gets records: what do the others cost each fetch?"""

from __future__ import annotations

from frames import (
    FETCH_VERSION,
    batch,
    fetch,
    fetch_offset_position,
    fetch_session_epoch_position,
    produce,
)
from load import Counter, Load
from measuring import Bench, Figure, Figures, Topic, Workload

from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic

_LARGEST_TOPIC = 1_000


def measure(bench: Bench, size: int) -> Figures:
    topics: list[Topic] = bench.kept.setdefault("topics", [])
    while missing := size - sum(topic.partitions for topic in topics):
        topics.append(bench.topic(min(missing, _LARGEST_TOPIC)))
    busy = topics[0]
    offset = bench.end_offsets(busy)[0]
    asked = [
        FetchTopic(
            topic_id=topic.topic_id,
            partitions=[
                FetchPartition(partition=index, fetch_offset=end_offset, partition_max_bytes=1 << 20)
                for index, end_offset in enumerate(bench.end_offsets(topic))
            ],
        )
        for topic in topics
    ]
    request = FetchRequest(max_wait_ms=0, min_bytes=1, max_bytes=1 << 20, session_epoch=0, topics=asked)
    session = bench.client.send(request, FETCH_VERSION)
    assert session.session_id, "no session"
    # Each fetch moves the one partition on, as a consumer does that has got its records.
    incremental = fetch(busy.topic_id, 0, offset - 1, session_id=session.session_id, session_epoch=0)
    counters = [
        Counter(fetch_offset_position(busy.topic_id), 8, frame=1),
        Counter(fetch_session_epoch_position(busy.topic_id), 4, frame=1),
    ]
    frames = [produce(busy.topic_id, 0, batch()), incremental]
    with Load(bench.broker.port, frames, counters=counters, seconds=bench.seconds) as load:
        bench.warm_up(load)
        figures, cpu_us = bench.run(load)
    pairs = figures.requests / 2
    assert figures.bytes_received / pairs > 250, "the fetches did not get the records"
    return {
        "pairs_per_second": pairs / figures.seconds,
        "cpu_us": cpu_us * 2,
        "p99_ms": figures.p99_ms,
    }


WORKLOAD = Workload(
    name="fetch-sessions",
    title="Fetch sessions where one partition has data",
    counted="partitions in the session",
    sizes=(1, 10, 100, 1_000, 10_000),
    figures={
        "pairs_per_second": Figure("produce and fetch, times per second", is_more_better=True),
        "cpu_us": Figure("broker CPU, µs for produce and fetch"),
        "p99_ms": Figure("p99 of each, ms", is_drawn=False),
    },
    measure=measure,
)
