"""DescribeGroups: state, protocol and members of classic groups.

Version 3 tells what may be done with a group, 4 knows static members; from 6 on a missing group is an error.
"""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.describe_groups import DescribeGroupsRequest, DescribeGroupsResponse

AUTHORIZED_OPERATIONS_MIN_VERSION = 3
GROUP_OPERATIONS = sum(1 << operation for operation in (3, 6, 8, 10, 11))
"""READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS and ALTER_CONFIGS: all there are for a group, while nothing is forbidden."""


@serves(DescribeGroupsRequest)
def describe_groups(context: RequestContext, request: DescribeGroupsRequest) -> DescribeGroupsResponse:
    coordinator = context.broker.group_coordinator
    groups = [coordinator.describe_group(group_id, context.api_version) for group_id in request.groups]
    if context.api_version >= AUTHORIZED_OPERATIONS_MIN_VERSION and request.include_authorized_operations:
        for group in groups:
            if group.error_code == ErrorCode.NONE:
                group.authorized_operations = GROUP_OPERATIONS
    return DescribeGroupsResponse(groups=groups)
