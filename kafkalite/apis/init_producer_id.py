"""InitProducerId: a producer's id and epoch, of its own for an idempotent producer, of its transactional id otherwise.

Version 3 lets a producer name the id and epoch it had (KIP-360), 4 tells a fenced producer so; 6 (two-phase commit,
KIP-939) is not stable yet and not served. Without a transactional id a new id is always given.
"""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.coordinator.transaction_coordinator import NO_PRODUCER
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import ProducerIdAndEpoch
from kafkalite.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse

PRODUCER_FENCED_MIN_VERSION = 4


@serves(InitProducerIdRequest, while_loading=True)
def init_producer_id(context: RequestContext, request: InitProducerIdRequest) -> InitProducerIdResponse:
    if (request.producer_id == -1) != (request.producer_epoch == -1):
        return _refused(ErrorCode.INVALID_REQUEST)
    broker = context.broker
    if request.transactional_id is None:
        if broker.is_loading:
            return _refused(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
        return InitProducerIdResponse(producer_id=broker.producer_ids.next_id(), producer_epoch=0)
    named = ProducerIdAndEpoch(request.producer_id, request.producer_epoch)
    try:
        producer = broker.transaction_coordinator.init_producer_id(
            request.transactional_id,
            request.transaction_timeout_ms,
            None if named == NO_PRODUCER else named,
            enables_two_phase_commit=request.enable2_pc,
            keeps_prepared=request.keep_prepared_txn,
        )
    except KafkaError as error:
        if error.error is ErrorCode.PRODUCER_FENCED and context.api_version < PRODUCER_FENCED_MIN_VERSION:
            return _refused(ErrorCode.INVALID_PRODUCER_EPOCH)
        return _refused(error.error)
    return InitProducerIdResponse(producer_id=producer.producer_id, producer_epoch=producer.producer_epoch)


def _refused(error: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=error, producer_id=-1, producer_epoch=-1)
