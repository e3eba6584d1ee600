"""SaslAuthenticate (API key 36): request and response."""

from __future__ import annotations

from kafkalite.protocol.schema import Request, Response, bytes_, int16, int64, string


class SaslAuthenticateResponse(Response, versions="0-2", flexible="2+"):
    error_code: int = int16()
    error_message: str | None = string(nullable="0+")
    auth_bytes: bytes = bytes_()
    session_lifetime_ms: int = int64(versions="1+", ignorable=True)


class SaslAuthenticateRequest(
    Request,
    api_key=36,
    versions="0-2",
    flexible="2+",
    listeners=("broker", "controller"),
    response=SaslAuthenticateResponse,
):
    auth_bytes: bytes = bytes_()
