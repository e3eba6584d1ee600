"""Java's String.hashCode, by which Apache Kafka places groups, transactions and share partitions, and breaks ties."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

_FIBONACCI: Final = -7046029254386353131


def string_hash_code(text: str) -> int:
    """The signed 32-bit hash that Java gives the same text, over its UTF-16 units."""
    code = 0
    if text.isascii():
        for unit in text.encode("ascii"):
            code = (31 * code + unit) & 0xFFFFFFFF
    else:
        units = text.encode("utf-16-be", "surrogatepass")
        for position in range(0, len(units), 2):
            code = (31 * code + (units[position] << 8 | units[position + 1])) & 0xFFFFFFFF
    return code - 0x100000000 if code & 0x80000000 else code


def partition_for(key: str, partition_count: int) -> int:
    """The partition of a coordinator's topic that is responsible for `key`."""
    code = string_hash_code(key)
    # Java's Math.abs has no positive counterpart of the smallest int; Apache Kafka takes 0 for it.
    return 0 if code == -0x80000000 else abs(code) % partition_count


def hash_map_order(keys: Iterable[str]) -> list[str]:
    """Distinct keys in the order in which a Java HashMap filled with them, in this order, iterates."""
    return _hash_map_order(list(dict.fromkeys(keys)), 16)


def sized_hash_map_order(keys: Sequence[str]) -> list[str]:
    """The same for one that is made for as many entries as there are keys, repeated ones counted."""
    return _hash_map_order(list(dict.fromkeys(keys)), 1 << max(0, len(keys) - 1).bit_length())


def _hash_map_order(distinct: list[str], capacity: int) -> list[str]:
    while len(distinct) > capacity * 3 / 4:
        capacity *= 2
    return sorted(distinct, key=lambda key: _spread_hash(key) & (capacity - 1))


def computed_hash_map_order(keys: Iterable[str], *, initial_capacity: int) -> list[str]:
    """The same for one that is filled by computeIfAbsent: new keys come first in their buckets, and it grows late."""
    capacity = 1
    while capacity < initial_capacity:
        capacity *= 2
    newest_first: list[str] = []
    for key in keys:
        if len(newest_first) > capacity * 3 // 4:
            newest_first.sort(key=lambda known: _spread_hash(known) & (capacity - 1))
            capacity *= 2
        if key not in newest_first:
            newest_first.insert(0, key)
    return sorted(newest_first, key=lambda key: _spread_hash(key) & (capacity - 1))


def _spread_hash(key: str) -> int:
    code = string_hash_code(key) & 0xFFFFFFFF
    return code ^ code >> 16


def timeline_hash_map_order(keys: Iterable[str], *, peak_size: int) -> list[str]:
    """Keys in the order in which Apache Kafka's TimelineHashMap, filled with them in this order, iterates.

    It never gets smaller: `peak_size` is how many keys it has held at most.
    """
    bits = 1
    while peak_size * 3 > 4 << bits:
        bits += 1

    def slot(key: str) -> int:
        return (string_hash_code(key) * _FIBONACCI & 0xFFFFFFFFFFFFFFFF) >> 64 - bits

    newest_first = list(keys)[::-1]
    return sorted(newest_first, key=slot)


def hash_set_order(values: Iterable[int]) -> list[int]:
    """Distinct small ints in the order in which a Java HashSet, made of a collection of them, iterates."""
    distinct = sorted(set(values))
    capacity = 16
    while capacity < len(distinct) * 4 // 3 + 1:
        capacity *= 2
    return sorted(distinct, key=lambda value: value & (capacity - 1))
