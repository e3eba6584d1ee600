"""When what is on the disk: the steps of a flush, and what flush.messages and flush.ms promise."""

from __future__ import annotations

import pytest

from kafkalite.config.topic_config import TopicConfig
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.storage import log_flush_scheduler
from kafkalite.storage.log_flush import prepare_flush
from kafkalite.storage.log_manager import LogManager
from kafkalite.storage.memory_filesystem import MemoryFile, MemoryFileSystem
from kafkalite.storage.partition_log import PartitionLog
from log_disk import BatchMaker
from log_rounds import flush_dirty_logs, prepare_flushes

NOW_MS = 1_700_000_000_000
TOPIC_ID = Uuid(bytes(range(16)))


class WatchedFileSystem(MemoryFileSystem):
    """Notes what is synced, by the names within the log's directory, and fails on request."""

    def __init__(self) -> None:
        super().__init__()
        self.synced: list[str] = []
        self.is_failing = False

    def open(self, path: str, *, create: bool = False, read_only: bool = False) -> WatchedFile:
        file = super().open(path, create=create, read_only=read_only)
        assert isinstance(file, MemoryFile)
        return WatchedFile(self, file)

    def sync_directory(self, path: str) -> None:
        self.synced.append(path)


class WatchedFile(MemoryFile):
    __slots__ = ("_owner",)

    def __init__(self, owner: WatchedFileSystem, file: MemoryFile) -> None:
        super().__init__(file._content, file.path, file._is_read_only, file._clock_ms)
        self._owner = owner

    def sync(self) -> None:
        if self._owner.is_failing:
            raise OSError(28, "No space left on device")
        self._owner.synced.append(self.path)

    def duplicate(self) -> WatchedFile:
        return WatchedFile(self._owner, self)


@pytest.fixture
def filesystem() -> WatchedFileSystem:
    return WatchedFileSystem()


def open_log(filesystem: WatchedFileSystem, **overrides: object) -> tuple[LogManager, PartitionLog]:
    config = TopicConfig({name.replace("_", "."): str(value) for name, value in overrides.items()})
    manager = LogManager(filesystem, ["/a"])
    manager.directories.open()
    manager.read_logs(lambda topic: config, now_ms=NOW_MS)
    manager.put_into_service()
    return manager, manager.create(TopicPartition("t", 0), TOPIC_ID, config, NOW_MS)


def test_the_first_flush_syncs_the_files_and_all_names_that_lead_to_them(
    filesystem: WatchedFileSystem, batch: BatchMaker
) -> None:
    _, log = open_log(filesystem)
    log.append(batch(b"x"), now_ms=NOW_MS)
    assert filesystem.synced == []
    log.flush(NOW_MS)
    assert set(filesystem.synced) == {
        "/a/t-0/00000000000000000000.log",
        "/a/t-0/leader-epoch-checkpoint",
        "/a/t-0/partition.metadata",
        "/a/t-0",
        "/a",
    }
    filesystem.synced.clear()
    log.append(batch(b"y"), now_ms=NOW_MS)
    log.flush(NOW_MS)
    log.flush(NOW_MS)
    assert filesystem.synced == ["/a/t-0/00000000000000000000.log"]
    assert log.recovery_point == 2


def test_a_flush_over_a_roll_syncs_the_complete_indexes_and_the_snapshot_too(
    filesystem: WatchedFileSystem, batch: BatchMaker
) -> None:
    _, log = open_log(filesystem, internal_segment_bytes=500)
    log.append(batch(b"x"), now_ms=NOW_MS)
    log.flush(NOW_MS)
    filesystem.synced.clear()
    while len(log.segments) < 2:
        log.append(batch(bytes(100)), now_ms=NOW_MS)
    log.flush(NOW_MS)
    base = log.segments[1].base_offset
    first, second = "/a/t-0/00000000000000000000", f"/a/t-0/{base:020d}"
    assert set(filesystem.synced) == {
        f"{first}.log",
        f"{first}.index",
        f"{first}.timeindex",
        f"{second}.log",
        f"{second}.snapshot",
        "/a/t-0",
    }


def test_the_recovery_point_moves_when_the_sync_has_happened_and_to_what_it_covered(
    filesystem: WatchedFileSystem, batch: BatchMaker
) -> None:
    _, log = open_log(filesystem)
    log.append(batch(b"x"), now_ms=NOW_MS)
    flush = prepare_flush(log)
    assert flush is not None
    log.append(batch(b"y"), now_ms=NOW_MS)
    flush.sync()
    assert log.recovery_point == 0
    flush.finish(NOW_MS)
    assert log.recovery_point == 1


def test_a_flush_of_at_most_so_many_segments_opens_no_more_files_and_the_next_one_goes_on(
    filesystem: WatchedFileSystem, batch: BatchMaker
) -> None:
    _, log = open_log(filesystem, internal_segment_bytes=500)
    while len(log.segments) < 8:
        log.append(batch(bytes(100)), now_ms=NOW_MS)
    recovery_points = []
    while (flush := prepare_flush(log, with_checkpoint=True, max_segments=3)) is not None:
        assert len({file.path for file in flush.files if file.path.endswith(".log")}) <= 3
        flush.run(NOW_MS)
        recovery_points.append(log.recovery_point)
    assert recovery_points == [log.segments[3].base_offset, log.segments[6].base_offset, log.log_end_offset]
    assert log.unflushed_bytes() == 0
    data_files = [name for name in filesystem.synced if name.endswith(".log")]
    assert data_files == [f"/a/t-0/{segment.base_offset:020d}.log" for segment in log.segments]


def test_flush_messages_syncs_before_the_append_returns(filesystem: WatchedFileSystem, batch: BatchMaker) -> None:
    _, log = open_log(filesystem, flush_messages=3)
    for _ in range(2):
        log.append(batch(b"x"), now_ms=NOW_MS)
    assert (log.recovery_point, filesystem.synced) == (0, [])
    log.append(batch(b"x"), now_ms=NOW_MS)
    assert log.recovery_point == 3 and "/a/t-0/00000000000000000000.log" in filesystem.synced


def test_who_defers_the_flush_is_told_that_it_is_due(filesystem: WatchedFileSystem, batch: BatchMaker) -> None:
    _, log = open_log(filesystem, flush_messages=1)
    info = log.append(batch(b"x"), now_ms=NOW_MS, defer_flush=True)
    assert info.is_flush_due and log.recovery_point == 0
    log.flush(NOW_MS)
    assert log.recovery_point == 1


def test_flush_ms_makes_a_log_due_and_so_does_a_rolled_segment(
    filesystem: WatchedFileSystem, batch: BatchMaker
) -> None:
    manager, log = open_log(filesystem, flush_ms=1000, internal_segment_bytes=500)
    log.append(batch(b"x"), now_ms=NOW_MS)
    assert prepare_flushes(manager, NOW_MS + 999) == []
    flush_dirty_logs(manager, NOW_MS + 1000)
    assert log.recovery_point == 1
    while len(log.segments) < 2:
        log.append(batch(bytes(100)), now_ms=NOW_MS + 1000)
    (flush,) = prepare_flushes(manager, NOW_MS + 1000)
    flush.run(NOW_MS + 1000)
    assert log.recovery_point == log.active_segment.base_offset < log.log_end_offset
    assert prepare_flushes(manager, NOW_MS + 1000) == []


def test_a_sync_that_fails_is_an_error_and_takes_the_directory_offline(
    filesystem: WatchedFileSystem, batch: BatchMaker
) -> None:
    manager, log = open_log(filesystem, flush_messages=1)
    filesystem.is_failing = True
    with pytest.raises(KafkaError) as raised:
        log.append(batch(b"x"), now_ms=NOW_MS)
    assert raised.value.error is ErrorCode.KAFKA_STORAGE_ERROR
    assert not manager.directories[0].is_online
    filesystem.is_failing = False
    manager.close(now_ms=NOW_MS)
    assert not filesystem.exists("/a/.kafka_cleanshutdown")


@pytest.mark.parametrize(("bytes_per_s", "batches_per_s"), [(1000, 1_000_000), (1_000_000, 2)])
def test_a_log_that_would_take_long_to_recover_is_flushed_with_all_that_shortens_it(
    filesystem: WatchedFileSystem,
    batch: BatchMaker,
    monkeypatch: pytest.MonkeyPatch,
    bytes_per_s: int,
    batches_per_s: int,
) -> None:
    monkeypatch.setattr(log_flush_scheduler, "_RECOVERED_BYTES_PER_S", bytes_per_s)
    monkeypatch.setattr(log_flush_scheduler, "_RECOVERED_BATCHES_PER_S", batches_per_s)
    monkeypatch.setattr(log_flush_scheduler, "MAX_RECOVERY_S", 0.9)
    manager, log = open_log(filesystem)
    log.append(batch(bytes(500), producer_id=1, epoch=0, sequence=0), now_ms=NOW_MS)
    assert prepare_flushes(manager, NOW_MS) == []
    log.append(batch(bytes(500), producer_id=1, epoch=0, sequence=1), now_ms=NOW_MS)
    (flush,) = prepare_flushes(manager, NOW_MS)
    assert not filesystem.exists("/a/t-0/00000000000000000002.snapshot")
    flush.run(NOW_MS)
    assert "/a/t-0/00000000000000000000.index" in filesystem.synced
    assert filesystem.exists("/a/t-0/00000000000000000002.snapshot")  # its being there says that the index is synced
    assert (log.recovery_point, log.unflushed_bytes(), log_flush_scheduler.recovery_s(log)) == (2, 0, 0)
    log.append(batch(bytes(500)), now_ms=NOW_MS)
    assert prepare_flushes(manager, NOW_MS) == []


def test_of_several_logs_those_with_the_largest_part_in_a_recovery_are_flushed(
    filesystem: WatchedFileSystem, batch: BatchMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_flush_scheduler, "_RECOVERED_BATCHES_PER_S", 11)
    manager, log = open_log(filesystem)
    other = manager.create(TopicPartition("u", 0), None, log.config, NOW_MS)
    for _ in range(2):
        other.append(batch(b"x"), now_ms=NOW_MS)
    for _ in range(3):
        log.append(batch(b"x"), now_ms=NOW_MS)
    assert prepare_flushes(manager, NOW_MS) == []
    log.append(batch(b"x"), now_ms=NOW_MS)
    flush_dirty_logs(manager, NOW_MS)
    assert (log.recovery_point, other.recovery_point) == (4, 0)


def test_of_very_many_logs_no_more_than_a_few_are_flushed_at_once(
    filesystem: WatchedFileSystem, batch: BatchMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_flush_scheduler, "_RECOVERED_BATCHES_PER_S", 10)
    monkeypatch.setattr(log_flush_scheduler, "MAX_COSTLY_LOGS", 3)
    manager, log = open_log(filesystem)
    logs = [manager.create(TopicPartition("u", index), None, log.config, NOW_MS) for index in range(10)]
    for each in logs:
        each.append(batch(b"x"), now_ms=NOW_MS)
    rounds = []
    while flushes := prepare_flushes(manager, NOW_MS):
        rounds.append(len(flushes))
        for flush in flushes:
            flush.run(NOW_MS)
    assert rounds == [3, 3]
    assert sum(each.recovery_point for each in logs) == 6


def test_flushes_are_prepared_a_few_at_a_time_and_not_of_logs_that_have_gone_meanwhile(
    filesystem: WatchedFileSystem, batch: BatchMaker
) -> None:
    manager, _ = open_log(filesystem)
    config = TopicConfig({"flush.ms": "1000"})
    logs = [manager.create(TopicPartition("u", index), None, config, NOW_MS) for index in range(20)]
    for each in logs:
        each.append(batch(b"x"), now_ms=NOW_MS)
    steps = manager.flush_steps(NOW_MS + 1000)
    flushed = []
    for flushes in steps:
        flushed.append(len(flushes))
        for flush in flushes:
            flush.run(NOW_MS + 1000)
        if len(flushed) == 1:
            manager.delete(TopicPartition("u", 19), NOW_MS)
    assert flushed == [log_flush_scheduler.FLUSHES_PER_STEP, log_flush_scheduler.FLUSHES_PER_STEP, 3]
    assert [each.recovery_point for each in logs] == [1] * 19 + [0]


def test_a_log_that_nobody_writes_to_any_more_is_flushed_when_that_costs_little(
    filesystem: WatchedFileSystem, batch: BatchMaker
) -> None:
    manager, log = open_log(filesystem)
    other = manager.create(TopicPartition("u", 0), None, log.config, NOW_MS)
    log.append(batch(b"x"), now_ms=NOW_MS)
    other.append(batch(b"x"), now_ms=NOW_MS)
    other.append(batch(b"x"), now_ms=NOW_MS + 10_000)
    flush_dirty_logs(manager, NOW_MS + log_flush_scheduler.WRITTEN_BACK_MS - 1)
    assert (log.recovery_point, other.recovery_point) == (0, 0)
    flush_dirty_logs(manager, NOW_MS + log_flush_scheduler.WRITTEN_BACK_MS)
    assert (log.recovery_point, other.recovery_point) == (1, 0)
    flush_dirty_logs(manager, NOW_MS + 10_000 + log_flush_scheduler.WRITTEN_BACK_MS)
    assert other.recovery_point == 2
    assert prepare_flushes(manager, NOW_MS + 100_000) == []
