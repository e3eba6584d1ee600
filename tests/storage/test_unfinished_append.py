"""Appends in two steps: a place in the log first, the bytes by whichever thread, and only then anything to see."""

from __future__ import annotations

import threading
import time

import pytest

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.records.record_batch import decode_records
from kafkalite.storage.log_append_info import LogAppendInfo
from kafkalite.storage.partition_log import PartitionLog
from kafkalite.storage.unfinished_append import UnfinishedAppend
from log_disk import BatchMaker, Disk


def begin(log: PartitionLog, records: bytes, now_ms: int) -> UnfinishedAppend:
    begun = log.begin_append(records, now_ms=now_ms)
    assert isinstance(begun, UnfinishedAppend)
    return begun


def test_nothing_of_a_batch_is_seen_before_it_is_finished(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log()
    log.append(batch(b"a"), now_ms=disk.now_ms)
    begun = begin(log, batch(b"b", b"c"), disk.now_ms)
    begun.write()
    assert (log.log_end_offset, log.high_watermark, log.last_stable_offset) == (1, 1, 1)
    assert log.read(1, 1 << 20).records.size == 0
    assert begun.finish() == begun.finish() == LogAppendInfo(1, 2, -1, 0, False, False)
    assert (log.log_end_offset, log.high_watermark, log.last_stable_offset) == (3, 3, 3)
    assert [record.value for record in decode_records(log.read(1, 1 << 20).records.read())] == [b"b", b"c"]
    disk.close()


@pytest.mark.parametrize("how", ["append", "begin_append", "roll", "close"])
def test_whoever_changes_the_log_meanwhile_waits_until_it_is_finished(disk: Disk, batch: BatchMaker, how: str) -> None:
    log = disk.open_log()
    begun = begin(log, batch(b"a"), disk.now_ms)
    may_write = threading.Event()

    def write_when_it_may() -> None:
        may_write.wait()
        begun.write()

    writer = threading.Thread(target=write_when_it_may)
    writer.start()
    threading.Timer(0.02, may_write.set).start()
    if how == "append":
        assert log.append(batch(b"b"), now_ms=disk.now_ms).first_offset == 1
    elif how == "begin_append":
        second = begin(log, batch(b"b"), disk.now_ms)
        second.write()
        assert second.finish().first_offset == 1
    elif how == "roll":
        assert log.roll(disk.now_ms).base_offset == 1
    else:
        log.close()
    assert log.log_end_offset == (2 if "append" in how else 1)
    assert begun.finish().first_offset == 0
    writer.join()
    disk.close()


def test_a_write_that_fails_leaves_the_log_as_it_was(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log()
    log.append(batch(b"a", producer_id=1, epoch=0, sequence=0), now_ms=disk.now_ms)
    begun = begin(log, batch(b"b", producer_id=1, epoch=0, sequence=1), disk.now_ms)

    class FullDisk:
        def append(self, *pieces: bytes) -> None:
            raise OSError(28, "No space left on device")

    begun._file = FullDisk()  # type: ignore[assignment]
    begun.write()
    for _ in range(2):
        with pytest.raises(KafkaError) as raised:
            begun.finish()
        assert raised.value.error is ErrorCode.KAFKA_STORAGE_ERROR
    assert (log.log_end_offset, log.unfinished_append) == (1, None)
    assert log.producer_state.producers[1].batches[-1].last_sequence == 0


def test_a_repeated_batch_is_answered_at_once(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log()
    sent = batch(b"a", producer_id=1, epoch=0, sequence=0)
    begin(log, sent, disk.now_ms).write()
    begun = log.begin_append(sent, now_ms=disk.now_ms)
    assert isinstance(begun, LogAppendInfo) and (begun.first_offset, begun.is_duplicate) == (0, True)
    disk.close()


def test_a_segment_that_was_let_go_of_meanwhile_goes_on_behind_the_batch(disk: Disk, batch: BatchMaker) -> None:
    log = disk.open_log()
    begun = begin(log, batch(b"a"), disk.now_ms)
    log.release_files(with_active=True)
    assert log.read(0, 1 << 20).records.size == 0
    begun.write()
    begun.finish()
    log.append(batch(b"b"), now_ms=disk.now_ms)
    data = log.read(0, 1 << 20).records.read()
    first = len(batch(b"a"))
    assert decode_records(data)[0].value == b"a" and decode_records(data, first)[0].value == b"b"
    disk.close()


def test_writers_in_other_threads_and_appends_between_them_keep_their_order(disk: Disk, batch: BatchMaker) -> None:
    def write_later(begun: UnfinishedAppend) -> None:
        time.sleep(0)
        begun.write()

    log = disk.open_log()
    writers = []
    for number in range(60):
        if number % 3:
            begun = begin(log, batch(b"%d" % number), disk.now_ms)
            writers.append(threading.Thread(target=write_later, args=(begun,)))
            writers[-1].start()
        else:
            log.append(batch(b"%d" % number), now_ms=disk.now_ms)
    log.finish_append()
    for writer in writers:
        writer.join()
    assert log.log_end_offset == 60
    for number in range(60):
        [record] = decode_records(log.read(number, 1).records.read())
        assert (record.offset, record.value) == (number, b"%d" % number)
    disk.close()
