"""Heartbeat: a member of a classic group is alive; it hears whether it has to join again. Version 3: static members."""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse


@serves(HeartbeatRequest, while_loading=True)
def heartbeat(context: RequestContext, request: HeartbeatRequest) -> HeartbeatResponse:
    return context.broker.group_coordinator.heartbeat(request)
