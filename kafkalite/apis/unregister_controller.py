"""UnregisterController: takes a controller out of the metadata that will not come back; not the active one."""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
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
) -> UnregisterControllerResponse:
    controller_id = request.controller_id
    store = context.broker.metadata
    if controller_id == context.node_id:
        return UnregisterControllerResponse(
            error_code=ErrorCode.INVALID_REQUEST,
            error_message="Controller cannot unregister itself while it is active.",
        )
    if controller_id not in store.image.cluster.controllers:
        return UnregisterControllerResponse(
            error_code=ErrorCode.CONTROLLER_ID_NOT_REGISTERED,
            error_message=f"Controller ID {controller_id} is not currently registered.",
        )
    store.append([UnregisterControllerRecord(controller_id=controller_id)])
    return UnregisterControllerResponse()
