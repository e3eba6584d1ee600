"""AddOffsetsToTxn (API key 25): request and response."""

from __future__ import annotations

from kafkalite.protocol.schema import Request, Response, int16, int32, int64, string


class AddOffsetsToTxnResponse(Response, versions="0-4", flexible="3+"):
    throttle_time_ms: int = int32()
    error_code: int = int16()


class AddOffsetsToTxnRequest(Request, api_key=25, versions="0-4", flexible="3+", response=AddOffsetsToTxnResponse):
    transactional_id: str = string()
    producer_id: int = int64()
    producer_epoch: int = int16()
    group_id: str = string()
