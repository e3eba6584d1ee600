"""SaslHandshake (API key 17): request and response."""

from __future__ import annotations

from kafkalite.protocol.schema import Request, Response, array, int16, string


class SaslHandshakeResponse(Response, versions="0-1"):
    error_code: int = int16()
    mechanisms: list[str] = array(string)


class SaslHandshakeRequest(
    Request, api_key=17, versions="0-1", listeners=("broker", "controller"), response=SaslHandshakeResponse
):
    mechanism: str = string()
