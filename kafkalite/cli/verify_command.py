"""`kafkalite verify`: reads whole data directories, says what is wrong and where, and mends what a start would mend."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

from kafkalite.errors import KafkaError
from kafkalite.storage.filesystem import LocalFileSystem

if TYPE_CHECKING:
    from kafkalite.storage.verification.finding import Report

USAGE: Final = """\
usage: kafkalite verify DIR [DIR...] [--repair] [--deep]

Reads data directories (all log.dirs of one node) that no broker uses, written by kafkalite or Apache Kafka, and holds
every file against the others: batches, indexes, leader epochs, checkpoints, producer snapshots, topic ids, metadata.
Each line says how bad it is:

  damaged       something was lost or changed that no broker does
  recoverable   what a kill leaves behind; the next start mends it
  note          nothing is wrong

  --repair               mends at once what the recovery of a start would, and checks again
  --deep                 decodes all records too, and holds them against the headers of their batches
  --help                 this text

Exit codes: 0 if nothing is damaged, 1 if something is, 2 for unusable arguments or a directory that is in use.
"""
_BAR_WIDTH: Final = 30
_PROGRESS_INTERVAL_S: Final = 0.1


class _Progress:
    """A bar on a terminal, nothing elsewhere."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._is_shown = output.isatty()
        self._total = 0
        self._done = 0
        self._next_s = 0.0
        self._is_drawn = False

    def begin(self, total: int) -> None:
        self._total, self._done = total, 0

    def advance(self, size: int) -> None:
        self._done += size
        if not self._is_shown:
            return
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + _PROGRESS_INTERVAL_S
            share = min(1.0, self._done / self._total) if self._total else 1.0
            filled = int(share * _BAR_WIDTH)
            bar = "#" * filled + "." * (_BAR_WIDTH - filled)
            mebibytes = f"{self._done >> 20} of {self._total >> 20} MiB"
            print(f"\r[{bar}] {share:4.0%} {mebibytes}", end="", file=self._output, flush=True)
            self._is_drawn = True

    def clear(self) -> None:
        """Gives the line free for something else."""
        if self._is_drawn:
            print("\r\x1b[K", end="", file=self._output, flush=True)
            self._is_drawn = False
            self._next_s = 0.0


class _RecoveryLines(logging.Handler):
    """What the recovery says while it mends, printed as lines of this tool."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"repair: {record.getMessage()}")


@contextmanager
def _recovery_lines() -> Iterator[None]:
    logger, handler = logging.getLogger("kafkalite"), _RecoveryLines(logging.WARNING)
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate


def run(arguments: Sequence[str]) -> int:
    """Runs `kafkalite verify`; returns its exit code."""
    if "--help" in arguments or "-h" in arguments:
        print(USAGE, end="")
        return 0
    options = {argument for argument in arguments if argument.startswith("-")}
    directories = [argument for argument in arguments if not argument.startswith("-")]
    unknown = sorted(options - {"--repair", "--deep"})
    if unknown or not directories:
        problem = f"unknown option {unknown[0]}" if unknown else "which directories?"
        print(f"kafkalite verify: {problem}\n\n{USAGE}", end="", file=sys.stderr)
        return 2
    return _verify(directories, is_repairing="--repair" in options, is_deep="--deep" in options)


def _verify(directories: Sequence[str], *, is_repairing: bool, is_deep: bool) -> int:
    from kafkalite.broker.data_directory_verification import DataDirectoryVerification, locked
    from kafkalite.storage.log_directory import LogDirectoryError
    from kafkalite.storage.verification.finding import Finding, Report

    filesystem = LocalFileSystem()
    paths = list(dict.fromkeys(filesystem.absolute_path(path) for path in directories))
    progress = _Progress(sys.stderr)

    def show(finding: Finding) -> None:
        progress.clear()
        print(finding)

    def read() -> tuple[DataDirectoryVerification, Report]:
        report = Report(show, progress.advance)
        verification = DataDirectoryVerification(filesystem, paths, report, is_deep=is_deep)
        progress.begin(verification.size())
        verification.verify()
        progress.clear()
        print(_summary(report))
        return verification, report

    try:
        with locked(filesystem, paths, is_written=is_repairing):
            verification, report = read()
            if is_repairing:
                with _recovery_lines():
                    done = verification.repair(now_ms=time.time_ns() // 1_000_000)
                for line in done:
                    print(f"repair: {line}")
                if done:
                    _, report = read()
                else:
                    print("repair: there is nothing to do")
    except KeyboardInterrupt:
        progress.clear()
        print("kafkalite verify: interrupted", file=sys.stderr)
        return 130
    except LogDirectoryError as error:
        print(f"kafkalite verify: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        progress.clear()
        print(f"kafkalite verify: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except KafkaError as error:
        print(f"kafkalite verify: {error.message}", file=sys.stderr)
        return 1
    return 1 if report.is_damaged else 0


def _summary(report: Report) -> str:
    from kafkalite.storage.verification.finding import Severity

    damaged, recoverable = report.counts[Severity.DAMAGED], report.counts[Severity.RECOVERABLE]
    read = f"{report.partitions} logs with {report.batches} batches"
    if not damaged and not recoverable:
        return f"{read}: all is well"
    return f"{read}: {damaged} damaged, {recoverable} recoverable"
