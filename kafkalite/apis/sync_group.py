"""SyncGroup: the leader hands out the assignment of a generation, and every member gets its part.

Version 3 knows static members, 5 says the protocol's type and name, which must be there then.
"""

from __future__ import annotations

from asyncio import Future

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse

PROTOCOL_MIN_VERSION = 5


@serves(SyncGroupRequest, while_loading=True)
def sync_group(context: RequestContext, request: SyncGroupRequest) -> SyncGroupResponse | Future[SyncGroupResponse]:
    if context.api_version >= PROTOCOL_MIN_VERSION and (request.protocol_type is None or request.protocol_name is None):
        return SyncGroupResponse(error_code=ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    return context.broker.group_coordinator.sync_group(context, request)
