from __future__ import annotations

import re
from typing import Any

import pytest
from confluent_kafka import Producer

from kafkalite.cli import kafka_transactions

TOOL = "kafka_transactions"


def without_ids_and_times(text: str) -> str:
    """Producer ids, epochs and times differ from run to run, and with them the widths of their columns."""
    text = re.sub(r"\b\d{13}\b", "TIME", re.sub(r"[ \t]+", " ", text))
    text = re.sub(r"(?:(?<=[_ ])|^)\d{1,7}(?= )|(?<=producerId=)\d+", "N", text, flags=re.MULTILINE)
    return re.sub(r"Failed to abort transaction.*", "Failed to abort transaction", text)


@pytest.mark.oracle
def test_transactions_are_shown_and_ended_as_apache_kafka_does(each_comparison: Any, stage: Any) -> None:
    def open_transaction(transactional_id: str, topic: str) -> Producer:
        producer = Producer({"bootstrap.servers": stage.broker.bootstrap_servers, "transactional.id": transactional_id})
        producer.init_transactions()
        producer.begin_transaction()
        producer.produce(topic, b"v", partition=0)
        producer.flush()
        return producer

    def scenario(tool: Any) -> None:
        stage.create_topic("one", 2)
        stage.create_topic("two")
        tool(TOOL, "describe-producers", "--topic", "one", "--partition", "0")
        producer = open_transaction("open", "one")
        done = open_transaction("done", "two")
        done.commit_transaction()
        tool(TOOL, "list", "--transactional-id-pattern", "op.*")
        tool(TOOL, "list", "--transactional-id-pattern", "none")
        tool(TOOL, "list", "--duration-filter", "3600000")
        tool(TOOL, "describe", "--transactional-id", "open")
        tool(TOOL, "describe", "--transactional-id", "done")
        tool(TOOL, "describe", "--transactional-id", "nobody")
        tool(TOOL, "describe-producers", "--topic", "one", "--partition", "0")
        tool(TOOL, "describe-producers", "--topic", "one", "--partition", "0", "--broker-id", "1")
        tool(TOOL, "find-hanging", "--topic", "one")
        tool(TOOL, "find-hanging", "--topic", "one", "--max-transaction-timeout=-1")
        tool(TOOL, "find-hanging", "--topic", "one", "--partition", "1", "--max-transaction-timeout=-1")
        tool(TOOL, "find-hanging")
        tool(TOOL, "find-hanging", "--broker-id", "1", "--partition", "0")
        tool(TOOL, "abort", "--topic", "one", "--partition", "0", "--start-offset", "77")
        tool(TOOL, "abort", "--topic", "one", "--partition", "0")
        tool(TOOL, "abort", "--topic", "one", "--partition", "0", "--producer-id", "1")
        tool(TOOL, "abort", "--topic", "one", "--partition", "0", "--producer-id", "1", "--producer-epoch", "1")
        tool(TOOL, "abort", "--topic", "one", "--partition", "0", "--start-offset", "0")
        tool(TOOL, "describe-producers", "--topic", "one", "--partition", "0")
        tool(TOOL, "find-hanging", "--topic", "one", "--max-transaction-timeout=-1")
        tool(TOOL, "forceTerminateTransaction", "--transactionalId", "open")
        tool(TOOL, "describe", "--transactional-id", "open")
        del producer

    each_comparison.of(scenario, normalise=without_ids_and_times)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "too few arguments"),
        (["list"], "argument --bootstrap-server is required"),
        (["--bootstrap-server", "b:1", "describe"], "argument --transactional-id is required"),
        (["--bootstrap-server", "b:1", "abort", "--topic", "t"], "argument --partition is required"),
    ],
)
def test_wrong_command_lines_are_refused(words: list[str], complaint: str, capsys: Any) -> None:
    assert kafka_transactions.main(words) == 1
    assert capsys.readouterr().err.splitlines()[-1] == f"kafka-transactions.sh: error: {complaint}"
