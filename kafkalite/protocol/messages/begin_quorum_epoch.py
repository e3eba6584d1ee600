"""BeginQuorumEpoch (API key 53): request and response."""

from __future__ import annotations

from kafkalite.identifiers import Uuid
from kafkalite.protocol.schema import Request, Response, Struct, array, int16, int32, string, uint16, uuid


class ResponsePartitionData(Struct):
    partition_index: int = int32()
    error_code: int = int16()
    leader_id: int = int32()
    leader_epoch: int = int32()


class ResponseTopicData(Struct):
    topic_name: str = string()
    partitions: list[ResponsePartitionData] = array(ResponsePartitionData)


class NodeEndpoint(Struct):
    node_id: int = int32(versions="1+")
    host: str = string(versions="1+")
    port: int = uint16(versions="1+")


class BeginQuorumEpochResponse(Response, versions="0-1", flexible="1+"):
    error_code: int = int16()
    topics: list[ResponseTopicData] = array(ResponseTopicData)
    node_endpoints: list[NodeEndpoint] = array(NodeEndpoint, versions="1+", tag=0)


class RequestPartitionData(Struct):
    partition_index: int = int32()
    voter_directory_id: Uuid = uuid(versions="1+", ignorable=True)
    leader_id: int = int32()
    leader_epoch: int = int32()


class RequestTopicData(Struct):
    topic_name: str = string()
    partitions: list[RequestPartitionData] = array(RequestPartitionData)


class LeaderEndpoint(Struct):
    name: str = string(versions="1+")
    host: str = string(versions="1+")
    port: int = uint16(versions="1+")


class BeginQuorumEpochRequest(
    Request, api_key=53, versions="0-1", flexible="1+", listeners=("controller",), response=BeginQuorumEpochResponse
):
    cluster_id: str | None = string(default=None, nullable="0+")
    voter_id: int = int32(versions="1+", default=-1, ignorable=True)
    topics: list[RequestTopicData] = array(RequestTopicData)
    leader_endpoints: list[LeaderEndpoint] = array(LeaderEndpoint, versions="1+", ignorable=True)
