"""Compaction: what stays of a log, when tombstones and markers go, and that no crash on the way loses a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kafkalite.config.topic_config import TopicConfig
from kafkalite.errors import KafkaError
from kafkalite.records.compression import CompressionType
from kafkalite.records.legacy_message_set import build_message_set
from kafkalite.records.record import Record
from kafkalite.records.record_batch import TimestampType, build_batch, decode_batch, iter_batches, read_header
from kafkalite.storage.filesystem import FileSystem
from kafkalite.storage.log_cleaner import LogCleaning
from kafkalite.storage.log_retention import delete_old_segments, increment_log_start_offset
from kafkalite.storage.memory_filesystem import MemoryFileSystem
from kafkalite.storage.offset_map import OffsetMap
from kafkalite.storage.partition_log import PartitionLog
from kafkalite.storage.producer_state import AppendOrigin
from kafkalite.storage.segment_cleaner import CleaningAborted, SegmentCleaner
from log_disk import Disk
from log_rounds import delete_due_files

DAY_MS = 24 * 3600 * 1000
Row = tuple[bytes, bytes | None]


def rows_batch(*rows: Row, compression: CompressionType = CompressionType.NONE, **fields: Any) -> bytes:
    records = [Record(i, 1_700_000_000_000 + i, key, value) for i, (key, value) in enumerate(rows)]
    return build_batch(records, compression=compression, **fields)


def append(log: PartitionLog, disk: Disk, *batches: bytes) -> None:
    for batch in batches:
        header = read_header(batch)
        guard = None
        if header.is_transactional:
            producer = header.producer_id, header.base_sequence, header.producer_epoch
            guard = log.start_transaction_verification(*producer, False, disk.now_ms)
        log.append(batch, now_ms=disk.now_ms, verification_guard=guard)


def append_marker(log: PartitionLog, disk: Disk, batch: bytes) -> None:
    log.append(batch, now_ms=disk.now_ms, origin=AppendOrigin.COORDINATOR)


def cleaning_of(log: PartitionLog, disk: Disk, first_dirty_offset: int = 0, *, max_keys: int = 1000) -> LogCleaning:
    base_offset = log.active_segment.base_offset
    return LogCleaning.prepare(log, first_dirty_offset, base_offset, now_ms=disk.now_ms, max_keys=max_keys)


def clean(log: PartitionLog, disk: Disk, first_dirty_offset: int = 0, *, max_keys: int = 1000) -> int:
    return cleaning_of(log, disk, first_dirty_offset, max_keys=max_keys).run(disk.now_ms)


def batches_of(log: PartitionLog) -> Iterator[tuple[Any, list[Record]]]:
    for segment in log.segments:
        data = segment.file.pread(segment.size, 0)
        for position, header in iter_batches(data):
            yield header, decode_batch(data, position, header)


def contents(log: PartitionLog) -> list[tuple[int, bytes | None, bytes | None]]:
    return [
        (record.offset, record.key, record.value)
        for header, records in batches_of(log)
        if not header.is_control
        for record in records
    ]


def test_only_the_last_record_of_each_key_stays_with_its_offset(disk: Disk) -> None:
    log = disk.open_log(cleanup_policy="compact")
    append(log, disk, rows_batch((b"a", b"1"), (b"b", b"1"), (b"a", b"2")), rows_batch((b"c", b"1"), (b"a", b"3")))
    log.roll(disk.now_ms)
    append(log, disk, rows_batch((b"b", b"2"), (b"d", b"1")))
    log.roll(disk.now_ms)
    append(log, disk, rows_batch((b"c", b"active")))
    assert clean(log, disk) == 7
    expected = [(3, b"c", b"1"), (4, b"a", b"3"), (5, b"b", b"2"), (6, b"d", b"1"), (7, b"c", b"active")]
    assert contents(log) == expected
    assert (log.log_start_offset, log.log_end_offset) == (0, 8)
    disk.close()
    assert contents(disk.open_log()) == expected


def test_reading_goes_on_at_offsets_that_have_gone(disk: Disk) -> None:
    log = disk.open_log(cleanup_policy="compact")
    append(log, disk, *(rows_batch((b"k", b"%d" % i)) for i in range(20)), rows_batch((b"end", b"")))
    log.roll(disk.now_ms)
    clean(log, disk)
    for offset in (0, 7, 19):
        ((_, header),) = list(iter_batches(log.read(offset, 100).records.read()))
        assert header.base_offset == 19
    assert log.read(21, 100).records.size == 0


def test_an_untouched_batch_keeps_every_byte_but_shrinking_ones_keep_codec_producer_and_ends(disk: Disk) -> None:
    log = disk.open_log(cleanup_policy="compact")
    for codec in CompressionType:
        name = codec.codec_name.encode()
        append(
            log,
            disk,
            rows_batch((name + b"0", b"x"), (b"shared", b"x"), (name + b"1", b"x"), compression=codec),
        )
    log.roll(disk.now_ms)
    before = {header.base_offset: header for header, _ in batches_of(log)}
    clean(log, disk)
    for header, records in batches_of(log):
        original = before[header.base_offset]
        assert (header.last_offset, header.compression_type) == (original.last_offset, original.compression_type)
        assert (header.partition_leader_epoch, header.base_timestamp) == (0, original.base_timestamp)
        if header.base_offset == 12:
            assert header == original
        else:
            assert [record.offset for record in records] == [header.base_offset, header.base_offset + 2]


def test_log_append_time_survives_the_rebuilding_of_a_batch(disk: Disk) -> None:
    log = disk.open_log(cleanup_policy="compact", message_timestamp_type="LogAppendTime")
    append(log, disk, rows_batch((b"a", b"1"), (b"b", b"1")), rows_batch((b"a", b"2")))
    log.roll(disk.now_ms)
    clean(log, disk)
    headers = [header for header, _ in batches_of(log)]
    assert {header.timestamp_type for header in headers} == {TimestampType.LOG_APPEND_TIME}
    assert {record.timestamp for _, records in batches_of(log) for record in records} == {disk.now_ms}


def test_a_tombstone_stays_for_delete_retention_from_its_first_cleaning_on(disk: Disk) -> None:
    log = disk.open_log(cleanup_policy="compact", delete_retention_ms=1000)
    append(log, disk, rows_batch((b"a", b"1")), rows_batch((b"a", None), (b"b", b"1")), rows_batch((b"c", b"1")))
    log.roll(disk.now_ms)
    clean(log, disk)
    assert contents(log) == [(1, b"a", None), (2, b"b", b"1"), (3, b"c", b"1")]
    horizon = {header.base_offset: header.delete_horizon_ms for header, _ in batches_of(log)}
    assert horizon == {1: disk.now_ms + 1000, 3: None}
    timestamps = [record.timestamp for _, records in batches_of(log) for record in records]
    assert timestamps == [1_700_000_000_000, 1_700_000_000_001, 1_700_000_000_000]
    disk.now_ms += 999
    clean(log, disk)
    assert {header.delete_horizon_ms for header, _ in batches_of(log)} == {disk.now_ms + 1, None}
    disk.now_ms += 1
    clean(log, disk)
    assert contents(log) == [(2, b"b", b"1"), (3, b"c", b"1")]


def test_records_without_a_key_go(disk: Disk) -> None:
    log = disk.open_log()
    append(log, disk, build_batch([Record(0, 1, None, b"x"), Record(1, 1, b"k", b"x"), Record(2, 1, None, b"x")]))
    append(log, disk, rows_batch((b"l", b"x")))
    log.roll(disk.now_ms)
    cleaning = cleaning_of(log, disk)
    cleaner = SegmentCleaner(disk.filesystem, cleaning.task)
    cleaning.run(disk.now_ms, cleaner)
    assert contents(log) == [(1, b"k", b"x"), (3, b"l", b"x")]
    assert cleaner.stats.keyless_records == 2


def test_the_last_batch_of_a_cleaning_stays_without_records_so_that_its_offset_is_known(disk: Disk) -> None:
    log = disk.open_log()
    append(log, disk, rows_batch((b"k", b"1")), build_batch([Record(0, 5, None, b"keyless")]))
    log.roll(disk.now_ms)
    clean(log, disk)
    headers = [header for header, _ in batches_of(log)]
    assert [(header.base_offset, header.last_offset, header.records_count) for header in headers] == [
        (0, 0, 1),
        (1, 1, 0),
    ]
    disk.close()
    assert disk.open_log().log_end_offset == 2


def test_message_sets_of_old_formats_become_batches(disk: Disk) -> None:
    log = disk.open_log(cleanup_policy="compact")
    log.close()
    old = [Record(i, 1_600_000_000_000 + i, b"k%d" % (i % 3), b"%d" % i) for i in range(9)]
    disk.close()
    data = build_message_set(old[:3], magic=0) + build_message_set(old[3:7], magic=1, compression=CompressionType.GZIP)
    disk.write("00000000000000000000.log", data + build_message_set(old[7:], magic=1))
    for name in ("00000000000000000000.index", "00000000000000000000.timeindex"):
        disk.write(name, b"")
    log = disk.open_log(cleanup_policy="compact")
    assert log.log_end_offset == 9
    log.roll(disk.now_ms)
    clean(log, disk)
    assert contents(log) == [(6, b"k0", b"6"), (7, b"k1", b"7"), (8, b"k2", b"8")]
    assert {header.magic for header, _ in batches_of(log)} == {2}
    assert [record.timestamp for _, records in batches_of(log) for record in records] == [
        1_600_000_000_006,
        1_600_000_000_007,
        1_600_000_000_008,
    ]


def test_small_segments_become_one_and_large_ones_stay_apart(disk: Disk) -> None:
    log = disk.open_log(cleanup_policy="compact", internal_segment_bytes=2000)
    for i in range(12):
        append(log, disk, rows_batch((b"key %d" % i, bytes(500))))
    log.roll(disk.now_ms)
    assert [segment.base_offset for segment in log.segments] == [0, 3, 6, 9, 12]
    for i in range(10):
        append(log, disk, rows_batch((b"key %d" % i, b"")))
    log.roll(disk.now_ms)
    clean(log, disk)
    assert [segment.base_offset for segment in log.segments] == [0, 3, 6, 9, 12, 22]
    clean(log, disk)
    assert [segment.base_offset for segment in log.segments] == [0, 22]
    assert [offset for offset, _, _ in contents(log)] == [10, 11, *range(12, 22)]
    disk.now_ms += DAY_MS
    delete_due_files(disk.manager, disk.now_ms)
    assert sorted(name for name in disk.files() if name.endswith(".log")) == [
        "00000000000000000000.log",
        "00000000000000000022.log",
    ]
    assert not [name for name in disk.files() if name.endswith((".deleted", ".swap", ".cleaned"))]


def test_the_indexes_of_a_cleaned_segment_are_right(disk: Disk) -> None:
    log = disk.open_log(cleanup_policy="compact", index_interval_bytes=100)
    for i in range(50):
        append(log, disk, rows_batch((b"key %d" % (i % 40), bytes(50))))
    log.roll(disk.now_ms)
    clean(log, disk)
    segment = log.segments[0]
    entries = segment.offset_index.entries()
    assert len(entries) > 10
    at = dict(iter_batches(segment.file.pread(segment.size, 0)))
    assert all(at[entry.position].last_offset == entry.offset for entry in entries)
    assert segment.time_index.last_entry().timestamp == max(header.max_timestamp for header in at.values())


def test_a_map_that_is_full_leaves_the_rest_for_the_next_cleaning(disk: Disk) -> None:
    log = disk.open_log(cleanup_policy="compact")
    append(log, disk, *(rows_batch((b"k%d" % (i % 10), b"%d" % i)) for i in range(30)))
    log.roll(disk.now_ms)
    assert clean(log, disk, max_keys=5) == 5
    assert len(contents(log)) == 30
    assert clean(log, disk, 5, max_keys=12) == 30
    assert contents(log) == [(i, b"k%d" % (i % 10), b"%d" % i) for i in range(20, 30)]


def test_a_map_with_room_for_one_key_still_gets_on(disk: Disk) -> None:
    log = disk.open_log(cleanup_policy="compact")
    append(log, disk, rows_batch(*((b"k%d" % i, b"") for i in range(5))), rows_batch((b"k0", b"")))
    log.roll(disk.now_ms)
    assert clean(log, disk, max_keys=1) == 5
    assert clean(log, disk, 5, max_keys=1) == 6
    assert [offset for offset, _, _ in contents(log)] == [1, 2, 3, 4, 5]


def test_aborted_records_go_at_once_and_their_marker_when_nothing_of_them_is_left(
    disk: Disk, end_marker: Callable[..., bytes]
) -> None:
    log = disk.open_log(cleanup_policy="compact", delete_retention_ms=1000)
    transaction: dict[str, Any] = {"producer_id": 7, "producer_epoch": 0, "is_transactional": True}
    append(log, disk, rows_batch((b"a", b"good")))
    append(log, disk, rows_batch((b"a", b"bad"), base_sequence=0, **transaction))
    append_marker(log, disk, end_marker(7, 0, is_commit=False))
    append(log, disk, rows_batch((b"b", b"good"), base_sequence=1, **transaction))
    append_marker(log, disk, end_marker(7, 0, is_commit=True))
    append(log, disk, rows_batch((b"c", b"x")))
    log.roll(disk.now_ms)
    clean(log, disk)
    assert contents(log) == [(0, b"a", b"good"), (3, b"b", b"good"), (5, b"c", b"x")]
    control = [header for header, _ in batches_of(log) if header.is_control]
    assert [(header.base_offset, header.delete_horizon_ms) for header in control] == [(2, None), (4, None)]
    assert [entry.last_offset for entry in log.collect_aborted_transactions(0, 10)] == [2]
    # Nothing is left of the aborted transaction: from now on its marker's time runs.
    clean(log, disk)
    control = [header for header, _ in batches_of(log) if header.is_control]
    assert [(header.base_offset, header.delete_horizon_ms) for header in control] == [
        (2, disk.now_ms + 1000),
        (4, None),
    ]
    assert log.collect_aborted_transactions(0, 10) == []
    disk.now_ms += 1000
    clean(log, disk)
    assert [header.base_offset for header, _ in batches_of(log) if header.is_control] == [4]
    disk.close()
    log = disk.open_log(cleanup_policy="compact")
    assert contents(log) == [(0, b"a", b"good"), (3, b"b", b"good"), (5, b"c", b"x")]


def test_a_committed_transactions_marker_goes_after_its_records(disk: Disk, end_marker: Callable[..., bytes]) -> None:
    log = disk.open_log(cleanup_policy="compact", delete_retention_ms=1000)
    append(
        log,
        disk,
        rows_batch((b"a", b"1"), producer_id=7, producer_epoch=0, base_sequence=0, is_transactional=True),
    )
    append_marker(log, disk, end_marker(7, 0, is_commit=True))
    append(log, disk, rows_batch((b"a", b"2")), rows_batch((b"z", b"")))
    log.roll(disk.now_ms)
    log.producer_state.producers.clear()  # long expired
    clean(log, disk)
    assert [header.base_offset for header, _ in batches_of(log)] == [1, 2, 3]
    clean(log, disk)
    assert [header.delete_horizon_ms for header, _ in batches_of(log)] == [disk.now_ms + 1000, None, None]
    disk.now_ms += 1000
    clean(log, disk)
    assert [header.base_offset for header, _ in batches_of(log)] == [2, 3]


def test_a_producers_last_sequence_number_survives_the_loss_of_its_records(disk: Disk) -> None:
    log = disk.open_log(cleanup_policy="compact")
    batch = rows_batch((b"a", b"1"), (b"b", b"1"), producer_id=7, producer_epoch=0, base_sequence=0)
    append(log, disk, batch, rows_batch((b"a", b"2"), (b"b", b"2")))
    log.roll(disk.now_ms)
    clean(log, disk)
    assert [(h.base_offset, h.last_offset, h.records_count, h.last_sequence) for h, _ in batches_of(log)] == [
        (0, 1, 0, 1),
        (2, 3, 2, -1),
    ]
    disk.kill()
    for name in disk.files():
        if name.endswith(".snapshot"):
            disk.filesystem.remove(f"{disk.directory}/{name}")
    log = disk.open_log(cleanup_policy="compact")
    again = log.append(batch, now_ms=disk.now_ms)
    assert (again.is_duplicate, again.first_offset, again.last_offset) == (True, 0, 1)


def test_segments_that_retention_took_meanwhile_are_not_brought_back(disk: Disk) -> None:
    log = disk.open_log(cleanup_policy="compact,delete", retention_ms=DAY_MS)
    append(log, disk, rows_batch((b"a", b"1")))
    log.roll(disk.now_ms)
    append(log, disk, rows_batch((b"b", b"1")))
    log.roll(disk.now_ms)
    cleaning = cleaning_of(log, disk)
    cleaner = SegmentCleaner(disk.filesystem, cleaning.task)
    cleaner.build_offset_map()
    group = cleaner.clean_next_group()
    assert group is not None
    increment_log_start_offset(log, 1)
    assert delete_old_segments(log, disk.now_ms) == 1
    with pytest.raises(CleaningAborted, match="have gone"):
        cleaning.swap_in(group, disk.now_ms)
    assert contents(log) == [(1, b"b", b"1")]
    cleaning.discard()
    assert not [name for name in disk.files() if name.endswith((".swap", ".cleaned"))]


def test_a_segment_that_goes_between_its_swap_and_its_naming_stays_gone(disk: Disk) -> None:
    log = disk.open_log(cleanup_policy="compact,delete")
    append(log, disk, rows_batch((b"a", b"1")))
    log.roll(disk.now_ms)
    append(log, disk, rows_batch((b"b", b"1")))
    cleaning = cleaning_of(log, disk)
    cleaner = SegmentCleaner(disk.filesystem, cleaning.task)
    cleaner.build_offset_map()
    group = cleaner.clean_next_group()
    assert group is not None
    segment = cleaning.swap_in(group, disk.now_ms)
    assert contents(log) == [(0, b"a", b"1"), (1, b"b", b"1")]
    increment_log_start_offset(log, 1)
    assert delete_old_segments(log, disk.now_ms) == 1
    cleaning.settle(segment, cleaning.retire(), disk.now_ms)
    assert contents(log) == [(1, b"b", b"1")]
    assert [name for name in disk.files() if name.endswith(".log")] == ["00000000000000000001.log"]


def test_damage_ends_the_cleaning_and_leaves_the_log_as_it_was(disk: Disk) -> None:
    log = disk.open_log(cleanup_policy="compact")
    append(log, disk, rows_batch((b"a", b"1")), rows_batch((b"a", b"2")))
    log.roll(disk.now_ms)
    log.segments[0].file.pwrite(b"\xff", 100)
    before = disk.read("00000000000000000000.log")
    with pytest.raises(Exception, match="Record is corrupt"):
        clean(log, disk)
    assert disk.read("00000000000000000000.log") == before
    assert not [name for name in disk.files() if name.endswith((".swap", ".cleaned", ".deleted"))]


class Crash(BaseException):
    """The machine stops here."""


class CrashingFileSystem:
    """Lets so many changes of directories through and stops before the next."""

    def __init__(self, filesystem: FileSystem, changes: int) -> None:
        self._filesystem = filesystem
        self.changes_left = changes

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._filesystem, name)
        if name not in ("rename", "remove", "write_bytes", "sync_directory", "open"):
            return call

        def counted(*args: Any, **kwargs: Any) -> Any:
            if name != "open" or kwargs.get("create"):
                if not self.changes_left:
                    raise Crash
                self.changes_left -= 1
            return call(*args, **kwargs)

        return counted


def test_no_crash_during_a_cleaning_loses_or_doubles_a_record(memory_disk: Disk) -> None:
    new_disk = type(memory_disk)
    changes = 0
    while True:
        clock = [1_700_000_000_000]
        filesystem = MemoryFileSystem(lambda clock=clock: clock[0])  # type: ignore[misc]
        disk = new_disk(filesystem, "/data")
        log = disk.open_log(cleanup_policy="compact", internal_segment_bytes=300)
        expected: dict[bytes, bytes] = {}
        for i in range(30):
            append(log, disk, rows_batch((b"k%d" % (i * 7 % 11), b"%d" % i)))
            expected[b"k%d" % (i * 7 % 11)] = b"%d" % i
        log.flush(disk.now_ms)
        crashing = CrashingFileSystem(filesystem, changes)
        log.context.filesystem = crashing
        try:
            clean(log, disk)
        except Crash:
            finished = False
        else:
            finished = True
        disk.kill()
        log = disk.open_log(cleanup_policy="compact", internal_segment_bytes=300)
        found = contents(log)
        offsets = [offset for offset, _, _ in found]
        assert offsets == sorted(set(offsets)), changes
        assert {key: value for _, key, value in found} == expected, changes
        assert log.log_end_offset == 30
        assert not [name for name in disk.files() if name.endswith((".swap", ".cleaned", ".deleted"))] or finished
        disk.kill()
        if finished:
            break
        changes += 1
    assert changes > 50


_step = st.one_of(
    st.tuples(
        st.just("batch"),
        st.lists(st.tuples(st.sampled_from(b"abcdef"), st.booleans()), min_size=1, max_size=4),
        st.sampled_from(list(CompressionType)),
    ),
    st.tuples(
        st.just("transaction"),
        st.lists(st.tuples(st.sampled_from(b"abcdef"), st.booleans()), min_size=1, max_size=4),
        st.booleans(),
    ),
    st.tuples(st.just("roll"), st.none(), st.none()),
    st.tuples(st.just("clean"), st.integers(1, 10), st.none()),
    st.tuples(st.just("wait"), st.none(), st.none()),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_step, max_size=25))
def test_whatever_is_written_and_cleaned_a_reader_finds_the_last_committed_value_of_each_key(
    memory_disk: Disk, steps: list[Any]
) -> None:
    clock = [1_700_000_000_000]
    disk = type(memory_disk)(MemoryFileSystem(lambda: clock[0]), "/data")
    log = disk.open_log(cleanup_policy="compact", delete_retention_ms=1000)
    expected: dict[bytes, bytes] = {}
    sequence = number = clean_offset = 0
    for kind, what, how in steps:
        if kind == "roll":
            log.roll(disk.now_ms)
        elif kind == "wait":
            disk.now_ms += 600
        elif kind == "clean":
            clean_offset = max(clean_offset, clean(log, disk, clean_offset, max_keys=what))
        else:
            rows: list[Row] = []
            for key, has_value in what:
                number += 1
                rows.append((bytes((key,)), b"%d" % number if has_value else None))
            if kind == "batch":
                append(log, disk, rows_batch(*rows, compression=how))
            else:
                fields: dict[str, Any] = {
                    "producer_id": 7,
                    "producer_epoch": 0,
                    "base_sequence": sequence,
                    "is_transactional": True,
                }
                append(log, disk, rows_batch(*rows, **fields))
                sequence += len(rows)
                key = b"\x00\x00\x00\x01" if how else b"\x00\x00\x00\x00"
                marker = [Record(0, disk.now_ms, key, bytes(6))]
                append_marker(
                    log,
                    disk,
                    build_batch(marker, producer_id=7, producer_epoch=0, is_transactional=True, is_control=True),
                )
            if kind == "batch" or how:
                for row_key, value in rows:
                    if value is None:
                        expected.pop(row_key, None)
                    else:
                        expected[row_key] = value
    for _ in range(2):
        assert _read_committed(log) == expected
        end = log.log_end_offset
        disk.kill()
        log = disk.open_log(cleanup_policy="compact", delete_retention_ms=1000)
        assert log.log_end_offset == end
    disk.kill()


def _read_committed(log: PartitionLog) -> dict[bytes, bytes]:
    """What a consumer that reads committed records has in its table at the end."""
    table: dict[bytes, bytes] = {}
    offset = log.log_start_offset
    while True:
        fetched = log.read(offset, 100_000, isolation_level=1)
        data = fetched.records.read()
        if not data:
            return table
        aborted = list(fetched.aborted_transactions or [])
        skipped: set[int] = set()
        for position, header in iter_batches(data):
            while aborted and aborted[0].first_offset <= header.last_offset:
                skipped.add(aborted.pop(0).producer_id)
            offset = header.next_offset
            if header.is_control:
                skipped.discard(header.producer_id)
                continue
            if header.is_transactional and header.producer_id in skipped:
                continue
            for record in decode_batch(data, position, header):
                assert record.key is not None
                if record.value is None:
                    table.pop(record.key, None)
                else:
                    table[record.key] = record.value


def test_keys_that_are_long_are_told_apart_and_never_taken_for_short_ones() -> None:
    offsets = OffsetMap(10)
    long_keys = [bytes(100) + bytes((i,)) for i in range(3)]
    for offset, key in enumerate([b"", bytes(32), bytes(33), *long_keys]):
        offsets.put(key, offset)
    assert [offsets.get(key) for key in [b"", bytes(32), bytes(33), *long_keys, b"other"]] == [0, 1, 2, 3, 4, 5, -1]
    assert len(offsets) == 6


def test_a_config_that_is_changed_while_cleaning_counts_from_the_next_cleaning(disk: Disk) -> None:
    log = disk.open_log(cleanup_policy="compact", delete_retention_ms=1000)
    append(log, disk, rows_batch((b"a", None)), rows_batch((b"b", b"")))
    log.roll(disk.now_ms)
    cleaning = cleaning_of(log, disk)
    log.update_config(TopicConfig({"cleanup.policy": "compact", "delete.retention.ms": "5"}))
    cleaning.run(disk.now_ms)
    assert next(batches_of(log))[0].delete_horizon_ms == disk.now_ms + 1000


def test_an_error_of_the_disk_leaves_no_half_segment(memory_disk: Disk) -> None:
    disk = memory_disk
    log = disk.open_log(cleanup_policy="compact")
    append(log, disk, rows_batch((b"a", b"1")), rows_batch((b"a", b"2")))
    log.roll(disk.now_ms)

    class Full(CrashingFileSystem):
        def __getattr__(self, name: str) -> Any:
            if name == "sync_directory":
                raise OSError(28, "No space left on device")
            return getattr(self._filesystem, name)

    log.context.filesystem = Full(disk.filesystem, 0)
    with pytest.raises((OSError, KafkaError)):
        clean(log, disk)
    log.context.filesystem = disk.filesystem
    assert not [name for name in disk.files() if name.endswith((".swap", ".cleaned", ".deleted"))]
    assert contents(log) == [(0, b"a", b"1"), (1, b"a", b"2")]
