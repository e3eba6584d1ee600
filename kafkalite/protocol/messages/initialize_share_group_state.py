"""InitializeShareGroupState (API key 83): request and response."""

from __future__ import annotations

from kafkalite.identifiers import Uuid
from kafkalite.protocol.schema import Request, Response, Struct, array, int16, int32, int64, string, uuid


class PartitionResult(Struct):
    partition: int = int32()
    error_code: int = int16()
    error_message: str | None = string(default=None, nullable="0+")


class InitializeStateResult(Struct):
    topic_id: Uuid = uuid()
    partitions: list[PartitionResult] = array(PartitionResult)


class InitializeShareGroupStateResponse(Response, versions="0", flexible="0+"):
    results: list[InitializeStateResult] = array(InitializeStateResult)


class PartitionData(Struct):
    partition: int = int32()
    state_epoch: int = int32()
    start_offset: int = int64()


class InitializeStateData(Struct):
    topic_id: Uuid = uuid()
    partitions: list[PartitionData] = array(PartitionData)


class InitializeShareGroupStateRequest(
    Request, api_key=83, versions="0", flexible="0+", response=InitializeShareGroupStateResponse
):
    group_id: str = string()
    topics: list[InitializeStateData] = array(InitializeStateData)
