"""ExpireDelegationToken (API key 40): request and response."""

from __future__ import annotations

from kafkalite.protocol.schema import Request, Response, bytes_, int16, int32, int64


class ExpireDelegationTokenResponse(Response, versions="1-2", flexible="2+"):
    error_code: int = int16()
    expiry_timestamp_ms: int = int64()
    throttle_time_ms: int = int32()


class ExpireDelegationTokenRequest(
    Request,
    api_key=40,
    versions="1-2",
    flexible="2+",
    listeners=("broker", "controller"),
    response=ExpireDelegationTokenResponse,
):
    hmac: bytes = bytes_()
    expiry_time_period_ms: int = int64()
