"""A stretch of a segment on its way to a client, without its bytes."""

from __future__ import annotations

from typing import Final

from kafkalite.storage.filesystem import File


class LogSlice:
    """A stretch of a segment: `size` bytes of `file` from `position`, read only when somebody wants them.

    It keeps the file open. `file` is None only where `size` is 0.
    """

    __slots__ = ("file", "position", "size")

    def __init__(self, file: File | None, position: int, size: int) -> None:
        self.file = file
        self.position = position
        self.size = size

    def read(self) -> bytes:
        return b"" if self.file is None else self.file.pread(self.size, self.position)

    def __len__(self) -> int:
        return self.size

    def __repr__(self) -> str:
        return f"LogSlice({self.file and self.file.path}, position={self.position}, size={self.size})"


EMPTY_SLICE: Final = LogSlice(None, 0, 0)
