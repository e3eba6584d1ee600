"""Clients that come while the broker loads its logs: who is answered and with what, who waits, and how a start ends."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer

from kafkalite.client.wire_client import DisconnectedError, WireClient
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.api_versions import ApiVersionsRequest
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from kafkalite.protocol.messages.describe_cluster import DescribeClusterRequest
from kafkalite.protocol.messages.describe_topic_partitions import DescribeTopicPartitionsRequest, TopicRequest
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kafkalite.protocol.messages.list_groups import ListGroupsRequest
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from kafkalite.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup
from kafkalite.server import QUIET_LOADING_MS
from kafkalite.storage.log_directory import LogDirectoryError
from kafkalite.testing import KafkaliteServer
from loading_broker import IN_DATA, LoadingBroker

CLEAN_SHUTDOWN_FILE = "/data/.kafka_cleanshutdown"


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
async def test_a_start_that_is_cancelled_leaves_the_directory_as_it_was(lets_clients_in: bool) -> None:
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
    assert broker.filesystem.exists(CLEAN_SHUTDOWN_FILE)
    assert broker.filesystem.read_bytes(metadata_log) == before
    with (
        KafkaliteServer(filesystem=broker.filesystem, config=IN_DATA) as kafka,
        WireClient(kafka.bootstrap_servers) as client,
    ):
        wanted = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1_000)
        request = FetchRequest(max_wait_ms=0, topics=[FetchTopic(topic_id=broker.topic_id, partitions=[wanted])])
        assert client.send(request, 16).responses[0].partitions[0].high_watermark == 1
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
