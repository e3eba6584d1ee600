"""Two tutorials, typed as they stand: in one terminal the broker, in others a producer and a consumer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

BROKER_LIST = "Warning: --broker-list is deprecated. Use --bootstrap-server instead.\n"
ZOOKEEPER = (
    "Warning: --zookeeper is deprecated, and there is no ZooKeeper. "
    "Connecting to the broker at localhost:9092; use --bootstrap-server localhost:9092 instead.\n"
)
CREATE = "bin/kafka-topics.sh --create --zookeeper localhost:2181 --replication-factor 1 --partitions 1 --topic"
CONSUME = "bin/kafka-console-consumer.sh --bootstrap-server localhost:9092 --topic sample --from-beginning"


@pytest.fixture
def folder(fresh_checkout: Path, tmp_path: Path) -> Path:
    """The checkout as the tutorials' working folder; the data that they leave goes."""
    folder = tmp_path / "kafka"
    folder.mkdir()
    for name in ("bin", "config"):
        (folder / name).symlink_to(fresh_checkout / name)
    return folder


def start_broker(terminal: Any) -> None:
    assert terminal.type("bin/zookeeper-server-start.sh config/zookeeper.properties") == (
        "There is no ZooKeeper to start: kafkalite, like Apache Kafka since 4.0, works without it.\n"
        "Start the broker at once: bin/kafka-server-start.sh config/server.properties\n"
    )
    assert terminal.type("echo exit code $?") == "exit code 0\n"
    terminal.type("bin/kafka-server-start.sh config/server.properties", until="Started on ")
    assert re.fullmatch(r"\S*:9092 with data in \S*kafkalite-data: 0 topics, \d+ ms.*\n", terminal.wait_for("\n"))


def stop_broker(terminal: Any) -> None:
    terminal.press("\x03")
    terminal.wait_for("$ ")
    assert terminal.type("echo exit code $?") == "exit code 0\n"


def test_a_topic_is_created_with_the_flags_of_old_and_messages_go_through_it(folder: Path, open_terminal: Any) -> None:
    broker, producer, consumer = (open_terminal(folder) for _ in range(3))
    start_broker(broker)

    assert producer.type(f"{CREATE} sample") == ZOOKEEPER + "Created topic sample.\n"
    assert producer.type("bin/kafka-topics.sh --list --zookeeper localhost:2181") == ZOOKEEPER + "sample\n"

    produce = "bin/kafka-console-producer.sh --broker-list localhost:9092 --topic sample"
    assert producer.type(produce, until=">") == BROKER_LIST
    assert producer.type("This is a message", until=">") == ""
    assert producer.type("This is another message", until=">") == ""

    assert consumer.type(CONSUME, until="This is another message\n") == "This is a message\n"
    assert producer.type("And a third, while both terminals are open", until=">") == ""
    assert consumer.wait_for("both terminals are open\n") == "And a third, while both terminals are open\n"

    producer.press("\x04")
    assert producer.wait_for("$ ") == "$ "
    consumer.press("\x03")
    assert consumer.wait_for("$ ") == "^CProcessed a total of 3 messages\n$ "
    stop_broker(broker)


def test_a_consumer_that_names_zookeeper_reads_from_the_broker(folder: Path, open_terminal: Any) -> None:
    broker, producer, consumer = (open_terminal(folder) for _ in range(3))
    start_broker(broker)

    assert producer.type(f"{CREATE} test") == ZOOKEEPER + "Created topic test.\n"
    producer.type("bin/kafka-console-producer.sh --broker-list localhost:9092 --topic test", until=">")
    assert producer.type("Hello, World", until=">") == ""

    consume = "bin/kafka-console-consumer.sh --zookeeper localhost:2181 --topic test --from-beginning"
    assert consumer.type(consume, until="Hello, World\n") == ZOOKEEPER
    consumer.press("\x03")
    assert consumer.wait_for("$ ") == "^CProcessed a total of 1 messages\n$ "
    producer.press("\x03")
    assert producer.wait_for("$ ") == "^C$ "
    stop_broker(broker)


def test_what_was_sent_is_there_after_a_restart_of_the_broker(folder: Path, open_terminal: Any) -> None:
    broker, client = open_terminal(folder), open_terminal(folder)
    start_broker(broker)
    client.type("echo kept | bin/kafka-console-producer.sh --bootstrap-server localhost:9092 --topic sample")
    stop_broker(broker)
    broker.type("bin/kafkalite-server config/server.properties", until=": 1 topics, ")
    assert client.type(f"{CONSUME} --max-messages 1") == "kept\nProcessed a total of 1 messages\n"
    stop_broker(broker)
