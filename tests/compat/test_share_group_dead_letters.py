"""Dead letter queues of share groups beside Apache Kafka: what is written there, and when nothing is (KIP-1191)."""

from __future__ import annotations

import time

import pytest

from kafkalite.protocol.messages import incremental_alter_configs as alteration
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from kafkalite.records.compression import CompressionType
from kafkalite.records.record_batch import decode_records, iter_batches
from share_group_scenarios import Compare, ShareGroupOnSide
from transcript import Side

ACCEPT, RELEASE, REJECT = 1, 2, 3
BROKER = 4


def allow_auto_creation(side: Side, *, is_allowed: bool) -> None:
    """Whether the cluster makes missing queues; Apache Kafka takes a moment to know, and nothing tells when it does."""
    change = alteration.AlterableConfig(
        name="errors.deadletterqueue.auto.create.topics.enable",
        config_operation=0 if is_allowed else 1,
        value="true" if is_allowed else None,
    )
    resource = alteration.AlterConfigsResource(resource_type=BROKER, resource_name="", configs=[change])
    [answer] = side.send(alteration.IncrementalAlterConfigsRequest(resources=[resource])).responses
    assert answer.error_code == 0, answer
    time.sleep(0.5)


def queue(side: Side, name: str, partitions: int, **configs: str) -> str:
    """A topic with a name of the test's choice."""
    named = [CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in configs.items()]
    topic = CreatableTopic(name=name, num_partitions=partitions, replication_factor=1, configs=named)
    assert side.send(CreateTopicsRequest(topics=[topic], timeout_ms=10_000)).topics[0].error_code == 0
    side.wait_for_leaders(name, partitions)
    return name


def note_letters(side: Side, topic: str, partition: int, count: int) -> None:
    """Waits until there are so many records, and notes what is in them, and how they are batched."""
    asked = FetchRequest(
        topics=[
            FetchTopic(
                topic=topic,
                partitions=[FetchPartition(partition=partition, fetch_offset=0, partition_max_bytes=1 << 20)],
            )
        ],
        max_bytes=1 << 20,
    )

    def found() -> bytes:
        return bytes(side.send(asked, 12).responses[0].partitions[0].records or b"")

    def letters(data: bytes) -> list[list[object]]:
        return [
            [(record.offset, record.key, record.value, list(record.headers)) for record in decode_records(data, at)]
            for at, _ in iter_batches(data)
        ]

    side.eventually(lambda: sum(map(len, letters(found()))) >= count)
    side.note(f"letters in partition {partition}", letters(found()))


def exists(side: Side, topic: str) -> bool:
    """Whether there is such a topic and its partition has a leader; asking makes none."""
    request = MetadataRequest(topics=[MetadataRequestTopic(name=topic)], allow_auto_topic_creation=False)
    [found] = side.send(request, 12).topics
    return found.error_code == 0 and all(partition.leader_id >= 0 for partition in found.partitions)


@pytest.mark.parametrize("is_copied", ["true", "false"])
def test_what_is_rejected_or_delivered_too_often_is_written(compare: Compare, is_copied: str) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(2)
        topic_id = side.topic_id(topic)
        group = ShareGroupOnSide(side)
        letters = queue(side, f"dlq.{side.namespace}", 1, errors_deadletterqueue_group_enable="true")
        group.configure_and_wait(
            errors_deadletterqueue_topic_name=letters,
            errors_deadletterqueue_copy_record_enable=is_copied,
            share_delivery_count_limit="2",
        )
        side.produce(topic, *(f"{index}" for index in range(6)), partition=1)
        side.produce(topic, "six", None, "eight", partition=1, compression=CompressionType.GZIP)
        member = group.member(topic)
        member.join()
        member.settle(2)
        member.fetch(topic_id, (1,))
        member.acknowledge(topic_id, (0, 1, [REJECT]), partition=1)
        note_letters(side, letters, 0, 2)
        member.acknowledge(topic_id, (2, 5, [ACCEPT, REJECT, RELEASE, RELEASE]), partition=1)
        note_letters(side, letters, 0, 3)
        member.acknowledge(topic_id, (6, 8, [RELEASE]), partition=1)
        for _ in range(5):
            member.fetch(topic_id, (1,), max_wait_ms=0)
        member.acknowledge(topic_id, (4, 4, [RELEASE]), partition=1)
        note_letters(side, letters, 0, 4)

    compare(scenario)


def test_a_queue_that_may_not_be_one_gets_nothing_and_the_record_is_given_up(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        topic_id = side.topic_id(topic)
        group = ShareGroupOnSide(side)
        side.produce(topic, *(f"{index}" for index in range(10)))
        enabled = "errors_deadletterqueue_group_enable"
        queues = [
            queue(side, f"dlq.{side.namespace}-off", 1),
            queue(side, f"wrong.{side.namespace}", 1, **{enabled: "true"}),
            f"dlq.{side.namespace}-nowhere",
            queue(side, f"dlq.{side.namespace}-right", 1, **{enabled: "true"}),
        ]
        member = group.member(topic)
        member.join()
        member.settle(1)
        member.fetch(topic_id)
        for offset, name in enumerate(queues):
            group.configure_and_wait(errors_deadletterqueue_topic_name=name)
            member.acknowledge(topic_id, (offset, offset, [REJECT]))
        note_letters(side, queues[3], 0, 1)
        for name in queues[:2]:
            note_letters(side, name, 0, 0)
        member.acknowledge(topic_id, (4, 9, [ACCEPT]))
        member.fetch(topic_id, max_wait_ms=0)

    compare(scenario)


def test_a_queue_is_made_where_the_cluster_allows_it(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        topic_id = side.topic_id(topic)
        group = ShareGroupOnSide(side)
        side.produce(topic, "0", "1")
        name = f"dlq.{side.namespace}-made"
        allow_auto_creation(side, is_allowed=True)
        try:
            group.configure_and_wait(errors_deadletterqueue_topic_name=name)
            member = group.member(topic)
            member.join()
            member.settle(1)
            member.fetch(topic_id)
            member.acknowledge(topic_id, (0, 1, [REJECT]))
            side.eventually(lambda: exists(side, name))
            note_letters(side, name, 0, 2)
        finally:
            allow_auto_creation(side, is_allowed=False)

    compare(scenario)


def test_letters_that_do_not_fit_into_one_batch_go_into_several(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        topic_id = side.topic_id(topic)
        group = ShareGroupOnSide(side)
        small = {"errors_deadletterqueue_group_enable": "true", "max_message_bytes": "1500"}
        name = queue(side, f"dlq.{side.namespace}-small", 1, **small)
        group.configure_and_wait(errors_deadletterqueue_topic_name=name)
        side.produce(topic, *(f"{index}" for index in range(20)))
        member = group.member(topic)
        member.join()
        member.settle(1)
        member.fetch(topic_id)
        member.acknowledge(topic_id, (0, 19, [REJECT]))
        note_letters(side, name, 0, 20)

    compare(scenario)
