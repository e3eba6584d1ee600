"""Metadata, DescribeTopicPartitions and DescribeCluster beside Apache Kafka, in every version."""

from __future__ import annotations

import time

import pytest

from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.describe_cluster import DescribeClusterRequest
from kafkalite.protocol.messages.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    TopicRequest,
)
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from transcript import Compare, Side

UNKNOWN_ID = Uuid(b"\x0b" * 16)


def by_name(*names: str | None, **facts: bool) -> MetadataRequest:
    return MetadataRequest(topics=[MetadataRequestTopic(name=name) for name in names], **facts)


@pytest.mark.parametrize("version", range(14))
def test_topics_by_name_are_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(3)
        facts = {"allow_auto_topic_creation": False} if version >= 4 else {}
        side.ask(by_name(topic, **facts), version)
        side.ask(by_name(topic, topic, **facts), version, label="the same name twice")
        side.ask(by_name("not valid", "", **facts), version, label="names that no topic can have")
        if version >= 4:
            side.ask(by_name("no-such-topic", topic, "__consumer_offset", **facts), version, label="unknown topic")
        if version >= 1:
            side.ask(MetadataRequest(topics=[], **facts), version, label="no topics")
        if version >= 8:
            facts["include_topic_authorized_operations"] = True
            side.ask(by_name(topic, "no-such-topic", **facts), version, label="operations on topics")
        if 8 <= version <= 10:
            facts["include_cluster_authorized_operations"] = True
            side.ask(by_name(topic, **facts), version, label="operations on the cluster")

    compare(scenario)


@pytest.mark.parametrize("version", range(14))
def test_all_topics_are_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topics = [side.topic(), side.topic(2)]
        request = MetadataRequest(topics=[] if version == 0 else None)
        answer = side.send(request, version)
        answer.topics = sorted((topic for topic in answer.topics if topic.name in topics), key=lambda topic: topic.name)
        side.note("all topics", answer)

    compare(scenario)


@pytest.mark.parametrize("version", [10, 11, 12, 13])
def test_topics_by_id_are_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic, other = side.topic(2), side.topic()
        topic_id = side.topic_id(topic)

        def ask(label: str, *topics: MetadataRequestTopic) -> None:
            side.ask(MetadataRequest(topics=list(topics)), version, label=label)

        ask("known", MetadataRequestTopic(topic_id=topic_id, name=None))
        ask("unknown", MetadataRequestTopic(topic_id=UNKNOWN_ID, name=None))
        ask("twice", *[MetadataRequestTopic(topic_id=topic_id, name=None)] * 2)
        ask("id and name", MetadataRequestTopic(topic_id=topic_id, name=topic))
        ask(
            "an id and another's name",
            MetadataRequestTopic(topic_id=topic_id, name=None),
            MetadataRequestTopic(name=other),
        )

    compare(scenario)


@pytest.mark.parametrize("version", [0, 1, 4, 9, 13])
def test_a_topic_that_is_asked_for_comes_into_being(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        name = f"{side.namespace}-auto-{version}"
        deadline = time.monotonic() + 30
        while not (answer := side.send(by_name(name), version)).topics[0].partitions:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        side.note("the new topic", answer.topics)

    compare(scenario)


def test_pages_of_partitions_are_answered_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        first, second, third = side.topic(3), side.topic(2), side.topic()

        def ask(limit: int, cursor: tuple[str, int] | None = None, *more: str) -> None:
            names = [first, second, third, *more]
            request = DescribeTopicPartitionsRequest(
                topics=[TopicRequest(name=name) for name in names],
                response_partition_limit=limit,
                cursor=cursor and Cursor(topic_name=cursor[0], partition_index=cursor[1]),
            )
            side.ask(request, label=f"{limit} {cursor} {more}")

        ask(2000)
        for limit in (-1, 0, 1, 2, 3, 4, 5, 6):
            ask(limit)
        ask(2, (first, 2))
        ask(2, (second, 1))
        ask(10, (third, 0))
        ask(10, (first, 99))
        ask(10, (first, -1))
        ask(10, ("not-in-the-list", 0))
        ask(100, None, "no-such-topic")
        ask(100, None, "not valid")

    compare(scenario)


@pytest.mark.parametrize("version", range(3))
def test_the_cluster_is_described_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        side.ask(DescribeClusterRequest(), version)
        side.ask(DescribeClusterRequest(include_cluster_authorized_operations=True), version, label="operations")
        if version >= 1:
            for endpoint_type in (2, 0, 7):
                side.ask(
                    DescribeClusterRequest(endpoint_type=endpoint_type), version, label=f"endpoint {endpoint_type}"
                )
        if version >= 2:
            side.ask(DescribeClusterRequest(include_fenced_brokers=True), version, label="fenced brokers")

    compare(scenario)
