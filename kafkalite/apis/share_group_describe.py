"""ShareGroupDescribe: state, epochs, members and assignments of share groups (KIP-932)."""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.authorized_operations import GROUP_OPERATIONS
from kafkalite.broker.group_coordinator import operation_error
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.messages.share_group_describe import (
    DescribedGroup,
    ShareGroupDescribeRequest,
    ShareGroupDescribeResponse,
)


@serves(ShareGroupDescribeRequest)
def share_group_describe(context: RequestContext, request: ShareGroupDescribeRequest) -> ShareGroupDescribeResponse:
    def describe(group_id: str) -> DescribedGroup:
        if not context.broker.share_groups.is_enabled:
            return DescribedGroup(group_id=group_id, error_code=ErrorCode.UNSUPPORTED_VERSION)
        if not group_id:
            return DescribedGroup(group_id=group_id, error_code=ErrorCode.INVALID_GROUP_ID)
        try:
            group = context.broker.share_groups.describe(group_id)
        except KafkaError as error:
            return DescribedGroup(group_id=group_id, error_code=operation_error(error), error_message=error.message)
        if request.include_authorized_operations:
            group.authorized_operations = GROUP_OPERATIONS
        return group

    return ShareGroupDescribeResponse(groups=[describe(group_id) for group_id in request.group_ids])
