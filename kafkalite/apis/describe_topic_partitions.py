"""DescribeTopicPartitions: topics page by page, by name, with the replicas that are eligible to lead (KIP-966)."""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.authorized_operations import TOPIC_OPERATIONS
from kafkalite.broker.broker import Broker
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode
from kafkalite.identifiers import INTERNAL_TOPICS, TopicPartition
from kafkalite.metadata.topic_name import reason_invalid
from kafkalite.metadata.topics_image import TopicImage
from kafkalite.protocol.messages.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
)


@serves(DescribeTopicPartitionsRequest, while_loading=True)
def describe_topic_partitions(
    context: RequestContext, request: DescribeTopicPartitionsRequest
) -> DescribeTopicPartitionsResponse:
    by_name = context.broker.metadata.image.topics.by_name
    cursor = request.cursor
    first_name = "" if cursor is None else cursor.topic_name
    has_named_topics = bool(request.topics)
    names = {topic.name for topic in request.topics} if has_named_topics else set(by_name)
    if cursor is not None and (cursor.partition_index < 0 or (has_named_topics and cursor.topic_name not in names)):
        return _refuse(request, ErrorCode.INVALID_REQUEST)
    if cursor is None and "" in names:  # Apache Kafka takes it for the topic of a cursor, and there is none.
        return _refuse(request, ErrorCode.UNKNOWN_SERVER_ERROR)
    limit = context.broker.config.max_request_partition_size_limit
    remaining = max(min(limit, request.response_partition_limit), 1)
    response = DescribeTopicPartitionsResponse()
    for name in sorted(name for name in names if name >= first_name):
        if remaining <= 0:
            response.next_cursor = Cursor(topic_name=name, partition_index=0)
            break
        topic = by_name.get(name)
        if topic is None:
            if has_named_topics:
                response.topics.append(_unknown(name))
            continue
        start = cursor.partition_index if cursor is not None and name == first_name else 0
        described = _describe(context.broker, topic, start, remaining)
        response.topics.append(described)
        if start + len(described.partitions) < len(topic.partitions):
            response.next_cursor = Cursor(topic_name=name, partition_index=start + len(described.partitions))
            break
        remaining -= len(described.partitions)
    return response


def _refuse(request: DescribeTopicPartitionsRequest, error: ErrorCode) -> DescribeTopicPartitionsResponse:
    return DescribeTopicPartitionsResponse(
        topics=[DescribeTopicPartitionsResponseTopic(error_code=error, name=topic.name) for topic in request.topics]
    )


def _unknown(name: str) -> DescribeTopicPartitionsResponseTopic:
    is_invalid = reason_invalid(name) is not None
    return DescribeTopicPartitionsResponseTopic(
        error_code=ErrorCode.INVALID_TOPIC_EXCEPTION if is_invalid else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        name=name,
        is_internal=name in INTERNAL_TOPICS,
        topic_authorized_operations=TOPIC_OPERATIONS,
    )


def _describe(broker: Broker, topic: TopicImage, start: int, limit: int) -> DescribeTopicPartitionsResponseTopic:
    logs = broker.logs
    has_offline_logs = logs.has_offline_logs
    partitions = []
    for index in range(start, min(start + limit, len(topic.partitions))):
        partition = topic.partitions[index]
        is_led = partition.leader == broker.node_id and not broker.is_loading
        if has_offline_logs and logs.is_offline(TopicPartition(topic.name, index)):
            is_led = False
        partitions.append(
            DescribeTopicPartitionsResponsePartition(
                error_code=0 if is_led else ErrorCode.LEADER_NOT_AVAILABLE,
                partition_index=index,
                leader_id=partition.leader if is_led else -1,
                leader_epoch=partition.leader_epoch,
                replica_nodes=list(partition.replicas),
                isr_nodes=list(partition.isr),
                eligible_leader_replicas=list(partition.elr),
                last_known_elr=list(partition.last_known_elr),
                offline_replicas=[] if is_led else list(partition.replicas),
            )
        )
    return DescribeTopicPartitionsResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.name in INTERNAL_TOPICS,
        partitions=partitions,
        topic_authorized_operations=TOPIC_OPERATIONS,
    )
