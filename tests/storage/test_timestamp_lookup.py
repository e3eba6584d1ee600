"""Offsets by time, in compressed batches, over segments, after deletions."""

from __future__ import annotations

import random

import pytest

from kafkalite.errors import ErrorCode
from kafkalite.records.compression import CompressionType
from kafkalite.records.record_batch import decode_records, read_header
from kafkalite.records.record_validation import RecordValidationError
from log_disk import BatchMaker, Disk

SEGMENT = {"internal_segment_bytes": 3000, "index_interval_bytes": 300}


@pytest.mark.parametrize("codec", CompressionType)
def test_a_look_up_inside_a_batch_gives_the_record_and_not_the_batch(
    disk: Disk, batch: BatchMaker, codec: CompressionType
) -> None:
    log = disk.open_log()
    now = disk.now_ms
    log.append(batch(b"a", b"b", b"c", timestamps=[now, now + 20, now + 10], compression=codec), now_ms=now)
    log.append(batch(b"d", timestamp=now + 15, compression=codec), now_ms=now, leader_epoch=4)
    found = {delta: log.offset_for_timestamp(now + delta) for delta in (-5, 0, 1, 10, 20, 21)}
    assert {delta: None if at is None else at[:2] for delta, at in found.items()} == {
        -5: (now, 0),
        0: (now, 0),
        1: (now + 20, 1),
        10: (now + 20, 1),
        20: (now + 20, 1),
        21: None,
    }
    assert log.offset_for_max_timestamp() == (now + 20, 1, 0)
    disk.close()


def test_random_timestamps_are_found_as_by_reading_everything(memory_disk: Disk, batch: BatchMaker) -> None:
    dice = random.Random(3)
    log = memory_disk.open_log(**SEGMENT)
    stamps: list[int] = []
    for _ in range(150):
        timestamps = [dice.randrange(1000) * 10 for _ in range(dice.randrange(1, 4))]
        codec = dice.choice(list(CompressionType))
        log.append(
            batch(*[bytes(40)] * len(timestamps), timestamps=timestamps, compression=codec), now_ms=memory_disk.now_ms
        )
        stamps += timestamps
    assert len(log.segments) > 3
    for log_start in (0, 37, 150):
        log.delete_records(log_start)
        for target in range(-3, 10_005, 97):
            expected = next(
                ((stamp, at) for at, stamp in enumerate(stamps) if stamp >= target and at >= log_start), None
            )
            found = log.offset_for_timestamp(target)
            assert (None if found is None else found[:2]) == expected
        newest = max(stamps[log_start:])
        latest = log.offset_for_max_timestamp()
        assert latest is not None and latest[:2] == (newest, stamps.index(newest, log_start))


def test_an_empty_log_has_no_record_at_any_time(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log()
    assert log.offset_for_timestamp(0) is None
    assert log.offset_for_max_timestamp() is None
    log.append(batch(b"a"), now_ms=disk.now_ms)
    log.delete_records(1)
    assert log.offset_for_timestamp(0) is None
    assert log.offset_for_max_timestamp() is None
    disk.close()


def test_the_record_s_own_epoch_is_answered(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log()
    for epoch in (1, 5):
        log.append(batch(b"a", timestamp=disk.now_ms + epoch), now_ms=disk.now_ms, leader_epoch=epoch)
    first = log.offset_for_timestamp(0)
    assert first is not None and first.leader_epoch == 1
    assert log.offset_for_max_timestamp() == (disk.now_ms + 5, 1, 5)
    assert (log.latest_epoch, log.epoch_for_offset(0), log.epoch_for_offset(1)) == (5, 1, 5)
    assert log.end_offset_for_epoch(1) == (1, 1)
    disk.close()


def test_log_append_time_is_set_answered_and_looked_up(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log(message_timestamp_type="LogAppendTime")
    for delta in (5, 10):
        sent = batch(b"a", b"b", timestamp=3)
        info = log.append(sent, now_ms=disk.now_ms + delta)
        assert info.log_append_time_ms == disk.now_ms + delta
    stored = log.read(2, 1 << 20).records.read()
    header = read_header(stored)
    assert header.timestamp_type == 1 and header.max_timestamp == disk.now_ms + 10
    assert [record.timestamp for record in decode_records(stored)] == [disk.now_ms + 10] * 2
    found = log.offset_for_timestamp(disk.now_ms + 6)
    assert found is not None and found[:2] == (disk.now_ms + 10, 2)
    disk.close()


def test_timestamps_out_of_bounds_are_refused(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log(message_timestamp_before_max_ms=1000, message_timestamp_after_max_ms=100)
    for timestamp in (disk.now_ms - 1001, disk.now_ms + 101):
        with pytest.raises(RecordValidationError) as raised:
            log.append(batch(b"fine", b"not", timestamps=[disk.now_ms, timestamp]), now_ms=disk.now_ms)
        assert raised.value.error is ErrorCode.INVALID_TIMESTAMP
        assert [error.batch_index for error in raised.value.record_errors] == [1]
    log.append(batch(b"a", b"b", timestamps=[disk.now_ms - 1000, disk.now_ms + 100]), now_ms=disk.now_ms)
    disk.close()


def test_a_producer_that_leaves_the_max_timestamp_unset_does_not_hide_its_records(
    disk: Disk, batch: BatchMaker
) -> None:
    log = disk.open_log()
    sent = bytearray(batch(b"a", b"b", timestamps=[disk.now_ms, disk.now_ms + 7]))
    from kafkalite.records.record_batch import TimestampType, set_max_timestamp

    set_max_timestamp(sent, 0, -1, TimestampType.CREATE_TIME)
    log.append(bytes(sent), now_ms=disk.now_ms)
    found = log.offset_for_timestamp(disk.now_ms + 1)
    assert found is not None and found[:2] == (disk.now_ms + 7, 1)
    disk.close()
