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
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from broker_process import BrokerProcess
from client_scenarios import wait_until

PARTITIONS = 3
VALUE_SIZES = (20, 500, 5_000)  # from many records in a batch to a batch for each
LOADING = (KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR)
QUIET = {"log_level": 2}  # librdkafka reports every refused connection
UNACKNOWLEDGED = 2_000  # records in flight or waiting, for each producer


class Load:
    """One producer that writes numbered values to a topic of its own and keeps account of what was acknowledged."""

    def __init__(self, bootstrap_servers: str, topic: str, *, idempotence: bool) -> None:
        self.topic = topic
        self.produced = 0
        self.acknowledged: dict[bytes, tuple[int, int]] = {}
        self.errors: list[KafkaError] = []
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "acks": "all",
                "enable.idempotence": idempotence,
                "linger.ms": 1,
                "delivery.timeout.ms": 120_000,
                "reconnect.backoff.ms": 10,
                "reconnect.backoff.max.ms": 100,
                "retry.backoff.ms": 10,
                "retry.backoff.max.ms": 100,
                **QUIET,
            },
            error_cb=self._on_error,
        )

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self.errors.append(error)

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.errors.append(error)
        else:
            self.acknowledged[message.key()] = (message.partition(), message.offset())

    def produce(self) -> None:
        """Adds records up to the limit and serves what has been acknowledged."""
        while self.produced - len(self.acknowledged) - len(self.errors) < UNACKNOWLEDGED:
            key = b"%d" % self.produced
            value = key.ljust(VALUE_SIZES[self.produced % len(VALUE_SIZES)], b".")
            partition = self.produced // 7 % PARTITIONS
            self._producer.produce(self.topic, value, key, partition, on_delivery=self._on_delivery)
            self.produced += 1
        self._producer.poll(0.01)

    def finish(self) -> None:
        assert self._producer.flush(60) == 0

    def acknowledged_end_offsets(self) -> dict[int, int]:
        """For each partition the offset after the last acknowledged record."""
        ends = dict.fromkeys(range(PARTITIONS), 0)
        for partition, offset in self.acknowledged.values():
            ends[partition] = max(ends[partition], offset + 1)
        return ends


def read_topic(bootstrap_servers: str, topic: str) -> dict[int, list[tuple[int, bytes]]]:
    """(offset, key) of every record, for each partition; a value that is not its key's stops the test."""
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "reader", "check.crcs": True, **QUIET})
    records: dict[int, list[tuple[int, bytes]]] = {partition: [] for partition in range(PARTITIONS)}
    ends = {
        partition: consumer.get_watermark_offsets(TopicPartition(topic, partition))[1]
        for partition in range(PARTITIONS)
    }
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
    expected = sum(ends.values())
    deadline = time.monotonic() + 120
    while sum(map(len, records.values())) < expected:
        assert time.monotonic() < deadline, (
            f"{topic} ends at {ends} and gave {list(map(len, records.values()))} records"
        )
        for message in consumer.consume(10_000, timeout=0.1):
            assert message.error() is None, message.error()
            assert message.value().rstrip(b".") == message.key()
            records[message.partition()].append((message.offset(), message.key()))
    consumer.close()
    return records


def check_nothing_lost(load: Load, records: dict[int, list[tuple[int, bytes]]]) -> None:
    """Every acknowledged record is at the offset that its acknowledgement named, and offsets have no holes."""
    at = {(partition, offset): key for partition, entries in records.items() for offset, key in entries}
    lost = [key for key, place in load.acknowledged.items() if at.get(place) != key]
    assert not lost, f"{len(lost)} of {len(load.acknowledged)} acknowledged records are not where they were: {lost[:5]}"
    for entries in records.values():
        assert [offset for offset, _key in entries] == list(range(len(entries)))


def check_written_once_and_in_order(load: Load, records: dict[int, list[tuple[int, bytes]]]) -> None:
    counts = Counter(key for entries in records.values() for _offset, key in entries)
    duplicates = [key for key, count in counts.items() if count > 1]
    assert not duplicates, f"{len(duplicates)} records of an idempotent producer are there twice: {duplicates[:5]}"
    assert len(counts) == load.produced
    for entries in records.values():
        numbers = [int(key) for _offset, key in entries]
        assert numbers == sorted(numbers)


class Committer:
    """Commits offsets for a group, one at a time, and reads them back; no member of a group."""

    def __init__(self, bootstrap_servers: str, topic: str) -> None:
        self._topic = topic
        self._settings = {"bootstrap.servers": bootstrap_servers, "group.id": "committer", **QUIET}

    def commit(self, offset: int) -> None:
        partition = TopicPartition(self._topic, 0, offset)
        self._ask(lambda consumer: consumer.commit(offsets=[partition], asynchronous=False))

    def committed(self) -> int:
        (partition,) = self._ask(lambda consumer: consumer.committed([TopicPartition(self._topic, 0)], timeout=30))
        return int(partition.offset)

    def _ask(self, question: Callable[[Consumer], list[TopicPartition]]) -> list[TopicPartition]:
        """Asks again while the coordinator is loading."""
        consumer = Consumer(self._settings)
        deadline = time.monotonic() + 30
        try:
            while True:
                try:
                    return question(consumer)
                except KafkaException as error:
                    if error.args[0].code() not in LOADING or time.monotonic() > deadline:
                        raise
        finally:
            consumer.close()


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


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[str], None]]:
    """Prints lines that are seen in a run of the tests that passes, too."""
    lines: list[str] = []
    yield lines.append
    with capsys.disabled():
        for line in lines:
            print(f"\n    {line}", end="")


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
    committer = Committer(servers, "plain")
    restarts_s = []
    for number in range(1, rounds + 1):
        acknowledged = len(idempotent.acknowledged), len(plain.acknowledged)
        until = time.monotonic() + chance.uniform(0.05, 0.5)

        def has_made_progress(until: float = until, acknowledged: tuple[int, int] = acknowledged) -> bool:
            now = len(idempotent.acknowledged), len(plain.acknowledged)
            return time.monotonic() > until and now[0] > acknowledged[0] and now[1] > acknowledged[1]

        def produce() -> None:
            idempotent.produce()
            plain.produce()

        wait_until(has_made_progress, meanwhile=produce)
        administrator.change(number)
        committer.commit(number)
        produce()
        broker.kill()
        before = time.monotonic()
        broker.start()
        restarts_s.append(time.monotonic() - before)
        administrator.check(number)
        assert committer.committed() == number
        assert not idempotent.errors + plain.errors
    for load in (idempotent, plain):
        load.finish()
        assert not load.errors
        records = read_topic(servers, load.topic)
        check_nothing_lost(load, records)
        if load is idempotent:
            check_written_once_and_in_order(load, records)
    assert len(idempotent.acknowledged) == idempotent.produced
    assert len(plain.acknowledged) == plain.produced
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
