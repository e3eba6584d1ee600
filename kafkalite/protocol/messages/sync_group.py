"""SyncGroup (API key 14): request and response."""

from __future__ import annotations

from kafkalite.protocol.schema import Request, Response, Struct, array, bytes_, int16, int32, string


class SyncGroupResponse(Response, versions="0-5", flexible="4+"):
    throttle_time_ms: int = int32(versions="1+", ignorable=True)
    error_code: int = int16()
    protocol_type: str | None = string(versions="5+", default=None, nullable="5+", ignorable=True)
    protocol_name: str | None = string(versions="5+", default=None, nullable="5+", ignorable=True)
    assignment: bytes = bytes_()


class SyncGroupRequestAssignment(Struct):
    member_id: str = string()
    assignment: bytes = bytes_()


class SyncGroupRequest(Request, api_key=14, versions="0-5", flexible="4+", response=SyncGroupResponse):
    group_id: str = string()
    generation_id: int = int32()
    member_id: str = string()
    group_instance_id: str | None = string(versions="3+", default=None, nullable="3+")
    protocol_type: str | None = string(versions="5+", default=None, nullable="5+", ignorable=True)
    protocol_name: str | None = string(versions="5+", default=None, nullable="5+", ignorable=True)
    assignments: list[SyncGroupRequestAssignment] = array(SyncGroupRequestAssignment)
