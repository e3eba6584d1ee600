"""The cleaner's place in the broker: when it runs, where its work is done, that it ends with the broker."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kafkalite.broker.log_cleaner import LogCleaner
from kafkalite.config.topic_config import TopicConfig
from kafkalite.identifiers import TopicPartition
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from kafkalite.storage.filesystem import FileSystem, LocalFileSystem
from kafkalite.storage.log_manager import LogManager
from kafkalite.storage.memory_filesystem import MemoryFileSystem
from kafkalite.storage.partition_log import PartitionLog

NOW_MS = 1_700_000_000_000


class StandingClock:
    """Time that passes when a test says so; what was put off is called likewise."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, Callable[[], None]]] = []
        self.passed_ms = 0

    def now_ms(self) -> int:
        return NOW_MS

    def steady_ms(self) -> int:
        return self.passed_ms

    def call_later(self, delay_ms: float, call: Callable[[], None]) -> Any:
        entry = (delay_ms, call)
        self.calls.append(entry)
        return SimpleNamespace(cancel=lambda: self.calls.remove(entry) if entry in self.calls else None)


class Scene:
    """A broker as far as the cleaner sees one."""

    def __init__(self, filesystem: FileSystem, directory: str) -> None:
        self.logs = LogManager(filesystem, [directory])
        self.logs.directories.open()
        self.logs.read_logs(lambda topic: TopicConfig(), now_ms=NOW_MS)
        self.logs.put_into_service()
        self.clock = StandingClock()
        self.config = SimpleNamespace(
            log_cleaner_enable=True,
            log_cleaner_backoff_ms=15_000,
            log_cleaner_threads=1,
            log_cleaner_dedupe_buffer_size=1 << 20,
            log_cleaner_io_max_bytes_per_second=1.7e308,
        )
        broker: Any = SimpleNamespace(logs=self.logs, clock=self.clock, config=self.config, filesystem=filesystem)
        self.cleaner = LogCleaner(broker)

    def dirty_log(self, name: str, policy: str = "compact") -> PartitionLog:
        log = self.logs.create(TopicPartition(name, 0), None, TopicConfig({"cleanup.policy": policy}), NOW_MS)
        for value in (b"1", b"2", b"3"):
            log.append(build_batch([Record(0, NOW_MS, b"key", value)]), now_ms=NOW_MS)
        log.roll(NOW_MS)
        return log


@pytest.fixture(params=["thread", "process"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    if request.param == "thread":
        return Scene(MemoryFileSystem(), "/data")
    return Scene(LocalFileSystem(), str(tmp_path / "data"))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def test_all_logs_that_need_it_are_cleaned_after_the_backoff_and_then_it_waits_again(scene: Scene) -> None:
    logs = [scene.dirty_log(name) for name in ("one", "two", "three")]
    kept = scene.dirty_log("four", "delete")
    size = kept.size()
    scene.cleaner.start()
    ((delay_ms, begin),) = scene.clock.calls
    assert delay_ms == 15_000
    scene.clock.calls.clear()
    begin()
    await until(lambda: bool(scene.clock.calls))
    assert [delay for delay, _ in scene.clock.calls] == [15_000]
    assert {log.size() for log in logs} == {size // 3}
    assert kept.size() == size
    await scene.cleaner.stop()
    assert scene.clock.calls == []
    assert scene.logs.cleaner._process is None


async def test_the_process_waits_a_minute_for_more_to_clean(tmp_path: Path) -> None:
    scene = Scene(LocalFileSystem(), str(tmp_path / "data"))
    scene.dirty_log("one")
    await scene.cleaner.clean_all()
    process = scene.logs.cleaner._process
    assert process is not None
    scene.dirty_log("two")
    scene.clock.passed_ms += 59_000
    await scene.cleaner.clean_all()
    assert scene.logs.cleaner._process is process
    scene.clock.passed_ms += 59_000
    await scene.cleaner.clean_all()
    assert scene.logs.cleaner._process is process
    scene.clock.passed_ms += 1_000
    await scene.cleaner.clean_all()
    assert scene.logs.cleaner._process is None
    assert process._process.returncode is not None
    await scene.cleaner.stop()


async def test_stopping_ends_a_cleaning_that_is_under_way(scene: Scene) -> None:
    log = scene.dirty_log("one")
    before = log.size()
    scene.config.log_cleaner_io_max_bytes_per_second = 1000.0
    scene.cleaner.start()
    scene.clock.calls.pop()[1]()
    await until(lambda: scene.cleaner._worker is not None)
    await asyncio.wait_for(scene.cleaner.stop(), 20)
    assert log.size() == before
    files = scene.logs.context.filesystem.list_directory(log.directory)
    assert not [name for name in files if name.endswith((".cleaned", ".swap"))]
    assert scene.clock.calls == []
    assert scene.logs.cleaner._process is None


async def test_it_is_off_when_the_configuration_says_so(scene: Scene) -> None:
    scene.config.log_cleaner_enable = False
    scene.cleaner.start()
    assert scene.clock.calls == []
    log = scene.dirty_log("one")
    before = log.size()
    scene.config.log_cleaner_threads = 0
    await scene.cleaner.clean_all()
    assert log.size() == before
    await scene.cleaner.stop()


async def test_nothing_is_started_while_there_is_nothing_to_clean(scene: Scene) -> None:
    scene.dirty_log("one", "delete")
    await scene.cleaner.clean_all()
    assert scene.cleaner._worker is None
    await scene.cleaner.stop()


@pytest.mark.parametrize("program", ["missing", "false"])
async def test_a_process_that_cannot_be_started_is_no_fault_of_the_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    scene = Scene(LocalFileSystem(), str(tmp_path / "data"))
    log = scene.dirty_log("one")
    before = log.size()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none") if program == "missing" else "/bin/false")
    await asyncio.wait_for(scene.cleaner.clean_all(), 20)
    assert scene.logs.directories[0].is_online and not log.is_closed
    # One that ends at once is tried again after the backoff.
    assert log.size() == (before // 3 if program == "missing" else before)
    monkeypatch.undo()
    await asyncio.wait_for(scene.cleaner.clean_all(), 20)
    assert log.size() == before // 3
    await scene.cleaner.stop()
