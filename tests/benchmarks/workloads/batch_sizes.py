"""Produce at full speed as batches grow, beside a bare server that writes what it receives to a file."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bare_servers import append_server
from frames import batch, produce, produce_error_position
from load import Load
from measuring import Bench, Figure, Figures, Workload
from process_figures import cpu_seconds

from kafkalite.identifiers import Uuid

_CONNECTIONS = 4
_IN_FLIGHT = 5
_VALUE_SIZE = 1_000
_LARGEST_RUN = 2_000_000_000
"""In bytes: what is written stays in the page cache of a small machine, and its disk does not decide."""


def _batch(size: int) -> bytes:
    """A batch of records of 1,000 bytes each, or of one smaller record."""
    return batch(max(1, size // _VALUE_SIZE), min(size, _VALUE_SIZE))


def _figures(requests_per_second: float, cpu_us: float, p99_ms: float, size: int) -> Figures:
    return {
        "mb_per_second": requests_per_second * size / 1e6,
        "cpu_seconds_per_gb": cpu_us / size * 1e3,
        "p99_ms": p99_ms,
    }


def measure(bench: Bench, size: int) -> Figures:
    topic = bench.topic(_CONNECTIONS, max_message_bytes="10485760")
    records = _batch(size)
    frames = [produce(topic.topic_id, index, records) for index in range(_CONNECTIONS)]
    with bench.load(
        frames,
        connections=_CONNECTIONS,
        in_flight=_IN_FLIGHT,
        seconds=bench.seconds,
        requests=_LARGEST_RUN // size,
        zero_at=[produce_error_position()],
    ) as load:
        bench.warm_up(load)
        figures, cpu_us = bench.run(load)
    return _figures(figures.requests_per_second, cpu_us, figures.p99_ms, size)


def limits(size: int, seconds: float) -> Figures:
    records = _batch(size)
    frame = produce(Uuid(bytes(16)), 0, records)
    with (
        tempfile.TemporaryDirectory(prefix="kafkalite-benchmark-") as folder,
        append_server(Path(folder)) as server,
        Load(
            server.port,
            [frame],
            connections=_CONNECTIONS,
            in_flight=_IN_FLIGHT,
            seconds=seconds,
            requests=_LARGEST_RUN // size,
        ) as load,
    ):
        load.run()
        cpu = cpu_seconds(server.pid)
        figures = load.run()
        cpu = cpu_seconds(server.pid) - cpu
    return _figures(figures.requests_per_second, cpu / figures.requests * 1e6, figures.p99_ms, size)


WORKLOAD = Workload(
    name="batch-sizes",
    title="Produce",
    counted="bytes in a batch",
    sizes=(100, 1_000, 10_000, 100_000, 1_000_000),
    figures={
        "mb_per_second": Figure("MB/s", is_more_better=True),
        "cpu_seconds_per_gb": Figure("broker CPU, s/GB"),
        "p99_ms": Figure("p99, ms"),
    },
    measure=measure,
    limits=limits,
)
