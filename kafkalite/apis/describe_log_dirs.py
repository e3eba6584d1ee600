"""DescribeLogDirs: the log directories with the sizes of their partitions and the room on their volumes."""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode
from kafkalite.identifiers import TopicPartition
from kafkalite.protocol.messages.describe_log_dirs import (
    DescribeLogDirsPartition,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)
from kafkalite.storage.log_directory import LogDirectory


@serves(DescribeLogDirsRequest)
def describe_log_dirs(context: RequestContext, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse:
    wanted: set[TopicPartition] | None = None
    if request.topics is not None:
        wanted = {TopicPartition(topic.topic, index) for topic in request.topics for index in topic.partitions}
    return DescribeLogDirsResponse(
        results=[_describe(context, directory, wanted) for directory in context.broker.logs.directories]
    )


def _describe(
    context: RequestContext, directory: LogDirectory, wanted: set[TopicPartition] | None
) -> DescribeLogDirsResult:
    if not directory.is_online:
        return DescribeLogDirsResult(error_code=ErrorCode.KAFKA_STORAGE_ERROR, log_dir=directory.path)
    broker = context.broker
    topics: dict[str, list[DescribeLogDirsPartition]] = {}
    for log in broker.logs.logs_in(directory):
        topic, index = log.topic_partition
        if wanted is None or log.topic_partition in wanted:
            topics.setdefault(topic, []).append(
                DescribeLogDirsPartition(partition_index=index, partition_size=log.size())
            )
    for future in broker.replica_alter_log_dirs.future_logs_in(directory):
        topic, index = future.source.topic_partition
        if wanted is None or future.source.topic_partition in wanted:
            topics.setdefault(topic, []).append(
                DescribeLogDirsPartition(
                    partition_index=index, partition_size=future.copy.size(), offset_lag=future.lag, is_future_key=True
                )
            )
    total, usable = broker.filesystem.space(directory.path)
    return DescribeLogDirsResult(
        log_dir=directory.path,
        topics=[DescribeLogDirsTopic(name=name, partitions=partitions) for name, partitions in topics.items()],
        total_bytes=total,
        usable_bytes=usable,
    )
