"""How fast topics are made, one by one, as their number grows."""

from __future__ import annotations

import time

from frames import frame, int16_position, response_frame
from load import Load
from measuring import Bench, Figure, Figures, Workload

from kafkalite.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)

_VERSION = 5
_NAME = "topic-{:06}"


def _request(number: int) -> bytes:
    topic = CreatableTopic(name=_NAME.format(number), num_partitions=1, replication_factor=1)
    return frame(CreateTopicsRequest(topics=[topic], timeout_ms=60_000), _VERSION)


def _error_position() -> int:
    def response(mark: int) -> bytes:
        result = CreatableTopicResult(name=_NAME.format(0), error_code=mark, configs=None)
        return response_frame(CreateTopicsResponse(topics=[result]), _VERSION)

    return int16_position(response)


def measure(bench: Bench, size: int) -> Figures:
    made = bench.kept.setdefault("made", 0)
    if not made:
        # The first ones of all teach the JVM; they do not count as topics that exist.
        with Load(bench.broker.port, [_request(-number) for number in range(1, 51)], requests=50, seconds=60) as load:
            load.run()
    frames = [_request(number) for number in range(made, size)]
    with Load(bench.broker.port, frames, requests=len(frames), seconds=150, zero_at=[_error_position()]) as load:
        figures, cpu_us = bench.run(load)
    if figures.requests < len(frames):
        raise TimeoutError(f"{figures.requests} of {len(frames)} topics in {figures.seconds:.0f} s")
    bench.kept["made"] = size
    time.sleep(1)
    return {
        "per_second": figures.requests_per_second,
        "cpu_us": cpu_us,
        "p99_ms": figures.p99_ms,
        "resident_mb": bench.resident_mb(),
    }


WORKLOAD = Workload(
    name="topics",
    title="Topics",
    counted="topics",
    sizes=(1, 10, 100, 1_000, 10_000),
    figures={
        "per_second": Figure("created per second", is_more_better=True),
        "cpu_us": Figure("broker CPU, µs for each"),
        "p99_ms": Figure("p99, ms", is_drawn=False),
        "resident_mb": Figure("resident, MB", is_drawn=False),
    },
    measure=measure,
)
