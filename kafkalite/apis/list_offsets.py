"""ListOffsets: the offset that belongs to a timestamp, or to one of the special ones.

-1 is the log's end (under read_committed the last stable offset), -2 its start; -3 (version 7) the record with the
highest timestamp, -4 (version 8) the local log's start, -5 (version 9) the last tiered offset, -6 (version 11) the
earliest offset not yet tiered. Nothing is tiered here. From version 4 on answers carry the leader epoch of the record.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterator
from typing import Final

from kafkalite.broker.api_registry import serves
from kafkalite.broker.broker import check_leader_epoch
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)

LATEST_TIMESTAMP: Final = -1
EARLIEST_TIMESTAMP: Final = -2
MAX_TIMESTAMP: Final = -3
EARLIEST_LOCAL_TIMESTAMP: Final = -4
LATEST_TIERED_TIMESTAMP: Final = -5
EARLIEST_PENDING_UPLOAD_TIMESTAMP: Final = -6
_FIRST_VERSION: Final = {
    MAX_TIMESTAMP: 7,
    EARLIEST_LOCAL_TIMESTAMP: 8,
    LATEST_TIERED_TIMESTAMP: 9,
    EARLIEST_PENDING_UPLOAD_TIMESTAMP: 11,
}
FIRST_LEADER_EPOCH_VERSION: Final = 4
CONSUMER_REPLICA_ID: Final = -1
LOOKUPS_PER_STEP: Final = 50
"""A look-up by time reads a log's index and a batch; after so many others have their turn."""


@serves(ListOffsetsRequest, while_loading=True)
def list_offsets(
    context: RequestContext, request: ListOffsetsRequest
) -> ListOffsetsResponse | Awaitable[ListOffsetsResponse]:
    if not 0 <= request.isolation_level <= 1 and request.topics:
        return _refused(request, ErrorCode.UNKNOWN_SERVER_ERROR)
    topics: dict[str, dict[int, ListOffsetsPartitionResponse]] = {}
    steps = _find_all(context, request, topics)
    for _ in steps:
        return _answer_in_steps(steps, topics)
    return _answer(topics)


async def _answer_in_steps(
    steps: Iterator[None], topics: dict[str, dict[int, ListOffsetsPartitionResponse]]
) -> ListOffsetsResponse:
    await asyncio.sleep(0)
    for _ in steps:
        await asyncio.sleep(0)
    return _answer(topics)


def _find_all(
    context: RequestContext, request: ListOffsetsRequest, topics: dict[str, dict[int, ListOffsetsPartitionResponse]]
) -> Iterator[None]:
    """Fills `topics`; pauses after so many logs that have been read."""
    asked = Counter(
        (topic.name, partition.partition_index) for topic in request.topics for partition in topic.partitions
    )
    looked_up = 0
    for topic in request.topics:
        answers = topics.setdefault(topic.name, {})
        for partition in topic.partitions:
            try:
                if asked[topic.name, partition.partition_index] > 1:
                    raise KafkaError(ErrorCode.INVALID_REQUEST)
                answer = _find(context, request, topic.name, partition)
            except KafkaError as error:
                answer = ListOffsetsPartitionResponse(error_code=error.error)
            if context.api_version < FIRST_LEADER_EPOCH_VERSION:
                answer.leader_epoch = -1
            answer.partition_index = partition.partition_index
            answers[partition.partition_index] = answer
            if partition.timestamp >= 0 or partition.timestamp == MAX_TIMESTAMP:
                looked_up += 1
                if looked_up % LOOKUPS_PER_STEP == 0:
                    yield


def _answer(topics: dict[str, dict[int, ListOffsetsPartitionResponse]]) -> ListOffsetsResponse:
    return ListOffsetsResponse(
        topics=[
            ListOffsetsTopicResponse(name=name, partitions=list(answers.values()))
            for name, answers in topics.items()
            if answers
        ]
    )


def _refused(request: ListOffsetsRequest, error: ErrorCode) -> ListOffsetsResponse:
    return ListOffsetsResponse(
        topics=[
            ListOffsetsTopicResponse(
                name=topic.name,
                partitions=[
                    ListOffsetsPartitionResponse(partition_index=partition.partition_index, error_code=error)
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


def _find(
    context: RequestContext, request: ListOffsetsRequest, topic: str, partition: ListOffsetsPartition
) -> ListOffsetsPartitionResponse:
    timestamp = partition.timestamp
    if timestamp < EARLIEST_PENDING_UPLOAD_TIMESTAMP or context.api_version < _FIRST_VERSION.get(timestamp, 0):
        raise KafkaError(ErrorCode.UNSUPPORTED_VERSION)
    log = context.broker.leader_log(topic, partition.partition_index)
    check_leader_epoch(log, partition.current_leader_epoch)
    is_committed_only = request.isolation_level == 1 and request.replica_id == CONSUMER_REPLICA_ID
    fetchable_end = log.last_stable_offset if is_committed_only else log.high_watermark
    if timestamp == LATEST_TIMESTAMP:
        return ListOffsetsPartitionResponse(offset=fetchable_end, leader_epoch=log.leader_epoch_cache.latest_epoch)
    if timestamp in (EARLIEST_TIMESTAMP, EARLIEST_LOCAL_TIMESTAMP):
        epoch = log.leader_epoch_cache.epoch_for_offset(log.log_start_offset)
        return ListOffsetsPartitionResponse(offset=log.log_start_offset, leader_epoch=-1 if epoch is None else epoch)
    if timestamp in (LATEST_TIERED_TIMESTAMP, EARLIEST_PENDING_UPLOAD_TIMESTAMP):
        return ListOffsetsPartitionResponse()
    found = log.offset_for_max_timestamp() if timestamp == MAX_TIMESTAMP else log.offset_for_timestamp(timestamp)
    if found is None or found.offset >= fetchable_end:
        return ListOffsetsPartitionResponse()
    return ListOffsetsPartitionResponse(timestamp=found.timestamp, offset=found.offset, leader_epoch=found.leader_epoch)
