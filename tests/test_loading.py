"""Clients that come while the broker loads its logs: who is answered and with what, who waits, and how a start ends."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer

from kafkalite.client.wire_client import DisconnectedError, WireClient
from kafkalite.config.broker_config import BrokerConfig
from kafkalite.errors import ErrorCode
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from kafkalite.protocol.messages.add_partitions_to_txn import AddPartitionsToTxnRequest, AddPartitionsToTxnTopic
from kafkalite.protocol.messages.api_versions import ApiVersionsRequest
from kafkalite.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from kafkalite.protocol.messages.describe_cluster import DescribeClusterRequest
from kafkalite.protocol.messages.describe_topic_partitions import DescribeTopicPartitionsRequest, TopicRequest
from kafkalite.protocol.messages.end_txn import EndTxnRequest
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kafkalite.protocol.messages.find_coordinator import FindCoordinatorRequest
from kafkalite.protocol.messages.heartbeat import HeartbeatRequest
from kafkalite.protocol.messages.init_producer_id import InitProducerIdRequest
from kafkalite.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from kafkalite.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from kafkalite.protocol.messages.list_groups import ListGroupsRequest
from kafkalite.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
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
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from kafkalite.server import QUIET_LOADING_MS, Server
from kafkalite.storage.filesystem import DirectoryEntry
from kafkalite.storage.log_directory import LogDirectoryError
from kafkalite.storage.memory_filesystem import MemoryFileSystem
from kafkalite.testing import KafkaliteServer
from offline_broker import MovedClock

LOADED_LAST = "/data/orders-1"
CLEAN_SHUTDOWN_FILE = "/data/.kafka_cleanshutdown"
IN_DATA = {"log.dirs": "data"}
BATCH = build_batch([Record(0, 1_700_000_000_000, None, b"an order")])


class GatedFileSystem(MemoryFileSystem):
    """One in which the last log cannot be listed before the gate opens."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.is_reached = threading.Event()

    def scan_directory(self, path: str) -> list[DirectoryEntry]:
        if path == LOADED_LAST and not self.gate.is_set():
            self.is_reached.set()
            assert self.gate.wait(30), "the gate stayed closed"
        return super().scan_directory(path)


class LoadingBroker:
    """A server that is loading the topic `orders` of two partitions, with a record and a committed offset in each."""

    def __init__(self, properties: dict[str, str] | None = None, *, has_real_time: bool = False) -> None:
        self.filesystem = GatedFileSystem()
        self.clock = MovedClock()
        self.topic_id = self._fill()
        self.filesystem.gate.clear()
        config = {"listeners": "PLAINTEXT://127.0.0.1:0", **IN_DATA, **(properties or {})}
        self.server = Server(
            BrokerConfig(config), clock=None if has_real_time else self.clock, filesystem=self.filesystem
        )
        self.starting: asyncio.Task[None]
        self.clients: list[WireClient] = []

    def _fill(self) -> Uuid:
        with (
            KafkaliteServer(filesystem=self.filesystem, config=IN_DATA) as kafka,
            WireClient(kafka.bootstrap_servers) as client,
        ):
            topic = CreatableTopic(name="orders", num_partitions=2, replication_factor=1)
            answer = client.send(CreateTopicsRequest(topics=[topic]))
            for index in range(2):
                data = PartitionProduceData(index=index, records=BATCH)
                client.send(
                    ProduceRequest(acks=1, topic_data=[TopicProduceData(name="orders", partition_data=[data])]), 9
                )
            client.send(FindCoordinatorRequest(key_type=0, coordinator_keys=["g"]))
            committed = OffsetCommitRequestTopic(
                name="orders", partitions=[OffsetCommitRequestPartition(partition_index=0, committed_offset=1)]
            )
            client.send(OffsetCommitRequest(group_id="g", topics=[committed]), 8)
            topic_id: Uuid = answer.topics[0].topic_id
            return topic_id

    async def start_loading(self) -> None:
        self.starting = asyncio.create_task(self.server.start())
        reached = asyncio.create_task(asyncio.to_thread(self.filesystem.is_reached.wait, 30))
        await asyncio.wait({self.starting, reached}, return_when=asyncio.FIRST_COMPLETED)
        assert not self.starting.done(), self.starting.exception()
        assert await reached

    def become_late(self) -> None:
        """The moment passes for which clients are kept waiting."""
        self.clock.advance(QUIET_LOADING_MS)

    async def finish(self) -> None:
        self.filesystem.gate.set()
        await self.starting

    async def connect(self) -> WireClient:
        [(host, port)] = self.server.addresses
        self.clients.append(await asyncio.to_thread(WireClient, host, port))
        return self.clients[-1]

    async def ask(self, request: Request, version: int | None = None) -> Any:
        """Sends a request over a connection of its own."""
        client = await self.connect()
        return await asyncio.to_thread(client.send, request, version)


@pytest.fixture
async def loading() -> AsyncIterator[LoadingBroker]:
    """A broker in the middle of loading, at which clients are let in."""
    broker = LoadingBroker()
    await broker.start_loading()
    broker.become_late()
    yield broker
    broker.filesystem.gate.set()
    await asyncio.wait({broker.starting})
    for client in broker.clients:
        client.close()
    if broker.starting.exception() is None:
        await broker.server.stop()


async def test_what_the_metadata_knows_is_told_and_nothing_has_a_leader(loading: LoadingBroker) -> None:
    assert (
        await loading.ask(ApiVersionsRequest(client_software_name="a", client_software_version="1"))
    ).error_code == 0
    metadata = await loading.ask(MetadataRequest(topics=None))
    assert [(b.node_id, b.host, b.port) for b in metadata.brokers] == [(1, *loading.server.addresses[0])]
    assert metadata.controller_id == 1
    topics = {topic.name: topic for topic in metadata.topics}
    assert set(topics) == {"orders", "__consumer_offsets"}
    assert topics["orders"].error_code == 0 and topics["orders"].topic_id == loading.topic_id
    no_leader = [(ErrorCode.LEADER_NOT_AVAILABLE, -1)] * 2
    assert [(p.error_code, p.leader_id) for p in topics["orders"].partitions] == no_leader
    described = await loading.ask(DescribeTopicPartitionsRequest(topics=[TopicRequest(name="orders")]))
    assert [(p.error_code, p.leader_id) for p in described.topics[0].partitions] == no_leader
    cluster = await loading.ask(DescribeClusterRequest())
    assert (cluster.error_code, cluster.cluster_id) == (0, metadata.cluster_id)
    assert [broker.port for broker in cluster.brokers] == [loading.server.addresses[0][1]]
    await loading.finish()
    [topic] = (await loading.ask(MetadataRequest(topics=[MetadataRequestTopic(name="orders")]))).topics
    assert [(p.error_code, p.leader_id) for p in topic.partitions] == [(0, 1)] * 2


async def test_a_topic_that_would_be_created_is_asked_for_again(loading: LoadingBroker) -> None:
    async def errors(*, is_created: bool) -> list[int]:
        names = [MetadataRequestTopic(name=name) for name in ("new", "no/name")]
        answer = await loading.ask(MetadataRequest(topics=names, allow_auto_topic_creation=is_created))
        return [topic.error_code for topic in answer.topics]

    invalid = ErrorCode.INVALID_TOPIC_EXCEPTION
    assert await errors(is_created=True) == [ErrorCode.LEADER_NOT_AVAILABLE, invalid]
    assert await errors(is_created=False) == [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, invalid]
    await loading.finish()
    assert await errors(is_created=True) == [0, invalid]


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


async def test_committed_offsets_are_there_when_all_is_loaded(loading: LoadingBroker) -> None:
    request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=None)])
    assert (await loading.ask(request, 9)).groups[0].topics == []
    await loading.finish()
    [topic] = (await loading.ask(request, 9)).groups[0].topics
    assert [(p.partition_index, p.committed_offset) for p in topic.partitions] == [(0, 1)]


async def test_administration_waits_and_is_done_in_its_turn(loading: LoadingBroker) -> None:
    creation = CreateTopicsRequest(topics=[CreatableTopic(name="new", num_partitions=1, replication_factor=1)])
    creating = asyncio.create_task(loading.ask(creation))
    listing = asyncio.create_task(loading.ask(ListGroupsRequest()))
    # They have been read by the time in which others are answered that came later.
    while sum(listener.connection_count for listener in loading.server._listeners) < 2:
        await asyncio.sleep(0)
    names = [topic.name for topic in (await loading.ask(MetadataRequest(topics=None))).topics]
    assert not creating.done() and not listing.done() and "new" not in names
    await loading.finish()
    assert [topic.error_code for topic in (await creating).topics] == [0]
    assert [group.group_id for group in (await listing).groups] == ["g"]


async def test_what_nobody_waits_for_any_more_is_not_done(loading: LoadingBroker) -> None:
    client = await loading.connect()
    creation = CreateTopicsRequest(topics=[CreatableTopic(name="new", num_partitions=1, replication_factor=1)])
    await asyncio.to_thread(client.send, DescribeClusterRequest())
    client.send_request(creation, 7)
    listener = loading.server._listeners[0]
    while not any(connection.is_busy for connection in listener._connections):
        await asyncio.sleep(0.001)
    client.close()
    while listener.connection_count:
        await asyncio.sleep(0.001)
    await loading.finish()
    assert "new" not in loading.server.broker.metadata.image.topics.by_name


async def test_a_quick_start_lets_nobody_see_that_it_loads(caplog: pytest.LogCaptureFixture) -> None:
    broker = LoadingBroker()
    with caplog.at_level(logging.INFO, "kafkalite"):
        await broker.start_loading()
        broker.clock.advance(QUIET_LOADING_MS - 1)
        client = await broker.connect()  # the system takes the connection, the broker not yet
        asking = asyncio.create_task(asyncio.to_thread(client.send, MetadataRequest(topics=None)))
        await asyncio.sleep(0.01)
        assert not asking.done()
        await broker.finish()
    answer = await asking
    assert {p.leader_id for topic in answer.topics for p in topic.partitions} == {1}
    said = [record.getMessage().split(" with ")[0] for record in caplog.records if record.name == "kafkalite"]
    assert said == [f"Started on 127.0.0.1:{broker.server.addresses[0][1]}"]
    client.close()
    await broker.server.stop()


async def test_a_slow_start_says_when_it_listens_and_last_that_it_has_started(caplog: pytest.LogCaptureFixture) -> None:
    broker = LoadingBroker()
    with caplog.at_level(logging.INFO, "kafkalite"):
        await broker.start_loading()
        broker.become_late()
        await broker.ask(DescribeClusterRequest())
        await broker.finish()
    address = f"127.0.0.1:{broker.server.addresses[0][1]}"
    said = [record.getMessage().split(" with ")[0] for record in caplog.records if record.name == "kafkalite"]
    assert said == [f"Listening on {address} while logs are loaded", f"Started on {address}"]
    broker.clients[0].close()
    await broker.server.stop()


@pytest.mark.parametrize("lets_clients_in", [False, True])
async def test_a_start_that_is_cancelled_leaves_the_directory_as_a_kill_would(lets_clients_in: bool) -> None:
    broker = LoadingBroker()
    metadata_log = f"/data/__cluster_metadata-0/{0:020d}.log"
    before = broker.filesystem.read_bytes(metadata_log)
    await broker.start_loading()
    waiting: asyncio.Task[Any] | None = None
    if lets_clients_in:
        broker.become_late()
        waiting = asyncio.create_task(broker.ask(ListGroupsRequest()))
        while not any(connection.is_busy for connection in broker.server._listeners[0]._connections):
            await asyncio.sleep(0.001)
    broker.starting.cancel()
    await asyncio.sleep(0)
    assert not broker.starting.done()  # the thread that loads is waited for
    broker.filesystem.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await broker.starting
    if waiting is not None:
        with pytest.raises(DisconnectedError):
            await waiting
    assert not broker.filesystem.exists(CLEAN_SHUTDOWN_FILE)
    assert broker.filesystem.read_bytes(metadata_log) == before
    with (
        KafkaliteServer(filesystem=broker.filesystem, config=IN_DATA) as kafka,
        WireClient(kafka.bootstrap_servers) as client,
    ):
        assert client.send(fetch(broker.topic_id), 16).responses[0].partitions[0].high_watermark == 1
    assert broker.filesystem.exists(CLEAN_SHUTDOWN_FILE)


async def test_a_failure_ends_the_start(loading: LoadingBroker) -> None:
    assert (await loading.ask(DescribeClusterRequest())).error_code == 0

    def fail(*_: object) -> None:
        raise LogDirectoryError("Duplicate log directories")

    loading.server.broker.logs._rename_directory = fail  # type: ignore[method-assign,assignment]
    del loading.server.broker.metadata.image.topics.by_name["orders"]  # so that its logs are stray
    loading.filesystem.gate.set()
    with pytest.raises(LogDirectoryError, match="Duplicate log directories"):
        await loading.starting
    [(host, port)] = loading.server.addresses
    with pytest.raises(ConnectionError):
        await asyncio.open_connection(host, port)
    assert not loading.filesystem.exists("/data/.lock")


async def test_stock_clients_that_come_too_early_are_served_when_it_is_time() -> None:
    loading = LoadingBroker({"group.initial.rebalance.delay.ms": "0"}, has_real_time=True)  # they know what time it is
    await loading.start_loading()
    assert (await loading.ask(DescribeClusterRequest())).error_code == 0
    [(host, port)] = loading.server.addresses

    def run() -> tuple[list[tuple[Any, int]], list[bytes | None]]:
        delivered: list[tuple[Any, int]] = []
        fast = {
            "bootstrap.servers": f"{host}:{port}",
            "topic.metadata.refresh.fast.interval.ms": 20,
            "retry.backoff.ms": 20,
        }
        producer = Producer({**fast, "enable.idempotence": True})
        producer.produce(
            "orders",
            b"another",
            partition=1,
            on_delivery=lambda error, message: delivered.append((error, message.offset())),
        )
        consumer = Consumer({**fast, "group.id": "early", "auto.offset.reset": "earliest"})
        consumer.subscribe(["orders"])
        try:
            assert consumer.poll(0.3) is None  # it has seen the broker load
            assert producer.flush(0.1) == 1
            loading.filesystem.gate.set()
            assert producer.flush(30) == 0
            messages = [consumer.poll(30) for _ in range(3)]
            return delivered, [message.value() for message in messages if message is not None]
        finally:
            consumer.close()

    delivered, values = await asyncio.to_thread(run)
    assert delivered == [(None, 1)]
    assert sorted(value for value in values if value) == [b"an order", b"an order", b"another"]
    await loading.starting
    loading.clients[0].close()
    await loading.server.stop()
