"""Reassigning and electing, as far as one node goes (ReplicationControlManager): every replica is here and leads."""

from __future__ import annotations

from collections.abc import Iterator

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.metadata.controller_result import ApiError
from kafkalite.metadata.metadata_image import MetadataImage
from kafkalite.metadata.partition_registration import NO_LEADER, PartitionRegistration
from kafkalite.metadata.replica_placement import validate_manual_assignment
from kafkalite.protocol.messages.alter_partition_reassignments import ReassignablePartition

PREFERRED_ELECTION = 0
UNCLEAN_ELECTION = 1


def check_reassignment(
    image: MetadataImage, name: str, target: ReassignablePartition, *, allow_replication_factor_change: bool
) -> None:
    """Raises the KafkaError that refuses a reassignment; the only one that can be accepted changes nothing."""
    topic = image.topics.topic(name)
    if topic is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Unable to find a topic named {name}.")
    partition = topic.partitions.get(target.partition_index)
    if partition is None:
        raise KafkaError(
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Unable to find partition {name}:{target.partition_index}."
        )
    if target.replicas is None:
        raise KafkaError(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS)
    validate_manual_assignment(image, target.replicas, None)
    if not allow_replication_factor_change and len(target.replicas) != len(partition.replicas):
        raise KafkaError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"The replication factor is changed from {len(partition.replicas)} to {len(target.replicas)}",
        )


def elect_leader(image: MetadataImage, name: str, index: int, election_type: int) -> ApiError:
    """Why no other leader is elected: this node leads all that it can lead."""
    if election_type not in (PREFERRED_ELECTION, UNCLEAN_ELECTION):
        return ApiError(ErrorCode.INVALID_REQUEST, f"Unknown election type {election_type}")
    topic = image.topics.topic(name)
    if topic is None:
        return ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"No such topic as {name}")
    partition = topic.partitions.get(index)
    if partition is None:
        return ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"No such partition as {name}-{index}")
    if _has_wanted_leader(partition, election_type):
        return ApiError(ErrorCode.ELECTION_NOT_NEEDED, ErrorCode.ELECTION_NOT_NEEDED.message)
    if election_type == PREFERRED_ELECTION:
        return ApiError(ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE.message)
    return ApiError(ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE, ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE.message)


def all_partitions(image: MetadataImage) -> Iterator[tuple[str, list[int]]]:
    """Every topic with the numbers of its partitions."""
    for topic in image.topics.by_name.values():
        yield topic.name, list(topic.partitions)


def _has_wanted_leader(partition: PartitionRegistration, election_type: int) -> bool:
    if election_type == PREFERRED_ELECTION:
        return partition.leader == partition.replicas[0]
    return partition.leader != NO_LEADER
