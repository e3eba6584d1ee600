"""Groups in states that few clients bring them into, found by random requests, beside Apache Kafka."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from group_scenarios import GroupOnSide
from kafkalite.protocol.messages import offset_commit as commit
from kafkalite.protocol.messages import streams_group_heartbeat as streams
from kafkalite.protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from kafkalite.protocol.messages.describe_groups import DescribeGroupsRequest
from kafkalite.protocol.messages.list_groups import ListGroupsRequest
from kafkalite.protocol.messages.share_group_describe import ShareGroupDescribeRequest
from kafkalite.protocol.messages.streams_group_describe import StreamsGroupDescribeRequest
from streams_group_scenarios import first_heartbeat
from transcript import Side

Compare = Callable[[Callable[[Side], None]], None]


def test_a_group_of_which_nothing_is_written_is_not_seen_yet(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        group = GroupOnSide(side)
        topic = side.topic()

        def offset(metadata: str) -> commit.OffsetCommitRequest:
            partition = commit.OffsetCommitRequestPartition(
                partition_index=0, committed_offset=1, committed_metadata=metadata
            )
            topics = [commit.OffsetCommitRequestTopic(name=topic, partitions=[partition])]
            return commit.OffsetCommitRequest(group_id=group.group_id, topics=topics)

        def look(label: str) -> None:
            listed = side.send(ListGroupsRequest(), 5).groups
            side.note(f"{label}: listed", [one for one in listed if one.group_id == group.group_id])
            for request in (
                DescribeGroupsRequest(groups=[group.group_id]),
                ConsumerGroupDescribeRequest(group_ids=[group.group_id]),
                ShareGroupDescribeRequest(group_ids=[group.group_id]),
                StreamsGroupDescribeRequest(group_ids=[group.group_id]),
            ):
                side.ask(request, label=f"{label}: {type(request).__name__}")

        side.ask(offset("x" * 5000), 8)
        look("too much metadata")
        side.ask(offset("x"), 8)
        look("an offset")

    compare(scenario)


def test_a_streams_group_in_the_place_of_a_classic_one_tells_its_endpoint_epoch(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        group = GroupOnSide(side)
        topic = side.topic()
        partition = commit.OffsetCommitRequestPartition(partition_index=0, committed_offset=1)
        topics = [commit.OffsetCommitRequestTopic(name=topic, partitions=[partition])]
        side.ask(commit.OffsetCommitRequest(group_id=group.group_id, topics=topics), 8)
        subtopology = streams.Subtopology(subtopology_id="0", source_topics=[topic])
        for group_id in (group.group_id, f"{side.namespace}-new"):
            topology = streams.Topology(subtopologies=[subtopology])
            beat = first_heartbeat(group_id, topology, user_endpoint=streams.Endpoint(host="h", port=1))
            side.ask(beat, 0, label=group_id)

    compare(scenario)


def test_topics_that_must_be_partitioned_alike_where_some_of_them_are_nowhere(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        two, three, none = side.topic(2), side.topic(3), f"{side.namespace}-none"
        group = GroupOnSide(side)
        for number, (sources, repartition_topics, together) in enumerate(
            (
                ([two], 0, ([1], [])),
                ([none], 0, ([1], [])),
                ([none], 0, ([0], [])),
                ([none], 1, ([0], [1])),
                ([two, none], 0, ([0, 1], [])),
                ([two, three], 0, ([0, 1], [])),
                ([two], 0, ([-1], [])),
                ([none], 0, ([-1], [])),
                ([], 0, ([0], [])),
                ([], 1, ([], [0])),
            )
        ):
            subtopology = streams.Subtopology(
                subtopology_id="0",
                source_topics=sources,
                repartition_source_topics=[
                    streams.TopicInfo(name=f"{side.namespace}-repartition-{index}", partitions=2)
                    for index in range(repartition_topics)
                ],
                copartition_groups=[
                    streams.CopartitionGroup(source_topics=together[0], repartition_source_topics=together[1])
                ],
            )
            beat = first_heartbeat(f"{group.group_id}-{number}", streams.Topology(subtopologies=[subtopology]))
            side.ask(beat, 0, label=str(number))

    compare(scenario)


@pytest.mark.parametrize("version", [2, 6, 7, 9])
def test_a_protocol_without_a_name(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        group = GroupOnSide(side)
        request = group.join_request(protocols={"": b"m"})
        answer = side.ask(request, version, label="as nobody")
        if answer.error_code:
            answer = side.ask(group.join_request(answer.member_id, protocols={"": b"m"}), version, label="joined")
        side.ask(group.sync_request(answer.member_id, answer.generation_id, protocol_name=""), 5)
        side.ask(DescribeGroupsRequest(groups=[group.group_id]), 5)
        group.leave((answer.member_id, None))

    compare(scenario)


def test_which_of_several_internal_topics_of_another_size_is_told_of(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        source = side.topic(2)
        internal = [side.topic(3) for _ in range(4)]
        group = GroupOnSide(side)
        for count in range(1, 5):
            for shift in range(4):
                named = [internal[(index + shift) % 4] for index in range(count)]
                subtopology = streams.Subtopology(
                    subtopology_id="0",
                    source_topics=[source],
                    state_changelog_topics=[streams.TopicInfo(name=name) for name in named],
                )
                topology = streams.Topology(subtopologies=[subtopology])
                beat = first_heartbeat(f"{group.group_id}-{count}-{shift}", topology)
                side.ask(beat, 0, label=f"{count}, {shift}")

    compare(scenario)
