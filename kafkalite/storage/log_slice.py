"""A piece of a segment on its way to a consumer: where it lies, not its bytes, so that the kernel can send it."""

from __future__ import annotations

from kafkalite.storage.filesystem import File


class LogSlice:
    """`size` bytes from `position` of a segment's file; holding it keeps the file open."""

    __slots__ = ("file", "position", "size")

    def __init__(self, file: File, position: int, size: int) -> None:
        self.file = file
        self.position = position
        self.size = size

    def __len__(self) -> int:
        return self.size

    def read(self) -> bytes:
        """The bytes themselves, for file systems and transports without sendfile."""
        return self.file.pread(self.size, self.position)

    def behind(self, sent: int) -> LogSlice:
        """What is left when `sent` bytes have gone."""
        return LogSlice(self.file, self.position + sent, self.size - sent)
