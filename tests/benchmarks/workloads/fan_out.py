"""One record, many waiting: consumers tail one partition, each with its long poll, and a producer writes a record."""

from __future__ import annotations

from frames import batch, fetch, fetch_offset_position, produce
from load import Counter, Load
from measuring import Bench, Figure, Figures, Workload


def measure(bench: Bench, size: int) -> Figures:
    topic = bench.topic()
    [offset] = bench.end_offsets(topic)
    waiting = fetch(topic.topic_id, 0, offset - 1, max_wait_ms=300_000)  # counters grow before the first request
    rounds = 100 if size < 1_000 else 20 if size < 10_000 else 5
    with Load(
        bench.broker.port,
        [waiting],
        mode="fan_out",
        connections=size,
        counters=[Counter(fetch_offset_position(topic.topic_id), 8)],
        min_response=200,
        trigger=produce(topic.topic_id, 0, batch()),
        rounds=rounds,
        pause_ms=20 if size < 1_000 else 200,
    ) as load:
        bench.warm_up(load)
        figures, cpu_us = bench.run(load)
        resident_mb = bench.resident_mb()
    assert figures.requests == rounds * size
    return {
        "p50_ms": figures.p50_ms,
        "max_ms": figures.max_ms,
        "cpu_us": cpu_us,
        "resident_mb": resident_mb,
    }


WORKLOAD = Workload(
    name="fan-out",
    title="One record to many long polls",
    counted="consumers",
    sizes=(1, 10, 100, 1_000, 10_000),
    figures={
        "p50_ms": Figure("until the last has it, median, ms"),
        "max_ms": Figure("until the last has it, longest, ms", is_drawn=False),
        "cpu_us": Figure("broker CPU, µs for each consumer"),
        "resident_mb": Figure("resident, MB", is_drawn=False),
    },
    measure=measure,
)
