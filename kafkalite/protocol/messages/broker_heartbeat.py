"""BrokerHeartbeat (API key 63): request and response."""

from __future__ import annotations

from kafkalite.identifiers import Uuid
from kafkalite.protocol.schema import Request, Response, array, boolean, int16, int32, int64, uuid


class BrokerHeartbeatResponse(Response, versions="0-2", flexible="0+"):
    throttle_time_ms: int = int32()
    error_code: int = int16()
    is_caught_up: bool = boolean()
    is_fenced: bool = boolean(default=True)
    should_shut_down: bool = boolean()


class BrokerHeartbeatRequest(
    Request, api_key=63, versions="0-2", flexible="0+", listeners=("controller",), response=BrokerHeartbeatResponse
):
    broker_id: int = int32()
    broker_epoch: int = int64(default=-1)
    current_metadata_offset: int = int64()
    want_fence: bool = boolean()
    want_shut_down: bool = boolean()
    offline_log_dirs: list[Uuid] = array(uuid, versions="1+", tag=0)
    cordoned_log_dirs: list[Uuid] | None = array(uuid, versions="2+", default=None, nullable="2+", tag=1)
