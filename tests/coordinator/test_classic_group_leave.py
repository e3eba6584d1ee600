from __future__ import annotations

import pytest

from group_simulation import GroupSimulation
from kafkalite.coordinator.classic_group_state import EMPTY, PREPARING_REBALANCE, STABLE
from kafkalite.errors import ErrorCode, KafkaError


def error_codes(simulation: GroupSimulation, *members: str | tuple[str, str | None]) -> list[int]:
    return [member.error_code for member in simulation.leave(*members).members]


def test_leaving_ends_membership_at_once_and_begins_a_rebalance(simulation: GroupSimulation) -> None:
    members, generation_id = simulation.stable_group(3)
    assert error_codes(simulation, members[2]) == [ErrorCode.NONE]
    assert simulation.heartbeat(members[0], generation_id) == ErrorCode.REBALANCE_IN_PROGRESS
    assert simulation.heartbeat(members[2], generation_id) == ErrorCode.UNKNOWN_MEMBER_ID
    replies = [simulation.join(member) for member in members[:2]]
    assert {reply.value.generation_id for reply in replies} == {generation_id + 1}


def test_the_last_one_to_leave_ends_the_rebalance_with_an_empty_group(simulation: GroupSimulation) -> None:
    members, generation_id = simulation.stable_group(1)
    simulation.leave(members[0])
    group = simulation.group()
    assert (group.state, group.generation_id) == (EMPTY, generation_id + 1)


def test_members_that_a_rebalance_waits_for_end_it_by_leaving(simulation: GroupSimulation) -> None:
    members, generation_id = simulation.stable_group(3)
    waiting = simulation.join(members[0])
    simulation.leave(members[1])
    assert not waiting.is_done
    simulation.leave(members[2])
    assert waiting.value.generation_id == generation_id + 1


def test_a_pending_member_may_leave(simulation: GroupSimulation) -> None:
    pending = simulation.join().value.member_id
    assert error_codes(simulation, pending) == [ErrorCode.NONE]
    assert simulation.join(pending).value.error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_each_of_several_members_is_answered_for_itself(simulation: GroupSimulation) -> None:
    members, _ = simulation.stable_group(2)
    static = simulation.join(instance_id="i1")
    for member in members:
        simulation.join(member)
    static_id = static.value.member_id
    answers = error_codes(
        simulation, members[0], "who", ("", "i2"), ("", None), (members[1], "i1"), ("old", "i1"), ("", "i1")
    )
    assert answers == [
        ErrorCode.NONE,
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.FENCED_INSTANCE_ID,
        ErrorCode.FENCED_INSTANCE_ID,
        ErrorCode.NONE,
    ]
    assert static_id not in simulation.group().members
    assert list(simulation.group().members) == members[1:]


def test_refused_leavers_begin_no_rebalance(simulation: GroupSimulation) -> None:
    simulation.stable_group(1)
    simulation.leave("who")
    assert simulation.group().state is STABLE


def test_what_a_leaver_waits_for_is_answered(simulation: GroupSimulation) -> None:
    members, _ = simulation.stable_group(2)
    waiting = simulation.join(members[0])
    simulation.leave(members[0])
    assert waiting.value.error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert simulation.group().state is PREPARING_REBALANCE


def test_a_leaver_that_waits_for_its_assignment_is_answered(simulation: GroupSimulation) -> None:
    _, first = simulation.member()
    follower, _ = simulation.member()
    simulation.advance(0)
    assert first.is_done
    waiting = simulation.sync(follower, 1)
    simulation.leave(follower)
    assert waiting.value.error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_a_group_that_does_not_exist_has_no_members_to_leave(simulation: GroupSimulation) -> None:
    with pytest.raises(KafkaError, match=r"Group g not found\.") as raised:
        simulation.leave("who")
    assert raised.value.error is ErrorCode.UNKNOWN_MEMBER_ID
