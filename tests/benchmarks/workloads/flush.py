"""flush.messages=1: every record is on the disk before it is acknowledged; producers write to one partition."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from frames import batch, produce, produce_error_position
from load import Load
from measuring import Bench, Figure, Figures, Workload


def measure(bench: Bench, size: int) -> Figures:
    topic = bench.topic(flush_messages="1")
    apart = bench.topic(size, flush_messages="1")
    shape: dict[str, Any] = {"connections": size, "seconds": bench.seconds, "zero_at": [produce_error_position()]}
    with Load(bench.broker.port, [produce(topic.topic_id, 0, batch())], **shape) as load:
        bench.warm_up(load)
        one, cpu_us = bench.run(load)
    with Load(bench.broker.port, [produce(apart.topic_id, index, batch()) for index in range(size)], **shape) as load:
        bench.warm_up(load)
        own, own_cpu_us = bench.run(load)
    return {
        "per_second": one.requests_per_second,
        "cpu_us": cpu_us,
        "p99_ms": one.p99_ms,
        "own_per_second": own.requests_per_second,
        "own_cpu_us": own_cpu_us,
        "own_p99_ms": own.p99_ms,
    }


def limits(size: int, seconds: float) -> Figures:
    """One file, one batch written and synced after the other: what a disk does without a group commit."""
    data = batch()
    times = []
    with tempfile.TemporaryDirectory(prefix="kafkalite-benchmark-") as folder:
        file = os.open(Path(folder) / "log", os.O_RDWR | os.O_CREAT)
        end = time.perf_counter() + seconds
        position = 0
        while (began := time.perf_counter()) < end:
            position += os.pwrite(file, data, position)
            os.fdatasync(file)
            times.append(time.perf_counter() - began)
        os.close(file)
    return {"per_second": len(times) / seconds, "p99_ms": sorted(times)[int(len(times) * 0.99)] * 1e3}


WORKLOAD = Workload(
    name="flush",
    title="flush.messages=1",
    counted="producers",
    sizes=(1, 10, 100),
    figures={
        "per_second": Figure("one partition, records/s", is_more_better=True),
        "cpu_us": Figure("one partition, broker CPU, µs/record", is_drawn=False),
        "p99_ms": Figure("one partition, p99, ms"),
        "own_per_second": Figure("a partition each, records/s", is_more_better=True),
        "own_cpu_us": Figure("a partition each, broker CPU, µs/record", is_drawn=False),
        "own_p99_ms": Figure("a partition each, p99, ms"),
    },
    measure=measure,
    limits=limits,
    limits_name="write and sync",
)
