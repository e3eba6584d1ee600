"""InitProducerId (API key 22): request and response."""

from __future__ import annotations

from kafkalite.protocol.schema import Request, Response, boolean, int16, int32, int64, string


class InitProducerIdResponse(Response, versions="0-6", flexible="2+"):
    throttle_time_ms: int = int32(ignorable=True)
    error_code: int = int16()
    producer_id: int = int64(default=-1)
    producer_epoch: int = int16()
    ongoing_txn_producer_id: int = int64(versions="6+", default=-1)
    ongoing_txn_producer_epoch: int = int16(versions="6+", default=-1)


class InitProducerIdRequest(
    Request, api_key=22, versions="0-6", flexible="2+", latest_version_unstable=True, response=InitProducerIdResponse
):
    transactional_id: str | None = string(nullable="0+")
    transaction_timeout_ms: int = int32()
    producer_id: int = int64(versions="3+", default=-1)
    producer_epoch: int = int16(versions="3+", default=-1)
    enable2_pc: bool = boolean(versions="6+")
    keep_prepared_txn: bool = boolean(versions="6+")
