"""Compaction in a process of its own: the same result, its errors, its end."""

from __future__ import annotations

import io
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch, decode_batch, iter_batches
from kafkalite.storage import cleaner_process, log_cleaner_manager
from kafkalite.storage.cleaner_process import UNLIMITED_RATE, CleanerProcess
from kafkalite.storage.filesystem import LocalFileSystem
from kafkalite.storage.log_cleaner import LogCleaning
from kafkalite.storage.partition_log import PartitionLog
from kafkalite.storage.segment_cleaner import CleaningAborted, CleaningStarved, SegmentCleaner
from log_disk import Disk


@pytest.fixture
def local_disk(memory_disk: Disk, tmp_path: Path) -> Disk:
    return type(memory_disk)(LocalFileSystem(), str(tmp_path / "data"))


@pytest.fixture
def process() -> Iterator[CleanerProcess]:
    process = CleanerProcess()
    yield process
    process.close()


def dirty_log(disk: Disk, count: int = 50, keys: int = 7) -> PartitionLog:
    log = disk.open_log(cleanup_policy="compact")
    for i in range(count):
        record = Record(0, disk.now_ms, b"key %d" % (i % keys), b"value %d" % i)
        log.append(build_batch([record], producer_id=3, producer_epoch=0, base_sequence=i), now_ms=disk.now_ms)
    log.roll(disk.now_ms)
    return log


def cleaning_of(log: PartitionLog, disk: Disk) -> LogCleaning:
    return LogCleaning.prepare(log, 0, log.active_segment.base_offset, now_ms=disk.now_ms, max_keys=1000)


def keys_of(log: PartitionLog) -> list[tuple[int, bytes | None]]:
    segment = log.segments[0]
    data = segment.file.pread(segment.size, 0)
    return [
        (record.offset, record.key)
        for position, header in iter_batches(data)
        for record in decode_batch(data, position, header)
    ]


def test_it_does_what_a_thread_would_do(local_disk: Disk, process: CleanerProcess) -> None:
    log = dirty_log(local_disk)
    cleaning = cleaning_of(log, local_disk)
    process.begin(cleaning.task, UNLIMITED_RATE)
    end_offset = process.build_offset_map()
    group = process.clean_next_group()
    assert (end_offset, group is not None) == (50, True)
    assert group is not None
    segment = cleaning.swap_in(group, local_disk.now_ms)
    cleaning.settle(segment, cleaning.retire(), local_disk.now_ms)
    assert process.clean_next_group() is None
    assert keys_of(log) == [(offset, b"key %d" % (offset % 7)) for offset in range(43, 50)]
    assert (process.stats.records_read, process.stats.records_retained) == (50, 7)


def test_it_is_used_for_one_cleaning_after_the_other(local_disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    log = dirty_log(local_disk)
    cleaner = local_disk.manager.cleaner
    cleaner.has_own_process = True
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            for step in cleaner.clean_filthiest([log], local_disk.now_ms):
                step()
            record = Record(0, local_disk.now_ms, b"key 0", bytes(5000))
            log.append(build_batch([record]), now_ms=local_disk.now_ms)
            log.roll(local_disk.now_ms)
    cleaner.stop_process()
    assert caplog.text.count("Cleaned log topic-0") == 2, caplog.text


def test_damage_is_reported_as_what_it_is(
    local_disk: Disk, process: CleanerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    log = dirty_log(local_disk)
    log.segments[0].file.pwrite(b"\xff\xff", 75)
    cleaner = local_disk.manager.cleaner
    cleaner.has_own_process = True
    for step in cleaner.clean_filthiest([log], local_disk.now_ms):
        step()
    assert "Marking its partition as uncleanable: at position 0: Record is corrupt" in caplog.text
    assert cleaner.grab_filthiest([log], local_disk.now_ms) is None


def test_its_death_ends_the_cleaning_and_the_next_one_has_another(
    local_disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    log = dirty_log(local_disk)
    before = keys_of(log)
    cleaner = local_disk.manager.cleaner
    cleaner.has_own_process = True
    with caplog.at_level(logging.INFO):
        for number, step in enumerate(cleaner.clean_filthiest([log], local_disk.now_ms)):
            step()
            if number == 1:
                assert cleaner._process is not None
                cleaner._process.kill()
    assert "Log cleaning was aborted: the cleaner's process has ended" in caplog.text
    assert keys_of(log) == before
    assert not [name for name in local_disk.files() if name.endswith((".cleaned", ".swap"))]
    for step in cleaner.clean_filthiest([log], local_disk.now_ms):
        step()
    cleaner.stop_process()
    assert len(keys_of(log)) == 7


def test_what_a_killed_process_had_renamed_already_is_taken_away(local_disk: Disk, process: CleanerProcess) -> None:
    log = dirty_log(local_disk)
    cleaning = cleaning_of(log, local_disk)
    process.begin(cleaning.task, UNLIMITED_RATE)
    process.build_offset_map()
    assert process.clean_next_group() is not None
    assert [name for name in local_disk.files() if name.endswith(".swap")]
    cleaning.discard()
    assert not [name for name in local_disk.files() if name.endswith(".swap")]
    assert len(keys_of(log)) == 50


def test_a_rate_makes_it_wait(local_disk: Disk, process: CleanerProcess) -> None:
    log = dirty_log(local_disk, 3)
    cleaning = cleaning_of(log, local_disk)
    process.begin(cleaning.task, 0.001)
    outcome: list[BaseException] = []

    def build() -> None:
        try:
            process.build_offset_map()
        except CleaningAborted as error:
            outcome.append(error)

    thread = threading.Thread(target=build)
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    process.kill()
    thread.join(10)
    assert [str(error) for error in outcome] == ["the cleaner's process has ended"]


def test_requests_and_answers_are_framed(local_disk: Disk) -> None:
    log = dirty_log(local_disk)
    task = cleaning_of(log, local_disk).task
    requests, answers = io.BytesIO(), io.BytesIO()
    for method, arguments in (("begin", (task, UNLIMITED_RATE)), ("build_offset_map", ()), ("no such method", ())):
        cleaner_process._write(requests, (method, arguments))
    requests.write(b"\x00\x00\x00\x10cut off")
    requests.seek(0)
    cleaner_process.serve(requests, answers)
    answers.seek(0)
    assert cleaner_process._read(answers) == (None, None, 0)
    assert cleaner_process._read(answers) == (None, SegmentCleaner(local_disk.filesystem, task).build_offset_map(), 0)
    assert cleaner_process._read(answers)[0] == "AttributeError"
    assert cleaner_process._read(answers) is None


@pytest.mark.parametrize(("used_s", "is_starved"), [(0.9, True), (1.1, False)])
def test_a_patient_process_gives_up_when_it_gets_next_to_no_time(
    local_disk: Disk, monkeypatch: pytest.MonkeyPatch, used_s: float, is_starved: bool
) -> None:
    now_s = 100.0

    def tick() -> float:
        nonlocal now_s
        now_s += 0.5
        return now_s

    monkeypatch.setattr(cleaner_process, "monotonic", tick)
    monkeypatch.setattr(cleaner_process, "process_time", lambda: used_s * now_s / 10)
    service = cleaner_process._Service()
    service.begin(cleaning_of(dirty_log(local_disk), local_disk).task, UNLIMITED_RATE, True)
    if is_starved:
        with pytest.raises(CleaningStarved):
            service.build_offset_map()
    else:
        assert service.build_offset_map() == 50


@pytest.mark.parametrize(("is_patient", "pauses"), [(True, 10), (False, 0)])
def test_a_patient_process_lets_its_processor_rest_between_short_turns(
    local_disk: Disk, monkeypatch: pytest.MonkeyPatch, is_patient: bool, pauses: int
) -> None:
    now_s = 100.0
    slept_s: list[float] = []

    def read(size: int) -> None:
        nonlocal now_s
        now_s += 0.00009  # of the 50 batches, each third one ends a turn
        check(size)

    def rest(seconds: float) -> None:
        nonlocal now_s
        now_s += seconds
        slept_s.append(seconds)

    monkeypatch.setattr(cleaner_process, "monotonic", lambda: now_s)
    monkeypatch.setattr(cleaner_process, "sleep", rest)
    service = cleaner_process._Service()
    check = service._check
    service.begin(cleaning_of(dirty_log(local_disk), local_disk).task, UNLIMITED_RATE, is_patient)
    for _ in range(30):
        read(1000)
    assert slept_s == [0.0001] * pauses


def test_after_a_patient_process_comes_one_that_is_not(
    local_disk: Disk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = dirty_log(local_disk)
    made: list[bool] = []

    class Process(CleanerProcess):
        def __init__(self, *, is_patient: bool = True) -> None:
            super().__init__(is_patient=is_patient)
            made.append(is_patient)

        def build_offset_map(self) -> int:
            if made[-1]:
                raise CleaningStarved("the processors are busy with other work")
            return super().build_offset_map()

    monkeypatch.setattr(log_cleaner_manager, "CleanerProcess", Process)
    cleaner = local_disk.manager.cleaner
    cleaner.has_own_process = True
    for expected in ([True], [True, False]):
        for step in cleaner.clean_filthiest([log], local_disk.now_ms):
            step()
        assert (made, cleaner.was_aborted) == (expected, False)
    assert len(keys_of(log)) == 7
    cleaner.stop_process()


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="no such scheduling class here")
@pytest.mark.parametrize("is_patient", [True, False])
def test_it_leaves_the_processor_to_others(is_patient: bool) -> None:
    process = CleanerProcess(is_patient=is_patient)
    try:
        assert os.sched_getscheduler(process._process.pid) == (os.SCHED_IDLE if is_patient else os.SCHED_OTHER)
        assert os.getpriority(os.PRIO_PROCESS, process._process.pid) == 10
        assert os.getsid(process._process.pid) == os.getsid(0)  # where it is weighed against the broker
        assert os.getpgid(process._process.pid) != os.getpgid(0)  # a Ctrl-C is not for it
    finally:
        process.close()
