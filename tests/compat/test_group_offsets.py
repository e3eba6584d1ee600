"""OffsetCommit, OffsetFetch and OffsetDelete beside Apache Kafka: every version, members and tools, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from group_scenarios import GroupOnSide, subscription
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.delete_topics import DeleteTopicsRequest
from kafkalite.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kafkalite.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from kafkalite.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from transcript import Compare, Side

NO_SUCH_ID = Uuid(b"no such topic id")
COMMIT_VERSIONS = range(2, 11)
FETCH_VERSIONS = range(1, 11)


class Topics:
    """Topics by name for old versions and by id for new ones."""

    def __init__(self, side: Side, *names: str) -> None:
        self.ids = {name: side.topic_id(name) for name in names}

    def commit(
        self, group: GroupOnSide, offsets: dict[str, dict[int, int]], version: int, **facts: Any
    ) -> OffsetCommitRequest:
        """A commit of offsets by topic and partition."""
        metadata = facts.pop("metadata", "")
        epoch = {"committed_leader_epoch": facts.pop("epoch")} if "epoch" in facts else {}
        return OffsetCommitRequest(
            group_id=group.group_id,
            topics=[
                OffsetCommitRequestTopic(
                    **self.naming(name, version),
                    partitions=[
                        OffsetCommitRequestPartition(
                            partition_index=index, committed_offset=offset, committed_metadata=metadata, **epoch
                        )
                        for index, offset in partitions.items()
                    ],
                )
                for name, partitions in offsets.items()
            ],
            **facts,
        )

    def fetch(
        self, group: GroupOnSide, wanted: dict[str, list[int]] | None, version: int, **facts: Any
    ) -> OffsetFetchRequest:
        """A fetch of partitions by topic, or of all."""
        if version < 8:
            topics = None
            if wanted is not None:
                topics = [OffsetFetchRequestTopic(name=name, partition_indexes=of) for name, of in wanted.items()]
            return OffsetFetchRequest(group_id=group.group_id, topics=topics, **facts)
        return OffsetFetchRequest(groups=[self.fetched_group(group, wanted, version)], **facts)

    def fetched_group(
        self, group: GroupOnSide, wanted: dict[str, list[int]] | None, version: int
    ) -> OffsetFetchRequestGroup:
        topics = None
        if wanted is not None:
            topics = [
                OffsetFetchRequestTopics(**self.naming(name, version), partition_indexes=of)
                for name, of in wanted.items()
            ]
        return OffsetFetchRequestGroup(group_id=group.group_id, topics=topics)

    def naming(self, name: str, version: int) -> dict[str, Any]:
        return {"name": name} if version < 10 else {"topic_id": self.ids.get(name, NO_SUCH_ID)}


@pytest.mark.parametrize("version", COMMIT_VERSIONS)
def test_a_tools_commits_are_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        group = GroupOnSide(side)
        one, two = side.topic(2), side.topic(1)
        topics = Topics(side, one, two)
        epoch = {"epoch": 0} if version >= 6 else {}
        group.ask(topics.commit(group, {one: {0: 5, 1: 6}, two: {0: 7}}, version, metadata="ü", **epoch), version)
        group.ask(topics.commit(group, {one: {0: 3}}, version, metadata=None), version, label="without metadata")
        group.ask(topics.commit(group, {one: {0: -1}}, version), version, label="negative offset")
        group.ask(topics.commit(group, {one: {0: 1, 7: 1, 1: 2}, "none": {0: 1}}, version), version, label="unknown")
        group.ask(topics.commit(group, {"none": {0: 1, 1: 1}}, version), version, label="only unknown")
        group.ask(topics.commit(group, {two: {9: 1}}, version), version, label="only unknown partitions")
        group.ask(topics.commit(group, {}, version), version, label="nothing")
        group.ask(topics.commit(group, {two: {}}, version), version, label="a topic without partitions")
        group.ask(topics.commit(group, {two: {0: 9}}, version, metadata="x" * 4096), version, label="long metadata")
        group.ask(topics.commit(group, {one: {1: 8}, two: {0: 9}}, version, metadata="x" * 4097), version, label="long")
        group.ask(topics.fetch(group, None, 8), 8, label="all offsets")
        group.ask(topics.fetch(group, {one: [0, 1, 2], two: [0]}, 8), 8, label="named offsets")
        facts = {"generation_id_or_member_epoch": 3, "member_id": "m"}
        group.ask(
            topics.commit(group, {one: {0: 1}}, version, **facts), version, label="a generation of an empty group"
        )
        group.group_id += "-other"
        group.ask(topics.commit(group, {one: {0: 1}}, version, **facts), version, label="a generation of no group")
        group.ask(topics.commit(group, {one: {0: 1}}, version, member_id="m"), version, label="a member of no group")
        group.group_id = ""
        group.ask(topics.commit(group, {one: {0: 1}}, version), version, label="empty group id")
        group.ask(topics.fetch(group, {one: [0]}, 8), 8, label="empty group id")

    compare(scenario)


@pytest.mark.parametrize("version", COMMIT_VERSIONS)
def test_members_commits_are_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        group = GroupOnSide(side)
        topic = side.topic(1)
        topics = Topics(side, topic)

        def commit(offset: int, label: str, member_id: str, generation_id: int, **facts: Any) -> None:
            facts.update(member_id=member_id, generation_id_or_member_epoch=generation_id)
            group.ask(topics.commit(group, {topic: {0: offset}}, version, **facts), version, label=label)

        members, generation_id = group.stable(2)
        commit(1, "a member", members[0], generation_id)
        commit(2, "the last generation", members[0], generation_id - 1)
        commit(3, "the next generation", members[0], generation_id + 1)
        commit(4, "a stranger", "m", generation_id)
        commit(5, "a tool", "", -1)
        commit(6, "a member without a generation", members[0], -1)
        if version >= 7:
            commit(7, "an unknown instance", members[0], generation_id, group_instance_id="i")
        waiting = group.later(group.join_request(members[0]), 9)
        commit(8, "while joins are awaited", members[1], generation_id)
        again = group.later(group.join_request(members[1]), 9)
        side.note("joined", [waiting.answer().error_code, again.answer().error_code])
        commit(9, "while the assignment is awaited", members[1], generation_id + 1)
        commit(10, "the old generation while the assignment is awaited", members[1], generation_id)
        group.leave((members[0], None), (members[1], None))
        commit(11, "a member that has left", members[1], generation_id + 1)
        commit(12, "a tool again", "", -1)
        group.ask(topics.fetch(group, None, 9), 9, label="what is left")

    compare(scenario)


@pytest.mark.parametrize("version", FETCH_VERSIONS)
def test_fetches_are_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        group = GroupOnSide(side)
        one, two = side.topic(2), side.topic(1)
        topics = Topics(side, one, two)
        side.send(topics.commit(group, {one: {0: 5}, two: {0: 7}}, 9, metadata="m", epoch=0), 9)
        group.ask(topics.fetch(group, {one: [0, 1, 5], two: [0]}, version), version, label="named")
        group.ask(topics.fetch(group, {"none": [0, 1], two: [0]}, version), version, label="an unknown topic")
        group.ask(topics.fetch(group, {}, version), version, label="nothing")
        group.ask(topics.fetch(group, {one: []}, version), version, label="a topic without partitions")
        if version >= 2:
            group.ask(topics.fetch(group, None, version), version, label="all")
        if version >= 7:
            group.ask(topics.fetch(group, {one: [0, 1]}, version, require_stable=True), version, label="stable")
            group.ask(topics.fetch(group, None, version, require_stable=True), version, label="all stable")
        other = GroupOnSide(side, f"{group.group_id}-other")
        group.ask(topics.fetch(other, {one: [0]}, version), version, label="no group")
        if version >= 2:
            group.ask(topics.fetch(other, None, version), version, label="all of no group")
        if version >= 8:
            several = [
                topics.fetched_group(group, {one: [0]}, version),
                topics.fetched_group(other, None, version),
                topics.fetched_group(group, None, version),
            ]
            group.ask(OffsetFetchRequest(groups=several), version, label="several groups")
            group.ask(OffsetFetchRequest(groups=[]), version, label="no groups")
        if version >= 9:
            asked = topics.fetched_group(group, {one: [0]}, version)
            asked.member_id, asked.member_epoch = "m", 3
            group.ask(OffsetFetchRequest(groups=[asked]), version, label="a member of a consumer group")

    compare(scenario)


def test_deleting_offsets_is_answered_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        group = GroupOnSide(side)
        one, two = side.topic(2), side.topic(1)
        topics = Topics(side, one, two)

        def delete(label: str, wanted: dict[str, list[int]]) -> None:
            of_topics = [
                OffsetDeleteRequestTopic(
                    name=name, partitions=[OffsetDeleteRequestPartition(partition_index=index) for index in of]
                )
                for name, of in wanted.items()
            ]
            group.ask(OffsetDeleteRequest(group_id=group.group_id, topics=of_topics), 0, label=label)

        delete("no group", {one: [0]})
        side.send(topics.commit(group, {one: {0: 5, 1: 6}, two: {0: 7}}, 9), 9)
        members, _ = group.stable(1, protocols={"range": subscription(two)})
        delete("some read", {one: [0], two: [0]})
        delete("some unknown", {one: [1, 7], "none": [0], two: [3]})
        delete("all unknown", {"none": [0, 1]})
        delete("nothing", {})
        delete("a topic without partitions", {one: []})
        group.ask(topics.fetch(group, None, 8), 8, label="what is left")
        group.leave((members[0], None))
        delete("an empty group", {two: [0]})
        group.ask(topics.fetch(group, None, 8), 8, label="nothing is left")
        connect = GroupOnSide(side, f"{group.group_id}-connect")
        side.send(topics.commit(connect, {one: {0: 5}}, 9), 9)
        group = connect
        connect.stable(1, protocol_type="connect")
        delete("a group of others than consumers", {one: [0]})
        delete("a group of others than consumers, unknown", {"none": [0]})
        group.group_id = ""
        delete("empty group id", {one: [0]})

    compare(scenario)


def test_offsets_of_deleted_topics_are_gone_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        group = GroupOnSide(side)
        one, two = side.topic(1), side.topic(1)
        topics = Topics(side, one, two)
        side.send(topics.commit(group, {one: {0: 5}, two: {0: 7}}, 9), 9)
        side.send(DeleteTopicsRequest(topic_names=[one], timeout_ms=10_000), 3)
        GroupOnSide(side)
        for _ in range(100):
            left = side.send(topics.fetch(group, None, 8), 8).groups[0].topics
            if len(left) == 1:
                break
        side.note("left", left)

    compare(scenario)
