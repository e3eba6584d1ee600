"""DeleteTopics (API key 20): request and response."""

from __future__ import annotations

from kafkalite.identifiers import Uuid
from kafkalite.protocol.schema import Request, Response, Struct, array, int16, int32, string, uuid


class DeletableTopicResult(Struct):
    name: str | None = string(nullable="6+")
    topic_id: Uuid = uuid(versions="6+", ignorable=True)
    error_code: int = int16()
    error_message: str | None = string(versions="5+", default=None, nullable="5+", ignorable=True)


class DeleteTopicsResponse(Response, versions="1-6", flexible="4+"):
    throttle_time_ms: int = int32(versions="1+", ignorable=True)
    responses: list[DeletableTopicResult] = array(DeletableTopicResult)


class DeleteTopicState(Struct):
    name: str | None = string(versions="6+", default=None, nullable="6+")
    topic_id: Uuid = uuid(versions="6+")


class DeleteTopicsRequest(
    Request,
    api_key=20,
    versions="1-6",
    flexible="4+",
    listeners=("broker", "controller"),
    response=DeleteTopicsResponse,
):
    topics: list[DeleteTopicState] = array(DeleteTopicState, versions="6+")
    topic_names: list[str] = array(string, versions="0-5", ignorable=True)
    timeout_ms: int = int32()
