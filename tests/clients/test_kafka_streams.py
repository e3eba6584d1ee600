"""Kafka Streams: internal topics, a repartition, a changelog that gives a new instance its state; two instances."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from apache_kafka import java_command
from client_scenarios import wait_until
from kafkalite.client.wire_client import WireClient
from kafkalite.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from kafkalite.protocol.messages.streams_group_describe import StreamsGroupDescribeRequest

pytestmark = [pytest.mark.oracle, pytest.mark.toolchain("javac")]
Run = Callable[[str, str, str], "subprocess.Popen[bytes]"]
GROUP_RESOURCE = 32


@pytest.fixture
def word_count(bootstrap_servers: str, java_programs: Path, topic: str, group: str, tmp_path: Path) -> Iterator[Run]:
    """Starts the application with a state directory of that name; it ends when its standard input does."""
    running: list[subprocess.Popen[bytes]] = []

    def run(protocol: str, guarantee: str, state: str) -> subprocess.Popen[bytes]:
        arguments = [bootstrap_servers, group, topic, f"{topic}-counts", str(tmp_path / state), guarantee, protocol]
        command = java_command("WordCount", *arguments, extra_class_path=str(java_programs))
        with (tmp_path / f"{state}.log").open("wb") as log:
            running.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log))
        return running[-1]

    yield run
    for application in running:
        application.kill()
        application.wait()
        assert application.stdin is not None
        application.stdin.close()


@pytest.mark.parametrize("protocol", ["classic", "streams"])
@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once_v2"])
def test_words_are_counted_and_counted_on_from_the_changelog(
    bootstrap_servers: str,
    create_topic: Callable[[str, int], None],
    topic: str,
    group: str,
    word_count: Run,
    guarantee: str,
    protocol: str,
) -> None:
    create_topic(topic, 2)
    create_topic(f"{topic}-counts", 1)
    producer = Producer({"bootstrap.servers": bootstrap_servers})
    counts: dict[str, str] = {}
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "unused"})
    consumer.assign([TopicPartition(f"{topic}-counts", 0, 0)])

    def write(lines: int) -> None:
        for number in range(lines):
            producer.produce(topic, "alpha beta" if number % 2 else "alpha gamma", str(number))
        assert producer.flush(10) == 0

    def read() -> None:
        for message in consumer.consume(100, timeout=0.1):
            counts[message.key().decode()] = message.value().decode()

    write(100)
    application = word_count(protocol, guarantee, "first")
    wait_until(lambda: counts == {"alpha": "100", "beta": "50", "gamma": "50"}, meanwhile=read)
    application.communicate()
    assert application.returncode == 0
    write(10)
    word_count(protocol, guarantee, "second")
    wait_until(lambda: counts == {"alpha": "110", "beta": "55", "gamma": "55"}, meanwhile=read)
    consumer.close()
    topics = AdminClient({"bootstrap.servers": bootstrap_servers}).list_topics().topics
    internal = {
        name.removeprefix(f"{group}-"): len(about.partitions) for name, about in topics.items() if group in name
    }
    assert internal == {"words-repartition": 2, "counts-changelog": 2}


def test_tasks_move_between_instances_of_the_streams_protocol(
    bootstrap_servers: str,
    create_topic: Callable[[str, int], None],
    topic: str,
    group: str,
    word_count: Run,
) -> None:
    """Words are counted exactly once while a second instance comes and the first one goes."""
    create_topic(topic, 4)
    create_topic(f"{topic}-counts", 1)
    _configure(bootstrap_servers, group)
    producer = Producer({"bootstrap.servers": bootstrap_servers})
    counts: dict[str, str] = {}
    consumer = Consumer(
        {"bootstrap.servers": bootstrap_servers, "group.id": "unused", "isolation.level": "read_committed"}
    )
    consumer.assign([TopicPartition(f"{topic}-counts", 0, 0)])

    def write(lines: int) -> None:
        for number in range(lines):
            producer.produce(topic, "alpha beta", str(number))
        assert producer.flush(10) == 0

    def read() -> None:
        for message in consumer.consume(100, timeout=0.1):
            counts[message.key().decode()] = message.value().decode()

    write(100)
    first = word_count("streams", "exactly_once_v2", "first")
    wait_until(lambda: counts == {"alpha": "100", "beta": "100"}, meanwhile=read)
    word_count("streams", "exactly_once_v2", "second")
    wait_until(lambda: _active_tasks(bootstrap_servers, group) == [4, 4], meanwhile=read)
    write(100)
    wait_until(lambda: counts == {"alpha": "200", "beta": "200"}, meanwhile=read)
    first.communicate()
    write(100)
    wait_until(lambda: counts == {"alpha": "300", "beta": "300"}, meanwhile=read)
    assert _active_tasks(bootstrap_servers, group) == [8]
    consumer.close()


def _configure(bootstrap_servers: str, group: str) -> None:
    """Members are soon told of assignments, and wait for nobody who might come."""
    resource = AlterConfigsResource(
        resource_type=GROUP_RESOURCE,
        resource_name=group,
        configs=[AlterableConfig(name="streams.initial.rebalance.delay.ms", value="0")],
    )
    with WireClient(bootstrap_servers) as client:
        [answer] = client.send(IncrementalAlterConfigsRequest(resources=[resource])).responses
    assert answer.error_code == 0, answer


def _active_tasks(bootstrap_servers: str, group: str) -> list[int]:
    """How many tasks each member runs."""
    with WireClient(bootstrap_servers) as client:
        [described] = client.send(StreamsGroupDescribeRequest(group_ids=[group]), 0).groups
    return sorted(sum(len(t.partitions) for t in m.assignment.active_tasks) for m in described.members)
