"""EndTxn (API key 26): request and response."""

from __future__ import annotations

from kafkalite.protocol.schema import Request, Response, boolean, int16, int32, int64, string


class EndTxnResponse(Response, versions="0-5", flexible="3+"):
    throttle_time_ms: int = int32()
    error_code: int = int16()
    producer_id: int = int64(versions="5+", default=-1, ignorable=True)
    producer_epoch: int = int16(versions="5+", default=-1, ignorable=True)


class EndTxnRequest(Request, api_key=26, versions="0-5", flexible="3+", response=EndTxnResponse):
    transactional_id: str = string()
    producer_id: int = int64()
    producer_epoch: int = int16()
    committed: bool = boolean()
