"""Envelope (API key 58): request and response."""

from __future__ import annotations

from kafkalite.protocol.schema import Request, Response, bytes_, int16


class EnvelopeResponse(Response, versions="0", flexible="0+"):
    response_data: bytes | None = bytes_(default=None, nullable="0+")
    error_code: int = int16()


class EnvelopeRequest(
    Request, api_key=58, versions="0", flexible="0+", listeners=("controller",), response=EnvelopeResponse
):
    request_data: bytes = bytes_()
    request_principal: bytes | None = bytes_(nullable="0+")
    client_host_address: bytes = bytes_()
