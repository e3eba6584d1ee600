"""What compacting one topic costs those who use others: the same load with it and without.

A producer overwrites a thousand keys at a fixed rate, on a topic with `cleanup.policy=compact` whose cleaner never has
nothing to do, and in turns with that on one with `cleanup.policy=delete`. Meanwhile others produce to a topic of their
own, fetch from one, and wait for records, each at a fixed rate. Each figure is the median of the turns.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Final

from frames import batch, fetch, fetch_error_position, produce, produce_error_position
from load import Load
from measuring import Bench, Figure, Figures, Topic, Workload
from workloads.latency import end_to_end

from kafkalite.protocol.messages.describe_log_dirs import DescribableLogDirTopic, DescribeLogDirsRequest
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch

_TURNS: Final = 3
_RATE: Final = 2_000
_END_TO_END_RATE: Final = 500
_KEYS: Final = 1_000
_RECORDS_IN_BATCH: Final = 20
_VALUE_SIZE: Final = 1_000
_BATCHES: Final = 200
_SEGMENT_BYTES: Final = 1 << 20
_POLICIES: Final = ("delete", "compact")


def _keyed_batches() -> list[bytes]:
    chance = random.Random(1)
    now_ms = time.time_ns() // 1_000_000
    return [
        build_batch(
            [
                Record(number, now_ms, b"%d" % chance.randrange(_KEYS), chance.randbytes(_VALUE_SIZE))
                for number in range(_RECORDS_IN_BATCH)
            ]
        )
        for _ in range(_BATCHES)
    ]


@contextmanager
def _being_written(bench: Bench, topic: Topic, mb_per_second: float) -> Iterator[None]:
    batches = _keyed_batches()
    frames = [produce(topic.topic_id, 0, records) for records in batches]
    rate = mb_per_second * 1e6 / (sum(map(len, batches)) / len(batches))
    is_over = threading.Event()
    failures: list[Exception] = []

    def write(load: Load) -> None:
        try:
            while not is_over.is_set():
                load.run()
        except Exception as error:
            failures.append(error)

    with Load(
        bench.broker.port, frames, in_flight=5, rate=rate, seconds=1.0, zero_at=[produce_error_position()]
    ) as load:
        writer = threading.Thread(target=write, args=(load,))
        writer.start()
        try:
            yield
        finally:
            is_over.set()
            writer.join()
    if failures:
        raise failures[0]


def _size_mb(bench: Bench, topic: Topic) -> float:
    """How much of a topic's first partition is on the disk."""
    asked = [DescribableLogDirTopic(topic=topic.name, partitions=[0])]
    found = bench.client.send(DescribeLogDirsRequest(topics=asked)).results
    [size] = [each.partition_size for directory in found for of in directory.topics for each in of.partitions]
    return float(size) / 1e6


def _produce_p99_ms(bench: Bench, topic: Topic) -> float:
    frames = [produce(topic.topic_id, 0, batch())]
    with Load(
        bench.broker.port,
        frames,
        connections=4,
        rate=_RATE,
        seconds=bench.seconds,
        zero_at=[produce_error_position()],
    ) as load:
        load.run()
        return load.run().p99_ms


def _fetch_p99_ms(bench: Bench, topic: Topic) -> float:
    frames = [fetch(topic.topic_id, 0, 0, max_bytes=10_000)]
    with Load(
        bench.broker.port, frames, connections=4, rate=_RATE, seconds=bench.seconds, zero_at=[fetch_error_position()]
    ) as load:
        load.run()
        return load.run().p99_ms


def _end_to_end_p99_ms(bench: Bench, topic: Topic) -> float:
    return end_to_end(bench, _END_TO_END_RATE)["p99_ms"]


_MEASURES: Final[dict[str, Callable[[Bench, Topic], float]]] = {
    "produce": _produce_p99_ms,
    "fetch": _fetch_p99_ms,
    "end_to_end": _end_to_end_p99_ms,
}


def measure(bench: Bench, size: int) -> Figures:
    topics = {
        policy: bench.topic(
            cleanup_policy=policy,
            segment_bytes=str(_SEGMENT_BYTES),
            segment_ms="1000",
            min_cleanable_dirty_ratio="0.01",
        )
        for policy in _POLICIES
    }
    used = bench.topic()
    seen: dict[tuple[str, str], list[float]] = {(name, policy): [] for name in _MEASURES for policy in _POLICIES}
    for turn in range(_TURNS + 1):  # the first one for whatever has to warm up
        for policy in _POLICIES:
            with _being_written(bench, topics[policy], size):
                for name, measured in _MEASURES.items():
                    p99_ms = measured(bench, used)
                    if turn:
                        seen[name, policy].append(p99_ms)
    sizes = {policy: _size_mb(bench, topic) for policy, topic in topics.items()}
    assert sizes["compact"] < sizes["delete"] / 2, f"the topic was not compacted: {sizes}"
    figures: Figures = {}
    for name in _MEASURES:
        without, beside = (median(seen[name, policy]) for policy in _POLICIES)
        figures |= {f"{name}_without_ms": without, f"{name}_beside_ms": beside, f"{name}_times": beside / without}
    return figures


def _labels() -> Iterator[tuple[str, Figure]]:
    for name in _MEASURES:
        title = name.replace("_", " ")
        yield f"{name}_without_ms", Figure(f"{title} p99, not compacted, ms", is_drawn=False)
        yield f"{name}_beside_ms", Figure(f"{title} p99, compacted, ms", is_drawn=False)
        yield f"{name}_times", Figure(f"{title}, times as long")


WORKLOAD = Workload(
    name="compaction",
    title="Beside a topic that is compacted",
    counted="MB/s written to it",
    sizes=(1, 10),
    figures=dict(_labels()),
    measure=measure,
    properties={"log.cleaner.backoff.ms": "200"},
)
