"""EndTxn: commits or aborts a transaction.

Version 2 tells a fenced producer so. From 5 on (KIP-890) every end raises the producer's epoch, and the answer says
who the producer is from now on.
"""

from __future__ import annotations

from typing import Final

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import ProducerIdAndEpoch
from kafkalite.protocol.messages.end_txn import EndTxnRequest, EndTxnResponse

PRODUCER_FENCED_MIN_VERSION: Final = 2
EPOCH_BUMP_MIN_VERSION: Final = 5


@serves(EndTxnRequest, while_loading=True)
def end_txn(context: RequestContext, request: EndTxnRequest) -> EndTxnResponse:
    try:
        producer = context.broker.transaction_coordinator.end_transaction(
            request.transactional_id,
            ProducerIdAndEpoch(request.producer_id, request.producer_epoch),
            is_commit=request.committed,
            client_version=2 if context.api_version >= EPOCH_BUMP_MIN_VERSION else 0,
        )
    except KafkaError as error:
        if error.error is ErrorCode.PRODUCER_FENCED and context.api_version < PRODUCER_FENCED_MIN_VERSION:
            return EndTxnResponse(error_code=ErrorCode.INVALID_PRODUCER_EPOCH)
        return EndTxnResponse(error_code=error.error)
    return EndTxnResponse(producer_id=producer.producer_id, producer_epoch=producer.producer_epoch)
