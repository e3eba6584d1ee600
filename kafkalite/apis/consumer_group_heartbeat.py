"""ConsumerGroupHeartbeat: a consumer group member joins, goes on or leaves, and hears what it is to read (KIP-848).

Version 1: members make their ids themselves, and may subscribe by regular expression.
"""

from __future__ import annotations

from asyncio import Future

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
)


@serves(ConsumerGroupHeartbeatRequest, while_loading=True)
def consumer_group_heartbeat(
    context: RequestContext, request: ConsumerGroupHeartbeatRequest
) -> ConsumerGroupHeartbeatResponse | Future[ConsumerGroupHeartbeatResponse]:
    coordinator = context.broker.group_coordinator
    if not coordinator.has_consumer_protocol:
        return ConsumerGroupHeartbeatResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    return coordinator.heartbeat_consumer_group(context, request)
