"""confluent-kafka or aiokafka as a program: produces or consumes so many records and prints its speed as JSON.

    python python_clients.py confluent produce 127.0.0.1:9092 TOPIC RECORDS --record-size 100 --acks all --codec lz4
    python python_clients.py aiokafka consume 127.0.0.1:9092 TOPIC RECORDS

The clock starts when the first record has been acknowledged, or has arrived.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import Consumer, Producer

_PAYLOADS = 1_000


def payloads(record_size: int) -> list[bytes]:
    """Random capital letters, as Apache Kafka's ProducerPerformance sends them."""
    letters = bytes(random.Random(0).choices(range(65, 91), k=record_size + 101 * _PAYLOADS))
    return [letters[at : at + record_size] for at in range(0, 101 * _PAYLOADS, 101)]


def confluent_produce(arguments: argparse.Namespace) -> float:
    producer = Producer(
        {
            "bootstrap.servers": arguments.bootstrap_servers,
            "acks": arguments.acks,
            "compression.type": arguments.codec,
        }
    )
    topic, values = arguments.topic, payloads(arguments.record_size)
    producer.produce(topic, values[0])
    producer.flush()
    produce, poll = producer.produce, producer.poll
    began = time.monotonic()
    for number in range(arguments.records):
        while True:
            try:
                produce(topic, values[number % _PAYLOADS])
                break
            except BufferError:
                poll(0.01)
    assert producer.flush(60) == 0
    return arguments.records / (time.monotonic() - began)


def confluent_consume(arguments: argparse.Namespace) -> float:
    consumer = Consumer(
        {
            "bootstrap.servers": arguments.bootstrap_servers,
            "group.id": f"benchmark-{time.time_ns()}",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([arguments.topic])
    first = 0
    while not first:
        first = len(consumer.consume(1, 1.0))
    began = time.monotonic()
    consumed = first
    while consumed < arguments.records:
        consumed += len(consumer.consume(1_000, 0.1))
    took = time.monotonic() - began
    consumer.close()
    return (consumed - first) / took


async def aiokafka_produce(arguments: argparse.Namespace) -> float:
    producer = AIOKafkaProducer(
        bootstrap_servers=arguments.bootstrap_servers,
        acks="all" if arguments.acks == "all" else int(arguments.acks),
        compression_type=None if arguments.codec == "none" else arguments.codec,
    )
    await producer.start()
    topic, values = arguments.topic, payloads(arguments.record_size)
    await producer.send_and_wait(topic, values[0])
    began = time.monotonic()
    for number in range(arguments.records):
        await producer.send(topic, values[number % _PAYLOADS])
    await producer.flush()
    took = time.monotonic() - began
    await producer.stop()
    return float(arguments.records / took)


async def aiokafka_consume(arguments: argparse.Namespace) -> float:
    consumer = AIOKafkaConsumer(
        arguments.topic,
        bootstrap_servers=arguments.bootstrap_servers,
        group_id=f"benchmark-{time.time_ns()}",
        auto_offset_reset="earliest",
    )
    await consumer.start()
    first = consumed = 0
    began = 0.0
    while consumed < arguments.records:
        found = await consumer.getmany(timeout_ms=100)
        consumed += sum(map(len, found.values()))
        if consumed and not first:
            first = consumed
            began = time.monotonic()
    took = time.monotonic() - began
    await consumer.stop()
    return (consumed - first) / took


WORK: dict[tuple[str, str], Callable[[argparse.Namespace], Any]] = {
    ("confluent", "produce"): confluent_produce,
    ("confluent", "consume"): confluent_consume,
    ("aiokafka", "produce"): aiokafka_produce,
    ("aiokafka", "consume"): aiokafka_consume,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("client", choices=["confluent", "aiokafka"])
    parser.add_argument("direction", choices=["produce", "consume"])
    parser.add_argument("bootstrap_servers")
    parser.add_argument("topic")
    parser.add_argument("records", type=int)
    parser.add_argument("--record-size", type=int, default=100)
    parser.add_argument("--acks", default="all")
    parser.add_argument("--codec", default="none")
    arguments = parser.parse_args()
    result = WORK[arguments.client, arguments.direction](arguments)
    speed: float = asyncio.run(result) if asyncio.iscoroutine(result) else result
    print(json.dumps({"records_per_second": speed}))


if __name__ == "__main__":
    main()
