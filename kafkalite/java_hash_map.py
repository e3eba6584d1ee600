"""The order in which Java's HashMap hands out its keys: Apache Kafka's tools print several things in it, and of several
properties that are wrong the broker names the one that comes first.

A key goes to the bucket `(hash ^ hash >>> 16) & (buckets - 1)`; buckets come in turn, within a bucket the keys in the
order in which they were added. The buckets double when more than three quarters of their number are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from kafkalite.identifiers import TopicPartition

K = TypeVar("K")
_DEFAULT_BUCKETS: Final = 16


def string_hash(text: str) -> int:
    """String.hashCode, as an unsigned number; over UTF-16 code units."""
    value = 0
    if text.isascii():
        for byte in text.encode("ascii"):
            value = (31 * value + byte) & 0xFFFFFFFF
        return value
    encoded = text.encode("utf-16-be")
    for position in range(0, len(encoded), 2):
        value = (31 * value + (encoded[position] << 8 | encoded[position + 1])) & 0xFFFFFFFF
    return value


def topic_partition_hash(partition: TopicPartition) -> int:
    """TopicPartition.hashCode."""
    return (31 * (31 + partition.partition) + string_hash(partition.topic)) & 0xFFFFFFFF


def hash_map_order(keys: Iterable[K], hash_of: Callable[[K], int], *, capacity: int | None = None) -> list[K]:
    """The keys in the order of a HashMap into which they were put; `capacity` is its constructor's argument."""
    keys = list(dict.fromkeys(keys))
    buckets = _DEFAULT_BUCKETS if capacity is None else 1 << max(0, capacity - 1).bit_length()
    while len(keys) > buckets * 3 // 4:
        buckets *= 2

    def bucket(key: K) -> int:
        value = hash_of(key)
        return (value ^ value >> 16) & (buckets - 1)

    return sorted(keys, key=bucket)


def string_map_order(keys: Iterable[str], *, capacity: int | None = None) -> list[str]:
    """`hash_map_order` of strings."""
    return hash_map_order(keys, string_hash, capacity=capacity)
