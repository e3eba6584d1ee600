"""Fetch with numbers that no client asks for: impossible session ids, offsets and sizes at the ends of their types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kafkalite.protocol.messages import fetch as messages
from transcript import Side

Compare = Callable[[Callable[[Side], None]], None]

_INT32 = (1 << 31) - 1
_INT64 = (1 << 63) - 1
_RANGE = _INT32 // 8
"""Session ids that one shard of Apache Kafka's cache is in charge of."""


def fetch(side: Side, topic: str, *, partition: dict[str, Any] | None = None, **facts: Any) -> messages.FetchRequest:
    wanted = messages.FetchPartition(partition=0, **{"partition_max_bytes": 1 << 20, **(partition or {})})
    return messages.FetchRequest(
        topics=[messages.FetchTopic(topic=topic, topic_id=side.topic_id(topic), partitions=[wanted])], **facts
    )


@pytest.mark.parametrize("version", [7, 12, 13, 18])
def test_session_ids_that_no_session_can_have(compare: Compare, version: int) -> None:
    ids = (_INT32, _INT32 - 7, _INT32 - 8, _RANGE * 8, _RANGE * 8 - 1, -1, 1 - _RANGE, -_RANGE, -_INT32 - 1)

    def scenario(side: Side) -> None:
        topic = side.topic()
        side.produce(topic, "a")
        for session_id in ids:
            for epoch in (-1, 0, 1, 7, _INT32, -2, -_INT32 - 1):
                request = fetch(side, topic, session_id=session_id, session_epoch=epoch)
                side.ask(request, version, label=f"session {session_id}, epoch {epoch}")
        for epoch in (_INT32, -2, -_INT32 - 1):
            side.ask(fetch(side, topic, session_epoch=epoch), version, label=f"no session, epoch {epoch}")

    compare(scenario)


@pytest.mark.parametrize("version", [4, 7, 11, 12, 15, 18])
@pytest.mark.parametrize("isolation_level", [0, 1])
def test_offsets_and_sizes_at_the_ends_of_their_types(compare: Compare, version: int, isolation_level: int) -> None:
    def scenario(side: Side) -> None:
        topic, empty = side.topic(), side.topic()
        side.produce(topic, "a", "b")
        side.produce(topic, "c")
        partitions: list[dict[str, Any]] = [
            *({"fetch_offset": offset} for offset in (3, 4, -1, -2, -3, _INT64, _INT64 - 1, -_INT64 - 1)),
            *({"partition_max_bytes": size} for size in (0, -1, 1, _INT32, -_INT32 - 1)),
            *({"partition_max_bytes": size, "fetch_offset": 3} for size in (0, -1, -_INT32 - 1)),
            *({"log_start_offset": offset} for offset in (-2, _INT64, -_INT64 - 1) if version >= 5),
        ]
        if version >= 9:
            partitions += [{"current_leader_epoch": epoch} for epoch in (-2, _INT32, -_INT32 - 1)]
        if version >= 12:
            partitions += [{"last_fetched_epoch": epoch} for epoch in (-2, _INT32, -_INT32 - 1)]
        whole: list[dict[str, Any]] = [
            *({"max_bytes": size} for size in (0, -1, 1, _INT32, -_INT32 - 1)),
            *({"min_bytes": size} for size in (0, -1, _INT32, -_INT32 - 1)),
            *({"max_wait_ms": wait_ms} for wait_ms in (-1, -_INT32 - 1)),
            *({"max_wait_ms": _INT32, "min_bytes": size} for size in (0, -1, 1)),
            *({"max_wait_ms": 1, "min_bytes": _INT32, "max_bytes": size} for size in (0, -1, 5, _INT32)),
        ]
        for name in (topic, empty):
            for facts in partitions:
                request = fetch(side, name, partition=facts, isolation_level=isolation_level)
                side.ask(request, version, label=f"{name}: {facts}")
            for facts in whole:
                if name == empty and facts.get("max_wait_ms") == _INT32 and facts["min_bytes"] > 0:
                    continue
                side.ask(fetch(side, name, isolation_level=isolation_level, **facts), version, label=f"{name}: {facts}")

    compare(scenario)


@pytest.mark.parametrize("max_bytes", [-1, 0, 1, 80])
def test_what_one_partition_leaves_for_the_next(compare: Compare, max_bytes: int) -> None:
    def scenario(side: Side) -> None:
        topics = [side.topic() for _ in range(3)]
        for topic in topics:
            side.produce(topic, "a", "b")
        for sizes in ((9999, 9999, 9999), (-1, 9999, -1), (9999, -1, 0), (-1, -1, 1), (0, 0, 0), (1, -5, 80)):
            wanted = [
                messages.FetchTopic(
                    topic=topic, partitions=[messages.FetchPartition(partition=0, partition_max_bytes=size)]
                )
                for topic, size in zip(topics, sizes, strict=True)
            ]
            side.ask(messages.FetchRequest(max_bytes=max_bytes, topics=wanted), 12, label=str(sizes))

    compare(scenario)
