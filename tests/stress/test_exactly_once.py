"""Consume, transform, produce in transactions while processors come and go and the broker is killed: exactly once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from broker_process import BrokerProcess
from exactly_once import PATIENT, GroupMember, Processor

PARTITIONS = 3
GROUP = "copies"
PER_SECOND = 400
PATIENCE_S = 120.0


def fill(bootstrap_servers: str, count: int) -> None:
    """Numbers, at a pace at which the broker dies in between."""
    producer = Producer({"bootstrap.servers": bootstrap_servers, "enable.idempotence": True, **PATIENT})
    for number in range(count):
        producer.produce("source", str(number), partition=number % PARTITIONS)
        producer.poll(0)
        if number % 20 == 0:
            time.sleep(20 / PER_SECOND)
    assert producer.flush(PATIENCE_S) == 0


def begin_filling(bootstrap_servers: str, count: int) -> threading.Thread:
    """Makes the topics; the thread that is given fills the source."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, **PATIENT})
    for created in admin.create_topics([NewTopic(name, PARTITIONS) for name in ("source", "sink")]).values():
        created.result(30)
    filling = threading.Thread(target=fill, args=(bootstrap_servers, count), daemon=True)
    filling.start()
    return filling


def assert_each_once(seen: Counter[int], count: int) -> None:
    wrong = {number: seen[number] for number in range(count) if seen[number] != 1}
    assert not wrong, f"{len(wrong)} numbers, {list(wrong.items())[:20]}"
    assert len(seen) == count


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
    consumer.assign([TopicPartition("sink", index, 0) for index in range(PARTITIONS)])
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
    count = 1_000 * kills
    filling = begin_filling(servers, count)
    everyone = [Processor(servers, partition, group=GROUP) for partition in range(PARTITIONS)]
    owners = list(everyone)
    for kill in range(kills):
        time.sleep(1.0)
        broker.kill()
        broker.start()
        partition = kill % PARTITIONS
        replaced = owners[partition]
        replaced.hand_over()
        owners[partition] = Processor(servers, partition, group=GROUP)
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
    assert_each_once(seen, count)
    assert transactions > 10 * kills


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
@pytest.mark.parametrize("kills", [1, pytest.param(30, marks=pytest.mark.stress)])
def test_output_equals_input_while_members_join_and_leave(
    start_kafkalite: Callable[..., BrokerProcess], kills: int, protocol: str
) -> None:
    # A member that left unheard is missed soon, and the others hear soon of who has come.
    properties = {"group.consumer.session.timeout.ms": "6000", "group.consumer.heartbeat.interval.ms": "500"}
    lowest = {name.replace("consumer.", "consumer.min."): value for name, value in properties.items()}
    broker = start_kafkalite(properties=properties | lowest)
    servers = broker.bootstrap_servers
    count = 2_000 * kills
    filling = begin_filling(servers, count)
    everyone = [GroupMember(servers, number, group=GROUP, protocol=protocol) for number in range(2)]
    members = list(everyone)
    for kill in range(kills):
        members.append(GroupMember(servers, len(everyone), group=GROUP, protocol=protocol))
        everyone.append(members[-1])
        time.sleep(2.0)
        broker.kill()
        broker.start()
        time.sleep(1.0)
        members.pop(kill % len(members)).stop()
        time.sleep(1.0)
    filling.join(PATIENCE_S)
    seen = committed_numbers(servers, count, 90)
    for member in members:
        member.stop()
    transactions, rebalances = (sum(getattr(m, name) for m in everyone) for name in ("transactions", "rebalances"))
    setbacks = sum((member.setbacks for member in everyone), Counter())
    print(f"{transactions} transactions, {rebalances} rebalances, setbacks: {dict(setbacks)}")
    assert_each_once(seen, count)
    assert rebalances > 2 * kills
