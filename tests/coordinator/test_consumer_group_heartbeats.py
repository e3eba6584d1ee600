"""Heartbeats of consumer groups: who is in, who is out, and when."""

from __future__ import annotations

from typing import Any

import pytest

from consumer_group_simulation import ConsumerGroupSimulation, durable_state
from kafkalite.coordinator.coordinator_result import CoordinatorRecord
from kafkalite.coordinator.group_coordinator_config import GroupCoordinatorConfig
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.coordinator_records.consumer_group import (
    ConsumerGroupPartitionMetadataKey,
    ConsumerGroupPartitionMetadataValue,
)
from kafkalite.protocol.messages.consumer_group_heartbeat import Assignment

JOIN: dict[str, Any] = {"rebalance_timeout_ms": 30_000, "topic_partitions": []}


@pytest.fixture
def group() -> ConsumerGroupSimulation:
    """No group yet, and a topic of four partitions."""
    simulation = ConsumerGroupSimulation()
    simulation.topic("t", 4)
    return simulation


def test_a_member_without_an_id_is_given_one(group: ConsumerGroupSimulation) -> None:
    response = group.beat("", 0, version=0, subscribed_topic_names=["t"], **JOIN)
    assert response.member_id == "member1"
    assert list(group.consumer_group().members) == ["member1"]


def test_a_heartbeat_that_changes_nothing_writes_nothing(group: ConsumerGroupSimulation) -> None:
    member = group.join("a", "t")
    written = len(group.log)
    assert group.go_on(member) == 0
    assert group.beat("a", member.epoch).assignment is None
    assert len(group.log) == written


def test_a_silent_member_is_out_after_its_session_and_its_partitions_go_to_others(
    group: ConsumerGroupSimulation,
) -> None:
    silent, member = group.join("a", "t"), group.join("b", "t")
    group.settle(silent, member)
    for _ in range(44):
        group.advance(1_000)
        group.go_on(member)
    assert len(group.consumer_group().members) == 2
    group.advance(2_000)
    group.settle(member)
    assert list(group.consumer_group().members) == ["b"]
    assert sum(map(len, member.owned.values())) == 4
    assert group.go_on(silent) == ErrorCode.UNKNOWN_MEMBER_ID


def test_sessions_begin_anew_after_a_restart(group: ConsumerGroupSimulation) -> None:
    member = group.join("a", "t")
    group.advance(44_000)
    again = group.restarted()
    again.advance(44_000)
    assert again.go_on(member) == 0
    again.advance(46_000)
    assert again.consumer_group().state_name == "Empty"


def test_session_and_heartbeat_interval_are_the_groups_own(group: ConsumerGroupSimulation) -> None:
    group.group_overrides |= {"consumer.session.timeout.ms": "50000", "consumer.heartbeat.interval.ms": "7000"}
    assert group.beat("a", 0, subscribed_topic_names=["t"], **JOIN).heartbeat_interval_ms == 7_000
    group.advance(49_000)
    assert list(group.consumer_group().members) == ["a"]
    group.advance(1_000)
    assert group.consumer_group().state_name == "Empty"


def test_whoever_does_not_give_up_in_its_rebalance_timeout_is_out(group: ConsumerGroupSimulation) -> None:
    slow = group.join("a", "t", rebalance_timeout_ms=10_000)
    group.join("b", "t")
    everything = slow.owned_partitions()
    for _ in range(9):
        assert group.beat("a", slow.epoch, topic_partitions=everything).member_epoch == slow.epoch
        group.advance(1_000)
    assert "a" in group.consumer_group().members
    group.advance(1_000)
    assert list(group.consumer_group().members) == ["b"]


def test_another_revocation_gives_a_member_its_whole_rebalance_timeout_again(group: ConsumerGroupSimulation) -> None:
    slow = group.join("a", "t", rebalance_timeout_ms=10_000)
    group.join("b", "t")
    everything = slow.owned_partitions()
    group.beat("a", slow.epoch, topic_partitions=everything)
    group.advance(8_000)
    group.beat("a", slow.epoch, topic_partitions=everything, subscribed_topic_names=[])
    group.advance(8_000)
    assert "a" in group.consumer_group().members
    group.advance(2_000)
    assert "a" not in group.consumer_group().members


def test_assignments_keep_the_distance_that_the_group_asks_for(group: ConsumerGroupSimulation) -> None:
    group.group_overrides["consumer.assignment.interval.ms"] = "2000"
    group.join("a", "t")
    member = group.join("b", "t")
    group.advance(1_999)
    group.go_on(member)
    assert (group.consumer_group().group_epoch, group.consumer_group().assignment_epoch) == (3, 2)
    group.advance(1)
    group.go_on(member)
    assert group.consumer_group().assignment_epoch == 3


def test_a_full_group_takes_nobody_but_those_it_knows() -> None:
    group = ConsumerGroupSimulation(GroupCoordinatorConfig(consumer_group_max_size=2))
    group.topic("t", 2)
    group.join("a", "t")
    static = group.join("b", "t", instance_id="i")
    with pytest.raises(KafkaError, match=r"maximum capacity of 2 members"):
        group.join("c", "t")
    group.join("a", "t")
    group.beat("b", -2, instance_id="i")
    assert group.join("b2", "t", instance_id="i").epoch == static.epoch


def test_a_static_members_partitions_wait_for_it_a_session_long(group: ConsumerGroupSimulation) -> None:
    static, other = group.join("a", "t", instance_id="i"), group.join("b", "t")
    group.settle(static, other)
    held = static.owned
    group.beat("a", -2, instance_id="i")
    group.settle(other)
    assert group.consumer_group().members["a"].member_epoch == -2
    back = group.join("a2", "t", instance_id="i")
    assert back.owned == held
    group.beat("a2", -2, instance_id="i")
    for _ in range(46):
        group.advance(1_000)
        group.go_on(other)
    assert list(group.consumer_group().members) == ["b"]


def test_new_partitions_are_given_out_with_the_next_heartbeat(group: ConsumerGroupSimulation) -> None:
    member = group.join("a", "t")
    group.more_partitions("t", 6)
    assert group.go_on(member) == 0
    assert [sorted(partitions) for partitions in member.owned.values()] == [[0, 1, 2, 3, 4, 5]]


def test_a_deleted_topic_is_given_up_and_taken_up_again_when_it_is_back(group: ConsumerGroupSimulation) -> None:
    member = group.join("a", "t")
    epoch = member.epoch
    group.remove_topic("t")
    group.settle(member)
    assert (member.owned, member.epoch) == ({}, epoch + 1)
    group.topic("t", 1)
    group.settle(member)
    assert [sorted(partitions) for partitions in member.owned.values()] == [[0]]


def test_regular_expressions_are_matched_after_the_heartbeat_and_when_topics_are_made(
    group: ConsumerGroupSimulation,
) -> None:
    group.topic("other", 1)
    facts: dict[str, Any] = {"subscribed_topic_names": None, "subscribed_topic_regex": "t.*", **JOIN}
    assert group.beat("a", 0, **facts).assignment == Assignment()
    group.advance(0)
    resolved = group.consumer_group().resolved_regexes["t.*"]
    assert resolved.topics == {"t"}
    first = group.beat("a", 0, **facts)
    assert first.assignment is not None
    assert [topic.partitions for topic in first.assignment.topic_partitions] == [[0, 1, 2, 3]]
    group.topic("t2", 1)
    group.advance(9_000)
    group.beat("a", first.member_epoch)
    group.advance(0)
    assert group.consumer_group().resolved_regexes["t.*"] == resolved, "at most every ten seconds"
    group.advance(2_000)
    group.beat("a", first.member_epoch)
    group.advance(0)
    assert group.consumer_group().resolved_regexes["t.*"].topics == {"t", "t2"}
    again = group.restarted()
    assert durable_state(again.consumer_group()) == durable_state(group.consumer_group())
    group.beat("a", -1)
    assert group.consumer_group().resolved_regexes == {}
    assert not group.consumer_group().is_subscribed_to_topic("t")


def test_offsets_age_only_when_nobody_is_subscribed_and_then_the_empty_group_goes(
    group: ConsumerGroupSimulation,
) -> None:
    member = group.join("a", "t")
    assert group.commit({("t", 0): 5}, member_id="a", generation_id=member.epoch) == [0]
    for _ in range(8 * 24 * 60 * 2):
        group.advance(30_000)
        assert group.go_on(member) == 0
    assert group.fetch() == {("t", 0): (5, 0)}
    group.beat("a", -1)
    group.advance(11 * 60_000)
    assert group.fetch() == {}
    assert "g" not in group.shard.groups.groups


def test_the_record_of_older_releases_is_removed_with_the_next_change(group: ConsumerGroupSimulation) -> None:
    key = ConsumerGroupPartitionMetadataKey(group_id="g")
    group.append([CoordinatorRecord(key, ConsumerGroupPartitionMetadataValue())])
    group.join("a", "t")
    assert (-1, key.to_bytes(), None) in group.log
    assert not group.consumer_group().has_subscription_metadata_record


def test_of_two_assignors_at_par_the_one_that_has_just_been_named_counts(group: ConsumerGroupSimulation) -> None:
    """As it does in Apache Kafka's maps."""
    uniform = group.join("u", "t", server_assignor="uniform")
    plain = group.join("p", "t")
    group.settle(uniform, plain)
    epoch = group.consumer_group().group_epoch
    group.beat("p", plain.epoch, server_assignor="range")
    assert group.consumer_group().group_epoch == epoch + 1
    group.beat("p", plain.epoch, server_assignor="range")
    assert group.consumer_group().group_epoch == epoch + 1
    assert group.consumer_group().describe("uniform", group.metadata).assignor_name == "uniform"
