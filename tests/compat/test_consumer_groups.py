"""Consumer groups (KIP-848): scripted heartbeats of several members."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from consumer_group_scenarios import ConsumerGroupOnSide, MixedGroup
from group_scenarios import subscription
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from kafkalite.protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from kafkalite.protocol.messages.consumer_group_heartbeat import TopicPartitions
from kafkalite.protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from kafkalite.protocol.messages.delete_groups import DeleteGroupsRequest
from kafkalite.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from kafkalite.protocol.messages.describe_groups import DescribeGroupsRequest
from kafkalite.protocol.messages.find_coordinator import FindCoordinatorRequest
from kafkalite.protocol.messages.init_producer_id import InitProducerIdRequest
from kafkalite.protocol.messages.list_groups import ListGroupsRequest
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
    OffsetFetchRequestTopics,
)
from kafkalite.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from transcript import Compare, Side

JOIN = {"rebalance_timeout_ms": 30_000, "subscribed_topic_names": ["t"], "topic_partitions": []}
SOME_PARTITIONS = [TopicPartitions(topic_id=Uuid.ONE, partitions=[0])]
INVALID: list[tuple[str, dict[str, Any]]] = [
    ("no member id", {"member_id": "", "member_epoch": 1}),
    ("no member id when leaving", {"member_id": "", "member_epoch": -1}),
    ("no member id when joining", {"member_id": "", "member_epoch": 0}),
    ("a blank member id", {"member_id": "  ", "member_epoch": 1}),
    ("a blank instance id", {"member_epoch": 1, "instance_id": " "}),
    ("a blank rack", {"member_epoch": 1, "rack_id": ""}),
    ("no rebalance timeout", {**JOIN, "rebalance_timeout_ms": -1}),
    ("no owned partitions", {**JOIN, "topic_partitions": None}),
    ("owned partitions when joining", {**JOIN, "topic_partitions": SOME_PARTITIONS}),
    ("no subscription", {**JOIN, "subscribed_topic_names": None}),
    ("static leave without instance", {"member_epoch": -2}),
    ("an epoch below all", {"member_epoch": -3}),
    ("an unknown assignor", {**JOIN, "server_assignor": "sticky"}),
    ("an unknown group", {"member_epoch": 1}),
    ("an unknown group is left", {"member_epoch": -1}),
    ("an unknown group is left by a static member", {"member_epoch": -2, "instance_id": "i"}),
]


def _topic(side: Side, partitions: int) -> str:
    """A topic whose id is noted at once: later it may come in any order with others."""
    name = side.topic(partitions)
    side.note(name, side.topic_id(name))
    return name


@pytest.mark.parametrize("version", [0, 1])
def test_invalid_heartbeats_are_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        group = ConsumerGroupOnSide(side, is_prompt=False)
        for label, facts in INVALID:
            if version == 0 and label == "no member id when joining":
                continue
            facts = {"member_epoch": 0, **facts}
            group.beat(facts.pop("member_id", "m"), facts.pop("member_epoch"), label=label, version=version, **facts)
        group.group_id = ""
        group.beat("m", 1, label="no group id", version=version)
        group.side.ask(ConsumerGroupDescribeRequest(group_ids=["", "nothing"]), version, label="describe nothing")

    compare(scenario)


@pytest.mark.parametrize("version", [0, 1])
def test_a_group_of_three_comes_and_goes_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(7)
        group = ConsumerGroupOnSide(side)
        group.join("a", topic, version=version)
        group.describe("one member")
        group.join("b", topic, version=version)
        group.join("c", topic, version=version)
        group.describe("three members")
        group.beat("a", label="a is to give up some", version=version)
        group.describe("a has to give up")
        group.beat("b", label="b waits", version=version)
        group.beat("a", label="a still owns all", owned={topic: list(range(7))}, version=version)
        group.beat("a", label="a has given up", owned={topic: [0, 1, 2]}, version=version)
        group.describe("a has given up")
        group.beat("b", version=version)
        group.beat("c", version=version)
        group.describe("stable")
        group.beat("a", label="nothing new", version=version)
        group.beat("a", label="everything", owned={topic: [0, 1, 2]}, version=version, **_full(topic))
        group.beat("b", -1, label="b leaves", version=version)
        group.describe("b has left")
        group.beat("b", 3, label="b is gone", version=version)
        group.beat("c", label="c gets more", version=version)
        group.beat("a", label="a gets more", version=version)
        group.describe("two members")
        group.beat("a", -1, version=version)
        group.beat("c", -1, version=version)
        group.describe("empty")
        group.join("a", topic, label="a is back", version=version)

    compare(scenario)


def _full(topic: str) -> dict[str, Any]:
    return {"rebalance_timeout_ms": 30_000, "subscribed_topic_names": [topic]}


def test_epochs_are_checked_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(2)
        group = ConsumerGroupOnSide(side)
        group.join("a", topic)
        group.beat("a", 9, label="from the future")
        group.beat("a", 1, label="older")
        group.beat("x", 1, label="an unknown member")
        group.beat("x", -1, label="an unknown member leaves")
        group.join("a", topic, label="again")
        group.join("b", topic)
        group.beat("a", owned={topic: [0]}, label="a goes on")
        group.beat("a", 2, label="previous epoch, nothing owned said")
        group.beat("a", 2, label="previous epoch, all owned", owned={topic: [0, 1]})
        group.beat("a", 2, label="previous epoch, a lost answer", owned={topic: [0]})
        group.beat("a", 2, label="previous epoch, nothing owned", owned={})
        group.beat("a", 1, label="one before that", owned={topic: [0]})
        group.beat("b")
        group.describe("at the end")

    compare(scenario)


def test_subscriptions_change_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        one, two = _topic(side, 4), _topic(side, 4)
        group = ConsumerGroupOnSide(side)
        group.join("a", one)
        group.beat("a", label="the same", subscribed_topic_names=[one])
        group.beat("a", label="another", subscribed_topic_names=[two])
        group.beat("a", label="has given up", owned={})
        group.beat("a")
        group.beat("a", label="nothing", subscribed_topic_names=[])
        group.beat("a", label="has given up all", owned={})
        group.describe("nothing subscribed")
        group.beat("a", label="what does not exist", subscribed_topic_names=["missing"])
        group.describe("missing topic")
        group.beat("a", label="both", subscribed_topic_names=[one, two])
        group.beat("a", label="another rack", rack_id="r1")
        group.beat("a", label="another assignor", server_assignor="range")
        group.beat("a", label="another timeout", rebalance_timeout_ms=1_000)
        group.describe("changed")

    compare(scenario)


@pytest.mark.parametrize("assignor", ["uniform", "range"])
def test_assignors_share_out_alike(compare: Compare, assignor: str) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(19)
        group = ConsumerGroupOnSide(side)
        members = [f"member-{number}" for number in range(5)]
        owned: dict[str, dict[str, list[int]]] = {}

        def settle_down(present: list[str]) -> None:
            for _ in range(3):
                for member in present:
                    answer = group.beat(member, owned=owned[member])
                    if answer.assignment is not None:
                        given = [p for t in answer.assignment.topic_partitions for p in t.partitions]
                        owned[member] = {topic: given} if given else {}
            group.describe(f"{len(present)} members")

        for count, member in enumerate(members, 1):
            answer = group.join(member, topic, server_assignor=assignor)
            given = [p for t in answer.assignment.topic_partitions for p in t.partitions]
            owned[member] = {topic: given} if given else {}
            settle_down(members[:count])
        for count in (4, 3, 2):
            group.beat(members[count], -1)
            settle_down(members[:count])

    compare(scenario)


def test_members_of_different_subscriptions_are_given_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        small, large = _topic(side, 3), _topic(side, 8)
        group = ConsumerGroupOnSide(side)
        group.join("a", small, large)
        group.join("b", large)
        group.describe("two members")
        group.join("c", small)
        group.describe("three members")
        group.join("d", small, large, server_assignor="range")
        group.describe("four members, one prefers ranges")
        group.beat("b", -1)
        group.beat("a")
        group.describe("three again")

    compare(scenario)


def test_static_members_are_answered_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(4)
        group = ConsumerGroupOnSide(side)
        group.join("a", topic, instance_id="i")
        group.join("b", topic, instance_id="j")
        group.beat("a", label="a goes on", instance_id="i", owned={topic: [0, 1]})
        group.beat("b", instance_id="j")
        group.describe("two static members")
        group.join("a2", topic, label="an instance that is taken", instance_id="i")
        group.beat("a", label="without the instance")
        group.beat("a", label="a wrong instance", instance_id="j")
        group.beat("a", label="an unknown instance", instance_id="k")
        group.beat("a", -2, label="away for a while", instance_id="i")
        group.describe("one is away")
        group.beat("a", 3, label="while it is away", instance_id="i")
        group.beat("b", label="b meanwhile", instance_id="j")
        group.join("a2", topic, label="back", instance_id="i")
        group.describe("back")
        group.beat("a", 3, label="the old id", instance_id="i")
        group.beat("a", 3, label="the old id without the instance")
        group.beat("a", -1, label="the old id leaves", instance_id="i")
        group.beat("b", label="b afterwards", instance_id="j")
        group.beat("a2", -2, label="away", instance_id="i")
        group.join("a3", topic, topic + "x", label="back with another subscription", instance_id="i")
        group.describe("another subscription")
        group.beat("a3", -1, label="leaves for good", instance_id="i")
        group.beat("k", -2, label="an unknown instance leaves", instance_id="k")
        group.describe("one is left")

    compare(scenario)


REGEXES = (
    "({0}|none).*", "{0}-.+", "[", "(", ")", "a**", "*", "a{{2000}}", "a\\", "\\8", "(?z)", "[b-a]", "\\pX", "a{{*",
    "(?P<n>a", "(?P<n>a)(?P<n>b)", "[[:foo:]]", "\\C",
)  # fmt: skip


def test_regular_expressions_are_checked_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        group = ConsumerGroupOnSide(side)
        for number, regex in enumerate(REGEXES):
            regex = regex.format(side.namespace)
            facts: dict[str, Any] = {"subscribed_topic_names": None, "subscribed_topic_regex": regex}
            answer = group.join(f"m{number}", label=f"joins with {regex}", **facts)
            if answer.error_code == 0:
                group.beat(f"m{number}", -1)

    compare(scenario)


def test_regular_expressions_find_topics_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        name = _topic(side, 5)
        group = ConsumerGroupOnSide(side)
        facts: dict[str, Any] = {"subscribed_topic_names": None, "subscribed_topic_regex": f"{side.namespace}-[0-9]+"}
        group.join("a", **facts)
        group.side.eventually(lambda: _is_resolved(group))
        group.beat("a", label="after the topics were looked up")
        group.describe("one member")
        group.join("b", label="another with the same", **facts)
        group.beat("a")
        group.describe("two members")
        group.beat("b", label="names instead", subscribed_topic_names=[name], subscribed_topic_regex="")
        group.describe("names and an expression")
        group.beat("a", -1)
        group.describe("no expression is left")

    compare(scenario)


def _is_resolved(group: ConsumerGroupOnSide) -> bool:
    request = ConsumerGroupDescribeRequest(group_ids=[group.group_id])
    return bool(group.side.send(request, 1).groups[0].group_epoch > 1)


def test_changed_topics_are_given_out_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic, other = _topic(side, 2), _topic(side, 1)
        group = ConsumerGroupOnSide(side)
        group.join("a", topic, other)
        more = CreatePartitionsRequest(
            topics=[CreatePartitionsTopic(name=topic, count=4, assignments=None)], timeout_ms=30_000
        )
        side.send(more)
        side.wait_for_leaders(topic, 4)
        time.sleep(0.5)  # Apache Kafka's coordinator hears of it later.
        group.beat("a", label="more partitions")
        group.describe("more partitions")
        topic_id = side.topic_id(other)
        side.send(DeleteTopicsRequest(topics=[DeleteTopicState(name=None, topic_id=topic_id)], timeout_ms=30_000))
        time.sleep(0.5)
        group.beat("a", label="a topic is gone")
        group.beat("a", label="given up", owned={topic: [0, 1, 2, 3]})
        group.describe("a topic is gone")

    compare(scenario)


def test_assignments_keep_their_distance_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(4)
        group = ConsumerGroupOnSide(side, is_prompt=False)
        group.join("a", topic)
        group.join("b", topic)
        group.describe("too soon")
        time.sleep(1.2)
        group.beat("b")
        group.describe("now")

    compare(scenario)


def test_sessions_and_rebalances_time_out_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(4)
        group = ConsumerGroupOnSide(side)
        group.join("a", topic, rebalance_timeout_ms=1_000)
        group.join("b", topic)
        group.beat("a", label="a is to give up")
        time.sleep(0.5)
        group.beat("a", label="a goes on without giving up")
        time.sleep(1.2)
        group.beat("a", label="a is fenced")
        group.describe("a was too slow")
        group.beat("b")
        group.describe("b has all")

    compare(scenario)


def _commit(
    group: ConsumerGroupOnSide, topic: str, member_id: str, epoch: int, *partitions: int
) -> OffsetCommitRequest:
    return OffsetCommitRequest(
        group_id=group.group_id,
        member_id=member_id,
        generation_id_or_member_epoch=epoch,
        topics=[
            OffsetCommitRequestTopic(
                name=topic,
                topic_id=group.side.topic_id(topic),
                partitions=[OffsetCommitRequestPartition(partition_index=p, committed_offset=5) for p in partitions],
            )
        ],
    )


def _fetch(group: ConsumerGroupOnSide, topic: str, member_id: str | None, epoch: int) -> OffsetFetchRequest:
    topics = [OffsetFetchRequestTopics(name=topic, topic_id=group.side.topic_id(topic), partition_indexes=[0, 1])]
    wanted = OffsetFetchRequestGroup(group_id=group.group_id, member_id=member_id, member_epoch=epoch, topics=topics)
    return OffsetFetchRequest(groups=[wanted])


@pytest.mark.parametrize("version", [8, 9, 10])
def test_offsets_of_members_are_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(2)
        group = ConsumerGroupOnSide(side)
        group.join("a", topic)
        group.join("b", topic)
        group.beat("a", owned={topic: [0]}, label="a goes on")
        group.beat("b")
        for member_id, epoch in (("a", 3), ("a", 2), ("a", 1), ("a", 9), ("x", 3), ("", -1), ("a", -1), ("b", 2)):
            for partition in (0, 1):
                request = _commit(group, topic, member_id, epoch, partition)
                group.ask(request, version, label=f"commit of {partition} by {member_id} at {epoch}")
        for member, epoch in (("a", 3), ("a", 2), ("a", 9), ("x", 3), (None, -1), ("a", -1)):
            if version >= 9:
                group.ask(_fetch(group, topic, member, epoch), version, label=f"fetch by {member} at {epoch}")
        topics = [OffsetDeleteRequestTopic(name=topic, partitions=[OffsetDeleteRequestPartition(partition_index=0)])]
        group.ask(OffsetDeleteRequest(group_id=group.group_id, topics=topics), label="delete subscribed")
        group.ask(DeleteGroupsRequest(groups_names=[group.group_id]), label="delete a group that is not empty")
        group.ask(DescribeGroupsRequest(groups=[group.group_id]), 6, label="described as a classic group")
        group.beat("a", -1)
        group.beat("b", -1)
        group.ask(_commit(group, topic, "", -1, 0), version, label="commit to an empty group")
        group.ask(OffsetDeleteRequest(group_id=group.group_id, topics=topics), label="delete")
        group.ask(DeleteGroupsRequest(groups_names=[group.group_id]), label="delete the empty group")
        group.describe("deleted")

    compare(scenario)


def test_empty_groups_change_their_kind_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(2)
        group = ConsumerGroupOnSide(side)
        members, generation_id = group.stable(1, protocols={"range": subscription(topic)})
        group.leave((members[0], None))
        group.ask(group.heartbeat_request(members[0], generation_id), label="the classic group is empty")
        group.join("a", topic, label="a consumer group takes over")
        group.describe("taken over")
        group.beat("a", -1)
        group.form({"protocols": {"range": subscription(topic)}})
        group.describe("a classic group again")

    compare(scenario)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_members_do_is_answered_alike(compare: Compare, seed: int) -> None:
    def scenario(side: Side) -> None:
        chance = random.Random(seed)
        topics = [_topic(side, partitions) for partitions in (3, 5)]
        group = MixedGroup(side)
        # Which of two topics the uniform assignor gives to whom depends on their random ids.
        assignor = "range" if seed % 2 else None
        subscriptions = [topics, topics[:1], topics[1:], []] if assignor else [topics[1:], []]
        owned: dict[str, dict[str, list[int]]] = {}
        generations: dict[str, int] = {}
        present: set[str] = set()
        names = {side.topic_id(topic): topic for topic in topics}

        def beat(member: str, epoch: int | None = None, **facts: Any) -> None:
            answer = group.beat(member, epoch, **facts)
            if answer.error_code == 0:
                (present.discard if answer.member_epoch == -1 else present.add)(member)
            if answer.error_code == 0 and answer.assignment is not None:
                owned[member] = {names[t.topic_id]: t.partitions for t in answer.assignment.topic_partitions}

        for step in range(60):
            member = chance.choice("abcd")
            instance: dict[str, Any] = {"instance_id": f"i-{member}"} if member in "cd" else {}
            subscribed = chance.choice(subscriptions)
            classic: dict[str, Any] = {
                "protocols": {"range": subscription(topics[1])},
                "instance_id": instance.get("instance_id"),
            }
            actions = ["join", "go on", "go on", "go on", "keep", "again", "change", "leave", "away"]
            match chance.choice([*actions, "classic"] if present else actions):
                case "join":
                    # Who joins Apache Kafka's group without a subscription may take everything from the others.
                    names_joined = subscribed or topics[1:]
                    facts: dict[str, Any] = {
                        "server_assignor": assignor,
                        "subscribed_topic_names": names_joined,
                        **instance,
                    }
                    beat(member, 0, rebalance_timeout_ms=30_000, topic_partitions=[], **facts)
                case "go on":
                    beat(member, owned=owned.get(member, {}), **instance)
                case "keep":
                    beat(member, **instance)
                case "again":
                    beat(member, max(group.epochs.get(member, 0) - 1, 1), owned=owned.get(member, {}), **instance)
                case "change":
                    beat(member, max(group.epochs.get(member, 1), 1), subscribed_topic_names=subscribed, **instance)
                case "leave":
                    beat(member, -1, **instance)
                case "away":
                    beat(member, -2, instance_id=f"i-{member}")
                case "classic" if generations.get(member) and chance.random() < 0.3:
                    group.leave((member, instance.get("instance_id")))
                case "classic":
                    joined = group.ask(group.join_request(member, **classic), 9, label="classic join")
                    if joined.error_code == 0:
                        generations[member] = joined.generation_id
                        group.heartbeat(member, joined.generation_id, instance_id=classic["instance_id"])
                        sync = group.sync_request(member, joined.generation_id, instance_id=classic["instance_id"])
                        group.ask(sync, 5, label="sync")
            if step % 5 == 4:
                group.both(f"step {step}")

    compare(scenario)


@pytest.mark.parametrize("version", [3, 4, 5])
def test_offsets_in_transactions_of_members_are_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(2)
        group = ConsumerGroupOnSide(side)
        group.join("a", topic)
        group.join("b", topic)
        group.beat("a", owned={topic: [0]}, label="a goes on")
        producer = _transactional_producer(side, group)
        for member_id, epoch in (("a", 3), ("a", 2), ("a", 1), ("a", 9), ("x", 3), ("", -1), ("a", -1)):
            for partition in (0, 1):
                partitions = [TxnOffsetCommitRequestPartition(partition_index=partition, committed_offset=5)]
                request = TxnOffsetCommitRequest(
                    transactional_id=group.group_id,
                    group_id=group.group_id,
                    producer_id=producer.producer_id,
                    producer_epoch=producer.producer_epoch,
                    member_id=member_id,
                    generation_id_or_member_epoch=epoch,
                    topics=[TxnOffsetCommitRequestTopic(name=topic, partitions=partitions)],
                )
                group.ask(request, version, label=f"commit of {partition} by {member_id} at {epoch}")

    compare(scenario)


def _transactional_producer(side: Side, group: ConsumerGroupOnSide) -> Any:
    """A producer in a transaction to which the group's offsets belong."""
    initialize = InitProducerIdRequest(transactional_id=group.group_id, transaction_timeout_ms=60_000)
    found: list[Any] = []

    def is_there() -> bool:
        find = FindCoordinatorRequest(key_type=1, coordinator_keys=[group.group_id])
        if side.send(find, 4).coordinators[0].error_code:
            return False
        found.append(side.send(initialize, 4))
        return bool(found[-1].error_code == 0)

    side.eventually(is_there)
    producer = found[-1]
    add = AddOffsetsToTxnRequest(
        transactional_id=group.group_id,
        producer_id=producer.producer_id,
        producer_epoch=producer.producer_epoch,
        group_id=group.group_id,
    )
    side.eventually(lambda: bool(side.send(add, 3).error_code == 0))
    return producer


def test_groups_are_listed_by_state_and_type_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(4)
        group = ConsumerGroupOnSide(side)

        def listed(label: str) -> None:
            group.settle()
            for states in ([], ["Stable"], ["reconciling"], ["ASSIGNING"], ["Empty"], ["Dead"], ["PreparingRebalance"]):
                for types in ([], ["Consumer"], ["classic"], ["nonsense"]):
                    request = ListGroupsRequest(states_filter=states, types_filter=types)
                    groups = [each for each in side.send(request, 5).groups if each.group_id == group.group_id]
                    side.note(f"{label}: {states} {types}", groups)

        group.join("a", topic)
        listed("stable")
        group.join("b", topic)
        listed("reconciling")
        group.beat("b", -1)
        listed("assigning")
        group.beat("a", -1)
        listed("empty")

    compare(scenario)
