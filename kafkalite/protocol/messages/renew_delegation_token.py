"""RenewDelegationToken (API key 39): request and response."""

from __future__ import annotations

from kafkalite.protocol.schema import Request, Response, bytes_, int16, int32, int64


class RenewDelegationTokenResponse(Response, versions="1-2", flexible="2+"):
    error_code: int = int16()
    expiry_timestamp_ms: int = int64()
    throttle_time_ms: int = int32()


class RenewDelegationTokenRequest(
    Request,
    api_key=39,
    versions="1-2",
    flexible="2+",
    listeners=("broker", "controller"),
    response=RenewDelegationTokenResponse,
):
    hmac: bytes = bytes_()
    renew_period_ms: int = int64()
