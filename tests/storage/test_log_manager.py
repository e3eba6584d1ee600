"""Several log directories: locks, creation, deletion, strays, failures, descriptors, checkpoints."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from kafkalite.config.topic_config import TopicConfig
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.records.compression import Buffer
from kafkalite.storage.filesystem import DirectoryEntry, File
from kafkalite.storage.log_directory import LogDirectory, LogDirectoryError
from kafkalite.storage.log_manager import LoadedLogs, LogManager
from kafkalite.storage.memory_filesystem import MemoryFile, MemoryFileSystem
from kafkalite.storage.meta_properties import MetaProperties, write_meta_properties
from log_disk import BatchMaker, log_of
from log_rounds import delete_due_files

CONFIG = TopicConfig()
TOPIC_ID = Uuid(bytes(range(16)))
OTHER_ID = Uuid(bytes(range(1, 17)))
NOW_MS = 1_700_000_000_000


class StartedManager(LogManager):
    """A manager that tells what it has found."""

    loaded: LoadedLogs


def start(filesystem: MemoryFileSystem, *log_dirs: str, **options: Any) -> StartedManager:
    manager = StartedManager(filesystem, log_dirs or ("/a",))
    manager.directories.open()
    manager.loaded = manager.read_logs(lambda topic: CONFIG, now_ms=NOW_MS, **options)
    manager.put_into_service()
    return manager


def test_new_logs_go_to_the_directory_with_the_fewest() -> None:
    filesystem = MemoryFileSystem()
    manager = start(filesystem, "/a", "/b")
    for partition in range(5):
        manager.create(TopicPartition("t", partition), TOPIC_ID, CONFIG, NOW_MS)
    assert sorted(len(manager.logs_in(directory)) for directory in manager.directories) == [2, 3]
    manager.close(now_ms=NOW_MS)
    manager = start(filesystem, "/a", "/b")
    assert sorted(len(manager.logs_in(directory)) for directory in manager.directories) == [2, 3]
    assert len(manager) == 5 and manager.loaded.recovered == 0
    assert sorted(manager.partitions_of("t")) == [TopicPartition("t", partition) for partition in range(5)]


def test_a_second_broker_on_the_same_directory_is_refused() -> None:
    filesystem = MemoryFileSystem()
    manager = start(filesystem, "/a")
    second = LogManager(filesystem, ["/b", "/a"])
    with pytest.raises(LogDirectoryError, match=r"Failed to acquire lock on file \.lock in /a"):
        second.directories.open()
    manager.close(now_ms=NOW_MS)
    second.directories.open()


def test_the_same_directory_twice_is_refused() -> None:
    with pytest.raises(LogDirectoryError, match="Duplicate log directory found: /a"):
        LogManager(MemoryFileSystem(), ["/a", "/a/"]).directories.open()


def test_two_directories_of_one_id_are_refused_as_they_may_be_one_that_is_mounted_twice() -> None:
    filesystem = MemoryFileSystem()
    for path, directory_id in (("/a", TOPIC_ID), ("/b", OTHER_ID), ("/c", TOPIC_ID)):
        filesystem.make_directories(path)
        write_meta_properties(filesystem, path, MetaProperties("cluster", 1, directory_id))
    with pytest.raises(LogDirectoryError, match=f"Duplicate directory ID {TOPIC_ID} found. It was the ID of /a, but"):
        LogManager(filesystem, ["/a", "/b", "/c"]).directories.open()
    LogManager(filesystem, ["/a", "/b"]).directories.open()


def test_of_a_partition_in_two_directories_the_one_that_has_come_further_is_served_and_the_other_put_aside(
    batch: BatchMaker, caplog: pytest.LogCaptureFixture
) -> None:
    filesystem = MemoryFileSystem()
    for path, count in (("/a", 1), ("/b", 3), ("/c", 2)):
        manager = start(filesystem, path)
        log = manager.create(TopicPartition("t", 0), TOPIC_ID, CONFIG, NOW_MS)
        for _ in range(count):
            log.append(batch(b"v"), now_ms=NOW_MS)
        manager.close(now_ms=NOW_MS)
    manager = start(filesystem, "/a", "/b", "/c")
    assert "Duplicate log directories for t-0 are found in both /b and /a" in caplog.text
    assert log_of(manager, TopicPartition("t", 0)).directory == "/b/t-0"
    assert sorted(name.rpartition("/")[0] for name in manager.loaded.stray) == ["/a", "/c"]
    for path in ("/a", "/c"):
        [name] = [name for name in filesystem.list_directory(path) if name.startswith("t-0")]
        assert name.endswith("-stray")


def test_a_log_has_one_topic_id() -> None:
    filesystem = MemoryFileSystem()
    manager = start(filesystem)
    log = manager.create(TopicPartition("t", 0), TOPIC_ID, CONFIG, NOW_MS)
    assert manager.create(TopicPartition("t", 0), TOPIC_ID, CONFIG, NOW_MS) is log
    with pytest.raises(KafkaError) as raised:
        manager.create(TopicPartition("t", 0), OTHER_ID, CONFIG, NOW_MS)
    assert raised.value.error is ErrorCode.INCONSISTENT_TOPIC_ID
    manager.close(now_ms=NOW_MS)
    assert log_of(start(filesystem), TopicPartition("t", 0)).topic_id == TOPIC_ID


def test_a_deleted_log_is_renamed_and_removed_after_its_delay_also_after_a_restart(batch: BatchMaker) -> None:
    filesystem = MemoryFileSystem()
    manager = start(filesystem)
    for partition in (0, 1):
        manager.create(TopicPartition("t", partition), TOPIC_ID, CONFIG, NOW_MS).append(batch(b"x"), now_ms=NOW_MS)
    reading = log_of(manager, TopicPartition("t", 0)).read(0, 100).records
    manager.delete(TopicPartition("t", 0), NOW_MS)
    assert manager.get(TopicPartition("t", 0)) is None
    manager.delete(TopicPartition("t", 0), NOW_MS)
    (name,) = [name for name in filesystem.list_directory("/a") if name.endswith("-delete")]
    assert name.startswith("t-0.") and len(name) == len("t-0.-delete") + 32
    assert manager.create(TopicPartition("t", 0), OTHER_ID, CONFIG, NOW_MS).log_end_offset == 0
    assert delete_due_files(manager, NOW_MS + CONFIG.file_delete_delay_ms - 1) == 0
    assert delete_due_files(manager, NOW_MS + CONFIG.file_delete_delay_ms) == 1
    assert reading.read()
    manager.delete(TopicPartition("t", 1), NOW_MS)
    manager.close(now_ms=NOW_MS)
    manager = start(filesystem)
    assert [log.topic_partition for log in manager.logs()] == [TopicPartition("t", 0)]
    assert delete_due_files(manager, NOW_MS) == 1
    assert [name for name in filesystem.list_directory("/a") if name.endswith("-delete")] == []


@pytest.mark.parametrize("restarts", [False, True])
def test_a_new_log_does_not_inherit_the_checkpoints_of_a_deleted_one(batch: BatchMaker, restarts: bool) -> None:
    filesystem = MemoryFileSystem()
    manager = start(filesystem)
    log = manager.create(TopicPartition("t", 0), TOPIC_ID, CONFIG, NOW_MS)
    for _ in range(10):
        log.append(batch(b"x"), now_ms=NOW_MS)
    log.delete_records(8)
    log.flush(NOW_MS)
    manager.checkpoints.write_now(manager.checkpoints.prepare_recovery_points())
    manager.delete(TopicPartition("t", 0), NOW_MS)
    if restarts:
        manager.release_locks()
        manager = start(filesystem)
    log = manager.create(TopicPartition("t", 0), OTHER_ID, CONFIG, NOW_MS)
    log.append(batch(b"y"), now_ms=NOW_MS)
    manager.release_locks()
    log = log_of(start(filesystem), TopicPartition("t", 0))
    assert (log.log_start_offset, log.log_end_offset, log.recovery_point) == (0, 1, 0)


def test_checkpoints_that_have_not_changed_are_not_written_again(batch: BatchMaker) -> None:
    manager = start(MemoryFileSystem())
    log = manager.create(TopicPartition("t", 0), TOPIC_ID, CONFIG, NOW_MS)
    assert [write.path for write in manager.checkpoints.prepare_recovery_points()] == [
        "/a/recovery-point-offset-checkpoint"
    ]
    assert manager.checkpoints.prepare_recovery_points() == []
    log.append(batch(b"x"), now_ms=NOW_MS)
    assert manager.checkpoints.prepare_recovery_points() == []
    log.flush(NOW_MS)
    assert len(manager.checkpoints.prepare_recovery_points()) == 1


def test_a_checkpoint_that_is_written_late_does_not_undo_a_newer_one(batch: BatchMaker) -> None:
    filesystem = MemoryFileSystem()
    manager = start(filesystem)
    log = manager.create(TopicPartition("t", 0), TOPIC_ID, CONFIG, NOW_MS)
    writes = []
    for _ in range(2):
        log.append(batch(b"x"), now_ms=NOW_MS)
        log.flush(NOW_MS)
        writes += manager.checkpoints.prepare_recovery_points()
    for write in reversed(writes):
        write.write()
    assert filesystem.read_bytes("/a/recovery-point-offset-checkpoint") == b"0\n1\nt 0 2\n"


def test_a_log_that_the_metadata_does_not_know_is_put_aside(batch: BatchMaker) -> None:
    filesystem = MemoryFileSystem()
    manager = start(filesystem)
    manager.create(TopicPartition("t", 0), TOPIC_ID, CONFIG, NOW_MS).append(batch(b"x"), now_ms=NOW_MS)
    manager.create(TopicPartition("u", 0), OTHER_ID, CONFIG, NOW_MS)
    manager.close(now_ms=NOW_MS)
    manager = start(filesystem, is_stray=lambda partition, topic_id, directory: topic_id == TOPIC_ID)
    assert [log.topic_partition.topic for log in manager.logs()] == ["u"]
    (path,) = manager.loaded.stray
    assert path.startswith("/a/t-0.") and path.endswith("-stray")
    assert "00000000000000000000.log" in filesystem.list_directory(path)
    manager.close(now_ms=NOW_MS)
    assert len(start(filesystem)) == 1
    assert filesystem.is_directory(path)


@pytest.mark.parametrize("is_empty", [False, True])
def test_a_log_whose_topic_was_deleted_just_before_the_end_goes_as_do_those_that_nothing_was_written_to(
    batch: BatchMaker, is_empty: bool
) -> None:
    filesystem = MemoryFileSystem()
    manager = start(filesystem)
    log = manager.create(TopicPartition("t", 0), TOPIC_ID, CONFIG, NOW_MS)
    if not is_empty:
        log.append(batch(b"x"), now_ms=NOW_MS)
    manager.release_locks()
    removed = set() if is_empty else {TOPIC_ID}
    manager = start(filesystem, is_stray=lambda *_: True, removed_topics=removed)
    assert (manager.loaded.loaded, manager.loaded.stray) == (0, [])
    delete_due_files(manager, NOW_MS + CONFIG.file_delete_delay_ms - 1)
    (name,) = [name for name in filesystem.list_directory("/a") if name.startswith("t-0")]
    assert name.endswith("-delete")
    delete_due_files(manager, NOW_MS + CONFIG.file_delete_delay_ms)
    assert [name for name in filesystem.list_directory("/a") if name.startswith("t-0")] == []


def test_directories_that_are_no_logs_are_left_alone() -> None:
    filesystem = MemoryFileSystem()
    for name in ("lost+found", "__cluster_metadata-0", "remote-log-index-cache", "t-x", "-0"):
        filesystem.make_directories(f"/a/{name}")
    filesystem.make_directories("/a/some.topic-with-dashes-12")
    manager = start(filesystem)
    assert [log.topic_partition for log in manager.logs()] == [TopicPartition("some.topic-with-dashes", 12)]
    assert len(filesystem.list_directory("/a")) == 7


def test_checkpoints_tell_recovery_points_and_start_offsets(batch: BatchMaker) -> None:
    filesystem = MemoryFileSystem()
    manager = start(filesystem)
    log = manager.create(TopicPartition("t", 0), TOPIC_ID, CONFIG, NOW_MS)
    for _ in range(5):
        log.append(batch(b"x"), now_ms=NOW_MS)
    log.delete_records(2)
    manager.checkpoints.write_now(manager.checkpoints.prepare_recovery_points())
    manager.checkpoints.write_now(manager.checkpoints.prepare_start_offsets())
    assert filesystem.read_bytes("/a/recovery-point-offset-checkpoint") == b"0\n1\nt 0 2\n"
    assert filesystem.read_bytes("/a/log-start-offset-checkpoint") == b"0\n1\nt 0 2\n"
    manager.close(now_ms=NOW_MS, broker_epoch=17)
    assert filesystem.read_bytes("/a/recovery-point-offset-checkpoint") == b"0\n1\nt 0 5\n"
    assert LogManager(filesystem, ["/a"]).directories.clean_shutdown_broker_epoch() == 17


def test_what_is_due_is_removed_by_whoever_takes_it() -> None:
    filesystem = MemoryFileSystem()
    manager = start(filesystem)
    for index in range(2):
        manager.create(TopicPartition("t", index), TOPIC_ID, CONFIG, NOW_MS)
    manager.delete(TopicPartition("t", 0), NOW_MS)
    manager.delete(TopicPartition("t", 1), NOW_MS + 1)
    assert manager.prepare_deletions(NOW_MS + CONFIG.file_delete_delay_ms - 1) is None
    delete = manager.prepare_deletions(NOW_MS + CONFIG.file_delete_delay_ms)
    assert delete is not None
    assert manager.prepare_deletions(NOW_MS + CONFIG.file_delete_delay_ms) is None
    assert sum("-delete" in name for name in filesystem.list_directory("/a")) == 2
    assert delete() == 1
    assert sum("-delete" in name for name in filesystem.list_directory("/a")) == 1


def test_retention_gives_others_their_turn_after_few_logs_that_lose_segments(batch: BatchMaker) -> None:
    filesystem = MemoryFileSystem()
    manager = start(filesystem)
    config = TopicConfig({"retention.ms": "1"}, {})
    for index in range(40):
        manager.create(TopicPartition("t", index), TOPIC_ID, config, NOW_MS)
    assert list(manager.cleanup_steps(NOW_MS)) == [0]
    for log in manager.logs():
        log.append(batch(b"x"), now_ms=NOW_MS)
    steps = list(manager.cleanup_steps(NOW_MS + 3600_000))
    assert steps == [1] * 40 + [0]


def test_whoever_moves_many_starts_writes_them_once(batch: BatchMaker) -> None:
    filesystem = MemoryFileSystem()
    manager = start(filesystem)
    logs = [manager.create(TopicPartition("t", index), TOPIC_ID, CONFIG, NOW_MS) for index in range(3)]
    for log in logs:
        log.append(batch(b"x"), now_ms=NOW_MS)
        log.append(batch(b"y"), now_ms=NOW_MS)
    with manager.checkpoints.start_offsets_written_later():
        for log in logs:
            log.delete_records(1)
        assert not filesystem.exists("/a/log-start-offset-checkpoint")
    (write,) = manager.checkpoints.prepare_start_offsets()
    write.write()
    assert filesystem.read_bytes("/a/log-start-offset-checkpoint") == b"0\n3\nt 0 1\nt 1 1\nt 2 1\n"
    logs[0].delete_records(2)  # without the others, it is written at once
    assert b"t 0 2" in filesystem.read_bytes("/a/log-start-offset-checkpoint")


def test_checkpoints_full_of_garbage_do_not_stop_the_start(batch: BatchMaker) -> None:
    filesystem = MemoryFileSystem()
    manager = start(filesystem)
    manager.create(TopicPartition("t", 0), TOPIC_ID, CONFIG, NOW_MS).append(batch(b"x"), now_ms=NOW_MS)
    manager.close(now_ms=NOW_MS)
    for name in ("recovery-point-offset-checkpoint", "log-start-offset-checkpoint"):
        filesystem.write_bytes(f"/a/{name}", b"\x00garbage\xff")
    manager = start(filesystem)
    assert log_of(manager, TopicPartition("t", 0)).log_end_offset == 1


class FaultyFileSystem(MemoryFileSystem):
    """Raises what the test asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.append_error: int | None = None
        self.scan_error: int | None = None
        self.has_descriptors: Callable[[], bool] = lambda: True

    def open(self, path: str, *, create: bool = False, read_only: bool = False) -> File:
        if path.endswith(".log") and not self.has_descriptors():
            raise OSError(errno.EMFILE, "Too many open files")
        file = super().open(path, create=create, read_only=read_only)
        assert isinstance(file, MemoryFile)
        return FaultyFile(self, file) if path.endswith(".log") else file

    def scan_directory(self, path: str) -> list[DirectoryEntry]:
        if self.scan_error is not None and path.endswith("t-0"):
            raise OSError(self.scan_error, "injected")
        return super().scan_directory(path)


class FaultyFile(MemoryFile):
    """A handle that appends only where its file system has no error to raise."""

    __slots__ = ("_owner",)

    def __init__(self, owner: FaultyFileSystem, file: MemoryFile) -> None:
        super().__init__(file._content, file.path, file._is_read_only, file._clock_ms)
        self._owner = owner

    def append(self, *pieces: Buffer) -> None:
        if self._owner.append_error is not None:
            raise OSError(self._owner.append_error, "injected")
        super().append(*pieces)


def test_a_full_disk_refuses_appends_until_there_is_room(batch: BatchMaker) -> None:
    filesystem = FaultyFileSystem()
    manager = start(filesystem)
    log = manager.create(TopicPartition("t", 0), TOPIC_ID, CONFIG, NOW_MS)
    log.append(batch(b"x", producer_id=1, epoch=0, sequence=0), now_ms=NOW_MS)
    filesystem.append_error = errno.ENOSPC
    with pytest.raises(KafkaError) as raised:
        log.append(batch(b"y", producer_id=1, epoch=0, sequence=1), now_ms=NOW_MS)
    assert raised.value.error is ErrorCode.KAFKA_STORAGE_ERROR
    assert log.read(0, 1000).records.size > 0 and log.log_end_offset == 1
    filesystem.append_error = None
    assert log.append(batch(b"y", producer_id=1, epoch=0, sequence=1), now_ms=NOW_MS).first_offset == 1
    assert manager.directories[0].is_online and not manager.is_offline(TopicPartition("t", 0))


def test_a_directory_whose_disk_fails_goes_offline_and_is_left_unclean(batch: BatchMaker) -> None:
    filesystem = FaultyFileSystem()
    manager = start(filesystem, "/a", "/b")
    failed: list[LogDirectory] = []
    manager.on_directory_failure = failed.append
    log = manager.create(TopicPartition("t", 0), TOPIC_ID, CONFIG, NOW_MS)
    other = manager.create(TopicPartition("t", 1), TOPIC_ID, CONFIG, NOW_MS)
    filesystem.append_error = errno.EIO
    with pytest.raises(KafkaError):
        log.append(batch(b"x"), now_ms=NOW_MS)
    filesystem.append_error = None
    assert failed == [manager.directory_of(log)]
    assert manager.is_offline(log.topic_partition) and not manager.is_offline(other.topic_partition)
    assert manager.directory_for_new_log() is manager.directory_of(other)
    manager.close(now_ms=NOW_MS)
    assert not filesystem.exists(f"{log.log_directory}/.kafka_cleanshutdown")
    assert filesystem.exists(f"{other.log_directory}/.kafka_cleanshutdown")


def test_a_directory_that_has_gone_is_not_made_anew_but_goes_offline(batch: BatchMaker) -> None:
    filesystem = MemoryFileSystem()
    manager = start(filesystem, "/a", "/b")
    log = manager.create(TopicPartition("t", 0), TOPIC_ID, CONFIG, NOW_MS)
    gone = manager.directory_of(log)
    filesystem.remove_tree(gone.path)
    other = next(directory for directory in manager.directories if directory is not gone)
    with pytest.raises(KafkaError) as raised:
        manager.create(TopicPartition("t", 1), TOPIC_ID, CONFIG, NOW_MS, directory=gone)
    assert raised.value.error is ErrorCode.KAFKA_STORAGE_ERROR
    assert not filesystem.exists(gone.path) and not gone.is_online
    assert manager.is_offline(TopicPartition("t", 0))
    log = manager.create(TopicPartition("t", 2), TOPIC_ID, CONFIG, NOW_MS)
    assert manager.directory_of(log) is other


def test_a_log_that_cannot_be_read_is_neither_served_nor_replaced(batch: BatchMaker) -> None:
    filesystem = FaultyFileSystem()
    manager = start(filesystem)
    for partition in (0, 1):
        manager.create(TopicPartition("t", partition), TOPIC_ID, CONFIG, NOW_MS).append(batch(b"x"), now_ms=NOW_MS)
    manager.release_locks()
    filesystem.scan_error = errno.EIO
    manager = start(filesystem)
    assert manager.is_offline(TopicPartition("t", 0)) and log_of(manager, TopicPartition("t", 1)).log_end_offset == 1
    with pytest.raises(KafkaError) as raised:
        manager.create(TopicPartition("t", 0), TOPIC_ID, CONFIG, NOW_MS)
    assert raised.value.error is ErrorCode.KAFKA_STORAGE_ERROR
    manager.close(now_ms=NOW_MS)
    filesystem.scan_error = None
    manager = start(filesystem)
    assert manager.loaded.recovered == 2
    assert log_of(manager, TopicPartition("t", 0)).log_end_offset == 1


def test_descriptors_that_run_out_are_taken_from_other_segments(batch: BatchMaker) -> None:
    filesystem = FaultyFileSystem()
    manager = start(filesystem)
    filesystem.has_descriptors = lambda: sum(s.is_open() for log in manager.logs() for s in log.segments) < 10
    for partition in range(30):
        log = manager.create(TopicPartition("t", partition), TOPIC_ID, CONFIG, NOW_MS)
        log.append(batch(b"x"), now_ms=NOW_MS)
    for log in manager.logs():
        assert log.read(0, 100).records.size > 0


def test_no_more_than_so_many_segment_files_stay_open(batch: BatchMaker) -> None:
    filesystem = MemoryFileSystem()
    manager = LogManager(filesystem, ["/a"], max_open_files=8)
    manager.directories.open()
    manager.read_logs(lambda topic: CONFIG, now_ms=NOW_MS)
    manager.put_into_service()
    for _ in range(3):
        for partition in range(30):
            log = manager.create(TopicPartition("t", partition), TOPIC_ID, CONFIG, NOW_MS)
            log.append(batch(b"x"), now_ms=NOW_MS)
            assert sum(segment.is_open() for log in manager.logs() for segment in log.segments) <= 9
    assert all(log.log_end_offset == 3 for log in manager.logs())


def test_indexes_of_inactive_segments_are_forgotten_where_there_are_too_many(batch: BatchMaker) -> None:
    filesystem = MemoryFileSystem()
    config = TopicConfig({"internal.segment.bytes": "3000", "index.interval.bytes": "200"})
    manager = LogManager(filesystem, ["/a"])
    manager.directories.open()
    manager.read_logs(lambda topic: config, now_ms=NOW_MS)
    manager.put_into_service()
    log = manager.create(TopicPartition("t", 0), TOPIC_ID, config, NOW_MS)
    for _ in range(300):
        log.append(batch(bytes(100)), now_ms=NOW_MS)
    manager.close(now_ms=NOW_MS)
    manager = LogManager(filesystem, ["/a"])
    manager.directories.open()
    manager.read_logs(lambda topic: config, now_ms=NOW_MS)
    manager.put_into_service()
    manager.context.max_index_bytes = 1000
    log = log_of(manager, TopicPartition("t", 0))
    for offset in range(300):
        assert log.read(offset, 1).records.size > 0
        assert sum(segment.indexes.is_loaded() for segment in log.segments) <= 5
    assert len(log.segments) > 10


def test_a_stop_leaves_high_watermarks_for_apache_kafka(batch: BatchMaker) -> None:
    filesystem = MemoryFileSystem()
    manager = start(filesystem, "/a")
    log = manager.create(TopicPartition("t", 0), TOPIC_ID, CONFIG, NOW_MS)
    log.append(batch(b"a", b"b", b"c"), now_ms=NOW_MS)
    manager.close(now_ms=NOW_MS)
    assert filesystem.read_bytes("/a/replication-offset-checkpoint") == b"0\n1\nt 0 3\n"
