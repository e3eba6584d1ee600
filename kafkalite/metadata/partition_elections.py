"""Which partitions change when a broker comes, goes or dies (ReplicationControlManager's handling of broker states)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kafkalite.identifiers import TopicPartition, Uuid
from kafkalite.metadata.configurations_image import CLUSTER_DEFAULT
from kafkalite.metadata.metadata_image import MetadataImage
from kafkalite.metadata.metadata_version import is_directory_assignment_supported
from kafkalite.metadata.partition_change_builder import PartitionChangeBuilder
from kafkalite.metadata.partition_registration import NO_LEADER, PartitionRegistration
from kafkalite.metadata.topics_image import TopicImage
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.topics import PartitionChangeRecord

NO_BROKER = -1
MIN_INSYNC_REPLICAS = "min.insync.replicas"
UNCLEAN_LEADER_ELECTION_ENABLE = "unclean.leader.election.enable"


def topic_setting(image: MetadataImage, topic: str, name: str, default: str) -> str:
    """A property as it was set for the topic, else for all brokers, else its default."""
    value = image.configs.topic_configs(topic).get(name)
    if value is None:
        value = image.configs.configs(CLUSTER_DEFAULT).get(name)
    return default if value is None else value


def effective_min_isr(image: MetadataImage, topic: TopicImage) -> int:
    """min.insync.replicas, but never more than there are replicas."""
    configured = topic_setting(image, topic.name, MIN_INSYNC_REPLICAS, "1")
    replication_factor = min((len(partition.replicas) for partition in topic.partitions.values()), default=1)
    return min(int(configured) if configured.isdigit() else 1, replication_factor)


def leader_and_isr_updates(
    image: MetadataImage,
    is_affected: Callable[[PartitionRegistration], bool],
    *,
    broker_to_remove: int = NO_BROKER,
    broker_to_add: int = NO_BROKER,
    broker_with_unclean_shutdown: int = NO_BROKER,
) -> Iterator[PartitionChangeRecord]:
    """The changes of all affected partitions.

    A broker to remove leaves the ISR and leads no more, but stays eligible; one that ended uncleanly is not eligible
    either; a broker to add may lead although the image still has it fenced.
    """
    leaving = (broker_to_remove, broker_with_unclean_shutdown)
    brokers = image.cluster.brokers

    def is_acceptable_leader(replica: int) -> bool:
        broker = brokers.get(replica)
        return (
            broker is not None
            and replica not in leaving
            and (replica == broker_to_add or broker.is_active)
            and broker.has_online_directory(partition.directory(replica))
        )

    is_elr_enabled = image.features.is_elr_enabled
    for topic in image.topics.by_id.values():
        min_isr = -1
        for partition_id, partition in topic.partitions.items():
            if not is_affected(partition):
                continue
            if min_isr < 0:
                min_isr = effective_min_isr(image, topic)
                setting = topic_setting(image, topic.name, UNCLEAN_LEADER_ELECTION_ENABLE, "false")
                is_unclean_election_allowed = setting.strip().lower() == "true"
            builder = PartitionChangeBuilder(
                partition,
                topic.topic_id,
                partition_id,
                is_acceptable_leader=is_acceptable_leader,
                min_isr=min_isr,
                is_elr_enabled=is_elr_enabled,
                is_unclean_election_allowed=is_unclean_election_allowed,
            )
            if broker_with_unclean_shutdown != NO_BROKER:
                builder.unclean_shutdown_replicas = (broker_with_unclean_shutdown,)
            builder.without_from_isr(leaving)
            record = builder.build()
            if record is not None:
                yield record


def changes_after_shutdown(image: MetadataImage, broker_id: int, *, is_clean: bool) -> Iterator[PartitionChangeRecord]:
    """What a new incarnation of a broker finds of the one before: after an unclean end it is no longer in sync."""
    if image.features.is_elr_enabled and not is_clean:
        yield from leader_and_isr_updates(
            image, lambda partition: broker_id in partition.isr, broker_with_unclean_shutdown=broker_id
        )
        yield from leader_and_isr_updates(
            image, lambda partition: broker_id in partition.elr, broker_with_unclean_shutdown=broker_id
        )
    else:
        yield from leader_and_isr_updates(
            image, lambda partition: broker_id in partition.isr, broker_to_remove=broker_id
        )


def changes_after_unfencing(image: MetadataImage, broker_id: int) -> Iterator[PartitionChangeRecord]:
    """A broker that is ready leads what has no leader and may be led by it."""
    return leader_and_isr_updates(image, lambda partition: partition.leader == NO_LEADER, broker_to_add=broker_id)


def changes_before_shutdown(image: MetadataImage, broker_id: int) -> Iterator[PartitionChangeRecord]:
    """A broker that is about to stop, or is fenced, leads nothing and leaves every ISR."""
    return leader_and_isr_updates(image, lambda partition: broker_id in partition.isr, broker_to_remove=broker_id)


def changes_after_directory_failure(
    image: MetadataImage, broker_id: int, directory: Uuid
) -> Iterator[PartitionChangeRecord]:
    """What a broker keeps in a log directory that has failed, it neither leads nor is in sync with."""
    return leader_and_isr_updates(
        image,
        lambda partition: broker_id in partition.replicas and partition.directory(broker_id) == directory,
        broker_to_remove=broker_id,
    )


def assign_directories(
    image: MetadataImage, broker_id: int, placed: dict[TopicPartition, Uuid]
) -> list[MetadataRecord]:
    """The changes by which the metadata knows in which log directories a broker keeps its replicas."""
    records: list[MetadataRecord] = []
    if not is_directory_assignment_supported(image.features.metadata_version_or_raise()):
        return records
    for topic_partition, directory in placed.items():
        topic = image.topics.topic(topic_partition.topic)
        partition = None if topic is None else topic.partitions.get(topic_partition.partition)
        if topic is None or partition is None or broker_id not in partition.replicas:
            continue
        slot = partition.replicas.index(broker_id)
        if partition.directories[slot] != directory:
            directories = list(partition.directories)
            directories[slot] = directory
            records.append(
                PartitionChangeRecord(
                    partition_id=topic_partition.partition, topic_id=topic.topic_id, directories=directories
                )
            )
    return records
