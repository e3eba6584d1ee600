"""Share groups in a data directory that kafkalite and Apache Kafka open in turns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from apache_kafka import StartApacheKafka
from kafkalite.protocol.messages.describe_share_group_offsets import (
    DescribeShareGroupOffsetsRequest,
    DescribeShareGroupOffsetsRequestGroup,
)
from kafkalite_process import StartKafkalite
from share_group_scenarios import ShareGroupOnSide, ShareMember
from transcript import Side

ACCEPT, RELEASE = 1, 2


def begin(side: Side, topic: str) -> ShareMember:
    """A member that has joined under a name of its side's, and has the topic's partition."""
    member = ShareGroupOnSide(side).member(topic)
    member.member_id = side.name.replace(" ", "-")
    member.join()
    member.settle(1)
    return member


def acquired(answer: Any) -> list[tuple[int, int, int]]:
    [topic] = answer.responses
    [partition] = topic.partitions
    return [(run.first_offset, run.last_offset, run.delivery_count) for run in partition.acquired_records]


def lag(member: ShareMember) -> int:
    wanted = DescribeShareGroupOffsetsRequestGroup(group_id=member.group.group_id, topics=None)
    [group] = member.side.send(DescribeShareGroupOffsetsRequest(groups=[wanted]), 1).groups
    return int(group.topics[0].partitions[0].lag)


def test_a_share_group_goes_from_one_broker_to_the_other_and_back(
    start_kafkalite: StartKafkalite, start_apache_kafka: StartApacheKafka, tmp_path: Path
) -> None:
    directory = tmp_path / "node"
    broker = start_kafkalite(directory=directory)
    side = Side("kafkalite", broker.bootstrap_servers, "move")
    topic = side.topic()
    topic_id = side.topic_id(topic)
    side.produce(topic, *(f"{index}" for index in range(20)))
    member = begin(side, topic)
    assert acquired(member.fetch(topic_id)) == [(0, 19, 1)]
    member.acknowledge(topic_id, (0, 4, [ACCEPT]), (5, 9, [RELEASE]), (10, 14, [ACCEPT]), (15, 19, [RELEASE]))
    assert lag(member) == 10
    member.leave()
    side.client.close()
    broker.stop()

    theirs = start_apache_kafka(directory=directory)
    side = Side("Apache Kafka", theirs.bootstrap_servers, "move")
    member = begin(side, topic)
    assert lag(member) == 10
    assert acquired(member.fetch_eventually(topic_id)) == [(5, 9, 2), (15, 19, 2)]
    member.acknowledge(topic_id, (5, 9, [ACCEPT]), (15, 19, [RELEASE]))
    member.leave()
    side.client.close()
    theirs.stop()

    broker = start_kafkalite(directory=directory)
    side = Side("kafkalite", broker.bootstrap_servers, "move")
    member = begin(side, topic)
    assert lag(member) == 5
    assert acquired(member.fetch_eventually(topic_id)) == [(15, 19, 3)]
    side.client.close()
