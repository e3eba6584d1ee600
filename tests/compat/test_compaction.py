"""Compaction while both brokers run: the same records go in, and the same ones are left, record for record.

Each story has a topic of its own; all are written first and settle side by side. Segments are small, the cleaner works
all the time, and what the stories wait for is that both brokers have the same left and what the story says is so.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import NamedTuple

import pytest

from apache_kafka import StartApacheKafka
from eventually import eventually
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kafkalite.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from kafkalite.records.compression import CompressionType
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch, decode_batch, iter_batches
from kafkalite_process import StartKafkalite
from moving_transactions import TransactionalProducer
from transcript import Side

pytestmark = pytest.mark.oracle

PROPERTIES = {
    "log.cleaner.backoff.ms": "100",
    "log.initial.task.delay.ms": "300",
    "log.retention.check.interval.ms": "300",
    "log.segment.delete.delay.ms": "100",
}
SMALL = {"internal_segment_bytes": "2000", "min_cleanable_dirty_ratio": "0.0", "delete_retention_ms": "300"}
HOUR_MS = 3_600_000
KEYS = 12


class Kept(NamedTuple):
    """A record that is left; of a marker, that it is one."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: str
    codec: CompressionType
    is_control: bool


def write(side: Side, topic: str, *records: tuple[str, str | None], codec: CompressionType, timestamp: int) -> None:
    batch = build_batch(
        [
            Record(index, timestamp + index, key.encode(), None if value is None else value.encode(), [("h", b"x")])
            for index, (key, value) in enumerate(records)
        ],
        compression=codec,
    )
    [answer] = side.send(side.produce_request(topic, batch), 12).responses[0].partition_responses
    assert answer.error_code == 0, answer


def churn(side: Side, topic: str, rounds: int, timestamp: int, *, tombstones: bool = False) -> None:
    """Batches of every codec over a few keys, the larger ones of several segments' records."""
    codecs = list(CompressionType)
    for number in range(rounds):
        codec = codecs[number % len(codecs)]
        records: list[tuple[str, str | None]] = [
            (f"k{(number * 5 + index) % KEYS}", f"{codec.name} {number}.{index} " * 9) for index in range(6)
        ]
        if tombstones and number % 3 == 2:
            records[number % 6] = (records[number % 6][0], None)
        write(side, topic, *records, codec=codec, timestamp=timestamp + number * 10)


def transactions(side: Side, topic: str) -> None:
    """Two producers that commit and abort in turns; TransactionalProducer writes records without a key.

    Each marker is waited for: Apache Kafka ends a transaction before it is written.
    """
    behind = 0
    for name in ("a", "b"):
        producer = TransactionalProducer(side, f"{topic}-{name}")
        for number in range(6):
            records = [Record(i, 1_000 + i, b"t%d" % (i % 4), b"%s %d" % (name.encode(), number), []) for i in range(4)]
            batch = build_batch(
                records,
                producer_id=producer.producer_id,
                producer_epoch=producer.epoch,
                base_sequence=producer.sequence,
                is_transactional=True,
                compression=CompressionType.ZSTD if number % 2 else CompressionType.NONE,
            )
            producer.send(side, topic, batch, len(records))
            producer.end(side, committed=number % 3 != 1)
            behind += len(records) + 1
            await_end(side, topic, behind)


def kept(side: Side, topic: str) -> list[Kept]:
    """All that a reader of everything is given, control batches too."""
    found: list[Kept] = []
    start, offset, end = (offset_at(side, topic, timestamp) for timestamp in (-2, -2, -1))
    while offset < end:
        partition = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=1 << 20)
        request = FetchRequest(max_wait_ms=100, topics=[FetchTopic(topic=topic, partitions=[partition])])
        [answer] = side.send(request, 11).responses[0].partitions
        assert answer.error_code == 0, answer
        data = bytes(answer.records or b"")
        for position, header in iter_batches(data):
            offset = header.next_offset
            found += [
                Kept(
                    record.offset,
                    record.key,
                    None if header.is_control else record.value,
                    0 if header.is_control else record.timestamp,
                    repr(record.headers),
                    header.compression_type,
                    header.is_control,
                )
                for record in decode_batch(data, position, header)
                if record.offset >= start
            ]
        if not data:
            break
    return found


def offset_at(side: Side, topic: str, timestamp: int) -> int:
    partition = ListOffsetsPartition(partition_index=0, timestamp=timestamp)
    request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=[partition])])
    [answer] = side.send(request).topics[0].partitions
    assert answer.error_code == 0, answer
    return int(answer.offset)


def await_end(side: Side, topic: str, offset: int) -> None:
    eventually(lambda: offset_at(side, topic, -1) == offset)


class Story(NamedTuple):
    """Configuration of a topic, what is written to it, and what is so of what is left when it has settled."""

    configs: dict[str, str]
    write: Callable[[Side, str, int], None]
    is_settled: Callable[[list[Kept]], bool]


def _values(found: list[Kept], key: bytes) -> list[bytes | None]:
    return [each.value for each in found if each.key == key]


def _end(side: Side, topic: str, now_ms: int) -> None:
    """Fills a segment or two, so that all before lies in inactive ones."""
    for number in range(12):
        records = [(f"end{number}.{index}", "filler " * 20) for index in range(3)]
        write(side, topic, *records, codec=CompressionType.NONE, timestamp=now_ms)


def every_codec(side: Side, topic: str, now_ms: int) -> None:
    churn(side, topic, 25, now_ms)
    _end(side, topic, now_ms)


def tombstones(side: Side, topic: str, now_ms: int) -> None:
    churn(side, topic, 25, now_ms, tombstones=True)
    write(side, topic, *((f"k{key}", None) for key in range(0, KEYS, 2)), codec=CompressionType.LZ4, timestamp=now_ms)
    _end(side, topic, now_ms)


def markers(side: Side, topic: str, now_ms: int) -> None:
    transactions(side, topic)
    _end(side, topic, now_ms)


def half_dirty(side: Side, topic: str, now_ms: int) -> None:
    churn(side, topic, 25, now_ms)


def old_then_new(side: Side, topic: str, now_ms: int) -> None:
    churn(side, topic, 10, now_ms - 2 * HOUR_MS)
    churn(side, topic, 20, now_ms)
    _end(side, topic, now_ms)


STORIES = {
    "codecs": Story(
        SMALL, every_codec, lambda found: all(len(_values(found, b"k%d" % key)) == 1 for key in range(KEYS))
    ),
    "tombstones-go": Story(
        SMALL,
        tombstones,
        lambda found: (
            all([value for value in _values(found, b"k%d" % key) if value] == [] for key in range(0, KEYS, 2))
            and not any(each.value is None for each in found)
        ),
    ),
    "tombstones-stay": Story(
        {**SMALL, "delete_retention_ms": str(HOUR_MS)},
        tombstones,
        lambda found: all(_values(found, b"k%d" % key) == [None] for key in range(0, KEYS, 2)),
    ),
    "markers-go": Story(
        SMALL,
        markers,
        lambda found: (
            all(_values(found, b"t%d" % key) == [b"b 5"] for key in range(4))
            and [each.offset for each in found if each.is_control] == [59]
        ),
    ),
    "markers-stay": Story(
        {**SMALL, "delete_retention_ms": str(HOUR_MS)},
        markers,
        lambda found: (
            all(_values(found, b"t%d" % key) == [b"b 5"] for key in range(4)) and any(each.is_control for each in found)
        ),
    ),
    "min-lag": Story(
        {**SMALL, "min_compaction_lag_ms": str(HOUR_MS)},
        every_codec,
        lambda found: [each.offset for each in found] == list(range(25 * 6 + 36)),
    ),
    "max-lag": Story(
        {**SMALL, "min_cleanable_dirty_ratio": "1.0", "max_compaction_lag_ms": "500"},
        every_codec,
        lambda found: all(len(_values(found, b"k%d" % key)) == 1 for key in range(KEYS)),
    ),
    "ratio-not-reached": Story(
        {**SMALL, "min_cleanable_dirty_ratio": "1.0"},
        half_dirty,
        lambda found: [each.offset for each in found] == list(range(25 * 6)),
    ),
    "compact-delete": Story(
        {**SMALL, "cleanup_policy": "compact,delete", "retention_ms": str(HOUR_MS)},
        old_then_new,
        lambda found: (
            found[0].timestamp > time.time() * 1000 - HOUR_MS
            and all(len(_values(found, b"k%d" % key)) == 1 for key in range(KEYS))
        ),
    ),
}

GOING = {"tombstones-go", "markers-go"}


def test_both_leave_the_same_records(start_kafkalite: StartKafkalite, start_apache_kafka: StartApacheKafka) -> None:
    theirs = Side("Apache Kafka", start_apache_kafka(properties=PROPERTIES).bootstrap_servers, "compaction")
    ours = Side("kafkalite", start_kafkalite(properties=PROPERTIES).bootstrap_servers, "compaction")
    now_ms = int(time.time() * 1000)
    topics: dict[str, str] = {}
    for name, story in STORIES.items():
        for side in (theirs, ours):
            topics[name] = side.topic(1, **{"cleanup_policy": "compact", **story.configs})
            story.write(side, topics[name], now_ms)
    waiting = set(STORIES)
    deadline = time.monotonic() + 60
    for attempt in itertools.count(1):
        if not waiting:
            break
        time.sleep(0.3)
        if not attempt % 5:  # what has got its delete horizon goes when there is something to clean again
            for name in waiting & GOING:
                for side in (theirs, ours):
                    _end(side, topics[name], now_ms)
        for name in sorted(waiting):
            left, expected = kept(ours, topics[name]), kept(theirs, topics[name])
            if left == expected and STORIES[name].is_settled(left):
                waiting.remove(name)
            elif time.monotonic() > deadline:
                assert (name, left) == (name, expected)
                assert STORIES[name].is_settled(left), (name, left)
    # Nothing more goes, where nothing may go.
    for name in ("min-lag", "ratio-not-reached", "tombstones-stay", "markers-stay"):
        for side in (theirs, ours):
            assert STORIES[name].is_settled(kept(side, topics[name])), (side.name, name)
