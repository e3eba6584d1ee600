"""PushTelemetry (API key 72): request and response."""

from __future__ import annotations

from kafkalite.identifiers import Uuid
from kafkalite.protocol.schema import Request, Response, boolean, bytes_, int8, int16, int32, uuid


class PushTelemetryResponse(Response, versions="0", flexible="0+"):
    throttle_time_ms: int = int32()
    error_code: int = int16()


class PushTelemetryRequest(Request, api_key=72, versions="0", flexible="0+", response=PushTelemetryResponse):
    client_instance_id: Uuid = uuid()
    subscription_id: int = int32()
    terminating: bool = boolean()
    compression_type: int = int8()
    metrics: bytes = bytes_()
