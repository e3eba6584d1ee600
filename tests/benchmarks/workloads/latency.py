"""From a producer to a waiting consumer under load: ten producers send single records at a fixed rate.

A latency counts from the moment a record was due, so what a broker holds up is not forgiven (no coordinated omission).
"""

from __future__ import annotations

from frames import (
    batch,
    fetch,
    fetch_offset_position,
    fetch_records_position,
    produce,
    produce_error_position,
    produce_offset_position,
)
from load import Load
from measuring import Bench, Figure, Figures, Workload

_PRODUCERS = 10


def _maximum(bench: Bench) -> float:
    """How many single records per second these producers get rid of with one in flight each."""
    topic = bench.topic()
    with Load(
        bench.broker.port,
        [produce(topic.topic_id, 0, batch())],
        connections=_PRODUCERS,
        in_flight=20,
        seconds=bench.seconds,
        zero_at=[produce_error_position()],
    ) as load:
        for _ in range(3):
            bench.warm_up(load)
        return load.run().requests_per_second


def end_to_end(bench: Bench, rate: float) -> Figures:
    topic = bench.topic()
    [offset] = bench.end_offsets(topic)
    with Load(
        bench.broker.port,
        [produce(topic.topic_id, 0, batch())],
        mode="paced",
        connections=_PRODUCERS,
        rate=rate,
        seconds=2 * bench.seconds,
        zero_at=[produce_error_position()],
        offset_at=produce_offset_position(),
        fetch=fetch(topic.topic_id, 0, 0, max_wait_ms=500),
        fetch_offset_at=fetch_offset_position(topic.topic_id),
        fetch_records_at=fetch_records_position(),
        fetch_next_offset=offset,
    ) as load:
        bench.warm_up(load)
        figures, cpu_us = bench.run(load)
    return {
        "p50_ms": figures.p50_ms,
        "p99_ms": figures.p99_ms,
        "p999_ms": figures.p999_ms,
        "max_ms": figures.max_ms,
        "cpu_us": cpu_us,
        "generator_cpu": figures.generator_cpu_seconds / figures.seconds,
    }


def measure(bench: Bench, size: int) -> Figures:
    return end_to_end(bench, size)


def measure_share(bench: Bench, size: int) -> Figures:
    if "maximum" not in bench.kept:
        bench.kept["maximum"] = _maximum(bench)
    rate = bench.kept["maximum"] * size / 100
    return {"rate": rate, **end_to_end(bench, rate)}


_FIGURES = {
    "p50_ms": Figure("p50, ms"),
    "p99_ms": Figure("p99, ms"),
    "p999_ms": Figure("p99.9, ms"),
    "max_ms": Figure("longest, ms", is_drawn=False),
    "cpu_us": Figure("broker CPU, µs/record"),
    "generator_cpu": Figure("generator's CPU, cores", is_drawn=False),
}
WORKLOAD = Workload(
    name="latency",
    title="End to end",
    counted="records per second",
    sizes=(100, 1_000, 5_000, 10_000, 20_000),
    figures=_FIGURES,
    measure=measure,
)
SHARE_WORKLOAD = Workload(
    name="latency-under-load",
    title="End to end at a share of the maximum rate",
    counted="percent of the maximum",
    sizes=(25, 50),
    figures={"rate": Figure("records/s", is_more_better=True), **_FIGURES},
    measure=measure_share,
)
