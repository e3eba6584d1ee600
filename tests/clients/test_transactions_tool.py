"""Apache Kafka's kafka-transactions: what it lists and describes, and how it ends a transaction that hangs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka import Producer

from apache_kafka import RunJavaTool

pytestmark = pytest.mark.oracle


def table(text: str) -> list[dict[str, str]]:
    """The rows of a table that the tool printed, by column."""
    head, *rows = [[cell.strip() for cell in line.split("\t")] for line in text.splitlines() if "\t" in line]
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_a_hanging_transaction_is_found_described_and_aborted(
    bootstrap_servers: str, topic: str, group: str, create_topic: Callable[[str, int], None], run_java_tool: RunJavaTool
) -> None:
    create_topic(topic, 1)
    producer = Producer({"bootstrap.servers": bootstrap_servers, "transactional.id": group})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topic, "open", partition=0)
    assert producer.flush(20) == 0

    def tool(*arguments: str) -> list[dict[str, str]]:
        command = ["--bootstrap-server", bootstrap_servers, *arguments]
        finished = run_java_tool("org.apache.kafka.tools.TransactionsCommand", *command)
        assert finished.returncode == 0, finished.stderr
        return table(finished.stdout) if "\t" in finished.stdout else []

    [listed] = [row for row in tool("list") if row["TransactionalId"] == group]
    assert (listed["Coordinator"], listed["TransactionState"]) == ("1", "Ongoing")
    [described] = tool("describe", "--transactional-id", group)
    assert (described["ProducerEpoch"], described["TopicPartitions"]) == ("0", f"{topic}-0")
    of_partition = ("--topic", topic, "--partition", "0")
    [open_one] = tool("describe-producers", *of_partition)
    assert (open_one["ProducerId"], open_one["CurrentTransactionStartOffset"]) == (listed["ProducerId"], "0")
    tool("abort", *of_partition, "--start-offset", "0")
    [aborted] = tool("describe-producers", *of_partition)
    assert (aborted["ProducerId"], aborted["CurrentTransactionStartOffset"]) == (listed["ProducerId"], "None")
