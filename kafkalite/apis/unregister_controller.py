"""UnregisterController: takes a controller out of the metadata that will not come back; not the active one."""

from __future__ import annotations

from collections.abc import Awaitable

from kafkalite.broker.api_registry import serves
from kafkalite.broker.metadata_store import answer_or_raise
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.unregister_controller import (
    UnregisterControllerRequest,
    UnregisterControllerResponse,
)
from kafkalite.protocol.metadata_records.nodes import UnregisterControllerRecord


@serves(UnregisterControllerRequest)
def unregister_controller(
    context: RequestContext, request: UnregisterControllerRequest
) -> UnregisterControllerResponse | Awaitable[UnregisterControllerResponse]:
    controller_id = request.controller_id
    store = context.broker.metadata
    if controller_id == context.node_id:
        return UnregisterControllerResponse(
            error_code=ErrorCode.INVALID_REQUEST,
            error_message="Controller cannot unregister itself while it is active.",
        )
    if controller_id not in store.written_image.cluster.controllers:
        return UnregisterControllerResponse(
            error_code=ErrorCode.CONTROLLER_ID_NOT_REGISTERED,
            error_message=f"Controller ID {controller_id} is not currently registered.",
        )
    record = UnregisterControllerRecord(controller_id=controller_id)
    return store.commit([record], answer_or_raise(UnregisterControllerResponse()))
