"""DeleteGroups (API key 42): request and response."""

from __future__ import annotations

from kafkalite.protocol.schema import Request, Response, Struct, array, int16, int32, string


class DeletableGroupResult(Struct):
    group_id: str = string()
    error_code: int = int16()
    error_message: str | None = string(versions="3+", default=None, nullable="3+", ignorable=True)


class DeleteGroupsResponse(Response, versions="0-3", flexible="2+"):
    throttle_time_ms: int = int32()
    results: list[DeletableGroupResult] = array(DeletableGroupResult)


class DeleteGroupsRequest(Request, api_key=42, versions="0-3", flexible="2+", response=DeleteGroupsResponse):
    groups_names: list[str] = array(string)
