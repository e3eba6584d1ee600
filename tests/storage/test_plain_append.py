"""Which batches are appended as they are, together, and which are left to what looks at them one by one."""

from __future__ import annotations

import pytest

from kafkalite.records.record_batch import read_header
from kafkalite.storage.partition_log import PartitionLog
from kafkalite.storage.producer_state import AppendOrigin
from log_disk import BatchMaker, Disk, EndMarkerMaker

PRODUCER = 7


@pytest.fixture
def log(memory_disk: Disk, batch: BatchMaker) -> PartitionLog:
    """A log with one batch of an idempotent producer, whose next one has sequence number 1."""
    log = memory_disk.open_log()
    log.append(batch(b"first", producer_id=PRODUCER, epoch=0, sequence=0), now_ms=memory_disk.now_ms)
    return log


def append_together(log: PartitionLog, now_ms: int, *batches: bytes) -> object:
    return log.append_plain([(memoryview(each), read_header(each)) for each in batches], now_ms)


def test_the_next_batches_of_an_idempotent_producer_are_appended_and_remembered(
    log: PartitionLog, memory_disk: Disk, batch: BatchMaker
) -> None:
    mine = [batch(b"a", b"b", producer_id=PRODUCER, epoch=0, sequence=sequence) for sequence in (1, 3, 5)]
    assert append_together(log, memory_disk.now_ms, *mine) == 1
    entry = log.producer_state.producers[PRODUCER]
    assert [(each.first_sequence, each.first_offset, each.last_offset) for each in entry.batches] == [
        (0, 0, 0),
        (1, 1, 2),
        (3, 3, 4),
        (5, 5, 6),
    ]
    assert (log.log_end_offset, log.last_stable_offset) == (7, 7)
    duplicate = log.append(mine[1], now_ms=memory_disk.now_ms)
    assert (duplicate.is_duplicate, duplicate.first_offset) == (True, 3)


@pytest.mark.parametrize(
    "other",
    [(PRODUCER, 0, 0), (PRODUCER, 0, 3), (PRODUCER, 1, 0), (PRODUCER, 1, 1), (PRODUCER + 1, 0, 0)],
    ids=["duplicate", "gap", "next epoch", "next epoch without its first number", "a producer that is new"],
)
def test_any_other_batch_among_them_leaves_all_of_them_to_append(
    log: PartitionLog, memory_disk: Disk, batch: BatchMaker, other: tuple[int, int, int]
) -> None:
    producer_id, epoch, sequence = other
    good = batch(b"good", producer_id=PRODUCER, epoch=0, sequence=1)
    odd = batch(b"odd", producer_id=producer_id, epoch=epoch, sequence=sequence)
    assert append_together(log, memory_disk.now_ms, good, odd) is None
    assert append_together(log, memory_disk.now_ms, odd, good) is None
    assert log.log_end_offset == 1
    assert append_together(log, memory_disk.now_ms, good) == 1


def test_batches_of_several_producers_are_appended_together(
    log: PartitionLog, memory_disk: Disk, batch: BatchMaker
) -> None:
    for producer in (8, 9):
        log.append(batch(b"first", producer_id=producer, epoch=3, sequence=0), now_ms=memory_disk.now_ms)
    batches = [
        batch(b"a", b"b", producer_id=9, epoch=3, sequence=1),
        batch(b"c", producer_id=9, epoch=3, sequence=3),
        batch(b"d"),
        batch(b"e", producer_id=PRODUCER, epoch=0, sequence=1),
        batch(b"f"),
        batch(b"g", producer_id=8, epoch=3, sequence=1),
    ]
    assert append_together(log, memory_disk.now_ms, *batches) == 3
    lasts = {
        producer: (entry.batches[-1].last_sequence, entry.batches[-1].last_offset)
        for producer, entry in log.producer_state.producers.items()
    }
    assert lasts == {PRODUCER: (1, 7), 8: (1, 9), 9: (3, 5)}
    assert (log.log_end_offset, log.last_stable_offset) == (10, 10)


def test_a_producer_who_comes_again_behind_another_one_is_left_to_append(
    log: PartitionLog, memory_disk: Disk, batch: BatchMaker
) -> None:
    mine = [batch(b"mine", producer_id=PRODUCER, epoch=0, sequence=sequence) for sequence in (1, 2)]
    assert append_together(log, memory_disk.now_ms, mine[0], batch(b"other"), mine[1]) is None
    assert append_together(log, memory_disk.now_ms, mine[0], batch(b"other"), mine[0]) is None, "which would be twice"
    assert append_together(log, memory_disk.now_ms, mine[0], mine[1], batch(b"other")) == 1


def test_a_producer_with_an_open_transaction_is_left_to_append(
    log: PartitionLog, memory_disk: Disk, batch: BatchMaker, end_marker: EndMarkerMaker
) -> None:
    now_ms = memory_disk.now_ms
    guard = log.start_transaction_verification(PRODUCER, 1, 0, False, now_ms)
    next_one = batch(b"outside", producer_id=PRODUCER, epoch=0, sequence=1)
    assert append_together(log, now_ms, next_one) is None, "what is being verified may change the order"
    opening = batch(b"inside", producer_id=PRODUCER, epoch=0, sequence=1, is_transactional=True)
    log.append(opening, now_ms=now_ms, verification_guard=guard)
    next_one = batch(b"outside", producer_id=PRODUCER, epoch=0, sequence=2)
    assert append_together(log, now_ms, next_one) is None
    others = batch(b"other", producer_id=PRODUCER + 1, epoch=0, sequence=0)
    log.append(others, now_ms=now_ms)
    assert append_together(log, now_ms, batch(b"other", producer_id=PRODUCER + 1, epoch=0, sequence=1)) == 3
    assert (log.log_end_offset, log.last_stable_offset) == (4, 1)
    log.append(end_marker(PRODUCER, 0), now_ms=now_ms, origin=AppendOrigin.COORDINATOR)
    assert append_together(log, now_ms, next_one) == 5


def test_sequence_numbers_that_begin_anew_behind_the_last_one_are_left_to_append(
    memory_disk: Disk, batch: BatchMaker
) -> None:
    log = memory_disk.open_log()
    log.append(batch(b"first", producer_id=PRODUCER, epoch=0, sequence=0x7FFFFFFD), now_ms=memory_disk.now_ms)
    last = [batch(b"a", producer_id=PRODUCER, epoch=0, sequence=sequence) for sequence in (0x7FFFFFFE, 0x7FFFFFFF, 0)]
    assert append_together(log, memory_disk.now_ms, *last) is None
    assert append_together(log, memory_disk.now_ms, last[0]) == 1
    assert append_together(log, memory_disk.now_ms, last[1]) is None
    assert [log.append(each, now_ms=memory_disk.now_ms).first_offset for each in last[1:]] == [2, 3]
    assert append_together(log, memory_disk.now_ms, batch(b"b", producer_id=PRODUCER, epoch=0, sequence=1)) == 4
