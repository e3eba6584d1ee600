"""The bytes of one or more responses on their way out, with places where a piece of a log goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kafkalite.storage.log_slice import LogSlice


class ResponseBuffer(bytearray):
    """Encoded responses; records that stay in their file are noted as slices, to be sent by the kernel.

    A slice stands at a position of the buffer: its bytes go out before the buffer's byte of that position.
    """

    # Defaults of the class: one buffer is made for each read, and hardly any carries records.
    slices: list[tuple[int, LogSlice]] | None = None
    slices_size = 0

    def cut(self, size: int) -> None:
        """Takes back everything behind the first `size` bytes."""
        del self[size:]
        while self.slices and self.slices[-1][0] > size:
            _, piece = self.slices.pop()
            self.slices_size -= len(piece)

    def append_slice(self, piece: LogSlice) -> None:
        """Puts a piece of a log behind what has been encoded so far."""
        if not piece.size:
            return
        if self.slices is None:
            self.slices = []
        self.slices.append((len(self), piece))
        self.slices_size += len(piece)
