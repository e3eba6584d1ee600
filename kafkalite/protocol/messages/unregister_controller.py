"""UnregisterController (API key 94): request and response."""

from __future__ import annotations

from kafkalite.protocol.schema import Request, Response, int16, int32, string


class UnregisterControllerResponse(Response, versions="0", flexible="0+"):
    throttle_time_ms: int = int32()
    error_code: int = int16()
    error_message: str | None = string(nullable="0+")


class UnregisterControllerRequest(
    Request,
    api_key=94,
    versions="0",
    flexible="0+",
    listeners=("broker", "controller"),
    response=UnregisterControllerResponse,
):
    controller_id: int = int32()
