"""DeleteRecords: moves the start of a log up to an offset; -1 stands for its high watermark.

The starts are on the disk when it is answered (Apache Kafka writes them some time later).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Final

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import INTERNAL_TOPICS
from kafkalite.protocol.messages.delete_records import (
    DeleteRecordsPartitionResult,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)

INVALID_LOW_WATERMARK: Final = -1
HIGH_WATERMARK: Final = -1
PARTITIONS_PER_STEP: Final = 10
"""Each costs some 300 us, for a small file is replaced; after so many others have their turn."""


@serves(DeleteRecordsRequest)
def delete_records(
    context: RequestContext, request: DeleteRecordsRequest
) -> DeleteRecordsResponse | Awaitable[DeleteRecordsResponse]:
    # What is asked last of a partition counts.
    asked = {
        (topic.name, partition.partition_index): partition.offset
        for topic in request.topics
        for partition in topic.partitions
    }
    if len(asked) > PARTITIONS_PER_STEP:
        return _delete_in_steps(context, asked)
    response = DeleteRecordsResponse()
    _delete_all(context, asked.items(), response)
    written = context.broker.checkpoint_log_starts()
    return response if written is None else _answer_when(written, response)


async def _delete_in_steps(context: RequestContext, asked: dict[tuple[str, int], int]) -> DeleteRecordsResponse:
    response = DeleteRecordsResponse()
    items = list(asked.items())
    for start in range(0, len(items), PARTITIONS_PER_STEP):
        _delete_all(context, items[start : start + PARTITIONS_PER_STEP], response)
        await asyncio.sleep(0)
    written = context.broker.checkpoint_log_starts()
    return response if written is None else await _answer_when(written, response)


async def _answer_when(written: Awaitable[None], response: DeleteRecordsResponse) -> DeleteRecordsResponse:
    await written
    return response


def _delete_all(
    context: RequestContext, asked: Iterable[tuple[tuple[str, int], int]], response: DeleteRecordsResponse
) -> None:
    topics = {topic.name: topic.partitions for topic in response.topics}
    with context.broker.logs.checkpoints.start_offsets_written_later():
        for (name, index), offset in asked:
            try:
                result = DeleteRecordsPartitionResult(
                    partition_index=index, low_watermark=_delete(context, name, index, offset)
                )
            except KafkaError as error:
                result = DeleteRecordsPartitionResult(
                    partition_index=index, low_watermark=INVALID_LOW_WATERMARK, error_code=error.error
                )
            partitions = topics.get(name)
            if partitions is None:
                partitions = topics[name] = []
                response.topics.append(DeleteRecordsTopicResult(name=name, partitions=partitions))
            partitions.append(result)


def _delete(context: RequestContext, topic: str, index: int, offset: int) -> int:
    log = context.broker.leader_log(topic, index)
    if topic in INTERNAL_TOPICS:
        raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION)
    if not log.config.is_deleted:
        raise KafkaError(ErrorCode.POLICY_VIOLATION)
    if offset == HIGH_WATERMARK:
        offset = log.high_watermark
    if not 0 <= offset <= log.high_watermark:
        raise KafkaError(ErrorCode.OFFSET_OUT_OF_RANGE)
    log.delete_records(offset)
    context.broker.fetch_purgatory.notify(log.topic_partition)
    return log.log_start_offset
