"""DeleteShareGroupState (API key 86): request and response."""

from __future__ import annotations

from kafkalite.identifiers import Uuid
from kafkalite.protocol.schema import Request, Response, Struct, array, int16, int32, string, uuid


class PartitionResult(Struct):
    partition: int = int32()
    error_code: int = int16()
    error_message: str | None = string(default=None, nullable="0+")


class DeleteStateResult(Struct):
    topic_id: Uuid = uuid()
    partitions: list[PartitionResult] = array(PartitionResult)


class DeleteShareGroupStateResponse(Response, versions="0", flexible="0+"):
    results: list[DeleteStateResult] = array(DeleteStateResult)


class PartitionData(Struct):
    partition: int = int32()


class DeleteStateData(Struct):
    topic_id: Uuid = uuid()
    partitions: list[PartitionData] = array(PartitionData)


class DeleteShareGroupStateRequest(
    Request, api_key=86, versions="0", flexible="0+", response=DeleteShareGroupStateResponse
):
    group_id: str = string()
    topics: list[DeleteStateData] = array(DeleteStateData)
