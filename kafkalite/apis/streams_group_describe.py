"""StreamsGroupDescribe: state, epochs, topology, members and tasks of streams groups (KIP-1071).

Version 1 tells the assignor, and the topology's description if it is asked for: there never is one, see
StreamsGroupTopologyDescriptionUpdate.
"""

from __future__ import annotations

from typing import Final

from kafkalite.broker.api_registry import serves
from kafkalite.broker.authorized_operations import GROUP_OPERATIONS
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.streams_group_describe import (
    DescribedGroup,
    StreamsGroupDescribeRequest,
    StreamsGroupDescribeResponse,
)

TOPOLOGY_DESCRIPTION_NOT_STORED: Final = 1


@serves(StreamsGroupDescribeRequest)
def streams_group_describe(
    context: RequestContext, request: StreamsGroupDescribeRequest
) -> StreamsGroupDescribeResponse:
    streams_groups = context.broker.streams_groups
    if not streams_groups.is_enabled:
        return StreamsGroupDescribeResponse(
            groups=[
                DescribedGroup(group_id=group_id, error_code=ErrorCode.UNSUPPORTED_VERSION)
                for group_id in request.group_ids
            ]
        )
    groups = [streams_groups.describe(group_id) for group_id in request.group_ids]
    for group in groups:
        if group.error_code == ErrorCode.NONE:
            if request.include_authorized_operations:
                group.authorized_operations = GROUP_OPERATIONS
            if request.include_topology_description:
                group.topology_description_status = TOPOLOGY_DESCRIPTION_NOT_STORED
    return StreamsGroupDescribeResponse(groups=groups)
