"""Streams groups beside Apache Kafka: heartbeats, describing, internal topics, tasks on the move, administration."""

from __future__ import annotations

import pytest

from kafkalite.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from kafkalite.protocol.messages.delete_groups import DeleteGroupsRequest
from kafkalite.protocol.messages.list_groups import ListGroupsRequest
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from kafkalite.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kafkalite.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup
from kafkalite.protocol.messages.streams_group_describe import StreamsGroupDescribeRequest
from kafkalite.protocol.messages.streams_group_heartbeat import (
    CopartitionGroup,
    Endpoint,
    KeyValue,
    StreamsGroupHeartbeatRequest,
    Subtopology,
    TaskOffset,
    TopicInfo,
    Topology,
)
from kafkalite.protocol.messages.streams_group_topology_description_update import (
    StreamsGroupTopologyDescriptionUpdateRequest,
)
from streams_group_scenarios import StreamsGroupOnSide, internal_topic, task_ids
from transcript import Compare, Side

VERSIONS = (0, 1)


@pytest.mark.parametrize("version", VERSIONS)
def test_requests_that_are_wrong_in_themselves_are_refused_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        group = StreamsGroupOnSide(side, is_prompt=False)
        topology = group.topology("t")
        good = {
            "group_id": group.group_id,
            "member_id": "m",
            "rebalance_timeout_ms": 1000,
            "topology": topology,
            "active_tasks": [],
            "standby_tasks": [],
            "warmup_tasks": [],
        }
        wrong: dict[str, dict[str, object]] = {
            "no member id": {"member_id": ""},
            "blank group id": {"group_id": " "},
            "blank instance id": {"instance_id": " "},
            "blank rack": {"rack_id": ""},
            "no timeout": {"rebalance_timeout_ms": -1},
            "no active tasks": {"active_tasks": None},
            "owned standby tasks": {"standby_tasks": task_ids({"0": [1]})},
            "owned warm-up tasks": {"warmup_tasks": task_ids({"0": [1]})},
            "no topology": {"topology": None},
            "topology later": {"member_epoch": 1},
            "one kind of tasks": {"member_epoch": 1, "topology": None, "standby_tasks": None},
            "unknown group": {"member_epoch": 1, "topology": None},
            "unknown group left": {"member_epoch": -1, "topology": None},
            "no instance to leave for a while": {"member_epoch": -2, "topology": None},
            "odd epoch": {"member_epoch": -3, "topology": None},
            "regular expression": {
                "topology": Topology(subtopologies=[Subtopology(subtopology_id="0", source_topic_regex=["a.*"])])
            },
            "changelog of a fixed size": {
                "topology": Topology(
                    subtopologies=[
                        Subtopology(
                            subtopology_id="0",
                            source_topics=["t"],
                            state_changelog_topics=[TopicInfo(name="c", partitions=2)],
                        )
                    ]
                )
            },
            "internal topics": {"topology": group.topology("__consumer_offsets")},
            "impossible topic": {"topology": group.topology("a b")},
        }
        for label, facts in wrong.items():
            group.ask(StreamsGroupHeartbeatRequest(**{**good, **facts}), version, label=label)

    compare(scenario)


def test_topologies_that_cannot_be_are_refused_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        group = StreamsGroupOnSide(side)
        topic = side.topic(2)
        a, b = internal_topic("a"), internal_topic("b")
        source = Subtopology(subtopology_id="0", source_topics=[topic])
        topologies: dict[str, list[Subtopology]] = {
            "no sources": [Subtopology(subtopology_id="0")],
            "a loop": [
                Subtopology(subtopology_id="0", repartition_source_topics=[a], repartition_sink_topics=["b"]),
                Subtopology(subtopology_id="1", repartition_source_topics=[b], repartition_sink_topics=["a"]),
            ],
            "nobody writes": [source, Subtopology(subtopology_id="1", repartition_source_topics=[a])],
            "twice the same": [source, source],
            "an index too high": [
                Subtopology(
                    subtopology_id="0",
                    source_topics=[topic],
                    copartition_groups=[CopartitionGroup(source_topics=[1])],
                )
            ],
            "less than no partitions": [
                Subtopology(
                    subtopology_id="0",
                    source_topics=[topic],
                    repartition_source_topics=[TopicInfo(name="a", partitions=-1)],
                )
            ],
        }
        for label, subtopologies in topologies.items():
            group.join("m", Topology(subtopologies=subtopologies), label=label)
        tags = [KeyValue(key="zone", value="1"), KeyValue(key="zone", value="2")]
        group.join("m", group.topology(topic), client_tags=tags, label="a tag twice")

    compare(scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_life_of_an_application_of_one_member_is_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        group = StreamsGroupOnSide(side)
        source = f"{side.namespace}-lines"
        topology = Topology(
            epoch=0,
            subtopologies=[
                Subtopology(subtopology_id="0", source_topics=[source], repartition_sink_topics=[f"{source}-words"]),
                Subtopology(
                    subtopology_id="1",
                    repartition_source_topics=[internal_topic(f"{source}-words", cleanup_policy="delete")],
                    state_changelog_topics=[internal_topic(f"{source}-counts", cleanup_policy="compact")],
                ),
            ],
        )
        group.join("m", topology, version=version)
        group.describe("without topics", version)
        new = CreatableTopic(name=source, num_partitions=3, replication_factor=1)
        side.send(CreateTopicsRequest(topics=[new], timeout_ms=30_000))
        side.wait_for_leaders(source, 3)
        side.eventually(
            lambda: all(s.status_code != 1 for s in group.beat("m", version=version, is_noted=False).status)
        )
        group.until_ready("m")
        group.go_on("m", version=version)
        group.describe("ready", version)
        names = [MetadataRequestTopic(name=f"{source}-{suffix}") for suffix in ("words", "counts")]
        found = side.send(MetadataRequest(topics=names)).topics
        side.note("internal topics", {topic.name: len(topic.partitions) for topic in found})
        group.beat("m", -1, version=version, label="leaves")
        group.describe("left", version)
        group.beat("m", version=version, label="after it has left")

    compare(scenario)


def test_tasks_move_to_a_second_member_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        group = StreamsGroupOnSide(side)
        topology = group.topology(side.topic(5))
        group.join("a", topology)
        group.join("b", topology)
        group.describe("joined")
        group.beat("a", label="a says nothing of what it owns")
        keeps, _ = group.owned["a"]
        group.beat("a", active={"0": list(range(5))}, label="a still owns all")
        group.beat("b", active={}, label="b waits")
        group.describe("revoking")
        group.beat("a", active=keeps, label="a has revoked")
        group.beat("b", active={}, label="b gets what is free")
        group.settle_members("a", "b")
        group.describe("settled")
        group.beat("a", -1, label="a leaves")
        group.settle_members("b")
        group.describe("alone")

    compare(scenario)


@pytest.mark.parametrize("members", [3, 5])
def test_tasks_and_standby_tasks_are_spread_alike(compare: Compare, members: int) -> None:
    def scenario(side: Side) -> None:
        group = StreamsGroupOnSide(side)
        group.configure("streams.num.standby.replicas", "1")
        names = [f"m{number}" for number in range(members)]
        topology = group.topology(side.topic(7), is_stateful=True)
        group.join(names[0], topology, process_id="p0", label="first")
        group.until_ready(names[0])
        for number, name in enumerate(names[1:], 1):
            group.join(name, topology, process_id=f"p{number % 3}")
        group.settle_members(*names)
        group.describe("all")
        group.beat(names[0], -1, label="first leaves")
        group.settle_members(*names[1:])
        group.describe("one less")
        group.configure("streams.num.standby.replicas", "0")
        group.settle_members(*names[1:])
        group.describe("no standbys")

    compare(scenario)


def test_static_members_come_back_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        group = StreamsGroupOnSide(side)
        topology = group.topology(side.topic(4))
        group.join("a", topology, instance_id="i")
        group.join("b", topology, instance_id="j")
        group.settle_members("a", "b")
        group.join("c", topology, instance_id="i", label="not released")
        group.beat("c", 1, instance_id="i", label="not its own")
        group.beat("c", 1, instance_id="nobody", label="unknown instance")
        group.beat("a", -2, instance_id="j", label="leaves with another's")
        group.beat("a", -2, instance_id="i", label="leaves for a while")
        group.describe("away")
        group.join("c", topology, instance_id="i", process_id="process-a")
        group.settle_members("b")
        group.describe("back")
        group.beat("a", 1, instance_id="i", label="fenced")
        group.beat("b", -1, instance_id="j", label="leaves for good")
        group.settle_members("c")
        group.describe("alone")

    compare(scenario)


def test_epochs_and_owned_tasks_are_checked_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        group = StreamsGroupOnSide(side)
        topology = group.topology(side.topic(2))
        group.join("a", topology)
        group.go_on("a")
        epoch = group.epochs["a"]
        group.beat("a", epoch + 1, label="ahead")
        group.beat("a", epoch - 1, label="behind")
        group.beat("a", epoch - 1, active={"0": [0]}, label="the answer was lost")
        group.beat("a", epoch - 1, active={"0": [9]}, label="behind with others' tasks")
        group.beat("a", active={"7": [0]}, label="unknown subtopology")
        group.beat("a", active={"0": [2]}, label="unknown partition")
        group.beat("nobody", 1, label="unknown member")
        group.beat("nobody", -1, label="unknown member leaves")
        group.join("a", topology, label="joins again")
        group.join("a", group.topology("other"), label="another topology")
        group.join("a", group.topology("other", epoch=1), label="a newer topology")
        offset = TaskOffset(subtopology_id="0", partition=1, offset=7)
        group.beat("a", task_offsets=[offset], task_end_offsets=[offset], label="offsets")
        group.beat("a", task_offsets=[offset, offset], label="offsets twice")
        group.describe("offsets")

    compare(scenario)


def test_members_of_an_older_topology_are_told_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        group = StreamsGroupOnSide(side)
        topic = side.topic(2)
        group.join("a", group.topology(topic, epoch=3))
        group.join("b", group.topology("whatever", epoch=2))
        group.settle_members("a", "b")
        group.describe("stale")

    compare(scenario)


def test_a_shutdown_of_the_application_is_told_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        group = StreamsGroupOnSide(side)
        topology = group.topology(side.topic(2))
        group.join("a", topology)
        group.join("b", topology)
        group.go_on("a", shutdown_application=True)
        group.go_on("b", shutdown_application=True)
        group.beat("a", -1, label="a leaves")
        group.go_on("b")
        group.beat("b", -1, label="b leaves")
        group.join("c", topology)

    compare(scenario)


def test_endpoints_are_told_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        group = StreamsGroupOnSide(side)
        topology = group.topology(side.topic(4), is_stateful=True)
        group.join("a", topology, user_endpoint=Endpoint(host="one", port=1))
        group.until_ready("a")
        group.join(
            "b", topology, user_endpoint=Endpoint(host="two", port=2), client_tags=[KeyValue(key="z", value="1")]
        )
        for _ in range(3):
            for member_id in ("a", "b"):
                answer = group.go_on(member_id)
                group.go_on(member_id, endpoint_information_epoch=answer.endpoint_information_epoch)
        group.go_on("a", user_endpoint=Endpoint(host="three", port=65535))
        group.describe("endpoints")
        group.join("b", topology, label="without an endpoint")

    compare(scenario)


def test_topics_that_do_not_fit_are_told_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        group = StreamsGroupOnSide(side)
        left, right = side.topic(2), side.topic(3)
        joined = Topology(
            subtopologies=[
                Subtopology(
                    subtopology_id="0",
                    source_topics=[left, right],
                    copartition_groups=[CopartitionGroup(source_topics=[0, 1])],
                )
            ]
        )
        group.join("a", joined, label="a join")
        group.go_on("a")
        group.describe("not ready")
        fixed = StreamsGroupOnSide(side, f"{group.group_id}-2")
        fixed.join(
            "a",
            Topology(
                subtopologies=[
                    Subtopology(
                        subtopology_id="0",
                        source_topics=[left],
                        state_changelog_topics=[internal_topic(right)],
                    )
                ]
            ),
            label="a changelog of another size",
        )
        refused = StreamsGroupOnSide(side, f"{group.group_id}-3")
        changelog = internal_topic(f"{left}-c", cleanup_policy="nonsense")
        bad = Topology(
            subtopologies=[Subtopology(subtopology_id="0", source_topics=[left], state_changelog_topics=[changelog])]
        )
        refused.join("a", bad, label="a changelog that cannot be made")
        side.eventually(lambda: "Creation failed" in repr(refused.go_on("a", is_noted=False).status))
        refused.go_on("a", label="why")

    compare(scenario)


def test_the_first_assignment_waits_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        group = StreamsGroupOnSide(side, is_prompt=False)
        group.configure("streams.initial.rebalance.delay.ms", "1500")
        group.configure("streams.assignment.interval.ms", "15000")
        topology = group.topology(side.topic(2))
        group.join("a", topology)
        group.join("b", topology)
        group.go_on("a")
        group.describe("waiting")
        side.eventually(lambda: not group.go_on("a", is_noted=False).status)
        group.settle_members("a", "b")
        group.describe("assigned")
        group.join("c", topology)
        group.describe("the next waits longer")

    compare(scenario)


def test_groups_of_other_kinds_are_told_apart_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        group = StreamsGroupOnSide(side)
        topology = group.topology(side.topic(1))
        group.form({})
        group.join("a", topology, label="a classic group has members")
        group.beat("a", 1, label="a classic group")
        group.beat("a", -1, label="a classic group left")
        group.describe("classic")
        other = StreamsGroupOnSide(side, f"{group.group_id}-2")
        other.join("a", topology)
        other.ask(other.join_request(), 9, label="JoinGroup with members")
        side.ask(DeleteGroupsRequest(groups_names=[other.group_id]), 2, label="delete with members")
        other.beat("a", -1, label="leaves")
        other.ask(other.join_request(), 9, label="JoinGroup without members")
        third = StreamsGroupOnSide(side, f"{group.group_id}-3")
        third.join("a", topology)
        third.beat("a", -1, label="leaves")
        third.settle()
        side.ask(DeleteGroupsRequest(groups_names=[third.group_id]), 2, label="delete without members")
        third.describe("deleted")
        third.join("a", topology, label="made anew")

    compare(scenario)


def test_offsets_are_committed_and_fetched_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        group = StreamsGroupOnSide(side)
        topic, other = side.topic(2), side.topic(1)
        topology = group.topology(topic)
        group.join("a", topology)
        group.join("b", topology)
        group.settle_members("a", "b")
        epoch = group.epochs["a"]

        def commit(label: str, epoch: int, member_id: str = "a", version: int = 9, topic: str = topic) -> None:
            partitions = [OffsetCommitRequestPartition(partition_index=i, committed_offset=5) for i in range(2)]
            if topic == other:
                partitions = partitions[:1]
            side.ask(
                OffsetCommitRequest(
                    group_id=group.group_id,
                    generation_id_or_member_epoch=epoch,
                    member_id=member_id,
                    topics=[OffsetCommitRequestTopic(name=topic, partitions=partitions)],
                ),
                version,
                label=label,
            )

        commit("its epoch", epoch)
        commit("an old version", epoch, version=8)
        commit("a later epoch", epoch + 1)
        commit("an earlier epoch", epoch - 1)
        commit("an earlier epoch, a topic that it does not read", epoch - 1, topic=other)
        commit("nobody", epoch, "nobody")
        commit("an administrator", -1, "")
        for label, member_id, member_epoch in (("its epoch", "a", epoch), ("another", "a", epoch + 1), ("no", "x", 1)):
            request = OffsetFetchRequestGroup(
                group_id=group.group_id, member_id=member_id, member_epoch=member_epoch, topics=None
            )
            side.ask(OffsetFetchRequest(groups=[request]), 9, label=f"fetch at {label}")
        group.beat("a", -1, label="a leaves")
        group.beat("b", -1, label="b leaves")
        commit("an administrator, once it is empty", -1, "")

    compare(scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_groups_that_are_not_there_are_described_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        group = StreamsGroupOnSide(side)
        group.ask(
            StreamsGroupDescribeRequest(group_ids=["", group.group_id], include_authorized_operations=True), version
        )
        group.join("a", group.topology("missing"))
        group.settle()
        for state in ("NotReady", "not_ready", "notready", "Empty"):
            groups = side.send(ListGroupsRequest(states_filter=[state], types_filter=["Streams"]), 5).groups
            side.note(f"listed as {state}", [found for found in groups if found.group_id == group.group_id])

    compare(scenario)


def test_descriptions_of_topologies_are_refused_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        group = StreamsGroupOnSide(side)
        group.join("a", group.topology(side.topic(1)))
        for group_id, member_id in ((group.group_id, "a"), (group.group_id, "nobody"), ("", ""), ("none", "a")):
            side.ask(
                StreamsGroupTopologyDescriptionUpdateRequest(group_id=group_id, member_id=member_id),
                label=f"{group_id} {member_id}",
            )
        group.describe("asked for", include_topology_description=True)

    compare(scenario)
