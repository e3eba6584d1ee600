"""kill -9 under load: what was acknowledged is still there, and an idempotent producer's records are there once.

That holds for records, for committed offsets and for topics and their configurations.
The producers live through the kills, as a service's would: librdkafka reconnects and retries what was not acknowledged.
How long each restart takes is printed, not asserted.
"""

from __future__ import annotations

import random
import statistics
import time
from collections import Counter
from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from broker_process import BrokerProcess
from client_scenarios import wait_until
from group_offsets import GroupOffsets
from numbered_records import (
    PARTITIONS,
    QUIET,
    Load,
    check_nothing_lost,
    check_written_once_and_in_order,
    read_topic,
)


class Administrator:
    """Creates a topic for each round and deletes that of the round before."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._admin = AdminClient({"bootstrap.servers": bootstrap_servers, **QUIET})

    def create(self, *topics: NewTopic) -> None:
        for created in self._admin.create_topics(list(topics)).values():
            created.result()

    def change(self, number: int) -> None:
        self.create(NewTopic(f"round-{number}", 2, config={"retention.ms": str(number)}))
        if number > 1:
            self._admin.delete_topics([f"round-{number - 1}"])[f"round-{number - 1}"].result()

    def check(self, number: int) -> None:
        """After a restart there is this round's topic as it was created, and none of a round before."""

        def rounds() -> dict[str, int]:
            topics = self._admin.list_topics(timeout=30).topics
            return {name: len(topic.partitions) for name, topic in topics.items() if name.startswith("round-")}

        wait_until(lambda: rounds() == {f"round-{number}": 2})
        resource = ConfigResource(ResourceType.TOPIC, f"round-{number}")
        configs = self._admin.describe_configs([resource])[resource].result()
        assert configs["retention.ms"].value == str(number)


@pytest.fixture(
    params=[
        pytest.param("start_kafkalite", id="kafkalite"),
        pytest.param("start_apache_kafka", id="apache-kafka", marks=[pytest.mark.oracle, pytest.mark.on_oracle]),
    ]
)
def broker(request: pytest.FixtureRequest) -> BrokerProcess:
    """A broker of this test's own, which dies often."""
    started = request.getfixturevalue(request.param)(properties={"log.segment.bytes": str(1 << 20)})
    assert isinstance(started, BrokerProcess)
    return started


@pytest.mark.parametrize("rounds", [3, pytest.param(100, marks=pytest.mark.stress)])
def test_acknowledged_records_survive_kill_nine(
    broker: BrokerProcess, rounds: int, report: Callable[[str], None]
) -> None:
    chance = random.Random(rounds)
    servers = broker.bootstrap_servers
    administrator = Administrator(servers)
    administrator.create(NewTopic("idempotent", PARTITIONS), NewTopic("plain", PARTITIONS))
    idempotent = Load(servers, "idempotent", idempotence=True)
    plain = Load(servers, "plain", idempotence=False)
    committer = GroupOffsets(servers, "committer", "plain")
    restarts_s = []
    for number in range(1, rounds + 1):
        acknowledged = idempotent.acknowledged, plain.acknowledged
        until = time.monotonic() + chance.uniform(0.05, 0.5)

        def has_made_progress(until: float = until, acknowledged: tuple[int, int] = acknowledged) -> bool:
            now = idempotent.acknowledged, plain.acknowledged
            return time.monotonic() > until and now[0] > acknowledged[0] and now[1] > acknowledged[1]

        def produce() -> None:
            idempotent.produce()
            plain.produce()

        wait_until(has_made_progress, meanwhile=produce)
        administrator.change(number)
        committer.commit({0: number})
        produce()
        broker.kill()
        before = time.monotonic()
        broker.start()
        restarts_s.append(time.monotonic() - before)
        administrator.check(number)
        assert committer.committed()[0] == number
        assert not idempotent.errors + plain.errors
    for load in (idempotent, plain):
        load.finish()
        assert not load.errors
        records = read_topic(servers, load.topic)
        check_nothing_lost(load, records)
        if load is idempotent:
            check_written_once_and_in_order(load, records)
    assert idempotent.acknowledged == idempotent.produced
    assert plain.acknowledged == plain.produced
    produced = idempotent.produced + plain.produced
    report(
        f"{rounds} kills, {produced} records, restart to first answer: median {statistics.median(restarts_s):.2f} s, "
        f"longest {max(restarts_s):.2f} s"
    )


@pytest.mark.parametrize("size_mb", [50, pytest.param(1000, marks=pytest.mark.stress)])
def test_a_long_log_survives_kill_nine(broker: BrokerProcess, size_mb: int, report: Callable[[str], None]) -> None:
    servers = broker.bootstrap_servers
    Administrator(servers).create(NewTopic("long", 1, config={"segment.bytes": str(1 << 30)}))
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 5, "queue.buffering.max.kbytes": 100_000})
    delivered = Counter[bool]()
    value = random.Random(size_mb).randbytes(100_000)
    for _ in range(size_mb * 10):
        while True:
            try:
                producer.produce("long", value, on_delivery=lambda error, _message: delivered.update([error is None]))
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    assert producer.flush(120) == 0
    broker.kill()
    before = time.monotonic()
    broker.start()
    took_s = time.monotonic() - before
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "reader", **QUIET})
    low, high = consumer.get_watermark_offsets(TopicPartition("long", 0), timeout=20)
    consumer.close()
    assert (low, high) == (0, size_mb * 10)
    assert delivered == {True: size_mb * 10}
    report(f"restart to first answer after kill -9 with a log of {size_mb} MB: {took_s:.2f} s")
