"""The consumer group protocol of KIP-848, as Java clients and librdkafka speak it, and moving to it from the older."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from confluent_kafka import Consumer, ConsumerGroupType, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from apache_kafka import java_command
from broker_process import BrokerProcess
from client_scenarios import ALL_PARTITIONS, PARTITIONS, check_group_of_two, check_group_report, run_program, wait_until

HEARTBEAT = {"group.consumer.min.heartbeat.interval.ms": "100", "group.consumer.heartbeat.interval.ms": "100"}


@pytest.fixture(
    params=[
        pytest.param("start_kafkalite", id="kafkalite"),
        pytest.param("start_apache_kafka", id="apache-kafka", marks=[pytest.mark.oracle, pytest.mark.on_oracle]),
    ]
)
def servers(request: pytest.FixtureRequest) -> str:
    """A broker that asks its consumers for a heartbeat every 100 ms, which is how fast such groups rebalance."""
    started = request.getfixturevalue(request.param)(properties=HEARTBEAT)
    assert isinstance(started, BrokerProcess)
    return started.bootstrap_servers


class ConsumerProtocolMember:
    def __init__(self, servers: str, topic: str, group: str, **settings: str) -> None:
        self.received: list[str] = []
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 50,
                **settings,
            }
        )
        self._consumer.subscribe([topic])

    def poll(self) -> None:
        for message in self._consumer.consume(100, timeout=0.05):
            assert message.error() is None, message.error()
            self.received.append(message.value().decode())

    def assigned(self) -> set[int]:
        return {topic_partition.partition for topic_partition in self._consumer.assignment()}

    def commit(self) -> None:
        self._consumer.commit(asynchronous=False)

    def close(self) -> None:
        self._consumer.close()


def create_topic(servers: str, topic: str) -> AdminClient:
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(topic, PARTITIONS)])[topic].result()
    return admin


def produce(servers: str, topic: str, values: Sequence[str]) -> None:
    producer = Producer({"bootstrap.servers": servers})
    for number, value in enumerate(values):
        producer.produce(topic, value.encode(), partition=number % PARTITIONS)
    assert producer.flush(10) == 0


@pytest.mark.parametrize("assignor", ["uniform", "range"])
def test_librdkafka_shares_a_topic_in_a_group_of_two_and_resumes(
    servers: str, topic: str, group: str, assignor: str
) -> None:
    create_topic(servers, topic)
    settings = {"group.protocol": "consumer", "group.remote.assignor": assignor}
    check_group_of_two(
        lambda: ConsumerProtocolMember(servers, topic, group, **settings),
        lambda values: produce(servers, topic, values),
    )


def test_librdkafka_subscribes_to_a_regular_expression(servers: str, topic: str, group: str) -> None:
    create_topic(servers, topic)
    create_topic(servers, f"other-{topic}")
    produce(servers, topic, ["a", "b", "c", "d"])
    produce(servers, f"other-{topic}", ["x"])
    member = ConsumerProtocolMember(servers, f"^{topic[:8]}.*", group, **{"group.protocol": "consumer"})
    wait_until(lambda: len(member.received) >= 4, meanwhile=member.poll)
    assert (sorted(member.received), member.assigned()) == (["a", "b", "c", "d"], ALL_PARTITIONS)
    member.close()


def test_a_group_moves_from_the_classic_protocol_member_by_member(servers: str, topic: str, group: str) -> None:
    admin = create_topic(servers, topic)
    classic = ConsumerProtocolMember(servers, topic, group, **{"heartbeat.interval.ms": "100"})
    wait_until(lambda: classic.assigned() == ALL_PARTITIONS, meanwhile=classic.poll)
    produce(servers, topic, ["a", "b", "c", "d"])
    wait_until(lambda: len(classic.received) == 4, meanwhile=classic.poll)
    classic.commit()
    modern = ConsumerProtocolMember(servers, topic, group, **{"group.protocol": "consumer"})

    def poll() -> None:
        classic.poll()
        modern.poll()

    wait_until(lambda: len(classic.assigned()) == len(modern.assigned()) == 2, meanwhile=poll)
    described = admin.describe_consumer_groups([group])[group].result()
    assert (described.type, len(described.members)) == (ConsumerGroupType.CONSUMER, 2)
    produce(servers, topic, ["e", "f", "g", "h"])
    wait_until(lambda: len(classic.received) == 6 and len(modern.received) == 2, meanwhile=poll)
    classic.close()
    wait_until(lambda: modern.assigned() == ALL_PARTITIONS, meanwhile=modern.poll)
    modern.close()


@pytest.mark.oracle
@pytest.mark.toolchain("javac")
@pytest.mark.parametrize("assignor", ["uniform", "range"])
def test_the_java_consumer_shares_a_topic_in_a_group_of_two_and_resumes(
    servers: str, java_programs: Path, topic: str, group: str, assignor: str
) -> None:
    program = java_command("KafkaClients", extra_class_path=str(java_programs))
    check_group_report(run_program(program, servers, "group", topic, group, assignor))
