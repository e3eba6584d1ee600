"""Where replicas are, by broker and by log directory, and orders to move them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from kafkalite.client.admin import Admin, raise_for
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition


class Replica(NamedTuple):
    """A partition's replica on a broker."""

    broker_id: int
    topic: str
    partition: int

    @property
    def topic_partition(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}-{self.broker_id}"


class Reassignment(NamedTuple):
    """A move between brokers that is under way; `replicas` includes those that are added and those removed."""

    replicas: Sequence[int]
    adding_replicas: Sequence[int]
    removing_replicas: Sequence[int]


class ReplicaLogDirs(NamedTuple):
    """The directory that holds a replica, and the one that it is moving to; None where there is none."""

    current: str | None
    future: str | None


def list_reassignments(
    admin: Admin, partitions: Iterable[TopicPartition] | None = None
) -> dict[TopicPartition, Reassignment]:
    """The moves between brokers that are under way, of some partitions or of all."""
    from kafkalite.protocol.messages.list_partition_reassignments import (
        ListPartitionReassignmentsRequest,
        ListPartitionReassignmentsTopics,
    )

    topics: dict[str, ListPartitionReassignmentsTopics] = {}
    for name, index in partitions or ():
        topic = topics.setdefault(name, ListPartitionReassignmentsTopics(name=name))
        topic.partition_indexes.append(index)
    request = ListPartitionReassignmentsRequest(
        topics=None if partitions is None else list(topics.values()), timeout_ms=admin.api_timeout_ms
    )
    response = admin.send(request, call="listPartitionReassignments")
    raise_for(response.error_code, response.error_message)
    return {
        TopicPartition(topic.name, partition.partition_index): Reassignment(
            partition.replicas, partition.adding_replicas, partition.removing_replicas
        )
        for topic in response.topics
        for partition in topic.partitions
    }


def alter_reassignments(
    admin: Admin,
    replicas: Mapping[TopicPartition, Sequence[int] | None],
    *,
    allows_replication_factor_change: bool = True,
) -> dict[TopicPartition, KafkaError]:
    """Moves partitions to brokers, or with None cancels their move; returns the errors of those that failed."""
    from kafkalite.protocol.messages.alter_partition_reassignments import (
        AlterPartitionReassignmentsRequest,
        ReassignablePartition,
        ReassignableTopic,
    )

    topics: dict[str, ReassignableTopic] = {}
    for (name, index), brokers in replicas.items():
        partition = ReassignablePartition(partition_index=index, replicas=None if brokers is None else list(brokers))
        topics.setdefault(name, ReassignableTopic(name=name)).partitions.append(partition)
    request = AlterPartitionReassignmentsRequest(
        timeout_ms=admin.api_timeout_ms,
        allow_replication_factor_change=allows_replication_factor_change,
        topics=list(topics.values()),
    )
    response = admin.send(
        request,
        call="alterPartitionReassignments",
        retry_if=lambda response: response.error_code == ErrorCode.NOT_CONTROLLER,
    )
    if response.error_code:
        error = KafkaError(ErrorCode.for_code(response.error_code), response.error_message)
        return dict.fromkeys(replicas, error)
    return {
        TopicPartition(topic.name, partition.partition_index): KafkaError(
            ErrorCode.for_code(partition.error_code), partition.error_message
        )
        for topic in response.responses
        for partition in topic.partitions
        if partition.error_code
    }


def replica_log_dirs(admin: Admin, replicas: Iterable[Replica]) -> dict[Replica, ReplicaLogDirs]:
    """The directories of replicas; replicas on brokers that are not there have none."""
    from kafkalite.protocol.messages.describe_log_dirs import DescribableLogDirTopic, DescribeLogDirsRequest

    found = dict.fromkeys(replicas, ReplicaLogDirs(None, None))
    for broker_id in sorted({replica.broker_id for replica in found}):
        if broker_id not in admin.brokers():
            continue
        topics: dict[str, DescribableLogDirTopic] = {}
        for replica in found:
            if replica.broker_id == broker_id:
                topic = topics.setdefault(replica.topic, DescribableLogDirTopic(topic=replica.topic))
                topic.partitions.append(replica.partition)
        request = DescribeLogDirsRequest(topics=list(topics.values()))
        response = admin.send(request, call="describeReplicaLogDirs", node_id=broker_id)
        raise_for(response.error_code)
        for result in response.results:
            if result.error_code == ErrorCode.KAFKA_STORAGE_ERROR:
                continue
            raise_for(result.error_code)
            for held in result.topics:
                for partition in held.partitions:
                    replica = Replica(broker_id, held.name, partition.partition_index)
                    if replica in found:
                        field = "future" if partition.is_future_key else "current"
                        found[replica] = found[replica]._replace(**{field: result.log_dir})
    return found


def alter_replica_log_dirs(admin: Admin, targets: Mapping[Replica, str]) -> dict[Replica, ErrorCode]:
    """Moves replicas between the directories of their brokers; returns each one's result."""
    from kafkalite.protocol.messages.alter_replica_log_dirs import (
        AlterReplicaLogDir,
        AlterReplicaLogDirsRequest,
        AlterReplicaLogDirTopic,
    )

    results: dict[Replica, ErrorCode] = {}
    for broker_id in sorted({replica.broker_id for replica in targets}):
        dirs: dict[str, AlterReplicaLogDir] = {}
        topics: dict[tuple[str, str], AlterReplicaLogDirTopic] = {}
        for replica, path in targets.items():
            if replica.broker_id != broker_id:
                continue
            if (path, replica.topic) not in topics:
                topic = topics[path, replica.topic] = AlterReplicaLogDirTopic(name=replica.topic)
                dirs.setdefault(path, AlterReplicaLogDir(path=path)).topics.append(topic)
            topics[path, replica.topic].partitions.append(replica.partition)
        response = admin.send(
            AlterReplicaLogDirsRequest(dirs=list(dirs.values())), call="alterReplicaLogDirs", node_id=broker_id
        )
        for answered in response.results:
            for partition in answered.partitions:
                replica = Replica(broker_id, answered.topic_name, partition.partition_index)
                results[replica] = ErrorCode.for_code(partition.error_code)
    return results
