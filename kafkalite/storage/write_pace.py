"""How fast the page cache takes what is written, so that slow writes can be left to a worker thread.

Copying to pages that the system has at hand takes a few microseconds for 10 KB. In a virtual machine whose host gives
memory page by page it takes ten or twenty times as long; then a thread pays although handing over costs something too.
Only what the loop writes is measured: in a worker, the wait for the interpreter's lock would be measured with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter_ns
from typing import Final

from kafkalite.storage.filesystem import Buffer, File

SLOW_NS: Final = 150_000
"""A write that takes longer is worth a thread: several times what handing over costs."""
_MEASURED_SIZE: Final = 16 * 1024
"""Smaller writes say little about pages."""
_LONGEST_NS: Final = 500_000
"""What takes longer was probably spent waiting for a processor."""
_FIRST_GUESS_NS: Final = 0.3
_WEIGHT: Final = 1 / 16
_PROBE: Final = 32


class WritePace:
    """A moving average over the writes of all logs."""

    __slots__ = ("_handed_over", "_ns_per_byte")

    def __init__(self) -> None:
        self._ns_per_byte = _FIRST_GUESS_NS
        self._handed_over = 0

    def is_slow(self, size: int) -> bool:
        """Whether writing so many bytes will probably take long and should be handed over. Now and then it should not,
        to see whether it still does."""
        if size * self._ns_per_byte <= SLOW_NS:
            return False
        self._handed_over += 1
        return self._handed_over % _PROBE != 0

    def append(self, file: File, pieces: Sequence[Buffer], size: int) -> None:
        """Appends pieces of that size together to a file, on the loop, and measures. Raises OSError."""
        if size < _MEASURED_SIZE:
            file.append(b"".join(pieces))  # to copy so little costs less than a list of pieces costs the system
            return
        began_ns = perf_counter_ns()
        file.append(*pieces)
        taken_ns = min(perf_counter_ns() - began_ns, _LONGEST_NS)
        self._ns_per_byte += (taken_ns / size - self._ns_per_byte) * _WEIGHT
