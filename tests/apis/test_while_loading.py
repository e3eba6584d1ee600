"""What each request is answered while the broker loads its logs: an error after which clients try again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from kafkalite.broker.api_registry import served_apis
from kafkalite.client.wire_client import DisconnectedError
from kafkalite.errors import ErrorCode
from kafkalite.identifiers import Uuid
from kafkalite.protocol.api_keys import ApiKey
from kafkalite.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from kafkalite.protocol.messages.add_partitions_to_txn import AddPartitionsToTxnRequest, AddPartitionsToTxnTopic
from kafkalite.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from kafkalite.protocol.messages.describe_cluster import DescribeClusterRequest
from kafkalite.protocol.messages.describe_log_dirs import DescribeLogDirsRequest
from kafkalite.protocol.messages.end_txn import EndTxnRequest
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kafkalite.protocol.messages.find_coordinator import FindCoordinatorRequest
from kafkalite.protocol.messages.heartbeat import HeartbeatRequest
from kafkalite.protocol.messages.init_producer_id import InitProducerIdRequest
from kafkalite.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from kafkalite.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from kafkalite.protocol.messages.list_groups import ListGroupsRequest
from kafkalite.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from kafkalite.protocol.messages.list_transactions import ListTransactionsRequest
from kafkalite.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kafkalite.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup
from kafkalite.protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from kafkalite.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkalite.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest
from kafkalite.protocol.messages.sync_group import SyncGroupRequest
from kafkalite.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from kafkalite.protocol.schema import Request
from loading_broker import BATCH, LoadingBroker


def produce(acks: int = 1) -> ProduceRequest:
    data = PartitionProduceData(index=0, records=BATCH)
    return ProduceRequest(acks=acks, topic_data=[TopicProduceData(name="orders", partition_data=[data])])


def fetch(topic_id: Uuid = Uuid.ZERO) -> FetchRequest:
    wanted = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1_000)
    topic = FetchTopic(topic="orders", topic_id=topic_id, partitions=[wanted])
    return FetchRequest(max_wait_ms=60_000, min_bytes=1, topics=[topic])


LOG_REQUESTS: list[tuple[Callable[[Uuid], Request], int, Callable[[Any], int]]] = [
    (lambda _: produce(), 9, lambda answer: answer.responses[0].partition_responses[0].error_code),
    (lambda _: fetch(), 4, lambda answer: answer.responses[0].partitions[0].error_code),
    (lambda _: fetch(), 12, lambda answer: answer.responses[0].partitions[0].error_code),
    (fetch, 16, lambda answer: answer.responses[0].partitions[0].error_code),
    (
        lambda _: ListOffsetsRequest(
            topics=[ListOffsetsTopic(name="orders", partitions=[ListOffsetsPartition(partition_index=0, timestamp=-1)])]
        ),
        8,
        lambda answer: answer.topics[0].partitions[0].error_code,
    ),
    (
        lambda _: OffsetForLeaderEpochRequest(
            topics=[
                OffsetForLeaderTopic(topic="orders", partitions=[OffsetForLeaderPartition(partition=0, leader_epoch=0)])
            ]
        ),
        4,
        lambda answer: answer.topics[0].partitions[0].error_code,
    ),
]


@pytest.mark.parametrize(("request_of", "version", "error_of"), LOG_REQUESTS)
async def test_who_wants_a_log_is_sent_to_look_for_its_leader(
    loading: LoadingBroker,
    request_of: Callable[[Uuid], Request],
    version: int,
    error_of: Callable[[Any], int],
) -> None:
    answer = await loading.ask(request_of(loading.topic_id), version)
    assert error_of(answer) == ErrorCode.NOT_LEADER_OR_FOLLOWER
    await loading.finish()
    assert error_of(await loading.ask(request_of(loading.topic_id), version)) == 0


async def test_a_producer_that_wants_no_answer_is_disconnected(loading: LoadingBroker) -> None:
    client = await loading.connect()
    client.send_request(produce(acks=0), 9)
    with pytest.raises(DisconnectedError):
        await asyncio.to_thread(client.send, DescribeClusterRequest())


LOADING, UNAVAILABLE = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.COORDINATOR_NOT_AVAILABLE
COORDINATOR_REQUESTS: list[tuple[Request, int | None, Callable[[Any], int], ErrorCode]] = [
    (
        FindCoordinatorRequest(key_type=0, coordinator_keys=["g"]),
        6,
        lambda answer: answer.coordinators[0].error_code,
        UNAVAILABLE,
    ),
    (FindCoordinatorRequest(key_type=1, key="t"), 3, lambda answer: answer.error_code, UNAVAILABLE),
    (
        JoinGroupRequest(
            group_id="g",
            session_timeout_ms=10_000,
            rebalance_timeout_ms=10_000,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
        ),
        9,
        lambda answer: answer.error_code,
        LOADING,
    ),
    (
        SyncGroupRequest(group_id="g", generation_id=1, member_id="m"),
        4,
        lambda answer: answer.error_code,
        LOADING,
    ),
    # As in Apache Kafka: nobody knows yet, and the member shall not leave for it.
    (
        HeartbeatRequest(group_id="g", generation_id=1, member_id="m"),
        4,
        lambda answer: answer.error_code,
        ErrorCode.NONE,
    ),
    (
        LeaveGroupRequest(group_id="g", members=[MemberIdentity(member_id="m")]),
        5,
        lambda answer: answer.error_code,
        LOADING,
    ),
    (
        OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=None)]),
        9,
        lambda answer: answer.groups[0].error_code,
        LOADING,
    ),
    (
        OffsetCommitRequest(
            group_id="g",
            topics=[
                OffsetCommitRequestTopic(
                    name="orders", partitions=[OffsetCommitRequestPartition(partition_index=0, committed_offset=1)]
                )
            ],
        ),
        8,
        lambda answer: answer.topics[0].partitions[0].error_code,
        LOADING,
    ),
    (
        ConsumerGroupHeartbeatRequest(
            group_id="g",
            member_id="m",
            member_epoch=0,
            rebalance_timeout_ms=10_000,
            subscribed_topic_names=["orders"],
            topic_partitions=[],
        ),
        1,
        lambda answer: answer.error_code,
        LOADING,
    ),
    (
        ShareGroupHeartbeatRequest(
            group_id="s", member_id="AAAAAAAAAAAAAAAAAAAAAA", member_epoch=0, subscribed_topic_names=["orders"]
        ),
        1,
        lambda answer: answer.error_code,
        LOADING,
    ),
    (
        InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=0),
        4,
        lambda answer: answer.error_code,
        LOADING,
    ),
    (
        InitProducerIdRequest(transactional_id="t", transaction_timeout_ms=10_000),
        4,
        lambda answer: answer.error_code,
        LOADING,
    ),
    (
        AddPartitionsToTxnRequest(
            v3_and_below_transactional_id="t",
            v3_and_below_producer_id=1,
            v3_and_below_producer_epoch=0,
            v3_and_below_topics=[AddPartitionsToTxnTopic(name="orders", partitions=[0])],
        ),
        3,
        lambda answer: answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code,
        LOADING,
    ),
    (
        AddOffsetsToTxnRequest(transactional_id="t", producer_id=1, producer_epoch=0, group_id="g"),
        3,
        lambda answer: answer.error_code,
        LOADING,
    ),
    (
        TxnOffsetCommitRequest(
            transactional_id="t",
            group_id="g",
            producer_id=1,
            producer_epoch=0,
            topics=[
                TxnOffsetCommitRequestTopic(
                    name="orders", partitions=[TxnOffsetCommitRequestPartition(partition_index=0, committed_offset=1)]
                )
            ],
        ),
        3,
        lambda answer: answer.topics[0].partitions[0].error_code,
        LOADING,
    ),
    (
        EndTxnRequest(transactional_id="t", producer_id=1, producer_epoch=0, committed=True),
        4,
        lambda answer: answer.error_code,
        LOADING,
    ),
]


@pytest.mark.parametrize(("request_", "version", "error_of", "error"), COORDINATOR_REQUESTS)
async def test_who_wants_a_coordinator_is_told_to_come_again(
    loading: LoadingBroker, request_: Request, version: int, error_of: Callable[[Any], int], error: ErrorCode
) -> None:
    assert error_of(await loading.ask(request_, version)) == error
    await loading.finish()
    assert error_of(await loading.ask(request_, version)) not in (LOADING, UNAVAILABLE)


async def test_a_client_that_comes_with_any_other_request_waits(loading: LoadingBroker) -> None:
    served = {ApiKey(api_key).name for api_key, api in served_apis().items() if api.is_served_while_loading}
    assert served == {
        *("API_VERSIONS", "SASL_HANDSHAKE", "SASL_AUTHENTICATE"),
        *("METADATA", "DESCRIBE_CLUSTER", "DESCRIBE_TOPIC_PARTITIONS", "FIND_COORDINATOR"),
        *("PRODUCE", "FETCH", "LIST_OFFSETS", "OFFSET_FOR_LEADER_EPOCH"),
        *("JOIN_GROUP", "SYNC_GROUP", "HEARTBEAT", "LEAVE_GROUP", "OFFSET_COMMIT", "OFFSET_FETCH"),
        *("CONSUMER_GROUP_HEARTBEAT", "SHARE_GROUP_HEARTBEAT", "STREAMS_GROUP_HEARTBEAT"),
        *("INIT_PRODUCER_ID", "ADD_PARTITIONS_TO_TXN", "ADD_OFFSETS_TO_TXN", "TXN_OFFSET_COMMIT", "END_TXN"),
    }
    asking = [
        asyncio.create_task(loading.ask(request))
        for request in (DescribeLogDirsRequest(topics=None), ListGroupsRequest(), ListTransactionsRequest())
    ]
    listener = loading.server._listeners[0]
    while sum(connection.is_busy for connection in listener._connections) < len(asking):
        await asyncio.sleep(0.001)
    await loading.finish()
    log_dirs, groups, transactions = [await answer for answer in asking]
    assert {
        p.partition_index for topic in log_dirs.results[0].topics if topic.name == "orders" for p in topic.partitions
    } == {0, 1}
    assert [group.group_id for group in groups.groups] == ["g"]
    assert (transactions.error_code, transactions.transaction_states) == (0, [])
