"""WriteTxnMarkers: ends transactions in partitions' logs; how kafka-transactions aborts one that hangs.

Version 2 brings the transaction version by which a marker's epoch is judged (KIP-1228).
"""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.coordinator.transaction_coordinator import ProducerIdAndEpoch
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerPartitionResult,
    WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)


@serves(WriteTxnMarkersRequest)
def write_txn_markers(context: RequestContext, request: WriteTxnMarkersRequest) -> WriteTxnMarkersResponse:
    results: dict[int, dict[str, dict[int, ErrorCode]]] = {}
    # A marker is somebody's: Apache Kafka fails at making the batch of one that is nobody's, with the whole request.
    is_nobodys = any(marker.producer_id == -1 or marker.producer_epoch == -1 for marker in request.markers)
    for marker in request.markers:
        of_producer = results.setdefault(marker.producer_id, {})
        for topic in marker.topics:
            for index in topic.partition_indexes:
                error = ErrorCode.UNKNOWN_SERVER_ERROR
                if not is_nobodys:
                    error = _write(context, marker, TopicPartition(topic.name, index))
                of_producer.setdefault(topic.name, {})[index] = error
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


def _write(context: RequestContext, marker: WritableTxnMarker, partition: TopicPartition) -> ErrorCode:
    try:
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
