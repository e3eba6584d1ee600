"""UnregisterBroker (API key 64): request and response."""

from __future__ import annotations

from kafkalite.protocol.schema import Request, Response, int16, int32, string


class UnregisterBrokerResponse(Response, versions="0", flexible="0+"):
    throttle_time_ms: int = int32()
    error_code: int = int16()
    error_message: str | None = string(nullable="0+")


class UnregisterBrokerRequest(
    Request,
    api_key=64,
    versions="0",
    flexible="0+",
    listeners=("broker", "controller"),
    response=UnregisterBrokerResponse,
):
    broker_id: int = int32()
