"""UnregisterBroker: takes a broker out of the metadata that will not come back; not this one, which is here."""

from __future__ import annotations

from collections.abc import Awaitable

from kafkalite.broker.api_registry import serves
from kafkalite.broker.metadata_store import answer_or_raise
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.unregister_broker import UnregisterBrokerRequest, UnregisterBrokerResponse
from kafkalite.protocol.metadata_records.nodes import UnregisterBrokerRecord


@serves(UnregisterBrokerRequest)
def unregister_broker(
    context: RequestContext, request: UnregisterBrokerRequest
) -> UnregisterBrokerResponse | Awaitable[UnregisterBrokerResponse]:
    broker_id = request.broker_id
    store = context.broker.metadata
    registration = store.written_image.cluster.brokers.get(broker_id)
    if registration is None:
        return UnregisterBrokerResponse(
            error_code=ErrorCode.BROKER_ID_NOT_REGISTERED,
            error_message=f"Broker ID {broker_id} is not currently registered",
        )
    if broker_id == context.node_id:
        return UnregisterBrokerResponse(
            error_code=ErrorCode.INVALID_REQUEST, error_message="The only broker of the cluster cannot be unregistered."
        )
    record = UnregisterBrokerRecord(broker_id=broker_id, broker_epoch=registration.epoch)
    return store.commit([record], answer_or_raise(UnregisterBrokerResponse()))
