"""EndQuorumEpoch (API key 54): request and response."""

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


class EndQuorumEpochResponse(Response, versions="0-1", flexible="1+"):
    error_code: int = int16()
    topics: list[ResponseTopicData] = array(ResponseTopicData)
    node_endpoints: list[NodeEndpoint] = array(NodeEndpoint, versions="1+", tag=0)


class ReplicaInfo(Struct):
    candidate_id: int = int32(versions="1+")
    candidate_directory_id: Uuid = uuid(versions="1+")


class RequestPartitionData(Struct):
    partition_index: int = int32()
    leader_id: int = int32()
    leader_epoch: int = int32()
    preferred_successors: list[int] = array(int32, versions="0", ignorable=True)
    preferred_candidates: list[ReplicaInfo] = array(ReplicaInfo, versions="1+", ignorable=True)


class RequestTopicData(Struct):
    topic_name: str = string()
    partitions: list[RequestPartitionData] = array(RequestPartitionData)


class LeaderEndpoint(Struct):
    name: str = string(versions="1+")
    host: str = string(versions="1+")
    port: int = uint16(versions="1+")


class EndQuorumEpochRequest(
    Request, api_key=54, versions="0-1", flexible="1+", listeners=("controller",), response=EndQuorumEpochResponse
):
    cluster_id: str | None = string(default=None, nullable="0+")
    topics: list[RequestTopicData] = array(RequestTopicData)
    leader_endpoints: list[LeaderEndpoint] = array(LeaderEndpoint, versions="1+", ignorable=True)
