"""StreamsGroupHeartbeat: a member of a streams application joins, goes on or leaves, and hears its tasks (KIP-1071).

Version 1 has room for recovery lags of more than 31 bits, and tells members of client tags that they lack.

Apache Kafka asks members for a description of their topology where it has a plugin that keeps it, which is a Java
class: here nobody is asked.
"""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.streams_group_heartbeat import (
    StreamsGroupHeartbeatRequest,
    StreamsGroupHeartbeatResponse,
)


@serves(StreamsGroupHeartbeatRequest, while_loading=True)
def streams_group_heartbeat(
    context: RequestContext, request: StreamsGroupHeartbeatRequest
) -> StreamsGroupHeartbeatResponse:
    streams_groups = context.broker.streams_groups
    if not streams_groups.is_enabled:
        return StreamsGroupHeartbeatResponse(
            error_code=ErrorCode.UNSUPPORTED_VERSION, error_message=ErrorCode.UNSUPPORTED_VERSION.message
        )
    return streams_groups.heartbeat(context, request)
