"""The share coordinator's state machine: snapshots, updates, what is overtaken; replay gives the live state."""

from __future__ import annotations

from typing import Any

import pytest

from kafkalite.coordinator.coordinator_result import CoordinatorResult
from kafkalite.coordinator.coordinator_timers import CoordinatorTimers
from kafkalite.coordinator.share_coordinator import (
    ShareCoordinatorConfig,
    ShareCoordinatorShard,
    SharePartitionKey,
    ShareStateWrite,
)
from kafkalite.coordinator.share_state_batches import PersisterStateBatch
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.protocol.coordinator_records.share_state import ShareSnapshotKey, ShareUpdateKey

TOPIC = Uuid.ONE
KEY = SharePartitionKey("group", TOPIC, 0)
OTHER = SharePartitionKey("group", TOPIC, 1)
COLD_MS = 300_000


class Shard:
    """A shard with its log in memory."""

    def __init__(self, updates_per_snapshot: int = 3) -> None:
        self.now_ms = 1000
        self.config = ShareCoordinatorConfig(updates_per_snapshot, COLD_MS)
        self.log: list[tuple[bytes, bytes | None]] = []
        self.shard = self.new_shard()
        self.shard.on_loaded(self.now_ms)

    def new_shard(self) -> ShareCoordinatorShard:
        self.timers = CoordinatorTimers(lambda: self.now_ms)
        return ShareCoordinatorShard(self.timers, self.config, lambda topic_id: 2 if topic_id == TOPIC else 0)

    def run(self, result: CoordinatorResult[Any]) -> list[type]:
        for record in result.records:
            self.shard.replay(len(self.log), -1, record.key, record.value, self.now_ms)
            self.log.append(record.to_bytes())
        return [type(record.key) for record in result.records]

    def write(self, first: int, last: int, start: int = 0, key: SharePartitionKey = KEY) -> list[type]:
        batches = [PersisterStateBatch(first, last, 1, 2)]
        return self.run(self.shard.write(key, ShareStateWrite(0, 0, start, 0, batches), self.now_ms))

    def restart(self) -> None:
        self.shard = self.new_shard()
        for offset, (key, value) in enumerate(self.log):
            decoded = self.shard.decode(key, value)
            assert decoded is not None
            self.shard.replay(offset, -1, *decoded, self.now_ms)

    def advance(self, ms: int) -> None:
        self.now_ms += ms
        for operation in self.timers.pop_due():
            self.run(operation(self.now_ms))


def test_a_snapshot_follows_after_so_many_updates() -> None:
    shard = Shard()
    assert shard.run(shard.shard.initialize(KEY, 0, 0, shard.now_ms)) == [ShareSnapshotKey]
    written = [shard.write(offset, offset) for offset in range(5)]
    assert written == [[ShareUpdateKey]] * 3 + [[ShareSnapshotKey]] + [[ShareUpdateKey]]
    state = shard.shard.states[KEY]
    assert state.batches == (PersisterStateBatch(0, 4, 1, 2),)
    assert state.snapshot_epoch == 1


def test_replaying_the_records_gives_the_live_state() -> None:
    shard = Shard()
    shard.run(shard.shard.initialize(KEY, 2, -1, shard.now_ms))
    shard.run(shard.shard.initialize(OTHER, 0, 5, shard.now_ms))
    with pytest.raises(KafkaError) as refused:
        shard.write(0, 9)
    assert refused.value.error is ErrorCode.FENCED_STATE_EPOCH
    for first in range(0, 60, 7):
        shard.write(first, first + 4, start=max(0, first - 10), key=OTHER)
    shard.run(shard.shard.read(OTHER, 9, shard.now_ms))
    live = (dict(shard.shard.states), shard.shard.redundant_offset)
    shard.restart()
    assert (dict(shard.shard.states), shard.shard.redundant_offset) == live
    with pytest.raises(KafkaError) as refused:
        shard.write(60, 61, key=OTHER)
    assert refused.value.error is ErrorCode.FENCED_LEADER_EPOCH


def test_what_later_snapshots_overtake_may_go() -> None:
    shard = Shard()
    shard.run(shard.shard.initialize(KEY, 0, 0, shard.now_ms))
    shard.run(shard.shard.initialize(OTHER, 0, 0, shard.now_ms))
    assert shard.shard.redundant_offset == 0
    for offset in range(4):
        shard.write(offset, offset)
    assert shard.shard.redundant_offset == 1  # the other's snapshot is still the newest of it
    shard.run(shard.shard.delete(OTHER))
    assert shard.shard.redundant_offset == 5
    shard.run(shard.shard.delete(KEY))
    assert shard.shard.states == {}
    assert shard.shard.redundant_offset == len(shard.log) - 1


def test_partitions_that_rest_get_a_snapshot_from_time_to_time() -> None:
    shard = Shard(updates_per_snapshot=100)
    shard.run(shard.shard.initialize(KEY, 0, 0, shard.now_ms))
    shard.write(0, 9)
    shard.advance(COLD_MS)
    assert shard.shard.redundant_offset == 2
    state = shard.shard.states[KEY]
    assert (state.snapshot_epoch, state.write_timestamp_ms, state.create_timestamp_ms) == (1, 1000 + COLD_MS, 1000)
    assert state.batches == (PersisterStateBatch(0, 9, 1, 2),)
    shard.advance(COLD_MS)
    assert len(shard.log) == 3, "all of them are cold: nothing to be gained"


def test_state_goes_with_its_topic() -> None:
    shard = Shard()
    shard.run(shard.shard.initialize(KEY, 0, 0, shard.now_ms))
    shard.run(shard.shard.delete_topics([Uuid.ZERO]))
    assert list(shard.shard.states) == [KEY]
    shard.run(shard.shard.delete_topics([TOPIC]))
    shard.restart()
    assert shard.shard.states == {}
