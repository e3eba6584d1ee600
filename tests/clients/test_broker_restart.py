"""Clients that live through a restart of the broker: producers go on, groups keep members, offsets and generations."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from broker_process import BrokerProcess
from client_scenarios import wait_until

PARTITIONS = 2


@pytest.fixture(
    params=[
        pytest.param("start_kafkalite", id="kafkalite"),
        pytest.param("start_apache_kafka", id="apache-kafka", marks=[pytest.mark.oracle, pytest.mark.on_oracle]),
    ]
)
def broker(request: pytest.FixtureRequest) -> BrokerProcess:
    """A broker that this test may restart."""
    started = request.getfixturevalue(request.param)()
    assert isinstance(started, BrokerProcess)
    return started


class Member:
    """A consumer in the group "readers" that commits what it reads."""

    def __init__(self, bootstrap_servers: str, instance: str | None = None) -> None:
        self.received: list[str] = []
        settings = {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "readers",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "heartbeat.interval.ms": 100,
            "reconnect.backoff.max.ms": 200,
            "log_level": 2,
        }
        if instance is not None:
            settings["group.instance.id"] = instance
        self._consumer = Consumer(settings)
        self._consumer.subscribe(["topic"])

    def poll(self) -> None:
        for message in self._consumer.consume(100, timeout=0.05):
            assert message.error() is None, message.error()
            self.received.append(message.value().decode())

    def assigned(self) -> int:
        return len(self._consumer.assignment())

    def member_id(self) -> str:
        return str(self._consumer.memberid())

    def commit(self) -> None:
        self._consumer.commit(asynchronous=False)

    def close(self) -> None:
        self._consumer.close()


def create_topic(broker: BrokerProcess) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers, "log_level": 2})
    admin.create_topics([NewTopic("topic", PARTITIONS)])["topic"].result()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_group_and_an_idempotent_producer_go_on_after_a_restart(broker: BrokerProcess, end: str) -> None:
    create_topic(broker)
    errors: list[object] = []
    settings = {"enable.idempotence": True, "linger.ms": 0, "reconnect.backoff.max.ms": 200, "log_level": 2}
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, **settings})

    def produce(prefix: str) -> list[str]:
        values = [f"{prefix}-{number}" for number in range(20)]
        for number, value in enumerate(values):
            producer.produce(
                "topic",
                value,
                partition=number % PARTITIONS,
                on_delivery=lambda error, _message: errors.append(error),
            )
        assert producer.flush(30) == 0
        return values

    first, second = Member(broker.bootstrap_servers), Member(broker.bootstrap_servers)

    def poll() -> None:
        first.poll()
        second.poll()

    wait_until(lambda: first.assigned() == second.assigned() == 1, meanwhile=poll)
    members = first.member_id(), second.member_id()
    before = produce("before")
    wait_until(lambda: len(first.received) + len(second.received) >= len(before), meanwhile=poll)
    first.commit()
    second.commit()
    getattr(broker, end)()
    broker.start()
    after = produce("after")
    wait_until(lambda: len(first.received) + len(second.received) >= len(before + after), meanwhile=poll)
    assert sorted(first.received + second.received) == sorted(before + after)
    assert (first.member_id(), second.member_id()) == members
    assert set(errors) == {None}
    second.close()
    first.close()
    late = produce("late")
    third = Member(broker.bootstrap_servers)
    wait_until(lambda: len(third.received) >= len(after + late), meanwhile=third.poll)
    assert sorted(third.received) == sorted(after + late), "what was not committed comes again, what was does not"
    third.close()


def test_a_restart_in_the_middle_of_a_rebalance_ends_in_a_new_one(broker: BrokerProcess) -> None:
    create_topic(broker)
    first = Member(broker.bootstrap_servers)
    wait_until(lambda: first.assigned() == PARTITIONS, meanwhile=first.poll)
    second = Member(broker.bootstrap_servers)
    second.poll()
    broker.kill()
    broker.start()

    def poll() -> None:
        first.poll()
        second.poll()

    wait_until(lambda: first.assigned() == second.assigned() == 1, timeout_s=60, meanwhile=poll)
    first.close()
    second.close()


async def test_an_aiokafka_consumer_and_producer_reconnect(broker: BrokerProcess) -> None:
    async with (
        AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers, enable_idempotence=True) as producer,
        AIOKafkaConsumer(
            "topic",
            bootstrap_servers=broker.bootstrap_servers,
            group_id="readers",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        ) as consumer,
    ):
        await producer.send_and_wait("topic", b"before")
        assert (await asyncio.wait_for(consumer.getone(), 30)).value == b"before"
        await consumer.commit()
        await asyncio.to_thread(broker.restart)
        await asyncio.wait_for(producer.send_and_wait("topic", b"after"), 30)
        assert (await asyncio.wait_for(consumer.getone(), 30)).value == b"after"
