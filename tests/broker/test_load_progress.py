"""A start that takes long says how far it has come, and one that does not says nothing."""

from __future__ import annotations

import logging

import pytest

from kafkalite.broker.load_progress import LoadProgress
from kafkalite.identifiers import TopicPartition


class Steady:
    def __init__(self) -> None:
        self.now_ms = 5_000

    def __call__(self) -> int:
        return self.now_ms


def lines_of(caplog: pytest.LogCaptureFixture, total: int, each_ms: int) -> list[str]:
    """What is said while so many logs are read that take so long each."""
    clock = Steady()
    progress = LoadProgress(clock)
    with caplog.at_level(logging.INFO, "kafkalite"):
        for loaded in range(1, total + 1):
            clock.now_ms += each_ms
            progress.note_loaded(loaded, total)
    return [record.getMessage() for record in caplog.records]


def test_a_start_that_takes_long_says_every_second_how_far_it_is(caplog: pytest.LogCaptureFixture) -> None:
    lines = lines_of(caplog, 10_000, 1)
    assert lines == [f"Loading logs: {done} of 10000" for done in range(1_000, 10_000, 1_000)]


def test_a_quick_start_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert lines_of(caplog, 900, 1) == []


def test_what_is_said_once_all_are_there_is_that_it_has_started(caplog: pytest.LogCaptureFixture) -> None:
    assert lines_of(caplog, 1, 60_000) == []


def test_within_a_large_log_too_it_says_how_far_it_is(caplog: pytest.LogCaptureFixture) -> None:
    clock = Steady()
    progress = LoadProgress(clock)
    with caplog.at_level(logging.INFO, "kafkalite"):
        progress.note_loaded(1, 3)
        for megabytes in range(0, 1025, 64):
            clock.now_ms += 250
            progress.note_recovered(TopicPartition("large", 7), megabytes << 20, 1 << 30)
    assert [record.getMessage() for record in caplog.records] == [
        f"Loading logs: 1 loaded, large-7 being recovered ({megabytes} of 1024 MB)"
        for megabytes in (192, 448, 704, 960)
    ]
