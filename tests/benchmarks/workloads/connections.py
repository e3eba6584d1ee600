"""What a connection costs: memory while it is idle, and requests where all of them are busy at once."""

from __future__ import annotations

import time

from frames import batch, produce, produce_error_position
from load import Load
from measuring import Bench, Figure, Figures, Topic, Workload


def measure(bench: Bench, size: int) -> Figures:
    if not bench.kept:
        bench.kept["topic"] = bench.topic()
    topic = bench.kept["topic"]
    assert isinstance(topic, Topic)
    frame = produce(topic.topic_id, 0, batch())
    if "is_warm" not in bench.kept:
        with Load(bench.broker.port, [frame], connections=10, seconds=2 * bench.seconds) as load:
            load.run()
        bench.kept["is_warm"] = True
    time.sleep(1)
    before_mb = bench.resident_mb()
    with Load(
        bench.broker.port, [frame], connections=size, seconds=bench.seconds, zero_at=[produce_error_position()]
    ) as load:
        time.sleep(1)
        idle_mb = bench.resident_mb()
        idle_cpu = bench.cpu_seconds()
        time.sleep(2)
        idle_cpu = bench.cpu_seconds() - idle_cpu
        load.run()
        figures, cpu_us = bench.run(load)
        busy_mb = bench.resident_mb()
    return {
        "open_seconds": load.open_seconds,
        "idle_kb": max(idle_mb - before_mb, 0.0) * 1024 / size,
        "idle_cpu_percent": idle_cpu / 2 * 100,
        "requests_per_second": figures.requests_per_second,
        "cpu_us": cpu_us,
        "p50_ms": figures.p50_ms,
        "p99_ms": figures.p99_ms,
        "busy_mb": busy_mb,
        "generator_cpu": figures.generator_cpu_seconds / figures.seconds,
    }


WORKLOAD = Workload(
    name="connections",
    title="Connections",
    counted="connections",
    sizes=(1, 10, 100, 1_000, 10_000 - 500),
    figures={
        "open_seconds": Figure("opened in, s", is_drawn=False),
        "idle_kb": Figure("idle memory, KB each", is_drawn=False),
        "requests_per_second": Figure("requests/s, one in flight on each", is_more_better=True),
        "cpu_us": Figure("broker CPU, µs/request"),
        "p99_ms": Figure("p99, ms"),
        "busy_mb": Figure("resident when busy, MB"),
        "generator_cpu": Figure("generator's CPU, cores", is_drawn=False),
    },
    measure=measure,
)
