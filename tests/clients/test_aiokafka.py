"""aiokafka: speaks old versions (ApiVersions 0, Metadata 5, Produce 7, Fetch 11, FindCoordinator 1)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError

from client_scenarios import (
    AFTER,
    ALL_CODECS,
    ALL_PARTITIONS,
    BEFORE,
    PARTITIONS,
    Message,
    codec_messages,
    decoded,
    encoded,
    messages_of,
)


async def create_topic(bootstrap_servers: str, topic: str, partitions: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(topic, partitions, 1)])
    await admin.close()


@pytest.mark.parametrize("idempotence", [False, True], ids=["plain", "idempotent"])
async def test_reads_back_what_it_produced_with_every_codec(
    bootstrap_servers: str, topic: str, idempotence: bool
) -> None:
    await create_topic(bootstrap_servers, topic, 1)
    for codec in ALL_CODECS:
        async with AIOKafkaProducer(
            bootstrap_servers=bootstrap_servers,
            compression_type=None if codec == "none" else codec,
            enable_idempotence=idempotence,
            linger_ms=50,
        ) as producer:
            sent = [
                await producer.send(
                    topic,
                    encoded(message.value),
                    encoded(message.key),
                    0,
                    headers=[(key, value.encode()) for key, value in message.headers],
                )
                for message in codec_messages(codec)
            ]
            await asyncio.gather(*sent)
    expected = messages_of(ALL_CODECS)
    async with AIOKafkaConsumer(topic, bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest") as consumer:
        records = [await asyncio.wait_for(consumer.getone(), 10) for _ in expected]
    read = [
        Message(
            decoded(record.key), decoded(record.value), tuple((key, value.decode()) for key, value in record.headers)
        )
        for record in records
    ]
    assert read == expected
    assert [record.offset for record in records] == list(range(len(expected)))


class Member:
    """A consumer that a task of its own keeps polling."""

    def __init__(self, bootstrap_servers: str, topic: str, group: str) -> None:
        self.received: list[str] = []
        self.consumer = AIOKafkaConsumer(
            topic,
            bootstrap_servers=bootstrap_servers,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            heartbeat_interval_ms=100,
        )

    async def start(self) -> Member:
        await self.consumer.start()
        self._polling = asyncio.create_task(self._poll())
        return self

    async def _poll(self) -> None:
        async for record in self.consumer:
            self.received.append(record.value.decode())

    def assigned(self) -> set[int]:
        return {topic_partition.partition for topic_partition in self.consumer.assignment()}

    async def stop(self) -> None:
        self._polling.cancel()
        await self.consumer.stop()


async def test_shares_a_topic_in_a_group_of_two_and_resumes(bootstrap_servers: str, topic: str, group: str) -> None:
    async def wait(condition: object) -> None:
        async with asyncio.timeout(30):
            while not condition():  # type: ignore[operator]
                await asyncio.sleep(0.02)

    await create_topic(bootstrap_servers, topic, PARTITIONS)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers) as producer:

        async def produce(values: Sequence[str]) -> None:
            for number, value in enumerate(values):
                await producer.send_and_wait(topic, value.encode(), partition=number % PARTITIONS)

        first = await Member(bootstrap_servers, topic, group).start()
        await wait(lambda: first.assigned() == ALL_PARTITIONS)
        second = await Member(bootstrap_servers, topic, group).start()
        await wait(lambda: len(first.assigned()) == len(second.assigned()) == PARTITIONS // 2)
        assert first.assigned() | second.assigned() == ALL_PARTITIONS
        await produce(BEFORE)
        await wait(lambda: len(first.received) + len(second.received) >= len(BEFORE))
        assert sorted(first.received + second.received) == sorted(BEFORE)
        await first.consumer.commit()
        await second.consumer.commit()
        await second.stop()
        await wait(lambda: first.assigned() == ALL_PARTITIONS)
        await first.stop()
        await produce(AFTER)
    resumed = await Member(bootstrap_servers, topic, group).start()
    await wait(lambda: len(resumed.received) >= len(AFTER))
    assert sorted(resumed.received) == sorted(AFTER)
    await resumed.stop()


async def test_commits_offsets_with_metadata(bootstrap_servers: str, topic: str, group: str) -> None:
    await create_topic(bootstrap_servers, topic, 2)
    partition = TopicPartition(topic, 1)
    # On a slow machine the position, 0, would be committed by itself before the end.
    own = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, group_id=group, enable_auto_commit=False)
    async with own as consumer:
        consumer.assign([partition])
        assert await consumer.committed(partition) is None
        await consumer.commit({partition: (5, "up to here")})
        assert await consumer.committed(partition) == 5
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    offsets = await admin.list_consumer_group_offsets(group)
    assert {key: (value.offset, value.metadata) for key, value in offsets.items()} == {partition: (5, "up to here")}
    assert (group, "") in await admin.list_consumer_groups()
    await admin.close()


async def test_looks_up_offsets_by_time(bootstrap_servers: str, topic: str) -> None:
    await create_topic(bootstrap_servers, topic, 1)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers) as producer:
        for timestamp_ms in (1000, 3000, 2000):
            await producer.send_and_wait(topic, b"value", partition=0, timestamp_ms=timestamp_ms)
    partition = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(topic, bootstrap_servers=bootstrap_servers) as consumer:
        assert await consumer.beginning_offsets([partition]) == {partition: 0}
        assert await consumer.end_offsets([partition]) == {partition: 3}
        found = (await consumer.offsets_for_times({partition: 1001}))[partition]
        assert (found.offset, found.timestamp) == (1, 3000)
        assert await consumer.offsets_for_times({partition: 3001}) == {partition: None}


async def test_administers_topics(bootstrap_servers: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 2, 1, topic_configs={"retention.ms": "60000"})])
    again = await admin.create_topics([NewTopic(topic, 2, 1)])
    assert again.topic_errors[0][1] == TopicAlreadyExistsError.errno
    (described,) = await admin.describe_topics([topic])
    assert [partition["partition"] for partition in described["partitions"]] == [0, 1]
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "50000"})
    await admin.alter_configs([resource])
    async with asyncio.timeout(10):
        while True:
            (response,) = await admin.describe_configs(
                [ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": ""})]
            )
            (described_resource,) = response.resources
            if described_resource[4][0][1] == "50000":
                break
    assert [entry[0] for entry in described_resource[4]] == ["retention.ms"]
    await admin.create_partitions({topic: NewPartitions(3)})
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers) as producer:
        for _ in range(3):
            await producer.send_and_wait(topic, b"value", partition=0)
    deleted = await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=2)})
    assert deleted == {TopicPartition(topic, 0): 2}
    await admin.delete_topics([topic])
    async with asyncio.timeout(10):
        while topic in await admin.list_topics():
            await asyncio.sleep(0.02)
    await admin.close()
