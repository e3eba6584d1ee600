"""ConsumerGroupDescribe: state, epochs, members and assignments of consumer groups (KIP-848).

Version 1 tells which members use the classic protocol.
"""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.authorized_operations import GROUP_OPERATIONS
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.consumer_group_describe import (
    ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse,
    DescribedGroup,
)


@serves(ConsumerGroupDescribeRequest)
def consumer_group_describe(
    context: RequestContext, request: ConsumerGroupDescribeRequest
) -> ConsumerGroupDescribeResponse:
    coordinator = context.broker.group_coordinator
    if not coordinator.has_consumer_protocol:
        return ConsumerGroupDescribeResponse(
            groups=[
                DescribedGroup(group_id=group_id, error_code=ErrorCode.UNSUPPORTED_VERSION)
                for group_id in request.group_ids
            ]
        )
    groups = [coordinator.describe_consumer_group(group_id) for group_id in request.group_ids]
    if request.include_authorized_operations:
        for group in groups:
            if group.error_code == ErrorCode.NONE:
                group.authorized_operations = GROUP_OPERATIONS
    return ConsumerGroupDescribeResponse(groups=groups)
