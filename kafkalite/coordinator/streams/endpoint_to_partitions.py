"""Which member of an application answers for which partitions, for its interactive queries (KIP-535, KIP-1071).

Apache Kafka's EndpointToPartitionsManager.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kafkalite.coordinator.coordinator_metadata_image import CoordinatorMetadataImage
from kafkalite.coordinator.streams.configured_topology import ConfiguredSubtopology, ConfiguredTopology
from kafkalite.coordinator.streams.internal_topic_manager import existing_partition_count
from kafkalite.coordinator.streams.streams_group_member import StreamsGroupMember
from kafkalite.coordinator.streams.tasks import Tasks, merge_tasks
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.messages.streams_group_heartbeat import Endpoint, EndpointToPartitions, TopicPartition


def endpoints_to_partitions(
    members: Iterable[StreamsGroupMember], topology: ConfiguredTopology, metadata: CoordinatorMetadataImage
) -> list[EndpointToPartitions]:
    """The partitions of all members that have an endpoint."""
    found: list[EndpointToPartitions] = []
    for member in members:
        endpoint, tasks = member.user_endpoint, member.assigned_tasks
        if endpoint is None:
            continue
        if topology.subtopologies is None:
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
        replicas = merge_tasks(tasks.standby, tasks.warmup)
        found.append(
            EndpointToPartitions(
                user_endpoint=Endpoint(host=endpoint.host, port=endpoint.port),
                active_partitions=_partitions(tasks.active_tasks, topology.subtopologies, metadata),
                standby_partitions=_partitions(replicas, topology.subtopologies, metadata),
            )
        )
    return found


def _partitions(
    tasks: Tasks, subtopologies: Mapping[str, ConfiguredSubtopology], metadata: CoordinatorMetadataImage
) -> list[TopicPartition]:
    found: list[TopicPartition] = []
    for subtopology_id, partitions in sorted(tasks.items()):
        subtopology = subtopologies.get(subtopology_id)
        if subtopology is None:
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
        for topic in sorted(subtopology.source_topics | subtopology.repartition_source_topics.keys()):
            count = existing_partition_count(metadata, topic)
            if count is None:
                raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
            existing = sorted(partition for partition in partitions if partition < count)
            if existing:
                found.append(TopicPartition(topic=topic, partitions=existing))
    return found
