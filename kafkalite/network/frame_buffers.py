"""Buffers for frames that are larger than what a read brings at once.

A fresh megabyte costs as much as receiving it: the kernel has to map and clear its pages. So those of the usual sizes
are used again. They are shared by all connections of a listener and come back when their frame has been handled.
"""

from __future__ import annotations

import mmap
from typing import Final

SMALLEST: Final = 64 * 1024
LARGEST: Final = 4 * 1024 * 1024
"""Larger frames are rare: theirs is the operating system's memory, page by page as bytes arrive."""
KEPT_BYTES: Final = 16 * 1024 * 1024


class FrameBuffers:
    """Gives out buffers and takes them back; keeps at most KEPT_BYTES."""

    def __init__(self) -> None:
        self._free: dict[int, list[memoryview]] = {}
        self._free_bytes = 0

    def take(self, size: int) -> memoryview:
        """A view of `size` bytes whose content is whatever was there."""
        if size > LARGEST:
            return memoryview(mmap.mmap(-1, size))[:size]
        capacity = max(SMALLEST, 1 << (size - 1).bit_length())
        free = self._free.get(capacity)
        if free:
            self._free_bytes -= capacity
            return free.pop()[:size]
        return memoryview(bytearray(capacity))[:size]

    def give_back(self, view: memoryview) -> None:
        """The frame has been handled, and nobody holds on to its bytes."""
        whole = view.obj
        if isinstance(whole, bytearray) and self._free_bytes + len(whole) <= KEPT_BYTES:
            self._free_bytes += len(whole)
            self._free.setdefault(len(whole), []).append(memoryview(whole))
