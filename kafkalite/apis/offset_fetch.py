"""OffsetFetch: the committed offsets of a group.

Version 2 fetches all partitions and has an error of its own, 5 leader epochs, 7 can insist on stable offsets (KIP-447);
8 asks for several groups at once, 9 for members of consumer groups, 10 names topics by id (KIP-848).
"""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.group_coordinator import operation_error
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)

TOP_LEVEL_ERROR_MIN_VERSION = 2
BATCH_MIN_VERSION = 8
TOPIC_ID_MIN_VERSION = 10
NO_OFFSET = -1


@serves(OffsetFetchRequest, while_loading=True)
def offset_fetch(context: RequestContext, request: OffsetFetchRequest) -> OffsetFetchResponse:
    if context.api_version >= BATCH_MIN_VERSION:
        return OffsetFetchResponse(groups=[_fetch(context, group, request.require_stable) for group in request.groups])
    topics = None
    if request.topics is not None:
        topics = [
            OffsetFetchRequestTopics(name=topic.name, partition_indexes=topic.partition_indexes)
            for topic in request.topics
        ]
    group = OffsetFetchRequestGroup(group_id=request.group_id, topics=topics)
    return _for_one_group(_fetch(context, group, request.require_stable))


def _fetch(context: RequestContext, group: OffsetFetchRequestGroup, require_stable: bool) -> OffsetFetchResponseGroup:
    uses_topic_ids = context.api_version >= TOPIC_ID_MIN_VERSION
    unknown: list[OffsetFetchRequestTopics] = []
    if uses_topic_ids and group.topics is not None:
        unknown = _name_topics(context, group)
    try:
        fetched = context.broker.group_coordinator.fetch_offsets(group, require_stable=require_stable)
    except KafkaError as error:
        return _failed(context, group, operation_error(error))
    if uses_topic_ids and group.topics is None:
        fetched.topics = [topic for topic in fetched.topics if _has_id(context, topic)]
    for topic in unknown:
        fetched.topics.append(
            OffsetFetchResponseTopics(
                topic_id=topic.topic_id,
                partitions=[
                    OffsetFetchResponsePartitions(
                        partition_index=index, committed_offset=NO_OFFSET, error_code=ErrorCode.UNKNOWN_TOPIC_ID
                    )
                    for index in topic.partition_indexes
                ],
            )
        )
    return fetched


def _name_topics(context: RequestContext, group: OffsetFetchRequestGroup) -> list[OffsetFetchRequestTopics]:
    """Gives the topics their names; those that do not exist leave the request."""
    by_id = context.broker.metadata.image.topics.by_id
    known, unknown = [], []
    for topic in group.topics or ():
        image = by_id.get(topic.topic_id)
        if image is None:
            unknown.append(topic)
        else:
            topic.name = image.name
            known.append(topic)
    group.topics = known
    return unknown


def _has_id(context: RequestContext, topic: OffsetFetchResponseTopics) -> bool:
    """Gives a topic its id; one that no longer exists cannot be named."""
    topic.topic_id = context.broker.metadata.image.topics.topic_id(topic.name) or Uuid.ZERO
    return topic.topic_id != Uuid.ZERO


def _failed(context: RequestContext, group: OffsetFetchRequestGroup, error: ErrorCode) -> OffsetFetchResponseGroup:
    if context.api_version >= TOP_LEVEL_ERROR_MIN_VERSION:
        return OffsetFetchResponseGroup(group_id=group.group_id, error_code=error)
    return OffsetFetchResponseGroup(
        group_id=group.group_id,
        topics=[
            OffsetFetchResponseTopics(
                name=topic.name,
                partitions=[
                    OffsetFetchResponsePartitions(
                        partition_index=index, committed_offset=NO_OFFSET, metadata="", error_code=error
                    )
                    for index in topic.partition_indexes
                ],
            )
            for topic in group.topics or ()
        ],
    )


def _for_one_group(group: OffsetFetchResponseGroup) -> OffsetFetchResponse:
    """As it was answered before there could be several groups."""
    return OffsetFetchResponse(
        error_code=group.error_code,
        topics=[
            OffsetFetchResponseTopic(
                name=topic.name,
                partitions=[
                    OffsetFetchResponsePartition(
                        partition_index=partition.partition_index,
                        committed_offset=partition.committed_offset,
                        committed_leader_epoch=partition.committed_leader_epoch,
                        metadata=partition.metadata,
                        error_code=partition.error_code,
                    )
                    for partition in topic.partitions
                ],
            )
            for topic in group.topics
        ],
    )
