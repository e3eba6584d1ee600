"""LeaveGroup: members leave at once instead of by their session's end.

Up to version 2 one member, its error on top; from 3 on several, also by instance id (KIP-345); 5 says why.
"""

from __future__ import annotations

from asyncio import Future

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity

BATCH_MIN_VERSION = 3


@serves(LeaveGroupRequest, while_loading=True)
def leave_group(context: RequestContext, request: LeaveGroupRequest) -> LeaveGroupResponse | Future[LeaveGroupResponse]:
    if context.api_version >= BATCH_MIN_VERSION:
        return context.broker.group_coordinator.leave_group(context, request)
    request.members = [MemberIdentity(member_id=request.member_id)]
    answer = context.broker.group_coordinator.leave_group(context, request)
    assert isinstance(answer, LeaveGroupResponse)
    if answer.error_code == ErrorCode.NONE:
        answer.error_code = answer.members[0].error_code
    answer.members = []
    return answer
