"""LeaveGroup (API key 13): request and response."""

from __future__ import annotations

from kafkalite.protocol.schema import Request, Response, Struct, array, int16, int32, string


class MemberResponse(Struct):
    member_id: str = string(versions="3+")
    group_instance_id: str | None = string(versions="3+", nullable="3+")
    error_code: int = int16(versions="3+")


class LeaveGroupResponse(Response, versions="0-5", flexible="4+"):
    throttle_time_ms: int = int32(versions="1+", ignorable=True)
    error_code: int = int16()
    members: list[MemberResponse] = array(MemberResponse, versions="3+")


class MemberIdentity(Struct):
    member_id: str = string(versions="3+")
    group_instance_id: str | None = string(versions="3+", default=None, nullable="3+")
    reason: str | None = string(versions="5+", default=None, nullable="5+", ignorable=True)


class LeaveGroupRequest(Request, api_key=13, versions="0-5", flexible="4+", response=LeaveGroupResponse):
    group_id: str = string()
    member_id: str = string(versions="0-2")
    members: list[MemberIdentity] = array(MemberIdentity, versions="3+")
