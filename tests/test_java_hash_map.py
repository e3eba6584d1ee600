from __future__ import annotations

from kafkalite.identifiers import TopicPartition
from kafkalite.java_hash_map import hash_map_order, string_hash, string_map_order, topic_partition_hash


def test_strings_hash_as_in_java() -> None:
    assert string_hash("") == 0
    assert string_hash("topic") == 110546223
    assert string_hash("polygenelubricants") == 2**31  # Integer.MIN_VALUE
    assert string_hash("\N{GRINNING FACE}") == 31 * 0xD83D + 0xDE00


def test_keys_come_in_the_order_of_their_buckets() -> None:
    assert string_map_order(["one", "two", "three", "four", "five"]) == ["four", "one", "two", "three", "five"]


def test_within_a_bucket_the_first_comes_first() -> None:
    assert hash_map_order([33, 0, 1, 2], lambda key: key) == [0, 33, 1, 2]


def test_a_map_grows_when_three_quarters_are_used() -> None:
    assert hash_map_order([17, 0, 1], lambda key: key) == [0, 17, 1]
    assert hash_map_order([17, *range(12)], lambda key: key) == [*range(12), 17]
    assert hash_map_order([9, 1, 8, 0], lambda key: key, capacity=4) == [8, 0, 9, 1]
    assert hash_map_order([9, 1, 5], lambda key: key, capacity=3) == [9, 1, 5]


def test_topic_partitions_hash_as_in_java() -> None:
    assert topic_partition_hash(TopicPartition("topic", 3)) == 31 * (31 + 3) + 110546223
