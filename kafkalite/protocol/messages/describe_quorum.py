"""DescribeQuorum (API key 55): request and response."""

from __future__ import annotations

from kafkalite.identifiers import Uuid
from kafkalite.protocol.schema import Request, Response, Struct, array, int16, int32, int64, string, uint16, uuid


class ReplicaState(Struct):
    replica_id: int = int32()
    replica_directory_id: Uuid = uuid(versions="2+")
    log_end_offset: int = int64()
    last_fetch_timestamp: int = int64(versions="1+", default=-1, ignorable=True)
    last_caught_up_timestamp: int = int64(versions="1+", default=-1, ignorable=True)


class ResponsePartitionData(Struct):
    partition_index: int = int32()
    error_code: int = int16()
    error_message: str | None = string(versions="2+", nullable="2+", ignorable=True)
    leader_id: int = int32()
    leader_epoch: int = int32()
    high_watermark: int = int64()
    current_voters: list[ReplicaState] = array(ReplicaState)
    observers: list[ReplicaState] = array(ReplicaState)


class ResponseTopicData(Struct):
    topic_name: str = string()
    partitions: list[ResponsePartitionData] = array(ResponsePartitionData)


class Listener(Struct):
    name: str = string(versions="2+")
    host: str = string(versions="2+")
    port: int = uint16(versions="2+")


class Node(Struct):
    node_id: int = int32(versions="2+")
    listeners: list[Listener] = array(Listener, versions="2+")


class DescribeQuorumResponse(Response, versions="0-2", flexible="0+"):
    error_code: int = int16()
    error_message: str | None = string(versions="2+", nullable="2+", ignorable=True)
    topics: list[ResponseTopicData] = array(ResponseTopicData)
    nodes: list[Node] = array(Node, versions="2+")


class RequestPartitionData(Struct):
    partition_index: int = int32()


class RequestTopicData(Struct):
    topic_name: str = string()
    partitions: list[RequestPartitionData] = array(RequestPartitionData)


class DescribeQuorumRequest(
    Request,
    api_key=55,
    versions="0-2",
    flexible="0+",
    listeners=("broker", "controller"),
    response=DescribeQuorumResponse,
):
    topics: list[RequestTopicData] = array(RequestTopicData)
