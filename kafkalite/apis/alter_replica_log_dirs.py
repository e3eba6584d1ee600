"""AlterReplicaLogDirs: moves partitions to other log directories of this broker (KIP-113).

An answer without an error says that a move has begun, or that there is none to make; DescribeLogDirs shows how far it
is.
"""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.protocol.messages.alter_replica_log_dirs import (
    AlterReplicaLogDirPartitionResult,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
    AlterReplicaLogDirTopicResult,
)


@serves(AlterReplicaLogDirsRequest)
def alter_replica_log_dirs(context: RequestContext, request: AlterReplicaLogDirsRequest) -> AlterReplicaLogDirsResponse:
    wanted = {
        TopicPartition(topic.name, index): directory.path
        for directory in request.dirs
        for topic in directory.topics
        for index in topic.partitions
    }
    results: dict[str, list[AlterReplicaLogDirPartitionResult]] = {}
    for topic_partition, path in wanted.items():
        error = ErrorCode.NONE
        try:
            context.broker.replica_alter_log_dirs.move(topic_partition, path)
        except KafkaError as refusal:
            error = refusal.error
        results.setdefault(topic_partition.topic, []).append(
            AlterReplicaLogDirPartitionResult(partition_index=topic_partition.partition, error_code=error)
        )
    return AlterReplicaLogDirsResponse(
        results=[
            AlterReplicaLogDirTopicResult(topic_name=name, partitions=partitions)
            for name, partitions in results.items()
        ]
    )
