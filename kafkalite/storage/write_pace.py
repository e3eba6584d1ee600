"""How fast the page cache takes what is written, so that slow writes can be left to a worker thread.

Copying to pages that the system has at hand takes a few microseconds for 10 KB. In a virtual machine whose host gives
memory page by page it takes ten or twenty times as long; then a thread pays although handing over costs something too.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import thread_time_ns
from typing import Final

from kafkalite.storage.filesystem import Buffer, File

SLOW_NS: Final = 150_000
"""A write that takes longer is worth a thread: several times what handing over costs."""
_MEASURED_SIZE: Final = 16 * 1024
"""Smaller writes say little about pages."""
_FIRST_GUESS_NS: Final = 0.3
_WEIGHT: Final = 1 / 16


class WritePace:
    """A moving average over the writes of all logs, whichever thread made them."""

    __slots__ = ("_ns_per_byte",)

    def __init__(self) -> None:
        self._ns_per_byte = _FIRST_GUESS_NS

    def is_slow(self, size: int) -> bool:
        """Whether writing so many bytes will probably take long."""
        return size * self._ns_per_byte > SLOW_NS

    def append(self, file: File, pieces: Sequence[Buffer], size: int) -> None:
        """Appends pieces of that size together to a file, and measures. Raises OSError."""
        if size < _MEASURED_SIZE:
            file.append(*pieces)
            return
        # The thread's own time: waiting for the interpreter's lock afterwards is not the page cache's doing.
        began_ns = thread_time_ns()
        file.append(*pieces)
        self._ns_per_byte += ((thread_time_ns() - began_ns) / size - self._ns_per_byte) * _WEIGHT
