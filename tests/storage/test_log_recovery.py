"""Opening a log after its broker was killed, and after its files were damaged."""

from __future__ import annotations

import logging
import random

import pytest

from kafkalite.records.compression import CompressionType
from kafkalite.records.record_batch import decode_records, iter_batches, read_header
from kafkalite.storage.checkpoint_files import EpochEntry
from kafkalite.storage.file_names import offset_file_name
from kafkalite.storage.log_flush import prepare_flush
from kafkalite.storage.partition_log import PartitionLog
from kafkalite.storage.producer_state import AppendOrigin
from log_disk import BatchMaker, Disk, EndMarkerMaker, new_memory_disk, value_of

SEGMENT = {"internal_segment_bytes": 5000, "index_interval_bytes": 300}
FIRST_LOG = "00000000000000000000.log"


def fill(log: PartitionLog, batch: BatchMaker, count: int, size: int = 100) -> None:
    for number in range(log.log_end_offset, log.log_end_offset + count):
        log.append(batch(b"%04d" % number + bytes(size)), now_ms=log.last_flush_ms)


def contents(log: PartitionLog) -> list[tuple[int, bytes]]:
    """All records, read as consumers do."""
    found: list[tuple[int, bytes]] = []
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        data = log.read(offset, 2000).records.read()
        assert data, f"nothing at {offset}"
        for position, header in iter_batches(data):
            found += [(record.offset, value_of(record)[:4]) for record in decode_records(data, position)]
            offset = header.next_offset
    return found


def expected(count: int) -> list[tuple[int, bytes]]:
    return [(number, b"%04d" % number) for number in range(count)]


def checkpointed(disk: Disk, log: PartitionLog) -> None:
    """Flushes with indexes and snapshot and writes the recovery point, as the broker does now and then."""
    flush = prepare_flush(log, with_checkpoint=True)
    if flush is not None:
        flush.run(disk.now_ms)
    disk.manager.checkpoints.write_now(disk.manager.checkpoints.prepare_recovery_points())


def test_a_torn_last_batch_is_cut_off_with_a_log_line(
    disk: Disk, batch: BatchMaker, caplog: pytest.LogCaptureFixture
) -> None:
    log = disk.open_log(**SEGMENT)
    fill(log, batch, 10)
    disk.kill()
    disk.write(FIRST_LOG, disk.read(FIRST_LOG)[:-5])
    with caplog.at_level(logging.WARNING):
        log = disk.open_log(**SEGMENT)
    assert contents(log) == expected(9)
    assert "Cutting off" in caplog.text and "the log ends at offset 9" in caplog.text
    fill(log, batch, 1)
    assert contents(log) == expected(10)
    disk.close()


def test_a_zeroed_tail_is_cut_off(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log(**SEGMENT)
    fill(log, batch, 10)
    disk.kill()
    disk.write(FIRST_LOG, disk.read(FIRST_LOG) + bytes(4096))
    log = disk.open_log(**SEGMENT)
    assert contents(log) == expected(10)
    assert len(disk.read(FIRST_LOG)) == log.size()
    disk.close()


def test_a_flipped_bit_ends_the_log_before_its_batch_and_later_segments_are_set_aside(
    disk: Disk, batch: BatchMaker, caplog: pytest.LogCaptureFixture
) -> None:
    log = disk.open_log(**SEGMENT)
    fill(log, batch, 100)
    second = log.segments[1].base_offset
    size = len(disk.read(FIRST_LOG)) // second
    disk.kill()
    data = bytearray(disk.read(FIRST_LOG))
    data[7 * size + 90] ^= 1
    disk.write(FIRST_LOG, data)
    kept = disk.read(offset_file_name(second, ".log"))
    log = disk.open_log(**SEGMENT)
    assert contents(log) == expected(7)
    assert len(log.segments) == 1
    assert [name for name in disk.files() if name.endswith(".log")] == [FIRST_LOG]
    (aside,) = [name for name in disk.filesystem.list_directory(disk.path) if name.endswith("-stray")]
    assert disk.filesystem.read_bytes(f"{disk.path}/{aside}/{offset_file_name(second, '.log')}") == kept
    assert aside in caplog.text
    disk.close()
    assert contents(disk.open_log(**SEGMENT)) == expected(7)
    disk.close()


def test_a_base_offset_that_no_checksum_covers_is_not_believed(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log(**SEGMENT)
    fill(log, batch, 10)
    size = log.size() // 10
    disk.kill()
    data = bytearray(disk.read(FIRST_LOG))
    data[9 * size] ^= 0x40
    disk.write(FIRST_LOG, data)
    log = disk.open_log(**SEGMENT)
    assert log.log_end_offset == 9
    disk.close()


@pytest.mark.parametrize("flipped", [0x40, 0x01])
@pytest.mark.parametrize("byte", [0, 3, 6])
def test_an_index_that_is_built_again_ends_before_a_base_offset_that_cannot_be(
    disk: Disk, batch: BatchMaker, caplog: pytest.LogCaptureFixture, byte: int, flipped: int
) -> None:
    log = disk.open_log(**SEGMENT)
    fill(log, batch, 100)
    first_end = log.segments[1].base_offset
    size = log.segments[0].size // first_end
    disk.close()
    damaged = first_end - 5
    data = bytearray(disk.read(FIRST_LOG))
    data[damaged * size + byte] ^= flipped
    disk.write(FIRST_LOG, data)
    for name in ("00000000000000000000.index", "00000000000000000000.timeindex"):
        disk.filesystem.remove(f"{disk.directory}/{name}")
    log = disk.open_log(**SEGMENT)
    assert read_header(log.read(damaged - 1, 1).records.read()).base_offset == damaged - 1
    assert read_header(log.read(first_end, 1).records.read()).base_offset == first_end
    assert f"{FIRST_LOG} end before its damage" in caplog.text
    disk.close()


def test_missing_indexes_are_built_again(disk: Disk, batch: BatchMaker) -> None:
    for kill in (disk.kill, disk.close):
        log = disk.open_log(**SEGMENT)
        fill(log, batch, 100)
        count = log.log_end_offset
        expected_files = [name for name in disk.files() if name.endswith("index")]
        kill()
        before = {name: disk.read(name) for name in expected_files}
        for name in expected_files:
            disk.filesystem.remove(f"{disk.directory}/{name}")
        log = disk.open_log(**SEGMENT)
        assert contents(log) == expected(count)
        disk.close()
        if kill == disk.close:
            assert {name: disk.read(name) for name in expected_files} == before


@pytest.mark.parametrize("damage", [b"\x00" * 13, b"\xff" * 16, b"\x00\x00\x00\x05\x00\x00\x00\x07" * 2])
def test_damaged_indexes_are_built_again(disk: Disk, batch: BatchMaker, damage: bytes) -> None:
    log = disk.open_log(**SEGMENT)
    fill(log, batch, 100)
    disk.close()
    for name in disk.files():
        if name.endswith("index"):
            disk.write(name, damage)
    log = disk.open_log(**SEGMENT)
    assert contents(log) == expected(100)
    first = log.offset_for_timestamp(0)
    assert first is not None and first.offset == 0
    disk.close()


@pytest.mark.parametrize("flipped", [3, 7], ids=["offset", "position"])
def test_an_index_entry_that_does_not_lead_to_its_batch_has_the_index_built_again(
    disk: Disk, batch: BatchMaker, flipped: int
) -> None:
    log = disk.open_log(**SEGMENT)
    fill(log, batch, 100)
    disk.close()
    data = bytearray(disk.read("00000000000000000000.index"))
    data[3 * 8 + flipped] -= 1  # the fourth entry, still between its neighbours
    disk.write("00000000000000000000.index", data)
    log = disk.open_log(**SEGMENT)
    assert contents(log) == expected(100)
    assert [log.read(offset, 1).records.read()[:8] for offset in range(100)] == [
        offset.to_bytes(8, "big") for offset in range(100)
    ]
    disk.close()


def test_only_what_lies_behind_the_recovery_point_is_read_again(memory_disk: Disk, batch: BatchMaker) -> None:
    disk = memory_disk
    log = disk.open_log(**SEGMENT)
    fill(log, batch, 45)
    checkpointed(disk, log)
    assert log.recovery_point == 45 and log.active_segment.base_offset < 45 - 5
    fill(log, batch, 10)
    disk.kill()
    # A flipped bit well before the recovery point is not met by a recovery that starts there.
    data = bytearray(disk.read(FIRST_LOG))
    data[100] ^= 1
    disk.write(FIRST_LOG, data)
    log = disk.open_log(**SEGMENT)
    assert (log.log_end_offset, log.recovery_point) == (55, 45)
    disk.close()


def test_recovery_inside_a_segment_gives_the_same_indexes_as_writing_it(memory_disk: Disk, batch: BatchMaker) -> None:
    disk = memory_disk
    log = disk.open_log(internal_segment_bytes=100_000, index_interval_bytes=300)
    fill(log, batch, 45)
    checkpointed(disk, log)
    fill(log, batch, 45)
    offset_index, time_index = log.active_segment.offset_index.entries(), log.active_segment.time_index.entries()
    disk.kill()
    log = disk.open_log(internal_segment_bytes=100_000, index_interval_bytes=300)
    assert log.active_segment.offset_index.entries() == offset_index
    assert log.active_segment.time_index.entries() == time_index
    assert contents(log) == expected(90)
    disk.close()


@pytest.mark.parametrize("count", range(1, 12))
def test_the_largest_timestamp_is_known_also_where_it_lies_between_the_last_index_entry_and_the_recovery_point(
    memory_disk: Disk, batch: BatchMaker, count: int
) -> None:
    disk = memory_disk
    log = disk.open_log(internal_segment_bytes=100_000, index_interval_bytes=300)
    for number in range(count):
        log.append(batch(b"%04d" % number, timestamp=1000 + number), now_ms=disk.now_ms)
    checkpointed(disk, log)
    disk.kill()
    log = disk.open_log(internal_segment_bytes=100_000, index_interval_bytes=300)
    assert log.recovery_point == count
    log.roll(disk.now_ms)
    assert log.segments[0].time_index.last_entry() == (1000 + count - 1, count - 1)
    for number in range(count):
        found = log.offset_for_timestamp(1000 + number)
        assert found is not None and found.offset == number
    disk.close()


def test_index_entries_behind_the_recovery_point_are_not_believed(memory_disk: Disk, batch: BatchMaker) -> None:
    disk = memory_disk
    log = disk.open_log(internal_segment_bytes=100_000, index_interval_bytes=300)
    fill(log, batch, 45)
    checkpointed(disk, log)
    fill(log, batch, 45)
    log.active_segment.indexes.write()
    size = log.size() // 90
    disk.kill()
    disk.write(FIRST_LOG, disk.read(FIRST_LOG)[: 50 * size])
    log = disk.open_log(internal_segment_bytes=100_000, index_interval_bytes=300)
    assert contents(log) == expected(50)
    assert all(entry.position < 50 * size for entry in log.active_segment.offset_index.entries())
    disk.close()


def test_a_tail_that_is_torn_despite_a_clean_stop_costs_the_torn_batch_only(
    disk: Disk, batch: BatchMaker, caplog: pytest.LogCaptureFixture
) -> None:
    log = disk.open_log(**SEGMENT)
    fill(log, batch, 10)
    disk.close()
    disk.write(FIRST_LOG, disk.read(FIRST_LOG)[:-5])
    log = disk.open_log(**SEGMENT)
    assert contents(log) == expected(9)
    assert "although its broker had stopped cleanly" in caplog.text
    disk.close()


def test_a_retried_batch_is_known_after_a_clean_stop_and_after_a_kill(disk: Disk, batch: BatchMaker) -> None:
    sequence = 0
    for end in (disk.close, disk.kill, disk.kill, disk.close, disk.kill):
        log = disk.open_log(**SEGMENT)
        if sequence:
            repeated = log.append(batch(b"x", producer_id=9, epoch=0, sequence=sequence - 1), now_ms=disk.now_ms)
            assert repeated.is_duplicate and repeated.first_offset == sequence - 1
        for _ in range(30):
            log.append(batch(bytes(200), producer_id=9, epoch=0, sequence=sequence), now_ms=disk.now_ms)
            sequence += 1
        end()


def test_producer_state_comes_from_the_log_where_snapshots_are_missing_or_damaged(
    disk: Disk, batch: BatchMaker
) -> None:
    log = disk.open_log(**SEGMENT)
    for sequence in range(60):
        log.append(batch(bytes(200), producer_id=9, epoch=0, sequence=sequence), now_ms=disk.now_ms)
    disk.close()
    snapshots = [name for name in disk.files() if name.endswith(".snapshot")]
    assert len(snapshots) > 1
    disk.write(snapshots[-1], b"damaged")
    for name in snapshots[:-1]:
        disk.filesystem.remove(f"{disk.directory}/{name}")
    log = disk.open_log(**SEGMENT)
    assert [entry.last_sequence for entry in log.active_producers()] == [59]
    assert log.append(batch(b"x", producer_id=9, epoch=0, sequence=57), now_ms=disk.now_ms).is_duplicate
    disk.close()


def test_an_open_transaction_and_aborted_ones_survive_a_kill(
    disk: Disk, batch: BatchMaker, end_marker: EndMarkerMaker
) -> None:
    log = disk.open_log(**SEGMENT)
    log.producer_state.is_verification_enabled = False

    def write(producer_id: int, sequence: int) -> None:
        log.append(
            batch(bytes(300), producer_id=producer_id, epoch=0, sequence=sequence, is_transactional=True),
            now_ms=disk.now_ms,
        )

    def end(producer_id: int, *, is_commit: bool) -> None:
        log.append(
            end_marker(producer_id, 0, is_commit=is_commit),
            now_ms=disk.now_ms,
            origin=AppendOrigin.COORDINATOR,
            transaction_version=1,
        )

    write(1, 0)
    write(2, 0)
    end(1, is_commit=False)
    for sequence in range(1, 31):
        write(2, sequence)
    end(2, is_commit=False)
    write(3, 0)
    fetched = log.read(0, 1 << 20, isolation_level=1)
    aborted = [(entry.producer_id, entry.first_offset) for entry in fetched.aborted_transactions or ()]
    assert aborted == [(1, 0), (2, 1)]
    assert log.last_stable_offset == log.log_end_offset - 1
    stable = log.last_stable_offset
    indexes = [segment.transaction_index.aborted_transactions for segment in log.segments]
    assert len(log.segments) > 1
    disk.kill()
    log = disk.open_log(**SEGMENT)
    assert [segment.transaction_index.aborted_transactions for segment in log.segments] == indexes
    assert log.last_stable_offset == stable
    disk.close()
    log = disk.open_log(**SEGMENT)
    assert log.last_stable_offset == stable
    assert [segment.transaction_index.aborted_transactions for segment in log.segments] == indexes
    for name in disk.files():
        if name.endswith(".txnindex"):
            disk.write(name, b"garbage")
    disk.close()
    log = disk.open_log(**SEGMENT)
    assert [segment.transaction_index.aborted_transactions for segment in log.segments] == indexes
    disk.close()


@pytest.mark.parametrize("is_killed", [True, False])
@pytest.mark.parametrize("damage", [b"garbage", b"", b"7\n1\n0 0\n", None])
def test_leader_epochs_are_found_in_the_batches_where_their_file_is_lost(
    disk: Disk, batch: BatchMaker, is_killed: bool, damage: bytes | None
) -> None:
    log = disk.open_log(**SEGMENT)
    for epoch in (0, 3, 5):
        for _ in range(10):
            log.append(batch(bytes(100)), now_ms=disk.now_ms, leader_epoch=epoch)
    epochs = [EpochEntry(0, 0), EpochEntry(3, 10), EpochEntry(5, 20)]
    assert log.leader_epoch_cache.entries() == epochs
    if is_killed:
        disk.kill()
    else:
        disk.close()
    if damage is not None:
        disk.write("leader-epoch-checkpoint", damage)
    elif "leader-epoch-checkpoint" in disk.files():
        disk.filesystem.remove(f"{disk.directory}/leader-epoch-checkpoint")
    log = disk.open_log(**SEGMENT)
    assert log.leader_epoch_cache.entries() == epochs
    disk.close()
    assert disk.open_log(**SEGMENT).leader_epoch_cache.entries() == epochs
    disk.close()


def test_leader_epochs_wait_for_a_flush_and_are_never_behind_the_recovery_point(
    memory_disk: Disk, batch: BatchMaker
) -> None:
    log = memory_disk.open_log(**SEGMENT)
    checkpointed_at = EpochEntry(0, 0), EpochEntry(3, 10)
    for epoch in (0, 3):
        for _ in range(10):
            log.append(batch(bytes(100)), now_ms=memory_disk.now_ms, leader_epoch=epoch)
    assert "leader-epoch-checkpoint" not in memory_disk.files()
    checkpointed(memory_disk, log)
    for _ in range(10):
        log.append(batch(bytes(100)), now_ms=memory_disk.now_ms, leader_epoch=5)
    assert memory_disk.read("leader-epoch-checkpoint") == b"0\n2\n0 0\n3 10\n"
    memory_disk.kill()
    log = memory_disk.open_log(**SEGMENT)
    assert log.leader_epoch_cache.entries() == [*checkpointed_at, EpochEntry(5, 20)]
    memory_disk.close()
    assert memory_disk.read("leader-epoch-checkpoint") == b"0\n3\n0 0\n3 10\n5 20\n"


def test_files_of_an_interrupted_deletion_or_compaction_are_dealt_with(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log(**SEGMENT)
    fill(log, batch, 100)
    second = log.segments[1].base_offset
    names = [offset_file_name(second, suffix) for suffix in (".log", ".index", ".timeindex")]
    disk.close()
    kept = {name: disk.read(name) for name in names}
    for name in names:  # compacted into itself, renamed to .swap, and then the broker died
        disk.write(name + ".swap", kept[name])
    disk.write(names[0], b"old data that the compacted segment replaces")
    disk.write("00000000000000000999.log.cleaned", b"half-written")
    disk.write("00000000000000000998.log.deleted", b"on its way out")
    disk.write("00000000000000000997.index", b"")
    log = disk.open_log(**SEGMENT)
    assert contents(log) == expected(100)
    assert not any(name.endswith((".swap", ".cleaned", ".deleted")) for name in disk.files())
    assert "00000000000000000997.index" not in disk.files()
    disk.close()


@pytest.mark.parametrize("is_killed", [True, False])
def test_a_file_named_after_an_offset_that_no_log_can_have_is_left_alone(
    disk: Disk, batch: BatchMaker, is_killed: bool
) -> None:
    log = disk.open_log(**SEGMENT)
    fill(log, batch, 10)
    if is_killed:
        disk.kill()
    else:
        disk.close()
    disk.write("99999999999999999999.log", b"")
    log = disk.open_log(**SEGMENT)
    assert log.append(batch(b"v"), now_ms=disk.now_ms).first_offset == 10
    assert "99999999999999999999.log" in disk.files()
    disk.close()


def test_a_swap_of_segments_that_were_still_being_cleaned_is_forgotten(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log(**SEGMENT)
    fill(log, batch, 10)
    disk.close()
    disk.write("00000000000000000000.log.cleaned", b"half-written")
    disk.write("00000000000000000003.log.swap", b"renamed too early")
    log = disk.open_log(**SEGMENT)
    assert contents(log) == expected(10)
    assert not any(name.endswith((".swap", ".cleaned")) for name in disk.files())
    disk.close()


def test_a_log_that_ends_before_its_start_offset_begins_anew_there(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log(**SEGMENT)
    fill(log, batch, 100)
    log.delete_records(90)
    disk.manager.checkpoints.write_now(disk.manager.checkpoints.prepare_start_offsets())
    disk.kill()
    for name in disk.files():
        if name.endswith(".log"):
            disk.write(name, b"")
    log = disk.open_log(**SEGMENT)
    assert (log.log_start_offset, log.log_end_offset) == (90, 90)
    assert log.append(batch(b"x"), now_ms=disk.now_ms).first_offset == 90
    disk.close()


def test_reserved_room_at_the_end_of_a_segment_is_no_damage(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log(preallocate=True, **SEGMENT)
    fill(log, batch, 60)
    disk.kill()
    log = disk.open_log(preallocate=True, **SEGMENT)
    assert contents(log) == expected(60)
    disk.close()
    log = disk.open_log(**SEGMENT)
    assert contents(log) == expected(60)
    disk.close()


def test_a_log_whose_last_segment_begins_with_damage_takes_records(
    memory_disk: Disk, batch: BatchMaker, caplog: pytest.LogCaptureFixture
) -> None:
    log = memory_disk.open_log(index_interval_bytes=100)
    for number in range(6):
        log.append(batch(b"%d" % number + bytes(100)), now_ms=memory_disk.now_ms)
    memory_disk.close()
    data = bytearray(memory_disk.read("00000000000000000000.log"))
    data[8] ^= 0x80  # the length of the first batch is negative now
    memory_disk.write("00000000000000000000.log", data)
    log = memory_disk.open_log(index_interval_bytes=100)
    with caplog.at_level(logging.ERROR):
        assert log.append(batch(b"afterwards"), now_ms=memory_disk.now_ms).first_offset == 6
        assert log.append(batch(b"and again"), now_ms=memory_disk.now_ms).first_offset == 7
    assert caplog.text.count("The first batch of /data/topic-0/00000000000000000000.log cannot be read") == 1


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_damaged_the_log_opens_with_a_valid_prefix(memory_disk: Disk, batch: BatchMaker, seed: int) -> None:
    damage_and_open(memory_disk, batch, seed)


@pytest.mark.stress
def test_thousands_of_damaged_logs_open_with_a_valid_prefix(batch: BatchMaker) -> None:
    for seed in range(40, 4_000):
        damage_and_open(new_memory_disk(), batch, seed)


def damage_and_open(disk: Disk, batch: BatchMaker, seed: int) -> None:
    """Random damage to the files of a killed broker: never an exception, and what is kept is what was written."""
    dice = random.Random(seed)
    log = disk.open_log(**SEGMENT)
    codecs = list(CompressionType)
    for number in range(120):
        value = b"%04d" % number + dice.randbytes(dice.randrange(150))
        log.append(
            batch(value, producer_id=4, epoch=0, sequence=number, compression=dice.choice(codecs)), now_ms=disk.now_ms
        )
        if dice.random() < 0.02:
            checkpointed(disk, log)
    recovery_point = log.recovery_point
    disk.kill()
    damaged_logs = False
    for _ in range(dice.randrange(1, 4)):
        name = dice.choice([name for name in disk.files() if name != "partition.metadata"])
        data = bytearray(disk.read(name))
        kind = dice.randrange(5)
        if kind == 0:
            disk.filesystem.remove(f"{disk.directory}/{name}")
        elif kind == 1:
            disk.write(name, data[: dice.randrange(len(data) + 1)])
        elif kind == 2:
            disk.write(name, data + bytes(dice.randrange(5000)))
        elif data:
            start = dice.randrange(len(data))
            for position in range(start, min(len(data), start + dice.choice([1, 30, 512]))):
                data[position] = data[position] ^ 1 << dice.randrange(8) if kind == 3 else 0
            disk.write(name, data)
        damaged_logs |= name.endswith(".log")
    log = disk.open_log(**SEGMENT)
    if not damaged_logs:
        assert contents(log) == expected(120)
    else:
        for segment in log.segments:  # what was on the disk before is not read again, nor is it by Apache Kafka
            if segment.base_offset >= recovery_point:
                assert not segment.size or read_header(segment.file.pread(segment.size, 0))
    assert log.append(batch(b"afterwards"), now_ms=disk.now_ms).first_offset == log.log_end_offset - 1
    disk.close()
