"""What a connection costs: memory while it is idle, and requests where all of them are busy at once."""

from __future__ import annotations

import time

from bare_servers import echo_server
from frames import batch, produce, produce_error_position, produce_response_size
from load import Load
from measuring import Bench, Figure, Figures, Workload
from process_figures import cpu_seconds

from kafkalite.identifiers import Uuid


def measure(bench: Bench, size: int) -> Figures:
    is_first = "frame" not in bench.kept
    frame = bench.kept.setdefault("frame", produce(bench.topic().topic_id, 0, batch()))
    if is_first:
        with Load(bench.broker.port, [frame], connections=10, seconds=2 * bench.seconds) as load:
            bench.warm_up(load)
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
        bench.warm_up(load)
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


def limits(size: int, seconds: float) -> Figures:
    """A bare server on the same event loop that answers each request with as many bytes, and does nothing else."""
    frame = produce(Uuid(bytes(16)), 0, batch())
    with (
        echo_server(produce_response_size()) as server,
        Load(server.port, [frame], connections=size, seconds=seconds) as load,
    ):
        load.run()
        cpu = cpu_seconds(server.pid)
        figures = load.run()
        cpu = cpu_seconds(server.pid) - cpu
    return {
        "open_seconds": load.open_seconds,
        "requests_per_second": figures.requests_per_second,
        "cpu_us": cpu / figures.requests * 1e6,
        "p99_ms": figures.p99_ms,
    }


WORKLOAD = Workload(
    name="connections",
    title="Connections",
    counted="connections",
    sizes=(1, 10, 100, 1_000, 10_000),
    figures={
        "open_seconds": Figure("opened in, s"),
        "idle_kb": Figure("idle memory, KB each", is_drawn=False),
        "requests_per_second": Figure("requests/s, one in flight on each", is_more_better=True),
        "cpu_us": Figure("broker CPU, µs/request"),
        "p99_ms": Figure("p99, ms"),
        "busy_mb": Figure("resident when busy, MB"),
        "generator_cpu": Figure("generator's CPU, cores", is_drawn=False),
    },
    measure=measure,
    limits=limits,
)
