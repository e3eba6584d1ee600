"""TxnOffsetCommit: a group's offsets as part of a transaction; they count from its commit on.

Version 2 brings leader epochs, 3 the member and its generation; 5 adds the group's partition to the transaction by
itself (KIP-890), 6 names topics by id.
"""

from __future__ import annotations

from typing import Final

from kafkalite.broker.api_registry import serves
from kafkalite.broker.group_coordinator import operation_error
from kafkalite.broker.request_context import RequestContext
from kafkalite.broker.write_support import WriteSupport
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import ProducerIdAndEpoch
from kafkalite.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)

LOAD_IN_PROGRESS_MIN_VERSION: Final = 2
GENERIC_ERROR_MIN_VERSION: Final = 4
ADD_PARTITION_MIN_VERSION: Final = 5
TOPIC_ID_MIN_VERSION: Final = 6


@serves(TxnOffsetCommitRequest, while_loading=True)
def txn_offset_commit(context: RequestContext, request: TxnOffsetCommitRequest) -> TxnOffsetCommitResponse:
    refused = _take_out_unknown_partitions(context, request)
    if not request.topics:
        return TxnOffsetCommitResponse(topics=_merge(refused, []))
    try:
        answer = context.broker.group_coordinator.commit_transactional_offsets(
            context,
            request,
            ProducerIdAndEpoch(request.producer_id, request.producer_epoch),
            _support(context.api_version),
        )
        topics = answer.topics
    except KafkaError as error:
        error_code = operation_error(error)
        if error_code is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS and context.api_version < LOAD_IN_PROGRESS_MIN_VERSION:
            # Older producers do not survive the other error (KAFKA-7296).
            error_code = ErrorCode.COORDINATOR_NOT_AVAILABLE
        topics = [_refused(topic, error_code) for topic in request.topics]
    return TxnOffsetCommitResponse(topics=_merge(refused, topics) if refused else topics)


def _support(version: int) -> WriteSupport:
    if version >= ADD_PARTITION_MIN_VERSION:
        return WriteSupport.ADD_PARTITION
    return WriteSupport.GENERIC_ERROR if version >= GENERIC_ERROR_MIN_VERSION else WriteSupport.DEFAULT_ERROR


def _take_out_unknown_partitions(
    context: RequestContext, request: TxnOffsetCommitRequest
) -> list[TxnOffsetCommitResponseTopic]:
    topics = context.broker.metadata.image.topics
    uses_topic_ids = context.api_version >= TOPIC_ID_MIN_VERSION
    refused: list[TxnOffsetCommitResponseTopic] = []
    known: list[TxnOffsetCommitRequestTopic] = []
    for topic in request.topics:
        image = topics.by_id.get(topic.topic_id) if uses_topic_ids else topics.by_name.get(topic.name)
        if image is None:
            unknown = ErrorCode.UNKNOWN_TOPIC_ID if uses_topic_ids else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            refused.append(_refused(topic, unknown))
            continue
        topic.name, topic.topic_id = image.name, image.topic_id
        missing = [p for p in topic.partitions if p.partition_index not in image.partitions]
        if missing:
            topic.partitions = [p for p in topic.partitions if p.partition_index in image.partitions]
            partial = TxnOffsetCommitRequestTopic(name=topic.name, topic_id=topic.topic_id, partitions=missing)
            refused.append(_refused(partial, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))
        if topic.partitions:
            known.append(topic)
    request.topics = known
    return refused


def _refused(topic: TxnOffsetCommitRequestTopic, error_code: ErrorCode) -> TxnOffsetCommitResponseTopic:
    return TxnOffsetCommitResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        partitions=[
            TxnOffsetCommitResponsePartition(partition_index=partition.partition_index, error_code=error_code)
            for partition in topic.partitions
        ],
    )


def _merge(
    topics: list[TxnOffsetCommitResponseTopic], others: list[TxnOffsetCommitResponseTopic]
) -> list[TxnOffsetCommitResponseTopic]:
    """Both lists, the partitions of a topic that stands in both brought together."""
    merged: dict[tuple[str, bytes], TxnOffsetCommitResponseTopic] = {}
    for topic in (*topics, *others):
        existing = merged.setdefault((topic.name, topic.topic_id), topic)
        if existing is not topic:
            existing.partitions += topic.partitions
    return list(merged.values())
