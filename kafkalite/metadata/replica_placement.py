"""Where the replicas of new partitions go: chosen here, or by whoever asks (StripedReplicaPlacer, for few brokers)."""

from __future__ import annotations

from collections.abc import Sequence

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.metadata.cluster_image import BrokerRegistration
from kafkalite.metadata.metadata_image import MetadataImage
from kafkalite.metadata.partition_registration import (
    MIGRATING_DIRECTORY,
    RECOVERED,
    UNASSIGNED_DIRECTORY,
    PartitionRegistration,
)


def assigned_partition(image: MetadataImage, replicas: Sequence[int], index: int) -> PartitionRegistration:
    """A new partition on replicas that were asked for; raises KafkaError where none of them is active."""
    if not any(image.cluster.is_active(replica) for replica in replicas):
        raise invalid_assignment(
            f"All brokers specified in the manual partition assignment for partition {index} are fenced or in "
            "controlled shutdown."
        )
    return new_partition(image, tuple(replicas))


def invalid_assignment(message: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, message)


def validate_manual_assignment(image: MetadataImage, replicas: Sequence[int], factor: int | None) -> None:
    """Raises KafkaError(INVALID_REPLICA_ASSIGNMENT) for impossible replicas; `factor` is that of other partitions."""
    if not replicas:
        raise invalid_assignment("The manual partition assignment includes an empty replica list.")
    previous = None
    for broker_id in sorted(replicas):
        if broker_id not in image.cluster.brokers:
            raise invalid_assignment(
                f"The manual partition assignment includes broker {broker_id}, but no such broker is registered."
            )
        if broker_id == previous:
            raise invalid_assignment(f"The manual partition assignment includes the broker {broker_id} more than once.")
        previous = broker_id
    if factor is not None and len(replicas) != factor:
        raise invalid_assignment(
            f"The manual partition assignment includes a partition with {len(replicas)} replica(s), but this is not "
            f"consistent with previous partitions, which have {factor} replica(s)."
        )


def place(image: MetadataImage, factor: int) -> tuple[int, ...]:
    """The replicas of a new partition, unfenced brokers first; raises KafkaError(INVALID_REPLICATION_FACTOR)."""
    usable = [broker for broker in image.cluster.brokers.values() if _has_uncordoned_directory(broker)]
    if not any(not broker.fenced for broker in usable):
        raise KafkaError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            "All brokers are currently fenced, or have all their log directories cordoned.",
        )
    if factor > len(usable):
        raise KafkaError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"The target replication factor of {factor} cannot be reached because only {len(usable)} broker(s) are "
            "registered or some brokers have all their log directories cordoned.",
        )
    usable.sort(key=lambda broker: (broker.fenced, broker.id))
    replicas = tuple(broker.id for broker in usable[:factor])
    if not any(image.cluster.is_active(replica) for replica in replicas):
        raise KafkaError(
            ErrorCode.INVALID_REPLICATION_FACTOR, "All brokers are currently fenced or in controlled shutdown."
        )
    return replicas


def _has_uncordoned_directory(broker: BrokerRegistration) -> bool:
    if not broker.directories or broker.cordoned_directories is None:
        return True
    return any(directory not in broker.cordoned_directories for directory in broker.directories)


def new_partition(image: MetadataImage, replicas: tuple[int, ...]) -> PartitionRegistration:
    """A partition in its first epoch, led by its first active replica."""
    isr = tuple(replica for replica in replicas if image.cluster.is_active(replica))
    return PartitionRegistration(
        replicas=replicas,
        directories=tuple(_default_directory(image, replica) for replica in replicas),
        isr=isr,
        removing_replicas=(),
        adding_replicas=(),
        leader=isr[0],
        leader_recovery_state=RECOVERED,
        leader_epoch=0,
        partition_epoch=0,
        elr=(),
        last_known_elr=(),
    )


def _default_directory(image: MetadataImage, broker_id: int) -> Uuid:
    """The log directory of a broker that has but one; where there are more the broker chooses, and tells."""
    directories = image.cluster.brokers[broker_id].directories
    if not directories:
        return MIGRATING_DIRECTORY
    return directories[0] if len(directories) == 1 else UNASSIGNED_DIRECTORY
