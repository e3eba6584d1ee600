"""Fetch beside Apache Kafka: every version, limits, sessions, epochs, errors, waiting."""

from __future__ import annotations

import time
from typing import Any

import pytest

from kafkalite.errors import ErrorCode
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from kafkalite.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic, ForgottenTopic
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from transcript import Compare, Side

UNTIL_IT_WAITS_S = 0.2
"""A fetch that comes just while a record is appended may be told of it before Apache Kafka moves the high watermark."""
VERSIONS = range(4, 19)


def request(
    topic: str,
    *offsets: int,
    topic_id: Uuid = Uuid.ZERO,
    partition_max_bytes: int = 1 << 20,
    partition_facts: dict[str, int] | None = None,
    **facts: Any,
) -> FetchRequest:
    """One partition for each offset."""
    partitions = [
        FetchPartition(
            partition=index, fetch_offset=offset, partition_max_bytes=partition_max_bytes, **(partition_facts or {})
        )
        for index, offset in enumerate(offsets)
    ]
    settings = {"max_wait_ms": 0, "min_bytes": 1, "max_bytes": 1 << 20, **facts}
    return FetchRequest(topics=[FetchTopic(topic=topic, topic_id=topic_id, partitions=partitions)], **settings)


def filled_topic(side: Side, partitions: int = 1) -> str:
    topic = side.topic(partitions)
    for index in range(partitions):
        side.produce(topic, "a", "b", "c", partition=index)
        side.produce(topic, "d" * 100, partition=index)
        side.produce(topic, "e", "f", partition=index)
    return topic


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_answers_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic = filled_topic(side, 2)
        topic_id = side.topic_id(topic)
        for offset in (0, 1, 3, 4, 6, 7, -1):
            wanted = request(topic, offset, 0, topic_id=topic_id)
            side.ask(wanted, version, label=f"from {offset}")
        for isolation_level in (0, 1):
            wanted = request(topic, 2, topic_id=topic_id, isolation_level=isolation_level)
            side.ask(wanted, version, label=f"isolation level {isolation_level}")
        side.ask(request("no-such", 0, topic_id=Uuid(b"n" * 16)), version, label="unknown topic")
        side.ask(request(topic, 0, 0, 0, topic_id=topic_id), version, label="unknown partition")
        side.ask(FetchRequest(max_wait_ms=10, min_bytes=1), version, label="nothing at all")

    compare(scenario)


@pytest.mark.parametrize("partition_max_bytes", [0, 1, 70, 200, 300, 10_000])
@pytest.mark.parametrize("max_bytes", [0, 1, 100, 320, 500, 10_000])
def test_limits_are_kept_alike(compare: Compare, max_bytes: int, partition_max_bytes: int) -> None:
    def scenario(side: Side) -> None:
        topic = filled_topic(side, 3)
        for offset in (0, 4):
            wanted = request(
                topic, offset, offset, offset, max_bytes=max_bytes, partition_max_bytes=partition_max_bytes
            )
            side.ask(wanted, 12, label=f"from {offset}")

    compare(scenario)


@pytest.mark.parametrize("version", [9, 12, 16])
def test_epochs_are_checked_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic = filled_topic(side)
        topic_id = side.topic_id(topic)
        for epoch in (-1, 0, 1, 50):
            wanted = request(topic, 1, topic_id=topic_id, partition_facts={"current_leader_epoch": epoch})
            side.ask(wanted, version, label=f"leader epoch {epoch}")
        if version >= 12:
            for epoch in (-1, 0, 1):
                for offset in (0, 6, 7):
                    facts: dict[str, Any] = {"last_fetched_epoch": epoch}
                    wanted = request(topic, offset, topic_id=topic_id, partition_facts=facts)
                    side.ask(wanted, version, label=f"last fetched epoch {epoch} at {offset}")

    compare(scenario)


@pytest.mark.parametrize("version", [7, 12, 13, 18])
def test_sessions_go_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic = filled_topic(side, 3)
        topic_id = side.topic_id(topic)

        def ask(label: str, *offsets: int, epoch: int, session_id: int, **facts: Any) -> int:
            wanted = request(topic, *offsets, topic_id=topic_id, session_id=session_id, session_epoch=epoch, **facts)
            if not offsets:
                wanted.topics = []
            answer = side.ask(wanted, version, label=label)
            return answer.session_id if answer is not None else 0

        session = ask("a full request makes a session", 0, 0, 0, epoch=0, session_id=0)
        ask("nothing new", epoch=1, session_id=session)
        ask("one partition goes on", 6, epoch=2, session_id=session)
        ask("all go on", 6, 6, 6, epoch=3, session_id=session)
        ask("nothing to say", epoch=4, session_id=session)
        side.produce(topic, "new", partition=1)
        ask("one has something new", epoch=5, session_id=session)
        forgotten = [ForgottenTopic(topic=topic, topic_id=topic_id, partitions=[1])]
        ask("one is forgotten", epoch=6, session_id=session, forgotten_topics_data=forgotten)
        ask("beyond the end is an error", 100, epoch=7, session_id=session)
        ask("and stays one", epoch=8, session_id=session)
        ask("a wrong epoch", epoch=20, session_id=session)
        ask("an old epoch", epoch=2, session_id=session)
        ask("an unknown session", epoch=1, session_id=123_456)
        ask("the right epoch still counts", 0, epoch=9, session_id=session)
        other = version - 1 if version != 13 else 12
        if (version >= 13) != (other >= 13):
            wanted = request(topic, 0, session_id=session, session_epoch=10)
            side.ask(wanted, other, label="names where ids are used")
        everything = [ForgottenTopic(topic=topic, topic_id=topic_id, partitions=[0, 1, 2])]
        ask("all are forgotten", epoch=10, session_id=session, forgotten_topics_data=everything)
        ask("which ends the session", epoch=11, session_id=session)
        last = ask("a second session", 0, epoch=0, session_id=0)
        ask("is ended by the client", 0, epoch=-1, session_id=last)
        ask("and gone", epoch=1, session_id=last)
        ask("epoch 0 with an id of old", 0, epoch=0, session_id=77)
        ask("no session wanted", 0, epoch=-1, session_id=0)

    compare(scenario)


@pytest.mark.parametrize("version", [12, 17])
def test_what_happens_to_partitions_that_have_been_quiet_is_told_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic, doomed = filled_topic(side, 4), filled_topic(side, 1)
        ids = {name: side.topic_id(name) for name in (topic, doomed)}

        def fetch(epoch: int, session_id: int, *topics: FetchTopic, **facts: int) -> FetchRequest:
            settings = {"max_wait_ms": 0, "min_bytes": 1, "max_bytes": 1 << 20, **facts}
            return FetchRequest(session_id=session_id, session_epoch=epoch, topics=list(topics), **settings)

        def named(name: str, *offsets: int, first: int = 0) -> FetchTopic:
            partitions = [
                FetchPartition(partition=first + index, fetch_offset=offset, partition_max_bytes=1 << 20)
                for index, offset in enumerate(offsets)
            ]
            return FetchTopic(topic=name, topic_id=ids[name], partitions=partitions)

        session = side.ask(fetch(0, 0, named(topic, 6, 6, 6, 6), named(doomed, 6)), version, label="all at the end")
        epochs = iter(range(1, 100))

        def ask(label: str, *topics: FetchTopic, **facts: int) -> None:
            side.ask(fetch(next(epochs), session.session_id, *topics, **facts), version, label=label)

        ask("quiet")
        ask("still quiet")
        side.produce(topic, "new", partition=2)
        ask("a record")
        ask("the same again, for the client has not moved on")
        ask("it moves on", named(topic, 7, first=2))
        ask("quiet again")
        side.produce(topic, "one", partition=3)
        side.produce(topic, "two", partition=1)
        ask("two at once")
        ask("the first that gives fills the answer, and gives way to the other", max_bytes=1)
        ask("in turns", max_bytes=1)
        ask("both move on", named(topic, 7, first=3), named(topic, 7, first=1))
        side.produce(topic, "before the start", partition=0)
        ask("a record before the start moves", named(topic, 7, first=0))
        partitions = [DeleteRecordsPartition(partition_index=0, offset=3)]
        deletion = DeleteRecordsRequest(
            topics=[DeleteRecordsTopic(name=topic, partitions=partitions)], timeout_ms=30_000
        )
        side.send(deletion)
        ask("the start has moved")
        ask("which is told once")
        ask("a step back", named(topic, 2, first=1))
        ask("is remembered", isolation_level=1)
        ask("and forward", named(topic, 7, first=1))
        waiting = side.connect_again()
        request = fetch(next(epochs), session.session_id, max_wait_ms=30_000)
        correlation_id = waiting.send_request(request, version)
        time.sleep(UNTIL_IT_WAITS_S)
        side.produce(topic, "woken", partition=0)
        side.note("a quiet partition wakes", waiting.receive_response(FetchResponse, version, correlation_id))
        waiting.close()
        ask("it moves on as well", named(topic, 8, first=0))
        side.send(DeleteTopicsRequest(topics=[DeleteTopicState(name=doomed)], timeout_ms=30_000), 6)
        side.eventually(lambda: _is_gone(side, doomed))
        ask("a topic is gone")
        ask("and stays so")

    compare(scenario)


def _is_gone(side: Side, topic: str) -> bool:
    [found] = side.send(
        MetadataRequest(topics=[MetadataRequestTopic(name=topic)], allow_auto_topic_creation=False)
    ).topics
    return bool(found.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)


def test_waiting_ends_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        side.ask(request(topic, 0, max_wait_ms=100), 12, label="the time is over")
        side.ask(request(topic, 0, max_wait_ms=30_000, min_bytes=0), 12, label="nothing is enough")
        side.ask(request(topic, 5, max_wait_ms=30_000), 12, label="an error does not wait")
        side.ask(request("no-such", 0, max_wait_ms=30_000), 12, label="nor what is unknown")
        waiting = side.connect_again()
        correlation_id = waiting.send_request(request(topic, 0, max_wait_ms=30_000, min_bytes=1), 12)
        time.sleep(UNTIL_IT_WAITS_S)
        side.produce(topic, "woken")
        side.note("a record wakes", waiting.receive_response(FetchResponse, 12, correlation_id))
        correlation_id = waiting.send_request(request(topic, 1, max_wait_ms=30_000, min_bytes=150), 12)
        time.sleep(UNTIL_IT_WAITS_S)
        side.produce(topic, "not enough yet")
        side.produce(topic, "enough")
        side.note("min_bytes are waited for", waiting.receive_response(FetchResponse, 12, correlation_id))
        waiting.close()

    compare(scenario)


def test_the_same_partition_twice_is_answered_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = filled_topic(side)
        wanted = request(topic, 0)
        wanted.topics.append(request(topic, 3).topics[0])
        side.ask(wanted, 12)
        wanted = request(topic, 0)
        wanted.topics[0].partitions.append(FetchPartition(partition=0, fetch_offset=4, partition_max_bytes=1000))
        side.ask(wanted, 12)

    compare(scenario)


@pytest.mark.parametrize("version", [12, 13, 18])
@pytest.mark.parametrize("is_session", [False, True])
def test_errors_come_in_the_same_order(compare: Compare, version: int, is_session: bool) -> None:
    def scenario(side: Side) -> None:
        name = side.topic()
        ids = {name: side.topic_id(name), "nope": Uuid.ONE}
        asked = [(name, 7), (name, 0), ("nope", 0), (name, 8), ("nope", 1)]
        topics = [
            FetchTopic(
                topic=topic,
                topic_id=ids[topic],
                partitions=[FetchPartition(partition=index, fetch_offset=100, partition_max_bytes=1000)],
            )
            for topic, index in asked
        ]
        request = FetchRequest(max_bytes=1000, topics=topics, session_epoch=0 if is_session else -1)
        answer = side.ask(request, version)
        entries = [
            f"{topic.topic or topic.topic_id == Uuid.ONE}: {[p.partition_index for p in topic.partitions]}"
            for topic in answer.responses
        ]
        side.note("order", " ".join(entries))

    compare(scenario)


@pytest.mark.parametrize("version", [7, 11])
def test_a_session_that_a_newer_version_began_is_not_told_of_divergence_in_an_older_one(
    compare: Compare, version: int
) -> None:
    def scenario(side: Side) -> None:
        topic = filled_topic(side)
        facts = {"last_fetched_epoch": 0}
        opened = side.ask(request(topic, 50, session_id=0, session_epoch=0, partition_facts=facts), 12)
        following = FetchRequest(session_id=opened.session_id, session_epoch=1, max_wait_ms=0, min_bytes=1)
        side.ask(following, version, label="without the partition")
        following = request(topic, 50, session_id=opened.session_id, session_epoch=2)
        side.ask(following, version, label="with the partition")
        following = FetchRequest(session_id=opened.session_id, session_epoch=3, max_wait_ms=0, min_bytes=1)
        side.ask(following, 12, label="in the version that began it")

    compare(scenario)
