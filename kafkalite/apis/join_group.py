"""JoinGroup: a member joins a group or takes part in its rebalance; the answer comes when all have joined.

Version 0 has no rebalance timeout (the session's counts), from 4 on a new member is first given its id (KIP-394),
5 knows static members (KIP-345), 7 the protocol's type, 8 the reason, 9 lets a leader skip the assignment (KIP-814).
"""

from __future__ import annotations

from asyncio import Future

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse

NULLABLE_PROTOCOL_NAME_MIN_VERSION = 7


@serves(JoinGroupRequest, while_loading=True)
def join_group(context: RequestContext, request: JoinGroupRequest) -> JoinGroupResponse | Future[JoinGroupResponse]:
    if context.api_version == 0:
        request.rebalance_timeout_ms = request.session_timeout_ms
    answer = context.broker.group_coordinator.join_group(context, request)
    if isinstance(answer, JoinGroupResponse):
        return for_version(answer, context.api_version)
    # This callback is registered before the connection's own, and so runs before the answer is encoded.
    version = context.api_version
    answer.add_done_callback(lambda done: done.cancelled() or for_version(done.result(), version))
    return answer


def for_version(response: JoinGroupResponse, version: int) -> JoinGroupResponse:
    """Without a protocol's name it is empty in old versions and null in new ones."""
    if version < NULLABLE_PROTOCOL_NAME_MIN_VERSION:
        response.protocol_name = response.protocol_name or ""
    else:
        response.protocol_name = response.protocol_name or None
    return response
