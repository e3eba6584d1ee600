"""Heartbeat (API key 12): request and response."""

from __future__ import annotations

from kafkalite.protocol.schema import Request, Response, int16, int32, string


class HeartbeatResponse(Response, versions="0-4", flexible="4+"):
    throttle_time_ms: int = int32(versions="1+", ignorable=True)
    error_code: int = int16()


class HeartbeatRequest(Request, api_key=12, versions="0-4", flexible="4+", response=HeartbeatResponse):
    group_id: str = string()
    generation_id: int = int32()
    member_id: str = string()
    group_instance_id: str | None = string(versions="3+", default=None, nullable="3+")
