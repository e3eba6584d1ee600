"""OffsetCommit: a group's offsets of partitions that exist.

Versions up to 4 bring a retention time, 6 leader epochs, 7 static members; from 9 on members of consumer groups commit
and an unknown group is told apart, 10 names topics by id (KIP-848). Of more than five hundred partitions each five
hundred are committed on their own, where Apache Kafka writes all of them as one batch or none.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Iterator

from kafkalite.broker.api_registry import serves
from kafkalite.broker.group_coordinator import operation_error
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)

TOPIC_ID_MIN_VERSION = 10
PARTITIONS_PER_STEP = 500
"""So many are committed with one batch of records, before others have their turn."""


@serves(OffsetCommitRequest, while_loading=True)
def offset_commit(
    context: RequestContext, request: OffsetCommitRequest
) -> OffsetCommitResponse | Future[OffsetCommitResponse]:
    refused = _take_out_unknown_partitions(context, request)
    if not request.topics:
        return OffsetCommitResponse(topics=refused)
    if sum(len(topic.partitions) for topic in request.topics) > PARTITIONS_PER_STEP:
        return asyncio.shield(asyncio.ensure_future(_commit_in_steps(context, request, refused)))
    answer = _commit(context, request)
    if refused:
        assert isinstance(answer, OffsetCommitResponse)
        answer.topics = merge(refused, answer.topics, uses_topic_ids=context.api_version >= TOPIC_ID_MIN_VERSION)
    return answer


def _commit(
    context: RequestContext, request: OffsetCommitRequest
) -> OffsetCommitResponse | Future[OffsetCommitResponse]:
    try:
        return context.broker.group_coordinator.commit_offsets(context, request)
    except KafkaError as error:
        error_code = operation_error(error)
        return OffsetCommitResponse(topics=[_refused(topic, error_code) for topic in request.topics])


async def _commit_in_steps(
    context: RequestContext, request: OffsetCommitRequest, refused: list[OffsetCommitResponseTopic]
) -> OffsetCommitResponse:
    topics = list(refused)
    uses_topic_ids = context.api_version >= TOPIC_ID_MIN_VERSION
    for part in _parts(request.topics):
        request.topics = part
        answer = _commit(context, request)
        answered = answer if isinstance(answer, OffsetCommitResponse) else await answer
        topics = merge(topics, answered.topics, uses_topic_ids=uses_topic_ids)
        await asyncio.sleep(0)
    return OffsetCommitResponse(topics=topics)


def _parts(topics: list[OffsetCommitRequestTopic]) -> Iterator[list[OffsetCommitRequestTopic]]:
    """The partitions in their order, so many at a time."""
    part: list[OffsetCommitRequestTopic] = []
    room = PARTITIONS_PER_STEP
    for topic in topics:
        partitions = topic.partitions
        while partitions:
            taken, partitions = partitions[:room], partitions[room:]
            part.append(OffsetCommitRequestTopic(name=topic.name, topic_id=topic.topic_id, partitions=taken))
            room -= len(taken)
            if not room:
                yield part
                part, room = [], PARTITIONS_PER_STEP
    if part:
        yield part


def _take_out_unknown_partitions(
    context: RequestContext, request: OffsetCommitRequest
) -> list[OffsetCommitResponseTopic]:
    """Gives topics their names and ids; what does not exist leaves the request and is answered."""
    topics = context.broker.metadata.image.topics
    uses_topic_ids = context.api_version >= TOPIC_ID_MIN_VERSION
    refused: list[OffsetCommitResponseTopic] = []
    known: list[OffsetCommitRequestTopic] = []
    for topic in request.topics:
        if uses_topic_ids:
            image = topics.by_id.get(topic.topic_id)
            error_code = ErrorCode.UNKNOWN_TOPIC_ID
        else:
            image = topics.by_name.get(topic.name)
            error_code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            topic.topic_id = Uuid.ZERO
        if image is None:
            refused.append(_refused(topic, error_code))
            continue
        topic.name, topic.topic_id = image.name, image.topic_id
        unknown = [p for p in topic.partitions if p.partition_index not in image.partitions]
        if unknown:
            topic.partitions = [p for p in topic.partitions if p.partition_index in image.partitions]
            partial = OffsetCommitRequestTopic(name=topic.name, topic_id=topic.topic_id, partitions=unknown)
            refused.append(_refused(partial, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))
        if topic.partitions:
            known.append(topic)
    request.topics = known
    return merge([], refused, uses_topic_ids=uses_topic_ids) if len(refused) > 1 else refused


def _refused(topic: OffsetCommitRequestTopic, error_code: ErrorCode) -> OffsetCommitResponseTopic:
    return OffsetCommitResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        partitions=[
            OffsetCommitResponsePartition(partition_index=partition.partition_index, error_code=error_code)
            for partition in topic.partitions
        ],
    )


def merge(
    topics: list[OffsetCommitResponseTopic], others: list[OffsetCommitResponseTopic], *, uses_topic_ids: bool
) -> list[OffsetCommitResponseTopic]:
    """Both lists, the partitions of a topic that stands in both brought together."""
    merged = list(topics)
    by_topic: dict[object, OffsetCommitResponseTopic] = {
        (topic.topic_id if uses_topic_ids else topic.name): topic for topic in topics
    }
    for topic in others:
        key = topic.topic_id if uses_topic_ids else topic.name
        existing = by_topic.get(key)
        if existing is None:
            by_topic[key] = topic
            merged.append(topic)
        else:
            existing.partitions += topic.partitions
    return merged
