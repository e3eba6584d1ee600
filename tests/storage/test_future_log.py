"""Moving a log to another log directory: whole, with its start, whenever a kill or a loss of power interrupts it."""

from __future__ import annotations

import logging
import random

import pytest

from kafkalite.config.topic_config import TopicConfig
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.records.record_batch import decode_records, iter_batches
from kafkalite.storage.future_log import FutureLog
from kafkalite.storage.log_directory import LogDirectory
from kafkalite.storage.log_manager import LogManager
from kafkalite.storage.memory_filesystem import MemoryFileSystem
from kafkalite.storage.partition_log import PartitionLog
from log_disk import BatchMaker, log_of, value_of
from log_rounds import delete_due_files
from volatile_filesystem import NOW_MS, PowerLoss, VolatileFileSystem

PARTITION = TopicPartition("t", 0)
TOPIC_ID = Uuid(bytes(range(16)))
CONFIG = TopicConfig({"flush.messages": "1"})


def start(filesystem: MemoryFileSystem, *, home: str = "") -> LogManager:
    manager = LogManager(filesystem, ["/one", "/two"])
    manager.directories.open()

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
    return FutureLog.begin(manager, log, one if manager.directory_of(log) is two else two, now_ms=NOW_MS)


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
    resumed = 0
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
            manager = start(left)
            log = manager.get(PARTITION)
            if log is None:
                assert acknowledged == []
                continue
            copy = manager.future_logs.get(PARTITION)
            moving = None if copy is None else FutureLog.resume(manager, log, copy)
            if moving is not None:
                resumed += 1
                log = finish(moving)
            first = max((offset for offset, value in acknowledged if not value), default=0)
            assert log.log_start_offset >= first
            found = values(log)
            expected = {offset: value for offset, value in acknowledged if value and offset >= log.log_start_offset}
            assert expected.items() <= found.items()
            assert log.log_start_offset <= max(first, 4)
        except BaseException as error:
            error.add_note(f"interrupted at operation {operations} of {whole.operations}")
            raise
    assert resumed > 5


def leave_a_copy(filesystem: MemoryFileSystem, batch: BatchMaker) -> None:
    """As a broker does that is killed when the copy in /two has caught up but has no name yet."""
    manager = prepare(filesystem)
    log = manager.create(PARTITION, TOPIC_ID, CONFIG, NOW_MS)
    log.append(batch(b"a"), now_ms=NOW_MS)
    moving = begin_move(manager, log)
    assert moving.advance(1000, now_ms=NOW_MS)
    manager.release_locks()


def leave_half_a_copy(filesystem: MemoryFileSystem, batch: BatchMaker, *, is_clean: bool) -> None:
    """Two of the four batches have been copied to /two when the broker ends."""
    manager = prepare(filesystem)
    log = manager.create(PARTITION, TOPIC_ID, CONFIG, NOW_MS)
    for name in (b"a", b"b", b"c", b"d"):
        log.append(batch(name), now_ms=NOW_MS)
    moving = begin_move(manager, log)
    for _ in range(2):
        assert not moving.advance(1, now_ms=NOW_MS)
    assert (moving.copy.log_end_offset, moving.lag) == (2, 2)
    if is_clean:
        manager.close(now_ms=NOW_MS)
    else:
        manager.release_locks()


def finish(moving: FutureLog) -> PartitionLog:
    while not moving.advance(200, now_ms=NOW_MS):
        pass
    return moving.take_over(now_ms=NOW_MS)


def copies_in(filesystem: MemoryFileSystem, path: str) -> list[str]:
    return [name for name in filesystem.list_directory(path) if name.endswith("-future")]


@pytest.mark.parametrize("is_clean", [True, False])
@pytest.mark.parametrize("home", ["/one", "/two"])
def test_a_copy_goes_on_where_it_ends(batch: BatchMaker, home: str, is_clean: bool) -> None:
    filesystem = MemoryFileSystem()
    leave_half_a_copy(filesystem, batch, is_clean=is_clean)
    manager = start(filesystem, home=home)
    log, copy = log_of(manager, PARTITION), manager.future_logs[PARTITION]
    assert (log.log_directory, copy.log_directory, copy.log_end_offset) == ("/one", "/two", 2)
    moving = FutureLog.resume(manager, log, copy)
    assert moving is not None and moving.lag == 2
    log.append(batch(b"e"), now_ms=NOW_MS)
    moved = finish(moving)
    expected = dict(enumerate((b"a", b"b", b"c", b"d", b"e")))
    assert (moved.log_directory, values(moved)) == ("/two", expected)
    assert manager.future_logs == {}
    manager.close(now_ms=NOW_MS)
    again = start(filesystem)
    assert values(log_of(again, PARTITION)) == expected
    assert copies_in(filesystem, "/two") == [] and again.future_logs == {}


def test_a_clean_end_spares_the_copy_a_recovery_and_a_kill_what_was_flushed(batch: BatchMaker) -> None:
    filesystem = MemoryFileSystem()
    leave_half_a_copy(filesystem, batch, is_clean=True)
    recovered: list[tuple[TopicPartition, int, int]] = []
    manager = LogManager(filesystem, ["/one", "/two"])
    manager.directories.open()
    manager.read_logs(lambda _: CONFIG, now_ms=NOW_MS, on_recovery=lambda *found: recovered.append(found))
    manager.put_into_service()
    assert recovered == []
    copy = manager.future_logs[PARTITION]
    assert copy.recovery_point == 2
    manager.release_locks()  # killed
    manager = start(filesystem)
    assert manager.future_logs[PARTITION].recovery_point == 2


def test_a_copy_that_holds_what_its_log_has_lost_is_no_part_of_it(batch: BatchMaker) -> None:
    filesystem = MemoryFileSystem()
    leave_a_copy(filesystem, batch)
    filesystem.write_bytes("/one/t-0/00000000000000000000.log", b"")
    manager = start(filesystem)
    log, copy = log_of(manager, PARTITION), manager.future_logs[PARTITION]
    assert (log.log_end_offset, copy.log_end_offset) == (0, 1)
    assert FutureLog.resume(manager, log, copy) is None
    log.begin_leader_epoch(5)
    log.append(batch(b"z"), now_ms=NOW_MS)
    assert FutureLog.resume(manager, log, copy) is None


def test_a_copy_of_an_earlier_topic_of_that_name_is_no_part_of_the_log(batch: BatchMaker) -> None:
    filesystem = MemoryFileSystem()
    leave_a_copy(filesystem, batch)
    filesystem.remove_tree("/one/t-0")
    manager = start(filesystem)
    log = manager.create(PARTITION, Uuid(bytes(range(1, 17))), CONFIG, NOW_MS, directory=manager.directories[0])
    manager.release_locks()
    manager = start(filesystem)
    assert FutureLog.resume(manager, log_of(manager, PARTITION), manager.future_logs[PARTITION]) is None
    assert log.topic_id != TOPIC_ID


def test_of_two_copies_one_goes_on_and_one_beside_its_original_goes(batch: BatchMaker) -> None:
    filesystem = MemoryFileSystem()
    leave_half_a_copy(filesystem, batch, is_clean=True)
    [copy] = copies_in(filesystem, "/two")
    for path in (f"/two/t-0.{'f' * 32}-future", f"/one/t-0.{'0' * 32}-future"):
        filesystem.make_directories(path)
        for name in filesystem.list_directory(f"/two/{copy}"):
            filesystem.write_bytes(f"{path}/{name}", filesystem.read_bytes(f"/two/{copy}/{name}"))
    manager = start(filesystem)
    delete_due_files(manager, NOW_MS)
    assert len(copies_in(filesystem, "/two")) == 1 and copies_in(filesystem, "/one") == []
    assert log_of(manager, PARTITION).log_directory == "/one"


def test_a_copy_that_is_not_wanted_any_more_goes_and_does_not_come_back(batch: BatchMaker) -> None:
    filesystem = MemoryFileSystem()
    manager = prepare(filesystem)
    log = manager.create(PARTITION, TOPIC_ID, CONFIG, NOW_MS)
    log.append(batch(b"a"), now_ms=NOW_MS)
    begin_move(manager, log).abandon(NOW_MS)
    assert manager.future_logs == {} and copies_in(filesystem, "/two") == []
    manager.release_locks()
    manager = start(filesystem)
    delete_due_files(manager, NOW_MS)
    assert [name for name in filesystem.list_directory("/two") if name.startswith("t-0")] == []


def test_a_name_that_leaves_no_room_for_that_of_a_copy_is_refused() -> None:
    manager = prepare(MemoryFileSystem())
    log = manager.create(TopicPartition("t" * 240, 0), TOPIC_ID, CONFIG, NOW_MS)
    with pytest.raises(KafkaError) as refused:
        begin_move(manager, log)
    assert refused.value.error == ErrorCode.INVALID_TOPIC_EXCEPTION and manager.future_logs == {}


def test_the_copies_in_a_directory_that_fails_are_given_up_with_it(batch: BatchMaker) -> None:
    filesystem = MemoryFileSystem()
    leave_half_a_copy(filesystem, batch, is_clean=True)
    manager = start(filesystem)
    copy = manager.future_logs[PARTITION]
    manager.fail_directory("/two")
    assert manager.future_logs == {} and copy.is_closed
    assert values(log_of(manager, PARTITION)) == dict(enumerate((b"a", b"b", b"c", b"d")))
    assert len(copies_in(filesystem, "/two")) == 1


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
    delete_due_files(manager, NOW_MS)
    assert manager.get(PARTITION) is None
    [copy] = [name for name in filesystem.list_directory("/two") if name.endswith("-future")]
    assert filesystem.exists(f"/two/{copy}/00000000000000000000.log")
