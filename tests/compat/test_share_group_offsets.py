"""AlterShareGroupOffsets and DeleteShareGroupOffsets beside Apache Kafka, also of groups and topics not as meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from group_scenarios import GroupOnSide
from kafkalite.protocol.messages import alter_share_group_offsets as alteration
from kafkalite.protocol.messages import delete_share_group_offsets as deletion
from kafkalite.protocol.messages.delete_groups import DeleteGroupsRequest
from kafkalite.protocol.messages.find_coordinator import FindCoordinatorRequest
from kafkalite.protocol.messages.list_groups import ListGroupsRequest
from kafkalite.protocol.messages.share_group_describe import ShareGroupDescribeRequest
from kafkalite.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest
from transcript import Side

Compare = Callable[[Callable[[Side], None]], None]
MEMBER_ID = "7Zb2uqZgQpWZ8bSO_yTJ1w"


def alter(group_id: str, topics: dict[str, Iterable[int]]) -> alteration.AlterShareGroupOffsetsRequest:
    return alteration.AlterShareGroupOffsetsRequest(
        group_id=group_id,
        topics=[
            alteration.AlterShareGroupOffsetsRequestTopic(
                topic_name=name,
                partitions=[
                    alteration.AlterShareGroupOffsetsRequestPartition(partition_index=index, start_offset=5)
                    for index in indexes
                ],
            )
            for name, indexes in topics.items()
        ],
    )


def delete(group_id: str, *topics: str) -> deletion.DeleteShareGroupOffsetsRequest:
    named = [deletion.DeleteShareGroupOffsetsRequestTopic(topic_name=name) for name in topics]
    return deletion.DeleteShareGroupOffsetsRequest(group_id=group_id, topics=named)


def is_ready(side: Side, topic: str) -> None:
    """Apache Kafka makes the topics of its coordinators when they are first asked for."""
    GroupOnSide(side)
    request = FindCoordinatorRequest(key_type=2, coordinator_keys=[f"g:{side.topic_id(topic)}:0"])
    side.eventually(lambda: not side.send(request, 6).coordinators[0].error_code)
    side.wait_for_leaders("__share_group_state", 50)


def named_groups(side: Side) -> list[str]:
    listed = side.send(ListGroupsRequest(), 5).groups
    return sorted(group.group_id for group in listed if group.group_id.startswith(side.namespace))


TOPICS: dict[str, dict[str, Iterable[int]]] = {
    "nothing": {},
    "an unknown topic": {"nope": [0]},
    "an unknown topic without partitions": {"nope": []},
    "a topic without partitions": {"t": []},
    "an unknown partition": {"t": [7]},
    "a partition": {"t": [0]},
    "a partition and an unknown one": {"t": [0, 7], "nope": [0]},
    "a partition, and a topic without": {"t": [0], "u": []},
}


@pytest.mark.parametrize("what", TOPICS, ids=str)
def test_a_group_comes_of_it_or_does_not(compare: Compare, what: str) -> None:
    def scenario(side: Side) -> None:
        topic, other = side.topic(), side.topic()
        is_ready(side, topic)
        topics = {{"t": topic, "u": other}.get(name, name): indexes for name, indexes in TOPICS[what].items()}
        group_id = f"{side.namespace}-altered"
        side.ask(alter(group_id, topics), 0)
        side.note("groups", named_groups(side))
        side.ask(ShareGroupDescribeRequest(group_ids=[group_id]), 1)
        side.ask(delete(group_id), 0, label="offsets of nothing")
        side.ask(delete(group_id, other, "nope"), 0, label="offsets of other topics")
        side.ask(DeleteGroupsRequest(groups_names=[group_id]), 2)
        side.ask(DeleteGroupsRequest(groups_names=[group_id]), 2, label="deleted again")
        side.note("groups", named_groups(side))

    compare(scenario)


@pytest.mark.parametrize("what", TOPICS, ids=str)
def test_groups_with_members_and_groups_of_other_kinds_are_told_first(compare: Compare, what: str) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        is_ready(side, topic)
        topics = {topic if name == "t" else name: indexes for name, indexes in TOPICS[what].items()}
        group = GroupOnSide(side)
        side.ask(group.join_request(protocols={"range": b""}), 1)
        side.ask(alter(group.group_id, topics), 0, label="a classic group")
        shared = f"{side.namespace}-shared"
        side.ask(
            ShareGroupHeartbeatRequest(
                group_id=shared, member_id=MEMBER_ID, member_epoch=0, subscribed_topic_names=[topic]
            ),
            1,
        )
        side.ask(alter(shared, topics), 0, label="a group with a member")

    compare(scenario)
