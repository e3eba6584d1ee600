"""WriteTxnMarkers: ends transactions in partitions' logs; how kafka-transactions aborts one that hangs.

Version 2 brings the transaction version by which a marker's epoch is judged (KIP-1228).
"""

from __future__ import annotations

from typing import Final

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import GROUP_METADATA_TOPIC, ProducerIdAndEpoch, TopicPartition
from kafkalite.protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerPartitionResult,
    WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)

UNKNOWN_TRANSACTION_VERSION: Final = -1
"""Not a version that does not exist, but one that nobody has thought of: such a marker is not written."""


@serves(WriteTxnMarkersRequest)
def write_txn_markers(context: RequestContext, request: WriteTxnMarkersRequest) -> WriteTxnMarkersResponse:
    results: dict[int, dict[str, dict[int, ErrorCode]]] = {}
    has_failed = False
    for marker in request.markers:
        # A marker is somebody's: Apache Kafka fails at making the batch of one that is nobody's, and with it all.
        has_failed = has_failed or _breaks_all(context, marker)
        of_producer = results.setdefault(marker.producer_id, {})
        for topic in marker.topics:
            for index in topic.partition_indexes:
                of_partition = of_producer.setdefault(topic.name, {})
                of_partition[index] = ErrorCode.UNKNOWN_SERVER_ERROR
                if not has_failed:
                    of_partition[index] = _write(context, marker, TopicPartition(topic.name, index))
    if has_failed:  # also for the markers before it, which are written all the same
        for of_producer in results.values():
            for of_partition in of_producer.values():
                of_partition.update(dict.fromkeys(of_partition, ErrorCode.UNKNOWN_SERVER_ERROR))
    return WriteTxnMarkersResponse(
        markers=[
            WritableTxnMarkerResult(
                producer_id=producer_id,
                topics=[
                    WritableTxnMarkerTopicResult(
                        name=name,
                        partitions=[
                            WritableTxnMarkerPartitionResult(partition_index=index, error_code=error)
                            for index, error in of_topic.items()
                        ],
                    )
                    for name, of_topic in of_producer.items()
                ],
            )
            for producer_id, of_producer in results.items()
            if of_producer
        ]
    )


def _is_nobodys(marker: WritableTxnMarker) -> bool:
    return marker.producer_id == -1 or marker.producer_epoch == -1


def _breaks_all(context: RequestContext, marker: WritableTxnMarker) -> bool:
    """Whether a marker of nobody would have to go into some partition. Group offsets only fail themselves."""
    if not _is_nobodys(marker):
        return False
    topics = context.broker.metadata.image.topics
    return any(
        topic.name != GROUP_METADATA_TOPIC and topics.partition(TopicPartition(topic.name, index)) is not None
        for topic in marker.topics
        for index in topic.partition_indexes
    )


def _write(context: RequestContext, marker: WritableTxnMarker, partition: TopicPartition) -> ErrorCode:
    try:
        if marker.transaction_version == UNKNOWN_TRANSACTION_VERSION or _is_nobodys(marker):
            context.broker.leader_log(partition.topic, partition.partition)
            return ErrorCode.UNKNOWN_SERVER_ERROR
        context.broker.transaction_coordinator.write_marker(
            partition,
            ProducerIdAndEpoch(marker.producer_id, marker.producer_epoch),
            is_commit=marker.transaction_result,
            coordinator_epoch=marker.coordinator_epoch,
            transaction_version=marker.transaction_version,
        )
    except KafkaError as error:
        return error.error
    return ErrorCode.NONE
