"""Consume, transform, produce in transactions while processors are replaced and the broker is killed: exactly once.

A processor owns a partition for as long as its transactional id is its own: another one with the same id fences it,
has its open transaction aborted, and goes on from the offset that was committed last.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import ProducerFenced
from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as ConfluentTopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from broker_process import BrokerProcess

PARTITIONS = 3
GROUP = "copies"
PER_SECOND = 400
PATIENCE_S = 120.0
STEP_TIMEOUT_S = 8.0
PATIENT = {"reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 100, "retry.backoff.ms": 10, "log_level": 0}


class Processor:
    """Copies one partition of `source` to `sink` until it is stopped or fenced, whatever else happens."""

    def __init__(self, bootstrap_servers: str, partition: int) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._source = TopicPartition("source", partition)
        self._is_stopped = False
        self.transactions = 0
        self.setbacks: Counter[str] = Counter()
        self.is_fenced = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._is_stopped = True
        self._thread.join(60)
        assert not self._thread.is_alive()

    async def _run(self) -> None:
        while not self._is_stopped and not self.is_fenced:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap_servers,
                transactional_id=f"copy-{self._source.partition}",
                transaction_timeout_ms=20_000,
                request_timeout_ms=3_000,
            )
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap_servers,
                group_id=GROUP,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
                request_timeout_ms=3_000,
            )
            try:
                # In this order: once the transactional id is ours, nobody else moves the committed offset.
                await asyncio.wait_for(producer.start(), STEP_TIMEOUT_S)
                await asyncio.wait_for(consumer.start(), STEP_TIMEOUT_S)
                consumer.assign([self._source])
                offset = await asyncio.wait_for(consumer.committed(self._source), STEP_TIMEOUT_S)
                consumer.seek(self._source, offset or 0)
                while not self._is_stopped:
                    await asyncio.wait_for(self._copy(consumer, producer), STEP_TIMEOUT_S)
            except ProducerFenced:
                self.is_fenced = True
            except Exception as error:
                self.setbacks[type(error).__name__] += 1
            finally:
                for client in (consumer, producer):
                    try:
                        await asyncio.wait_for(client.stop(), STEP_TIMEOUT_S)
                    except Exception as error:
                        self.setbacks[f"stop: {type(error).__name__}"] += 1

    async def _copy(self, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer) -> None:
        messages = (await consumer.getmany(timeout_ms=200, max_records=20)).get(self._source, [])
        if not messages:
            return
        await producer.begin_transaction()
        for message in messages:
            await producer.send("sink", message.value, partition=self._source.partition)
        await producer.send_offsets_to_transaction({self._source: messages[-1].offset + 1}, GROUP)
        await producer.commit_transaction()
        self.transactions += 1


def fill(bootstrap_servers: str, count: int) -> None:
    """Numbers, at a pace at which the broker dies in between."""
    producer = Producer({"bootstrap.servers": bootstrap_servers, "enable.idempotence": True, **PATIENT})
    for number in range(count):
        producer.produce("source", str(number), partition=number % PARTITIONS)
        producer.poll(0)
        if number % 20 == 0:
            time.sleep(20 / PER_SECOND)
    assert producer.flush(PATIENCE_S) == 0


def committed_numbers(bootstrap_servers: str, count: int, timeout_s: float) -> Counter[int]:
    """The numbers that readers of committed records see, once there are so many and no more of them come."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "unused",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            **PATIENT,
        }
    )
    consumer.assign([ConfluentTopicPartition("sink", index, 0) for index in range(PARTITIONS)])
    seen: Counter[int] = Counter()
    deadline = time.monotonic() + timeout_s
    while len(seen) < count and time.monotonic() < deadline:
        seen.update(int(message.value()) for message in consumer.consume(500, 0.5) if message.error() is None)
    seen.update(int(message.value()) for message in consumer.consume(500, 1.0) if message.error() is None)
    consumer.close()
    return seen


@pytest.mark.parametrize("kills", [3, pytest.param(30, marks=pytest.mark.stress)])
def test_output_equals_input_exactly_once(start_kafkalite: Callable[..., BrokerProcess], kills: int) -> None:
    broker = start_kafkalite()
    servers = broker.bootstrap_servers
    admin = AdminClient({"bootstrap.servers": servers, **PATIENT})
    for created in admin.create_topics([NewTopic(name, PARTITIONS) for name in ("source", "sink")]).values():
        created.result(30)
    count = 1_000 * kills
    filling = threading.Thread(target=fill, args=(servers, count), daemon=True)
    filling.start()
    everyone = [Processor(servers, partition) for partition in range(PARTITIONS)]
    owners = list(everyone)
    for kill in range(kills):
        time.sleep(1.0)
        broker.kill()
        broker.start()
        partition = kill % PARTITIONS
        replaced, owners[partition] = owners[partition], Processor(servers, partition)
        everyone.append(owners[partition])
        time.sleep(0.5)
        replaced.stop()
    filling.join(PATIENCE_S)
    seen = committed_numbers(servers, count, 60)
    for processor in owners:
        processor.stop()
    transactions = sum(processor.transactions for processor in everyone)
    setbacks = sum((processor.setbacks for processor in everyone), Counter())
    print(f"{transactions} transactions, setbacks: {dict(setbacks)}")
    wrong = {number: seen[number] for number in range(count) if seen[number] != 1}
    assert not wrong, f"{len(wrong)} numbers, {list(wrong.items())[:20]}"
    assert len(seen) == count
    assert transactions > 10 * kills
