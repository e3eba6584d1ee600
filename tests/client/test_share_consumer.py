from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import confluent_kafka
import pytest

from kafkalite.client.admin import Admin
from kafkalite.client.share_consumer import ShareConsumer, SharedRecord
from kafkalite.client.share_session import AcknowledgeType
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from kafkalite.protocol.messages.share_group_describe import ShareGroupDescribeRequest
from kafkalite.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest
from kafkalite.testing import KafkaliteServer

GROUP = 32
Join = Callable[..., ShareConsumer]


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaliteServer]:
    with KafkaliteServer(config={"num.partitions": 2}) as server:
        yield server


@pytest.fixture
def name() -> str:
    return f"shared-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def admin(broker: KafkaliteServer, name: str) -> Iterator[Admin]:
    """Of a broker on which the group reads from the beginning."""
    config = AlterableConfig(name="share.auto.offset.reset", config_operation=0, value="earliest")
    resource = AlterConfigsResource(resource_type=GROUP, resource_name=name, configs=[config])
    with Admin(broker.bootstrap_servers) as connected:
        response = connected.send(IncrementalAlterConfigsRequest(resources=[resource]), call="incrementalAlterConfigs")
        assert response.responses[0].error_code == 0
        yield connected


@pytest.fixture
def join(broker: KafkaliteServer, admin: Admin, name: str) -> Iterator[Join]:
    """Makes members of the group, each with its own connection."""
    joined: list[tuple[ShareConsumer, Admin]] = []

    def join_group(*topics: str, **facts: Any) -> ShareConsumer:
        connection = Admin(broker.bootstrap_servers)
        consumer = ShareConsumer(connection, name, topics or [name], **facts)
        joined.append((consumer, connection))
        return consumer

    yield join_group
    for consumer, connection in joined:
        consumer.close()
        connection.close()


def produce(
    broker: KafkaliteServer, topic: str, *values: str, partition: int = 0, transactional_id: str | None = None
) -> None:
    configs: dict[str, Any] = {"bootstrap.servers": broker.bootstrap_servers, "linger.ms": 0}
    if transactional_id is not None:
        configs["transactional.id"] = transactional_id
    producer = confluent_kafka.Producer(configs)
    if transactional_id is not None:
        producer.init_transactions(30)
        producer.begin_transaction()
    for value in values:
        producer.produce(topic, value.encode(), partition=partition)
    if transactional_id is not None:
        producer.commit_transaction(30)
    assert producer.flush(30) == 0


def read(consumer: ShareConsumer, count: int, how: AcknowledgeType = AcknowledgeType.ACCEPT) -> list[SharedRecord]:
    """So many records, acknowledged."""
    records: list[SharedRecord] = []
    while len(records) < count:
        polled = consumer.poll(10)
        assert polled, f"only {records}"
        for record in polled:
            consumer.acknowledge(record, how)
        records += polled
    return records


def values(records: list[SharedRecord]) -> list[str]:
    return sorted((record.record.value or b"").decode() for record in records)


def members(admin: Admin, group: str) -> list[str]:
    response = admin.send_to_coordinator(
        group, ShareGroupDescribeRequest(group_ids=[group]), call="describeShareGroups", errors=lambda _: ()
    )
    return [member.member_id for member in response.groups[0].members]


def test_members_share_the_records_of_all_partitions(broker: KafkaliteServer, join: Join, name: str) -> None:
    for partition in range(2):
        produce(broker, name, f"a{partition}", f"b{partition}", partition=partition)
    consumer = join()
    records = read(consumer, 4)
    assert values(records) == ["a0", "a1", "b0", "b1"]
    assert {record.delivery_count for record in records} == {1}
    assert {record.timestamp_type for record in records} == {"CreateTime"}
    assert consumer.poll(0.3) == []


def test_what_is_released_comes_again_and_what_is_rejected_does_not(
    broker: KafkaliteServer, join: Join, name: str
) -> None:
    produce(broker, name, "a", "b", "c")
    consumer = join()
    fates = {b"a": AcknowledgeType.RELEASE, b"b": AcknowledgeType.REJECT, b"c": AcknowledgeType.ACCEPT}
    records: list[SharedRecord] = []
    while len(records) < 3:
        polled = consumer.poll(10)
        records += polled
        for record in polled:
            consumer.acknowledge(record, fates[record.record.value or b""])
    again = consumer.poll(10)
    assert [(record.record.value, record.delivery_count) for record in again] == [(b"a", 2)]


def test_who_leaves_gives_back_what_was_not_acknowledged(
    broker: KafkaliteServer, join: Join, admin: Admin, name: str
) -> None:
    produce(broker, name, "a")
    first = join()
    assert values(first.poll(10)) == ["a"]
    assert members(admin, name) == [first.member_id]
    first.close()
    assert members(admin, name) == []
    [record] = read(join(), 1)
    assert (record.record.value, record.delivery_count) == (b"a", 2)


def test_offsets_without_records_keep_nobody_waiting(broker: KafkaliteServer, join: Join, name: str) -> None:
    produce(broker, name, "a", transactional_id=name)
    produce(broker, name, "b", transactional_id=name)
    consumer = join()
    records = read(consumer, 2)
    assert [(record.record.offset, record.record.value) for record in records] == [(0, b"a"), (2, b"b")]
    consumer.close()
    assert join().poll(0.5) == []


def test_a_member_put_out_of_its_group_joins_again(
    broker: KafkaliteServer, join: Join, admin: Admin, name: str
) -> None:
    produce(broker, name, "a")
    now_s = [0.0]
    consumer = join(now_s=lambda: now_s[0], sleep_s=lambda pause_s: now_s.__setitem__(0, now_s[0] + pause_s))
    while not (records := consumer.poll(0)):
        now_s[0] += 0.5
    leave = ShareGroupHeartbeatRequest(group_id=name, member_id=consumer.member_id, member_epoch=-1)
    assert admin.send_to_coordinator(name, leave, call="shareGroupHeartbeat").error_code == 0
    # It hears of that with its next heartbeat; this acknowledgement comes too late.
    now_s[0] += 10
    consumer.acknowledge(records[0], AcknowledgeType.ACCEPT)
    produce(broker, name, "b")
    while not (records := consumer.poll(0)):
        now_s[0] += 0.5
    assert values(records) == ["b"]
    assert members(admin, name) == [consumer.member_id]


def test_a_connection_that_breaks_is_made_again(broker: KafkaliteServer, join: Join, name: str) -> None:
    produce(broker, name, "a")
    consumer = join()
    assert values(consumer.poll(10)) == ["a"]
    consumer._admin.bootstrap_client.close()
    [record] = read(consumer, 1)
    assert (record.record.value, record.delivery_count) == (b"a", 2)


def test_a_topic_that_is_not_there_is_said_once_and_waited_for(broker: KafkaliteServer, join: Join, name: str) -> None:
    warnings: list[str] = []
    consumer = join(allows_auto_topic_creation=False, warn=warnings.append)
    assert consumer.poll(0.5) == []
    assert warnings == [f"Error while fetching metadata: {{{name}=UNKNOWN_TOPIC_OR_PARTITION}}"]
    produce(broker, name, "a")
    assert values(read(consumer, 1)) == ["a"]


def test_a_topic_that_cannot_be_is_refused(join: Join) -> None:
    with pytest.raises(KafkaError) as refused:
        join("no topic").poll(10)
    assert (refused.value.error, refused.value.message) == (
        ErrorCode.INVALID_TOPIC_EXCEPTION,
        "Invalid topics: [no topic]",
    )
