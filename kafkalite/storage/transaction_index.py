"""The transaction index of a segment (`.txnindex`): the aborted transactions whose marker lies in it.

    entry, 34 bytes: version int16 (0), producer id int64, first offset int64,
                     last offset int64 (the marker's), last stable offset int64 (when the marker was appended)

Entries rise in their last offset. The file exists only where there is an entry.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from kafkalite.storage.offset_index import CorruptIndexError

_ENTRY: Final = struct.Struct(">hqqqq")
ENTRY_SIZE: Final = _ENTRY.size
_CURRENT_VERSION: Final = 0


class AbortedTxn(NamedTuple):
    producer_id: int
    first_offset: int
    last_offset: int
    last_stable_offset: int


def read_entry(data: bytes | bytearray | memoryview, position: int) -> AbortedTxn:
    """The entry at a position, whatever its version says."""
    return AbortedTxn(*_ENTRY.unpack_from(data, position)[1:])


class TransactionIndex:
    """The aborted transactions of one segment, in the order of their markers."""

    __slots__ = ("aborted_transactions", "base_offset", "written_entries")

    def __init__(self, base_offset: int) -> None:
        self.base_offset = base_offset
        self.aborted_transactions: list[AbortedTxn] = []
        self.written_entries = 0

    @classmethod
    def decode(cls, data: bytes, base_offset: int) -> TransactionIndex:
        """Reads a file; raises CorruptIndexError."""
        if len(data) % ENTRY_SIZE:
            raise CorruptIndexError(f"its {len(data)} bytes are no multiple of {ENTRY_SIZE}")
        index = cls(base_offset)
        previous = base_offset - 1
        for version, *fields in _ENTRY.iter_unpack(data):
            if version > _CURRENT_VERSION:
                raise CorruptIndexError(f"unexpected aborted transaction version {version}")
            entry = AbortedTxn(*fields)
            if entry.last_offset <= previous:
                raise CorruptIndexError(f"last offset {entry.last_offset} follows {previous}")
            previous = entry.last_offset
            index.aborted_transactions.append(entry)
        index.written_entries = len(index.aborted_transactions)
        return index

    def __len__(self) -> int:
        return len(self.aborted_transactions)

    def append(self, entry: AbortedTxn) -> None:
        """Raises ValueError for a marker that does not lie behind the last one."""
        if self.aborted_transactions and entry.last_offset <= self.aborted_transactions[-1].last_offset:
            raise ValueError(f"{entry} is not behind {self.aborted_transactions[-1]}")
        self.aborted_transactions.append(entry)

    def collect(self, fetch_offset: int, upper_bound_offset: int, into: list[AbortedTxn]) -> bool:
        """Adds the transactions that overlap the offsets from `fetch_offset` to before `upper_bound_offset`.

        Returns whether the search is complete: no later segment can hold another one.
        """
        for entry in self.aborted_transactions:
            if entry.last_offset >= fetch_offset and entry.first_offset < upper_bound_offset:
                into.append(entry)
            if entry.last_stable_offset >= upper_bound_offset:
                return True
        return False

    def truncate_to(self, offset: int) -> None:
        """Forgets transactions whose marker is at `offset` or behind it."""
        kept = [entry for entry in self.aborted_transactions if entry.last_offset < offset]
        self.aborted_transactions = kept
        self.written_entries = min(self.written_entries, len(kept))

    def encode(self, first_entry: int = 0) -> bytes:
        """The bytes of the entries from `first_entry` on."""
        return b"".join(_ENTRY.pack(_CURRENT_VERSION, *entry) for entry in self.aborted_transactions[first_entry:])
