"""Offsets in topics: the earliest, the latest, the first at or after a time, asked of the partitions' leaders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from kafkalite.client.admin import Admin, is_retriable, raise_for
from kafkalite.errors import ErrorCode
from kafkalite.identifiers import TopicPartition
from kafkalite.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)

LATEST: Final = -1
EARLIEST: Final = -2
MAX_TIMESTAMP: Final = -3
EARLIEST_LOCAL: Final = -4
LATEST_TIERED: Final = -5
EARLIEST_PENDING_UPLOAD: Final = -6
UNKNOWN_OFFSET: Final = -1


class OffsetResult(NamedTuple):
    """The answer for a partition: an offset (-1: none) or an error."""

    offset: int
    timestamp: int
    leader_epoch: int
    error: ErrorCode = ErrorCode.NONE


def list_offsets(
    admin: Admin, timestamps: Mapping[TopicPartition, int], *, isolation_level: int = 0
) -> dict[TopicPartition, OffsetResult]:
    """The offsets for timestamps (or LATEST, EARLIEST, ...); raises KafkaError for an unknown topic or partition."""
    results: dict[TopicPartition, OffsetResult] = {}
    for leader, partitions in admin.leaders(timestamps).items():
        topics: dict[str, ListOffsetsTopic] = {}
        for partition in partitions:
            topic = topics.setdefault(partition.topic, ListOffsetsTopic(name=partition.topic))
            topic.partitions.append(
                ListOffsetsPartition(partition_index=partition.partition, timestamp=timestamps[partition])
            )
        request = ListOffsetsRequest(
            replica_id=-1,
            isolation_level=isolation_level,
            topics=list(topics.values()),
            timeout_ms=admin.api_timeout_ms,
        )
        response = admin.send(request, call="listOffsets", node_id=leader, retry_if=_is_worth_repeating)
        for answered in response.topics:
            for answer in answered.partitions:
                results[TopicPartition(answered.name, answer.partition_index)] = OffsetResult(
                    answer.offset, answer.timestamp, answer.leader_epoch, ErrorCode.for_code(answer.error_code)
                )
    return results


def _is_worth_repeating(response: ListOffsetsResponse) -> bool:
    return any(
        is_retriable(partition.error_code) and partition.error_code != ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        for topic in response.topics
        for partition in topic.partitions
    )


def offsets_at(admin: Admin, partitions: Iterable[TopicPartition], timestamp: int) -> dict[TopicPartition, int]:
    """One timestamp for all partitions; raises KafkaError for the first that failed."""
    results = list_offsets(admin, dict.fromkeys(partitions, timestamp))
    for result in results.values():
        raise_for(result.error)
    return {partition: result.offset for partition, result in results.items()}


def partitions_of(admin: Admin, topics: Iterable[str]) -> dict[str, list[tuple[int, int]]]:
    """The partitions of topics, each with its leader (-1: none), sorted; raises KafkaError for an unknown topic."""
    names = list(dict.fromkeys(topics))
    if not names:
        return {}
    found = {}
    # Apache Kafka's client asks for the brokers first, which is what it says where there are none.
    for topic in admin.metadata(names, call="listNodes").topics:
        raise_for(topic.error_code)
        assert topic.name is not None
        found[topic.name] = sorted((partition.partition_index, partition.leader_id) for partition in topic.partitions)
    return found
