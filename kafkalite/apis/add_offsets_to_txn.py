"""AddOffsetsToTxn: the partition that keeps a group's offsets joins a transaction.

Version 2 tells a fenced producer so. Newer clients do not send it: their TxnOffsetCommit adds it itself (KIP-890).
"""

from __future__ import annotations

from typing import Final

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import GROUP_METADATA_TOPIC, ProducerIdAndEpoch, TopicPartition
from kafkalite.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest, AddOffsetsToTxnResponse

PRODUCER_FENCED_MIN_VERSION: Final = 2


@serves(AddOffsetsToTxnRequest, while_loading=True)
def add_offsets_to_txn(context: RequestContext, request: AddOffsetsToTxnRequest) -> AddOffsetsToTxnResponse:
    broker = context.broker
    try:
        partition = TopicPartition(
            GROUP_METADATA_TOPIC, broker.group_coordinator.runtime.partition_for(request.group_id)
        )
        broker.transaction_coordinator.add_partitions(
            request.transactional_id,
            ProducerIdAndEpoch(request.producer_id, request.producer_epoch),
            [partition],
            client_version=0,
        )
    except KafkaError as error:
        if error.error is ErrorCode.PRODUCER_FENCED and context.api_version < PRODUCER_FENCED_MIN_VERSION:
            return AddOffsetsToTxnResponse(error_code=ErrorCode.INVALID_PRODUCER_EPOCH)
        return AddOffsetsToTxnResponse(error_code=error.error)
    return AddOffsetsToTxnResponse()
