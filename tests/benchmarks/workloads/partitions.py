"""What a partition costs: while it is idle, and where produce, fetch and metadata go to all there are."""

from __future__ import annotations

import time
from typing import Any

from frames import (
    batch,
    fetch,
    fetch_error_position,
    fetch_partition_error_position,
    frame,
    produce,
    produce_error_position,
)
from load import Load
from measuring import Bench, Figure, Figures, Topic, Workload

from kafkalite.protocol.messages.metadata import MetadataRequest

_CONNECTIONS = 4
_IN_FLIGHT = 10
_METADATA_VERSION = 13
_LARGEST_TOPIC = 1_000


def measure(bench: Bench, size: int) -> Figures:
    topics: list[Topic] = bench.kept.setdefault("topics", [])
    before_mb = bench.kept.setdefault("empty_mb", bench.resident_mb())
    began, existing = time.monotonic(), sum(topic.partitions for topic in topics)
    while missing := size - sum(topic.partitions for topic in topics):
        topics.append(bench.topic(min(missing, _LARGEST_TOPIC)))
    created_seconds = time.monotonic() - began
    time.sleep(2)
    idle_mb = bench.resident_mb()
    idle_cpu = bench.cpu_seconds()
    time.sleep(5)
    idle_cpu = (bench.cpu_seconds() - idle_cpu) / 5

    places = [(topic.topic_id, index) for topic in topics for index in range(topic.partitions)]
    shape: dict[str, Any] = {"connections": _CONNECTIONS, "in_flight": _IN_FLIGHT, "seconds": bench.seconds}
    frames = [produce(*place, batch()) for place in places]
    filled = bench.kept.get("filled", 0)
    zeros = [produce_error_position()]
    empty = frames[filled:]
    with Load(bench.broker.port, empty, in_flight=50, requests=len(empty), seconds=120, zero_at=zeros) as load:
        first_produced = load.run(allow_errors=True)
        for _ in range(20):  # Apache Kafka makes its logs behind its answer, and refuses records until then
            if not load.run(allow_errors=True).errors:
                break
    bench.kept["filled"] = size
    with Load(bench.broker.port, frames, zero_at=zeros, **shape) as load:
        bench.warm_up(load)
        produced, produce_cpu_us = bench.run(load)
    frames = [fetch(*place, 0, max_wait_ms=0, max_bytes=1_000) for place in places]
    zeros = [fetch_error_position(), fetch_partition_error_position()]
    with Load(bench.broker.port, frames, zero_at=zeros, min_response=200, **shape) as load:
        bench.warm_up(load)
        fetched, fetch_cpu_us = bench.run(load)
    frames = [frame(MetadataRequest(topics=None), _METADATA_VERSION)]
    with Load(bench.broker.port, frames, min_response=20 * size, seconds=bench.seconds) as load:
        bench.warm_up(load)
        described, metadata_cpu_us = bench.run(load)
    return {
        "created_per_second": (size - existing) / created_seconds,
        "idle_kb": (idle_mb - before_mb) * 1024 / size,
        "idle_mb": idle_mb,
        "idle_cpu": idle_cpu * 100,
        "first_ms": first_produced.seconds / first_produced.requests * 1e3,
        "produce_per_second": produced.requests_per_second,
        "produce_cpu_us": produce_cpu_us,
        "produce_p99_ms": produced.p99_ms,
        "fetch_per_second": fetched.requests_per_second,
        "fetch_cpu_us": fetch_cpu_us,
        "fetch_p99_ms": fetched.p99_ms,
        "metadata_ms": described.p50_ms,
        "metadata_cpu_us": metadata_cpu_us / size,
        "busy_mb": bench.resident_mb(),
    }


WORKLOAD = Workload(
    name="partitions",
    title="Partitions",
    counted="partitions",
    sizes=(1, 10, 100, 1_000, 10_000),
    figures={
        "created_per_second": Figure("created per second", is_more_better=True),
        "idle_mb": Figure("resident when idle, MB"),
        "idle_kb": Figure("idle memory, KB each", is_drawn=False),
        "idle_cpu": Figure("CPU when idle, % of a core", is_drawn=False),
        "first_ms": Figure("first record of each, ms"),
        "produce_per_second": Figure("produce requests/s", is_more_better=True, is_drawn=False),
        "produce_cpu_us": Figure("produce, broker CPU, µs/request"),
        "produce_p99_ms": Figure("produce p99, ms", is_drawn=False),
        "fetch_per_second": Figure("fetch requests/s", is_more_better=True, is_drawn=False),
        "fetch_cpu_us": Figure("fetch, broker CPU, µs/request"),
        "fetch_p99_ms": Figure("fetch p99, ms", is_drawn=False),
        "metadata_ms": Figure("metadata of all, ms"),
        "metadata_cpu_us": Figure("metadata, broker CPU, µs/partition"),
        "busy_mb": Figure("resident after the load, MB", is_drawn=False),
    },
    measure=measure,
)
