"""Server-side assignors: everything is given out, evenly, once, and moved no more than needed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkalite.config.definitions.group_coordinator import CONSUMER_ASSIGNORS
from kafkalite.config.definitions.streams_group import STREAMS_ASSIGNORS
from kafkalite.coordinator.assignors import ASSIGNORS
from kafkalite.coordinator.assignors.partition_assignor import (
    Assignment,
    GroupSpec,
    MemberSpec,
    PartitionAssignor,
    SubscriptionType,
)
from kafkalite.coordinator.streams import sticky_task_assignor
from kafkalite.identifiers import Uuid

TOPICS = [Uuid(bytes([number]) * 16) for number in range(1, 5)]
A, B, C, D = TOPICS
uniform, ranges = ASSIGNORS["uniform"], ASSIGNORS["range"]


def spec(members: dict[str, MemberSpec], counts: dict[Uuid, int]) -> GroupSpec:
    """A group of members with their subscriptions."""
    is_same = len({member.topic_ids for member in members.values()}) <= 1
    kind = SubscriptionType.HOMOGENEOUS if is_same else SubscriptionType.HETEROGENEOUS
    return GroupSpec(members, kind, counts)


def test_those_that_the_configuration_may_name_are_there() -> None:
    assert tuple(ASSIGNORS) == CONSUMER_ASSIGNORS
    assert (sticky_task_assignor.NAME,) == STREAMS_ASSIGNORS


def sizes(assignments: dict[str, Assignment]) -> dict[str, int]:
    return {member: sum(map(len, assignment.values())) for member, assignment in assignments.items()}


def check_complete(group: GroupSpec, assignments: dict[str, Assignment]) -> None:
    """Every partition that somebody wants is given once, to somebody who wants it."""
    given_out = [(t, p) for assignment in assignments.values() for t, ps in assignment.items() for p in ps]
    assert len(given_out) == len(set(given_out))
    wanted = {topic_id for member in group.members.values() for topic_id in member.topic_ids}
    assert set(given_out) == {(t, p) for t in wanted for p in range(group.partition_counts[t])}
    for member_id, assignment in assignments.items():
        assert set(assignment) <= set(group.members[member_id].topic_ids)
        assert all(partitions and list(partitions) == sorted(partitions) for partitions in assignment.values())


def test_ranges_give_runs_and_the_first_members_one_more() -> None:
    members = {name: MemberSpec((A, B), {}) for name in ("m2", "m1", "m3")}
    assert ranges(spec(members, {A: 7, B: 2})) == {
        "m1": {A: (0, 1, 2), B: (0,)},
        "m2": {A: (3, 4), B: (1,)},
        "m3": {A: (5, 6)},
    }


def test_ranges_follow_instance_ids_before_member_ids() -> None:
    members = {"m1": MemberSpec((A,), {}), "m2": MemberSpec((A,), {}, "z"), "m3": MemberSpec((A,), {}, "a")}
    assert ranges(spec(members, {A: 3})) == {"m3": {A: (0,)}, "m2": {A: (1,)}, "m1": {A: (2,)}}


def test_a_new_member_takes_from_the_others_only_what_is_its_share() -> None:
    before: dict[str, Assignment] = {"m1": {A: (0, 1, 2)}, "m2": {A: (3, 4, 5)}, "m3": {}}
    members = {name: MemberSpec((A,), assignment) for name, assignment in before.items()}
    assert uniform(spec(members, {A: 6})) == {"m1": {A: (0, 1)}, "m2": {A: (3, 4)}, "m3": {A: (2, 5)}}


def test_members_keep_what_they_have_when_others_leave() -> None:
    members = {"m1": MemberSpec((A,), {A: (0, 1)}), "m2": MemberSpec((A,), {A: (4,)})}
    assert uniform(spec(members, {A: 5})) == {"m1": {A: (0, 1)}, "m2": {A: (2, 3, 4)}}


def test_whoever_can_read_little_gets_that_and_the_others_the_rest() -> None:
    members = {"m1": MemberSpec((A, B), {}), "m2": MemberSpec((B,), {}), "m3": MemberSpec((A,), {})}
    assignments = uniform(spec(members, {A: 3, B: 6}))
    assert sizes(assignments) == {"m1": 3, "m2": 3, "m3": 3}
    assert assignments["m2"] == {B: assignments["m2"][B]}
    assert assignments["m3"] == {A: assignments["m3"][A]}


@pytest.mark.parametrize("assignor", ASSIGNORS.values(), ids=ASSIGNORS)
def test_nobody_gets_anything_of_nothing(assignor: PartitionAssignor) -> None:
    assert assignor(spec({}, {})) == {}
    assert not any(sizes(assignor(spec({"m": MemberSpec((), {})}, {}))).values())


subscriptions = st.lists(st.sampled_from(TOPICS), unique=True).map(lambda topics: tuple(sorted(topics)))
counts = st.fixed_dictionaries({topic_id: st.integers(1, 12) for topic_id in TOPICS})
groups = st.dictionaries(st.text("abc", min_size=1, max_size=3), subscriptions, min_size=1, max_size=6)


@given(groups, counts, st.sampled_from(list(ASSIGNORS.values())))
def test_everything_is_given_out_once(
    group: dict[str, tuple[Uuid, ...]], counts: dict[Uuid, int], assignor: PartitionAssignor
) -> None:
    described = spec({name: MemberSpec(topics, {}) for name, topics in group.items()}, counts)
    check_complete(described, assignor(described))


@given(groups, groups, counts)
def test_uniform_assignments_survive_any_change_of_the_group_and_settle(
    old: dict[str, tuple[Uuid, ...]], new: dict[str, tuple[Uuid, ...]], counts: dict[Uuid, int]
) -> None:
    before = uniform(spec({name: MemberSpec(topics, {}) for name, topics in old.items()}, counts))
    changed = spec({name: MemberSpec(topics, before.get(name, {})) for name, topics in new.items()}, counts)
    after = uniform(changed)
    check_complete(changed, after)
    again = spec({name: MemberSpec(topics, after.get(name, {})) for name, topics in new.items()}, counts)
    assert uniform(again) == after
    if changed.subscription_type is SubscriptionType.HOMOGENEOUS and after:
        assert max(sizes(after).values()) - min(sizes(after).values()) <= 1
