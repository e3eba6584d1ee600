"""AlterPartition (API key 56): request and response."""

from __future__ import annotations

from kafkalite.identifiers import Uuid
from kafkalite.protocol.schema import Request, Response, Struct, array, int8, int16, int32, int64, uuid


class ResponsePartitionData(Struct):
    partition_index: int = int32()
    error_code: int = int16()
    leader_id: int = int32()
    leader_epoch: int = int32()
    isr: list[int] = array(int32)
    leader_recovery_state: int = int8(versions="1+", ignorable=True)
    partition_epoch: int = int32()


class ResponseTopicData(Struct):
    topic_id: Uuid = uuid(versions="2+", ignorable=True)
    partitions: list[ResponsePartitionData] = array(ResponsePartitionData)


class AlterPartitionResponse(Response, versions="2-3", flexible="0+"):
    throttle_time_ms: int = int32()
    error_code: int = int16()
    topics: list[ResponseTopicData] = array(ResponseTopicData)


class BrokerState(Struct):
    broker_id: int = int32(versions="3+")
    broker_epoch: int = int64(versions="3+", default=-1)


class RequestPartitionData(Struct):
    partition_index: int = int32()
    leader_epoch: int = int32()
    new_isr: list[int] = array(int32, versions="0-2")
    new_isr_with_epochs: list[BrokerState] = array(BrokerState, versions="3+")
    leader_recovery_state: int = int8(versions="1+")
    partition_epoch: int = int32()


class RequestTopicData(Struct):
    topic_id: Uuid = uuid(versions="2+", ignorable=True)
    partitions: list[RequestPartitionData] = array(RequestPartitionData)


class AlterPartitionRequest(
    Request, api_key=56, versions="2-3", flexible="0+", listeners=("controller",), response=AlterPartitionResponse
):
    broker_id: int = int32()
    broker_epoch: int = int64(default=-1)
    topics: list[RequestTopicData] = array(RequestTopicData)
