"""OffsetForLeaderEpoch: where a leader epoch ended in the log, by which consumers notice a cut log (KIP-320)."""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.broker import check_leader_epoch
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import KafkaError
from kafkalite.protocol.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
)


@serves(OffsetForLeaderEpochRequest, while_loading=True)
def offset_for_leader_epoch(
    context: RequestContext, request: OffsetForLeaderEpochRequest
) -> OffsetForLeaderEpochResponse:
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderTopicResult(
                topic=topic.topic, partitions=[_end_offset(context, topic.topic, p) for p in topic.partitions]
            )
            for topic in request.topics
        ]
    )


def _end_offset(context: RequestContext, topic: str, wanted: OffsetForLeaderPartition) -> EpochEndOffset:
    try:
        log = context.broker.leader_log(topic, wanted.partition)
        check_leader_epoch(log, wanted.current_leader_epoch)
    except KafkaError as error:
        return EpochEndOffset(partition=wanted.partition, error_code=error.error)
    epoch, end_offset = log.end_offset_for_epoch(wanted.leader_epoch)
    return EpochEndOffset(partition=wanted.partition, leader_epoch=epoch, end_offset=end_offset)
