"""What a check of a data directory finds: how bad it is, where it is, and what mends it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple


class Severity(Enum):
    """How bad a finding is."""

    NOTE = "note"
    """Worth knowing; nothing is wrong."""
    RECOVERABLE = "recoverable"
    """What an end without a clean stop leaves: the next start mends it, and no acknowledged record is lost by that."""
    DAMAGED = "damaged"
    """Something was lost or changed that no broker does."""


class Remedy(Enum):
    """What a repair can do about a finding."""

    NONE = "none"
    RECOVER = "recover"
    """The recovery of the log deals with it."""
    REBUILD = "rebuild"
    """The file follows from the log: it is removed and made again."""


class Finding(NamedTuple):
    """One thing that is wrong. Position and offset are where it begins, None where that says nothing."""

    severity: Severity
    path: str
    message: str
    position: int | None = None
    offset: int | None = None
    remedy: Remedy = Remedy.NONE

    def __str__(self) -> str:
        place = [f"{name} {value}" for name, value in (("position", self.position), ("offset", self.offset))
                 if value is not None]  # fmt: skip
        at = f" at {', '.join(place)}" if place else ""
        return f"{self.severity.value}: {self.path}{at}: {self.message}"


class Report:
    """Takes findings as they come, and counts what has been read."""

    def __init__(
        self,
        on_finding: Callable[[Finding], None] = lambda finding: None,
        on_progress: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._on_finding = on_finding
        self.on_progress = on_progress
        """Told how many more bytes of logs have been read."""
        self.counts: Counter[Severity] = Counter()
        self.partitions = 0
        self.batches = 0

    def add(self, finding: Finding) -> None:
        self.counts[finding.severity] += 1
        self._on_finding(finding)

    @property
    def is_damaged(self) -> bool:
        return self.counts[Severity.DAMAGED] > 0
