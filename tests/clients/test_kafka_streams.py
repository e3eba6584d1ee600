"""Kafka Streams: internal topics, a repartition, a changelog that a new instance restores its state from."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from apache_kafka import java_command
from client_scenarios import wait_until

pytestmark = [pytest.mark.oracle, pytest.mark.toolchain("javac")]
Run = Callable[[str, str, str], "subprocess.Popen[bytes]"]


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
