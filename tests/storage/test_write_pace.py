"""How the pace of writes is measured, and what is taken for slow."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kafkalite.storage.memory_filesystem import MemoryFileSystem
from kafkalite.storage.write_pace import SLOW_NS, WritePace

SIZE = 64 * 1024


class PagesThatTake:
    """The time of a machine on which writing takes what the test says."""

    def __init__(self) -> None:
        self.taken_ns = 0
        self._is_begin = False

    def __call__(self) -> int:
        self._is_begin = not self._is_begin
        return 0 if self._is_begin else self.taken_ns


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> PagesThatTake:
    pages = PagesThatTake()
    monkeypatch.setattr("kafkalite.storage.write_pace.perf_counter_ns", pages)
    return pages


@pytest.fixture
def pace() -> WritePace:
    return WritePace()


@pytest.fixture
def write(pace: WritePace) -> Callable[[int, int], None]:
    file = MemoryFileSystem().open("/f", create=True)

    def write_several(times: int, size: int = SIZE) -> None:
        for _ in range(times):
            pace.append(file, [bytes(size)], size)

    return write_several


def test_what_is_written_in_no_time_is_not_handed_over(
    pace: WritePace, pages: PagesThatTake, write: Callable[..., None]
) -> None:
    pages.taken_ns = 20_000
    write(100)
    assert not pace.is_slow(SIZE)
    assert pace.is_slow(100 * SIZE)


def test_slow_writes_are_handed_over_after_some_and_but_for_a_few(
    pace: WritePace, pages: PagesThatTake, write: Callable[..., None]
) -> None:
    pages.taken_ns = 2 * SLOW_NS
    write(1)
    assert not pace.is_slow(SIZE), "one slow write may have waited for something else"
    write(30)
    handed_over = [pace.is_slow(SIZE) for _ in range(100)]
    assert 90 < sum(handed_over) < 100
    assert not pace.is_slow(SIZE // 10)


def test_writes_are_made_at_once_again_when_they_are_fast_again(
    pace: WritePace, pages: PagesThatTake, write: Callable[..., None]
) -> None:
    pages.taken_ns = 10 * SLOW_NS
    write(100)
    assert pace.is_slow(SIZE)
    pages.taken_ns = 10_000
    write(50)
    assert not any(pace.is_slow(SIZE) for _ in range(50))


def test_small_writes_tell_nothing(pace: WritePace, pages: PagesThatTake, write: Callable[..., None]) -> None:
    pages.taken_ns = 10 * SLOW_NS
    write(1000, 1000)
    assert not pace.is_slow(SIZE)
