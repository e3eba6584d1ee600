"""Which log is cleaned, from where to where, and what is remembered of it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from kafkalite.config.topic_config import TopicConfig
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch, decode_batch, iter_batches
from kafkalite.storage.log_cleaner_manager import LogCleanerManager
from kafkalite.storage.partition_log import PartitionLog
from log_disk import Disk

HOUR_MS = 3_600_000
CHECKPOINT = "cleaner-offset-checkpoint"


def make_log(disk: Disk, name: str = "topic", *, policy: str = "compact", **overrides: Any) -> PartitionLog:
    config = {"cleanup.policy": policy, **{key.replace("_", "."): str(value) for key, value in overrides.items()}}
    topic_partition = TopicPartition(name, 0)
    return disk.manager.create(topic_partition, Uuid(name.encode().ljust(16)), TopicConfig(config), disk.now_ms)


def append(log: PartitionLog, disk: Disk, *keys: bytes, timestamp: int | None = None, size: int = 100) -> None:
    for key in keys:
        record = Record(0, disk.now_ms if timestamp is None else timestamp, key, bytes(size))
        log.append(build_batch([record]), now_ms=disk.now_ms)


def keys_of(log: PartitionLog) -> list[tuple[int, bytes | None]]:
    found = []
    for segment in log.segments:
        data = segment.file.pread(segment.size, 0)
        for position, header in iter_batches(data):
            found += [(record.offset, record.key) for record in decode_batch(data, position, header)]
    return found


@pytest.fixture
def cleaner(memory_disk: Disk) -> LogCleanerManager:
    memory_disk.open()
    return LogCleanerManager(memory_disk.filesystem)


def clean(cleaner: LogCleanerManager, disk: Disk) -> None:
    for step in cleaner.clean_filthiest(disk.manager.logs(), disk.now_ms):
        step()


def test_the_active_segment_is_left_alone(memory_disk: Disk, cleaner: LogCleanerManager) -> None:
    log = make_log(memory_disk)
    append(log, memory_disk, b"a", b"a")
    assert cleaner.grab_filthiest([log], memory_disk.now_ms) is None
    log.roll(memory_disk.now_ms)
    append(log, memory_disk, b"a")
    to_clean = cleaner.grab_filthiest([log], memory_disk.now_ms)
    assert to_clean is not None
    assert to_clean[1:3] == (0, 2)
    assert (to_clean.clean_bytes, to_clean.cleanable_bytes) == (0, log.segments[0].size)
    assert to_clean.cleanable_ratio == 1.0


def test_only_compacted_logs_are_cleaned(memory_disk: Disk, cleaner: LogCleanerManager) -> None:
    logs = [make_log(memory_disk, policy.partition(",")[0], policy=policy) for policy in ("delete", "compact,delete")]
    for log in logs:
        append(log, memory_disk, b"a", b"a")
        log.roll(memory_disk.now_ms)
    to_clean = cleaner.grab_filthiest(logs, memory_disk.now_ms)
    assert to_clean is not None and to_clean.log is logs[1]


def test_a_cleaning_is_remembered_in_apache_kafkas_checkpoint_and_not_done_twice(
    memory_disk: Disk, cleaner: LogCleanerManager
) -> None:
    log = make_log(memory_disk)
    append(log, memory_disk, b"a", b"b", b"a")
    log.roll(memory_disk.now_ms)
    clean(cleaner, memory_disk)
    assert keys_of(log) == [(1, b"b"), (2, b"a")]
    path = f"{memory_disk.path}/{CHECKPOINT}"
    assert memory_disk.filesystem.read_bytes(path) == b"0\n1\ntopic 0 3\n"
    again = LogCleanerManager(memory_disk.filesystem)
    assert again.grab_filthiest([log], memory_disk.now_ms) is None
    append(log, memory_disk, b"b", b"c")
    log.roll(memory_disk.now_ms)
    to_clean = again.what_to_clean(log, memory_disk.now_ms)
    assert to_clean[1:3] == (3, 5)
    assert (to_clean.clean_bytes, to_clean.cleanable_bytes) == (log.segments[0].size, log.segments[1].size)


def test_the_filthiest_log_comes_first_and_only_above_its_ratio(memory_disk: Disk, cleaner: LogCleanerManager) -> None:
    logs = [make_log(memory_disk, name, min_cleanable_dirty_ratio=0.5) for name in ("one", "two", "three")]
    for log, dirty in zip(logs, (2, 9, 3), strict=True):
        append(log, memory_disk, b"a", b"b", b"c", b"d")
        log.roll(memory_disk.now_ms)
        clean(cleaner, memory_disk)
        append(log, memory_disk, *(b"e%d" % i for i in range(dirty)))
        log.roll(memory_disk.now_ms)
    order = []
    while (to_clean := cleaner.grab_filthiest(logs, memory_disk.now_ms)) is not None:
        order.append((to_clean.log.topic_partition.topic, round(to_clean.cleanable_ratio, 2)))
        clean(cleaner, memory_disk)
    assert order == [("two", 0.69)]
    logs[2].update_config(TopicConfig({"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.4"}))
    to_clean = cleaner.grab_filthiest(logs, memory_disk.now_ms)
    assert to_clean is not None and to_clean.log is logs[2]


def test_young_segments_wait_for_the_compaction_lag(memory_disk: Disk, cleaner: LogCleanerManager) -> None:
    log = make_log(memory_disk, min_compaction_lag_ms=HOUR_MS)
    append(log, memory_disk, b"a", timestamp=memory_disk.now_ms - HOUR_MS)
    log.roll(memory_disk.now_ms)
    append(log, memory_disk, b"a", timestamp=memory_disk.now_ms - HOUR_MS + 1)
    log.roll(memory_disk.now_ms)
    assert cleaner.what_to_clean(log, memory_disk.now_ms).first_uncleanable_offset == 1
    assert cleaner.what_to_clean(log, memory_disk.now_ms + 1).first_uncleanable_offset == 2


def test_old_dirt_is_cleaned_however_little_it_is(memory_disk: Disk, cleaner: LogCleanerManager) -> None:
    log = make_log(memory_disk, max_compaction_lag_ms=HOUR_MS)
    append(log, memory_disk, *(b"k%d" % i for i in range(20)))
    log.roll(memory_disk.now_ms)
    clean(cleaner, memory_disk)
    append(log, memory_disk, b"k0")
    log.roll(memory_disk.now_ms)
    assert cleaner.grab_filthiest([log], memory_disk.now_ms + HOUR_MS) is None
    to_clean = cleaner.grab_filthiest([log], memory_disk.now_ms + HOUR_MS + 1)
    assert to_clean is not None
    assert to_clean.needs_compaction_now and to_clean.cleanable_ratio < 0.1


def test_nothing_behind_an_open_transaction_is_touched(memory_disk: Disk, cleaner: LogCleanerManager) -> None:
    log = make_log(memory_disk)
    append(log, memory_disk, b"a")
    log.roll(memory_disk.now_ms)
    append(log, memory_disk, b"a")
    guard = log.start_transaction_verification(5, 0, 0, False, memory_disk.now_ms)
    batch = build_batch(
        [Record(0, 0, b"t", b"")], producer_id=5, producer_epoch=0, base_sequence=0, is_transactional=True
    )
    log.append(batch, now_ms=memory_disk.now_ms, verification_guard=guard)
    log.roll(memory_disk.now_ms)
    append(log, memory_disk, b"a")
    log.roll(memory_disk.now_ms)
    assert log.last_stable_offset == 2
    assert cleaner.what_to_clean(log, memory_disk.now_ms).first_uncleanable_offset == 1
    clean(cleaner, memory_disk)
    assert keys_of(log) == [(0, b"a"), (1, b"a"), (2, b"t"), (3, b"a")]


@pytest.mark.parametrize(
    ("policy", "checkpoint", "start", "warns"),
    [("compact,delete", 1, 2, False), ("compact", 1, 2, True), ("compact", 99, 2, True), ("compact", 3, 3, False)],
)
def test_a_checkpoint_outside_of_the_log_counts_as_its_start(
    memory_disk: Disk, policy: str, checkpoint: int, start: int, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    memory_disk.open()
    log = make_log(memory_disk, policy=policy)
    append(log, memory_disk, b"a", b"b", b"c", b"d")
    log.log_start_offset = 2
    data = f"0\n1\ntopic 0 {checkpoint}\n".encode()
    memory_disk.filesystem.write_bytes(f"{memory_disk.path}/{CHECKPOINT}", data)
    cleaner = LogCleanerManager(memory_disk.filesystem)
    with caplog.at_level(logging.WARNING):
        assert cleaner.what_to_clean(log, memory_disk.now_ms).first_dirty_offset == start
    assert bool(caplog.records) is warns


def test_a_damaged_checkpoint_means_that_all_is_dirty(memory_disk: Disk) -> None:
    memory_disk.open()
    log = make_log(memory_disk)
    append(log, memory_disk, b"a")
    memory_disk.filesystem.write_bytes(f"{memory_disk.path}/{CHECKPOINT}", b"rubbish\n")
    assert LogCleanerManager(memory_disk.filesystem).what_to_clean(log, memory_disk.now_ms).first_dirty_offset == 0


def test_a_log_with_damage_is_left_alone_from_then_on(
    memory_disk: Disk, cleaner: LogCleanerManager, caplog: pytest.LogCaptureFixture
) -> None:
    log, other = make_log(memory_disk, "damaged"), make_log(memory_disk, "whole")
    for each in (log, other):
        append(each, memory_disk, b"a", b"a")
        each.roll(memory_disk.now_ms)
    log.segments[0].file.pwrite(b"\xff\xff", 100)
    for _ in range(3):
        clean(cleaner, memory_disk)
    assert "Marking its partition as uncleanable: at position 0: Record is corrupt" in caplog.text
    assert caplog.text.count("uncleanable") == 1
    assert keys_of(other) == [(1, b"a")]
    assert log.segments[0].size > other.segments[0].size


def test_a_stopping_broker_ends_the_cleaning_at_the_next_batch(
    memory_disk: Disk, cleaner: LogCleanerManager, caplog: pytest.LogCaptureFixture
) -> None:
    log = make_log(memory_disk)
    append(log, memory_disk, *([b"a"] * 10))
    log.roll(memory_disk.now_ms)
    with caplog.at_level(logging.INFO):
        for number, step in enumerate(cleaner.clean_filthiest([log], memory_disk.now_ms)):
            if number == 2:
                cleaner.stop()
            step()
    assert "Log cleaning was aborted: topic-0 is being closed" in caplog.text
    assert len(keys_of(log)) == 10
    files = memory_disk.filesystem.list_directory(log.directory)
    assert not [name for name in files if name.endswith((".cleaned", ".swap"))]


def test_a_log_that_is_deleted_while_it_is_cleaned_stays_deleted(memory_disk: Disk, cleaner: LogCleanerManager) -> None:
    log = make_log(memory_disk)
    append(log, memory_disk, b"a", b"a")
    log.roll(memory_disk.now_ms)
    steps = cleaner.clean_filthiest(memory_disk.manager.logs(), memory_disk.now_ms)
    for number, step in enumerate(steps):
        step()
        if number == 0:
            memory_disk.manager.delete(log.topic_partition, memory_disk.now_ms)
    assert memory_disk.manager.get(log.topic_partition) is None
    assert not memory_disk.filesystem.exists(f"{memory_disk.path}/topic-0")
    assert not memory_disk.filesystem.exists(f"{memory_disk.path}/{CHECKPOINT}")


def test_a_new_log_of_a_deleted_ones_name_begins_anew(memory_disk: Disk) -> None:
    memory_disk.open()
    cleaner = memory_disk.manager.cleaner
    log = make_log(memory_disk)
    append(log, memory_disk, b"a", b"a")
    log.roll(memory_disk.now_ms)
    clean(cleaner, memory_disk)
    memory_disk.manager.delete(log.topic_partition, memory_disk.now_ms)
    log = make_log(memory_disk)
    append(log, memory_disk, b"b", b"b", b"b")
    log.roll(memory_disk.now_ms)
    assert cleaner.what_to_clean(log, memory_disk.now_ms)[1:3] == (0, 3)
    for step in cleaner.write_checkpoints():
        step()
    assert memory_disk.filesystem.read_bytes(f"{memory_disk.path}/{CHECKPOINT}") == b"0\n0\n"
