"""With flush.messages=1 what was acknowledged survives the loss of power, whenever it comes.

A script runs on a file system that forgets what was not synced (volatile_filesystem), once for every operation that it
makes: the power goes just before that operation, and a broker starts on the rest.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from kafkalite.config.topic_config import TopicConfig
from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.records.record_batch import decode_records, iter_batches
from kafkalite.storage.log_flush import prepare_flush
from kafkalite.storage.log_manager import LogManager
from kafkalite.storage.memory_filesystem import MemoryFileSystem
from kafkalite.storage.producer_state import AppendOrigin
from log_disk import BatchMaker, EndMarkerMaker, value_of
from log_rounds import cleanup_logs
from volatile_filesystem import NOW_MS, PowerLoss, VolatileFileSystem

PARTITION = TopicPartition("t", 0)
CONFIG = TopicConfig({"flush.messages": "1", "internal.segment.bytes": "1200", "index.interval.bytes": "200"})


def start(filesystem: MemoryFileSystem) -> LogManager:
    manager = LogManager(filesystem, ["/data"], is_transaction_verification_enabled=False)
    manager.directories.open()
    manager.read_logs(lambda topic: CONFIG, now_ms=NOW_MS)
    manager.put_into_service()
    return manager


Acknowledged = tuple[str, int, Any, Any]
"""What was answered: its kind, an offset, what is expected there, and the producer's sequence."""


def run_script(
    filesystem: VolatileFileSystem, batch: BatchMaker, end_marker: EndMarkerMaker, acknowledged: list[Acknowledged]
) -> None:
    """Appends of all kinds over several segments and epochs; notes each one that was answered."""
    filesystem.make_directories("/data")
    filesystem.sync_directory("/")
    manager = start(filesystem)
    log = manager.create(PARTITION, Uuid(bytes(range(16))), CONFIG, NOW_MS)
    for number in range(24):
        log.begin_leader_epoch(number // 10)
        records = batch(b"%03d" % number + bytes(60), producer_id=5, epoch=0, sequence=number)
        info = log.append(records, now_ms=NOW_MS)
        acknowledged.append(("record", info.first_offset, b"%03d" % number, number))
        if number % 6 == 2:
            log.append(
                batch(b"txn", producer_id=100 + number, epoch=0, sequence=0, is_transactional=True), now_ms=NOW_MS
            )
            info = log.append(
                end_marker(100 + number, 0, is_commit=False),
                now_ms=NOW_MS,
                origin=AppendOrigin.COORDINATOR,
                transaction_version=1,
            )
            acknowledged.append(("abort", info.first_offset, 100 + number, None))
        if number in (4, 15, 19):
            flush = prepare_flush(log, with_checkpoint=True)
            if flush is not None:
                flush.run(NOW_MS)
        if number in (8, 16, 20):
            manager.checkpoints.write_now(manager.checkpoints.prepare_recovery_points())
        if number == 12:
            log.delete_records(3)
            acknowledged.append(("start", 3, None, None))
            cleanup_logs(manager, NOW_MS)
    manager.close(now_ms=NOW_MS)


def check(filesystem: MemoryFileSystem, batch: BatchMaker, acknowledged: list[Acknowledged]) -> None:
    manager = start(filesystem)
    log = manager.get(PARTITION)
    if log is None:
        assert acknowledged == []
        return
    records = {}
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        data = log.read(offset, 1 << 20).records.read()
        for position, header in iter_batches(data):
            if not header.is_control:
                records.update({record.offset: value_of(record)[:3] for record in decode_records(data, position)})
            offset = header.next_offset
    aborted = {
        entry.producer_id for segment in log.segments for entry in segment.transaction_index.aborted_transactions
    }
    starts = [offset for kind, offset, _, _ in acknowledged if kind == "start"]
    assert log.log_start_offset >= max(starts, default=0)
    for kind, offset, value, _ in acknowledged:
        if kind == "record" and offset >= log.log_start_offset:
            assert records[offset] == value
            assert log.epoch_for_offset(offset) == int(value) // 10
        elif kind == "abort" and offset >= log.log_start_offset:
            assert value in aborted
    last = [entry for entry in acknowledged if entry[0] == "record"][-1:]
    for _, offset, _, sequence in last:
        assert (
            log.append(batch(bytes(63), producer_id=5, epoch=0, sequence=sequence), now_ms=NOW_MS).first_offset
            == offset
        )
    manager.close(now_ms=NOW_MS)


@pytest.mark.parametrize("seed", [None, 1, 2, 3], ids=str)
def test_no_acknowledged_record_is_lost_at_whatever_operation_the_power_goes(
    batch: BatchMaker, end_marker: EndMarkerMaker, seed: int | None
) -> None:
    """Everything unsynced is lost (without a seed), or some of it happens to be there, torn or zeroed (with one)."""
    whole = VolatileFileSystem(1 << 30)
    run_script(whole, batch, end_marker, [])
    assert whole.operations > 200
    dice = random.Random(seed)
    for operations in range(1, whole.operations + 1):
        filesystem = VolatileFileSystem(operations)
        acknowledged: list[Acknowledged] = []
        try:
            run_script(filesystem, batch, end_marker, acknowledged)
        except PowerLoss:
            pass
        try:
            check(filesystem.after_power_loss(dice, keeps_unsynced=seed is not None), batch, acknowledged)
        except BaseException as error:
            error.add_note(f"the power went at operation {operations} of {whole.operations}")
            raise
