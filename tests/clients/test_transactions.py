"""Exactly once: consume, transform and produce in transactions, some of them aborted, with two client families."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.errors import ProducerFenced
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

COUNT = 120
BATCH = 10


def fill(bootstrap_servers: str, topic: str) -> None:
    producer = Producer({"bootstrap.servers": bootstrap_servers})
    for number in range(COUNT):
        producer.produce(topic, str(number), partition=0)
    assert producer.flush(20) == 0


def read_all(bootstrap_servers: str, topic: str, count: int, isolation_level: str = "read_committed") -> list[int]:
    """The numbers in partition 0, as a consumer without a group reads them, and no more of them for a while."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "unused",
            "enable.auto.commit": False,
            "isolation.level": isolation_level,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    values: list[int] = []
    deadline = time.monotonic() + 20
    while len(values) < count and time.monotonic() < deadline:
        values += [int(message.value()) for message in consumer.consume(count, 0.2) if message.error() is None]
    values += [int(message.value()) for message in consumer.consume(count, 0.5) if message.error() is None]
    consumer.close()
    return values


def test_confluent_kafka_processes_exactly_once(
    bootstrap_servers: str, topic: str, group: str, create_topic: Callable[[str, int], None]
) -> None:
    source, sink = f"{topic}-in", f"{topic}-out"
    create_topic(source, 1)
    create_topic(sink, 1)
    fill(bootstrap_servers, source)
    producer = Producer({"bootstrap.servers": bootstrap_servers, "transactional.id": group, "linger.ms": 1})
    producer.init_transactions(20)
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([source])
    rounds = done = aborted = 0
    deadline = time.monotonic() + 60
    while done < COUNT:
        assert time.monotonic() < deadline
        messages = [message for message in consumer.consume(BATCH, 1.0) if message.error() is None]
        if not messages:
            continue
        rounds += 1
        producer.begin_transaction()
        for message in messages:
            producer.produce(sink, message.value(), partition=0)
        producer.send_offsets_to_transaction(
            consumer.position(consumer.assignment()), consumer.consumer_group_metadata(), 20
        )
        if rounds % 3 == 2:
            assert producer.flush(20) == 0  # an abort drops what has not been sent
            producer.abort_transaction(20)
            consumer.seek(TopicPartition(source, 0, messages[0].offset()))
            aborted += len(messages)
        else:
            producer.commit_transaction(20)
            done += len(messages)
    [committed] = consumer.committed([TopicPartition(source, 0)], 20)
    assert committed.offset == COUNT
    consumer.close()
    assert aborted > 0
    assert read_all(bootstrap_servers, sink, COUNT) == list(range(COUNT))
    assert len(read_all(bootstrap_servers, sink, COUNT + aborted, "read_uncommitted")) == COUNT + aborted


def test_confluent_kafka_fences_a_producer_that_another_one_has_replaced(
    bootstrap_servers: str, topic: str, group: str, create_topic: Callable[[str, int], None]
) -> None:
    create_topic(topic, 1)
    old, new = (Producer({"bootstrap.servers": bootstrap_servers, "transactional.id": group}) for _ in range(2))
    old.init_transactions(20)
    old.begin_transaction()
    old.produce(topic, "1", partition=0)
    assert old.flush(20) == 0
    new.init_transactions(20)
    with pytest.raises(KafkaException) as raised:
        old.commit_transaction(20)
    assert raised.value.args[0].fatal()
    new.begin_transaction()
    new.produce(topic, "2", partition=0)
    new.commit_transaction(20)
    assert read_all(bootstrap_servers, topic, 1) == [2]


async def test_aiokafka_processes_exactly_once(
    bootstrap_servers: str, topic: str, group: str, create_topic: Callable[[str, int], None]
) -> None:
    source, sink = f"{topic}-in", f"{topic}-out"
    create_topic(source, 1)
    create_topic(sink, 1)
    fill(bootstrap_servers, source)
    partition = AioTopicPartition(source, 0)
    consumer = AIOKafkaConsumer(
        source,
        bootstrap_servers=bootstrap_servers,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, transactional_id=group)
    await producer.start()
    await consumer.start()
    rounds = done = 0
    while done < COUNT:
        batch = await asyncio.wait_for(consumer.getmany(timeout_ms=1000, max_records=BATCH), 20)
        messages = batch.get(partition, [])
        if not messages:
            continue
        rounds += 1
        await producer.begin_transaction()
        for message in messages:
            await producer.send(sink, message.value, partition=0)
        await producer.send_offsets_to_transaction({partition: messages[-1].offset + 1}, group)
        if rounds % 3 == 2:
            await producer.abort_transaction()
            consumer.seek(partition, messages[0].offset)
        else:
            await producer.commit_transaction()
            done += len(messages)
    assert await consumer.committed(partition) == COUNT
    await consumer.stop()
    await producer.stop()
    assert read_all(bootstrap_servers, sink, COUNT) == list(range(COUNT))


async def test_aiokafka_is_told_when_it_is_fenced(
    bootstrap_servers: str, topic: str, group: str, create_topic: Callable[[str, int], None]
) -> None:
    create_topic(topic, 1)
    old, new = (AIOKafkaProducer(bootstrap_servers=bootstrap_servers, transactional_id=group) for _ in range(2))
    await old.start()
    await old.begin_transaction()
    await old.send_and_wait(topic, b"1", partition=0)
    await new.start()
    with pytest.raises(ProducerFenced):
        await old.commit_transaction()
    await new.begin_transaction()
    await new.send_and_wait(topic, b"2", partition=0)
    await new.commit_transaction()
    await new.stop()
    await old.stop()
    assert read_all(bootstrap_servers, topic, 1) == [2]
