"""InitProducerId without a transactional id: a producer id of its own for an idempotent producer.

Version 3 lets a producer name the id and epoch it had (KIP-360); without a transactional id a new id is always given.
"""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse


@serves(InitProducerIdRequest)
def init_producer_id(context: RequestContext, request: InitProducerIdRequest) -> InitProducerIdResponse:
    if request.transactional_id == "":
        return InitProducerIdResponse(error_code=ErrorCode.INVALID_REQUEST, producer_epoch=-1)
    if (request.producer_id == -1) != (request.producer_epoch == -1):
        return InitProducerIdResponse(error_code=ErrorCode.INVALID_REQUEST, producer_epoch=-1)
    return InitProducerIdResponse(producer_id=context.broker.producer_ids.next_id(), producer_epoch=0)
