"""What compaction knows of keys: the last offset of each in the dirty part of a log."""

from __future__ import annotations

from functools import partial
from typing import Final

BYTES_PER_ENTRY: Final = 200
"""About what an entry costs in memory, by which `log.cleaner.dedupe.buffer.size` is turned into a number of keys."""

_LONGEST_RAW_KEY: Final = 32
_DIGEST_SIZE: Final = _LONGEST_RAW_KEY + 1


class OffsetMap:
    """Keys with their last offset. Long keys stand there as digests, of a length that no other key there has."""

    __slots__ = ("_digest", "_offsets", "latest_offset", "max_entries")

    def __init__(self, max_entries: int) -> None:
        from hashlib import blake2b  # not on the way of a broker that starts

        self._digest = partial(blake2b, digest_size=_DIGEST_SIZE)
        self._offsets: dict[bytes, int] = {}
        self.max_entries = max_entries
        self.latest_offset = -1
        """Up to here the map is complete."""

    def __len__(self) -> int:
        return len(self._offsets)

    def is_full(self) -> bool:
        return len(self._offsets) >= self.max_entries

    def put(self, key: bytes, offset: int) -> None:
        self._offsets[key if len(key) <= _LONGEST_RAW_KEY else self._digest(key).digest()] = offset

    def get(self, key: bytes) -> int:
        """The last offset of a key, -1 if the dirty part does not have it."""
        return self._offsets.get(key if len(key) <= _LONGEST_RAW_KEY else self._digest(key).digest(), -1)
