"""Transactions in a data directory that Apache Kafka and kafkalite open in turns: decided ones, and ones still open."""

from __future__ import annotations

from pathlib import Path

import pytest

from apache_kafka import StartApacheKafka
from kafkalite_process import StartKafkalite
from moving_transactions import TransactionalProducer, expect_values, state
from transcript import Side


@pytest.mark.parametrize("first", ["kafkalite", "Apache Kafka"])
def test_transactions_go_from_one_broker_to_the_other(
    start_kafkalite: StartKafkalite, start_apache_kafka: StartApacheKafka, tmp_path: Path, first: str
) -> None:
    directory = tmp_path / "node"
    starters = {"kafkalite": start_kafkalite, "Apache Kafka": start_apache_kafka}
    second = next(name for name in starters if name != first)

    broker = starters[first](directory=directory)
    side = Side(first, broker.bootstrap_servers, "move")
    topic = side.topic()
    done, open_one = TransactionalProducer(side, "done"), TransactionalProducer(side, "open")
    done.write(side, topic, "a")
    done.end(side)
    done.write(side, topic, "b")
    done.end(side, committed=False)
    open_one.write(side, topic, "c")
    expected = {name: state(side, name) for name in ("done", "open")}
    assert expected["done"] == ("CompleteAbort", done.producer_id, done.epoch, [])
    assert expected["open"] == ("Ongoing", open_one.producer_id, open_one.epoch, [(topic, [0])])
    expect_values(side, topic, "a")
    side.client.close()
    broker.stop()

    broker = starters[second](directory=directory)
    side = Side(second, broker.bootstrap_servers, "move")
    assert {name: state(side, name) for name in ("done", "open")} == expected
    expect_values(side, topic, "a")
    open_one.write(side, topic, "d")
    open_one.end(side)
    done.write(side, topic, "e")
    done.end(side)
    assert state(side, "open")[0] == "CompleteCommit"
    expect_values(side, topic, "a", "c", "d", "e")
    side.client.close()
    broker.stop()

    broker = starters[first](directory=directory)
    side = Side(first, broker.bootstrap_servers, "move")
    expect_values(side, topic, "a", "c", "d", "e")
    open_one.write(side, topic, "f")
    open_one.end(side)
    assert state(side, "open") == ("CompleteCommit", open_one.producer_id, open_one.epoch, [])
    side.client.close()
