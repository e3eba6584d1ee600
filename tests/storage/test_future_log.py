"""Moving a log to another log directory: whole, with its start, whenever a kill or a loss of power interrupts it."""

from __future__ import annotations

import logging
import random

import pytest

from kafkalite.config.topic_config import TopicConfig
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.records.record_batch import decode_records, iter_batches
from kafkalite.storage.future_log import FutureLog
from kafkalite.storage.log_directory import LogDirectory
from kafkalite.storage.log_manager import LogManager
from kafkalite.storage.memory_filesystem import MemoryFileSystem
from kafkalite.storage.partition_log import PartitionLog
from log_disk import BatchMaker, log_of, value_of
from volatile_filesystem import NOW_MS, PowerLoss, VolatileFileSystem

PARTITION = TopicPartition("t", 0)
TOPIC_ID = Uuid(bytes(range(16)))
CONFIG = TopicConfig({"flush.messages": "1"})


def start(filesystem: MemoryFileSystem, *, home: str = "") -> LogManager:
    manager = LogManager(filesystem, ["/one", "/two"])
    manager.open_directories()

    def is_assigned(topic_partition: TopicPartition, directory: LogDirectory) -> bool:
        return directory.path == home

    manager.read_logs(lambda topic: CONFIG, now_ms=NOW_MS, is_assigned=is_assigned)
    manager.put_into_service()
    return manager


def prepare(filesystem: MemoryFileSystem) -> LogManager:
    for path in ("/one", "/two"):
        filesystem.make_directories(path)
    filesystem.sync_directory("/")
    return start(filesystem)


def begin_move(manager: LogManager, log: PartitionLog) -> FutureLog:
    one, two = manager.directories
    return FutureLog(manager, log, one if manager.directory_of(log) is two else two, now_ms=NOW_MS)


def move(manager: LogManager) -> PartitionLog:
    moving = begin_move(manager, log_of(manager, PARTITION))
    while not moving.advance(200, now_ms=NOW_MS):
        pass
    return moving.take_over(now_ms=NOW_MS)


def values(log: PartitionLog) -> dict[int, bytes]:
    found = {}
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        data = log.read(offset, 1 << 20).records.read()
        for position, header in iter_batches(data):
            found.update({record.offset: value_of(record) for record in decode_records(data, position)})
            offset = header.next_offset
    return {offset: value for offset, value in found.items() if offset >= log.log_start_offset}


def test_a_log_whose_start_lies_between_the_records_of_a_batch_moves_with_it(batch: BatchMaker) -> None:
    filesystem = MemoryFileSystem()
    manager = prepare(filesystem)
    log = manager.create(PARTITION, TOPIC_ID, CONFIG, NOW_MS)
    log.append(batch(b"a", b"b", b"c"), now_ms=NOW_MS)
    log.append(batch(b"d"), now_ms=NOW_MS)
    log.delete_records(2)
    moved = move(manager)
    assert (moved.log_directory, moved.log_start_offset, values(moved)) == ("/two", 2, {2: b"c", 3: b"d"})
    manager.release_locks()  # killed
    again = log_of(start(filesystem), PARTITION)
    assert (again.log_directory, again.log_start_offset, values(again)) == ("/two", 2, {2: b"c", 3: b"d"})


@pytest.mark.parametrize("is_trimmed_to_its_end", [False, True])
def test_a_log_without_records_moves(batch: BatchMaker, is_trimmed_to_its_end: bool) -> None:
    manager = prepare(MemoryFileSystem())
    log = manager.create(PARTITION, TOPIC_ID, CONFIG, NOW_MS)
    if is_trimmed_to_its_end:
        log.append(batch(b"a", b"b"), now_ms=NOW_MS)
        log.delete_records(-1)
    moved = move(manager)
    assert (moved.log_start_offset, moved.log_end_offset) == (log.log_start_offset, log.log_end_offset)


def run_script(filesystem: VolatileFileSystem, batch: BatchMaker, acknowledged: list[tuple[int, bytes]]) -> None:
    """A log that is trimmed and moved to and fro while it is written; notes each answer."""
    manager = prepare(filesystem)
    log = manager.create(PARTITION, TOPIC_ID, CONFIG, NOW_MS)

    def produce(*names: bytes) -> None:
        info = log_of(manager, PARTITION).append(batch(*names), now_ms=NOW_MS)
        acknowledged.extend(enumerate(names, info.first_offset))

    produce(b"a", b"b", b"c")
    produce(b"d")
    log.delete_records(1)
    acknowledged.append((1, b""))
    for number in range(3):
        moving = begin_move(manager, log_of(manager, PARTITION))
        moving.advance(1, now_ms=NOW_MS)
        produce(b"during %d" % number)
        while not moving.advance(1, now_ms=NOW_MS):
            pass
        moving.take_over(now_ms=NOW_MS)
        produce(b"after %d" % number, b"and more")
    log_of(manager, PARTITION).delete_records(4)
    acknowledged.append((4, b""))
    manager.close(now_ms=NOW_MS)


@pytest.mark.parametrize("seed", [None, 1, 2, 3, "killed"], ids=str)
def test_whenever_the_power_or_the_process_goes_during_a_move_the_log_is_whole(
    batch: BatchMaker, seed: int | str | None
) -> None:
    whole = VolatileFileSystem(1 << 30)
    run_script(whole, batch, [])
    assert whole.operations > 150
    dice = random.Random(seed)
    for operations in range(1, whole.operations + 1):
        filesystem = VolatileFileSystem(operations)
        acknowledged: list[tuple[int, bytes]] = []
        try:
            run_script(filesystem, batch, acknowledged)
        except PowerLoss:
            pass
        left: MemoryFileSystem
        left = (
            filesystem.after_kill()
            if seed == "killed"
            else filesystem.after_power_loss(dice, keeps_unsynced=seed is not None)
        )
        for path in ("/one", "/two"):
            left.make_directories(path)
        try:
            log = start(left).get(PARTITION)
            if log is None:
                assert acknowledged == []
                continue
            first = max((offset for offset, value in acknowledged if not value), default=0)
            assert log.log_start_offset >= first
            found = values(log)
            expected = {offset: value for offset, value in acknowledged if value and offset >= log.log_start_offset}
            assert expected.items() <= found.items()
            assert log.log_start_offset <= max(first, 4)
        except BaseException as error:
            error.add_note(f"interrupted at operation {operations} of {whole.operations}")
            raise


def leave_a_copy(filesystem: MemoryFileSystem, batch: BatchMaker) -> None:
    """As a broker does that is killed when the copy in /two has caught up but has no name yet."""
    manager = prepare(filesystem)
    log = manager.create(PARTITION, TOPIC_ID, CONFIG, NOW_MS)
    log.append(batch(b"a"), now_ms=NOW_MS)
    moving = begin_move(manager, log)
    assert moving.advance(1000, now_ms=NOW_MS)
    manager.release_locks()


@pytest.mark.parametrize("home", ["/one", "/two"])
def test_a_copy_goes_where_its_original_is_there(batch: BatchMaker, home: str) -> None:
    filesystem = MemoryFileSystem()
    leave_a_copy(filesystem, batch)
    manager = start(filesystem, home=home)
    manager.delete_due_files(NOW_MS)
    assert values(log_of(manager, PARTITION)) == {0: b"a"}
    assert log_of(manager, PARTITION).log_directory == "/one"
    assert not [name for name in filesystem.list_directory("/two") if name.startswith("t-0")]


def test_a_copy_stands_in_for_an_original_that_has_gone_where_the_metadata_already_has_the_log(
    batch: BatchMaker, caplog: pytest.LogCaptureFixture
) -> None:
    filesystem = MemoryFileSystem()
    leave_a_copy(filesystem, batch)
    filesystem.remove_tree("/one/t-0")
    with caplog.at_level(logging.WARNING):
        manager = start(filesystem, home="/two")
    assert "takes the place of the log that it was copied from" in caplog.text
    log = log_of(manager, PARTITION)
    assert (log.directory, log.topic_id, values(log)) == ("/two/t-0", TOPIC_ID, {0: b"a"})


def test_a_copy_of_a_log_that_is_not_here_is_left_alone(batch: BatchMaker) -> None:
    filesystem = MemoryFileSystem()
    leave_a_copy(filesystem, batch)
    filesystem.remove_tree("/one/t-0")
    manager = start(filesystem, home="/one")
    manager.delete_due_files(NOW_MS)
    assert manager.get(PARTITION) is None
    [copy] = [name for name in filesystem.list_directory("/two") if name.endswith("-future")]
    assert filesystem.exists(f"/two/{copy}/00000000000000000000.log")
