"""RemoveRaftVoter (API key 81): request and response."""

from __future__ import annotations

from kafkalite.identifiers import Uuid
from kafkalite.protocol.schema import Request, Response, int16, int32, string, uuid


class RemoveRaftVoterResponse(Response, versions="0", flexible="0+"):
    throttle_time_ms: int = int32()
    error_code: int = int16()
    error_message: str | None = string(nullable="0+", ignorable=True)


class RemoveRaftVoterRequest(
    Request,
    api_key=81,
    versions="0",
    flexible="0+",
    listeners=("controller", "broker"),
    response=RemoveRaftVoterResponse,
):
    cluster_id: str | None = string(nullable="0+")
    voter_id: int = int32()
    voter_directory_id: Uuid = uuid()
