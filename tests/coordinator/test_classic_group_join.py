from __future__ import annotations

from collections.abc import Callable

import pytest

from group_simulation import GroupSimulation, subscription
from kafkalite.coordinator.classic_group_state import (
    COMPLETING_REBALANCE,
    EMPTY,
    PREPARING_REBALANCE,
    STABLE,
)
from kafkalite.errors import ErrorCode, KafkaError


def test_a_dynamic_member_is_sent_back_for_its_id_first(simulation: GroupSimulation) -> None:
    response = simulation.join().value
    assert response.error_code == ErrorCode.MEMBER_ID_REQUIRED
    assert response.member_id == "client-id1"
    assert response.generation_id == -1
    assert list(simulation.group().pending_join_members) == ["client-id1"]
    assert simulation.group().state is EMPTY


def test_a_new_group_is_in_the_log_from_its_first_join_on(simulation: GroupSimulation) -> None:
    simulation.join()
    assert len(simulation.log) == 1
    group = simulation.restarted().group()
    assert (group.state, group.generation_id, group.protocol_type, group.members) == (EMPTY, 0, None, {})


def test_a_new_group_that_cannot_be_written_is_gone(simulation: GroupSimulation) -> None:
    simulation.append_error = KafkaError(ErrorCode.KAFKA_STORAGE_ERROR)
    simulation.join()
    assert simulation.shard.groups.groups == {}


def test_before_version_4_a_member_joins_in_one_step(simulation: GroupSimulation) -> None:
    reply = simulation.join(version=3)
    assert not reply.is_done
    simulation.advance(0)
    response = reply.value
    assert (response.error_code, response.generation_id) == (ErrorCode.NONE, 1)
    assert response.leader == response.member_id == "client-id1"


def test_the_leader_alone_hears_of_all_members_and_their_metadata(simulation: GroupSimulation) -> None:
    first, first_reply = simulation.member(protocols={"range": b"one"})
    second, second_reply = simulation.member(protocols={"range": b"two"})
    simulation.advance(0)
    leader, follower = first_reply.value, second_reply.value
    assert leader.leader == follower.leader == first
    assert [(m.member_id, m.metadata) for m in leader.members] == [(first, b"one"), (second, b"two")]
    assert follower.members == []
    assert (leader.protocol_type, leader.protocol_name) == ("consumer", "range")


def test_a_member_id_the_group_does_not_know_is_refused(simulation: GroupSimulation) -> None:
    assert simulation.join("who").value.error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert simulation.shard.groups.groups == {}
    simulation.stable_group(1)
    response = simulation.join("who").value
    assert (response.error_code, response.member_id) == (ErrorCode.UNKNOWN_MEMBER_ID, "who")


def test_an_empty_groups_first_rebalance_waits_for_more_members(new_simulation: Callable[..., GroupSimulation]) -> None:
    simulation = new_simulation(initial_rebalance_delay_ms=3000)
    _, first = simulation.member()
    simulation.advance(2999)
    assert not first.is_done
    _, second = simulation.member()
    simulation.advance(2999)
    assert not first.is_done
    simulation.advance(2)
    assert first.value.generation_id == second.value.generation_id == 1


def test_the_wait_for_more_members_ends_with_the_rebalance_timeout(
    new_simulation: Callable[..., GroupSimulation],
) -> None:
    simulation = new_simulation(initial_rebalance_delay_ms=3000)
    replies = [simulation.member(rebalance_timeout_ms=7000)[1]]
    for _ in range(6):
        simulation.advance(1000)
        replies.append(simulation.member(rebalance_timeout_ms=7000)[1])
    assert not any(reply.is_done for reply in replies)
    simulation.advance(1000)
    assert {reply.value.generation_id for reply in replies} == {1}


def test_protocols_are_voted_for_among_those_that_all_support(simulation: GroupSimulation) -> None:
    data = subscription("t")
    replies = [
        simulation.member(protocols={"only-mine": data, "range": data, "sticky": data})[1],
        simulation.member(protocols={"sticky": data, "range": data})[1],
        simulation.member(protocols={"sticky": data, "range": data})[1],
    ]
    simulation.advance(0)
    assert [reply.value.protocol_name for reply in replies] == ["sticky"] * 3


def test_a_member_without_a_common_protocol_is_refused(simulation: GroupSimulation) -> None:
    simulation.stable_group(1)
    for facts in ({"protocols": {"other": b""}}, {"protocol_type": "connect"}):
        assert simulation.join(**facts).value.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL


def test_an_empty_group_takes_members_of_any_protocol_type_but_none(simulation: GroupSimulation) -> None:
    members, _ = simulation.stable_group(1)
    simulation.leave(members[0])
    assert simulation.join(protocol_type="").value.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    _, reply = simulation.member(protocol_type="connect", protocols={"default": b""})
    simulation.advance(0)
    assert (reply.value.error_code, reply.value.protocol_type) == (ErrorCode.NONE, "connect")


def test_a_full_group_takes_no_new_members_but_lets_its_own_rejoin(
    new_simulation: Callable[..., GroupSimulation],
) -> None:
    simulation = new_simulation(max_size=2)
    members, _ = simulation.stable_group(2)
    assert simulation.join().value.error_code == ErrorCode.GROUP_MAX_SIZE_REACHED
    first = simulation.join(members[0])
    second = simulation.join(members[1])
    assert first.value.generation_id == second.value.generation_id == 2


def test_of_too_many_members_the_first_to_join_stay(new_simulation: Callable[..., GroupSimulation]) -> None:
    simulation = new_simulation(max_size=2)
    ids = [simulation.join().value.member_id for _ in range(3)]
    replies = [simulation.join(member_id) for member_id in ids]
    assert replies[2].value.error_code == ErrorCode.GROUP_MAX_SIZE_REACHED
    simulation.advance(0)
    assert [reply.value.error_code for reply in replies[:2]] == [0, 0]


def test_a_pending_member_that_does_not_come_back_is_forgotten(simulation: GroupSimulation) -> None:
    simulation.join(session_timeout_ms=10_000)
    simulation.advance(9_999)
    assert simulation.group().pending_join_members
    simulation.advance(1)
    assert not simulation.group().pending_join_members


def test_a_rebalance_waits_for_pending_members_no_longer_than_their_session(simulation: GroupSimulation) -> None:
    members, _ = simulation.stable_group(1)
    simulation.join(session_timeout_ms=10_000)
    rejoined = simulation.join(members[0])
    assert not rejoined.is_done
    simulation.advance(10_000)
    assert rejoined.value.generation_id == 2


def test_a_follower_that_joins_a_stable_group_unchanged_is_told_the_generation(simulation: GroupSimulation) -> None:
    members, generation_id = simulation.stable_group(2)
    response = simulation.join(members[1]).value
    assert (response.generation_id, response.leader, response.members) == (generation_id, members[0], [])
    assert simulation.group().state is STABLE


def test_a_leader_or_a_changed_follower_that_joins_begins_a_rebalance(simulation: GroupSimulation) -> None:
    members, _ = simulation.stable_group(2)
    simulation.join(members[0])
    assert simulation.group().state is PREPARING_REBALANCE
    simulation.join(members[1])
    assert simulation.group().state is COMPLETING_REBALANCE
    simulation.join(members[1], protocols={"range": subscription("other")})
    assert simulation.group().state is PREPARING_REBALANCE


def test_a_lost_join_response_can_be_asked_for_again(simulation: GroupSimulation) -> None:
    member_id, reply = simulation.member()
    simulation.advance(0)
    assert simulation.join(member_id).value == reply.value


def test_a_second_join_of_a_waiting_member_takes_the_first_ones_place(simulation: GroupSimulation) -> None:
    members, _ = simulation.stable_group(2)
    first = simulation.join(members[0])
    second = simulation.join(members[0])
    assert first.value.error_code == ErrorCode.REBALANCE_IN_PROGRESS
    assert not second.is_done
    simulation.join(members[1])
    assert second.value.generation_id == 2


def test_members_that_do_not_rejoin_in_the_rebalance_timeout_are_dropped(simulation: GroupSimulation) -> None:
    members, _ = simulation.stable_group(3, session_timeout_ms=100_000, rebalance_timeout_ms=60_000)
    replies = [simulation.join(member, session_timeout_ms=100_000) for member in members[1:]]
    simulation.join(members[1], protocols={"range": subscription("u")}, session_timeout_ms=100_000)
    replies = [simulation.join(member, session_timeout_ms=100_000) for member in members[1:]]
    simulation.advance(59_999)
    assert not any(reply.is_done for reply in replies)
    simulation.advance(1)
    assert {reply.value.generation_id for reply in replies} == {2}
    assert sorted(simulation.group().members) == sorted(members[1:])
    assert replies[0].value.leader in members[1:]


def test_a_new_member_that_never_gets_its_answer_is_dropped_after_five_minutes(simulation: GroupSimulation) -> None:
    simulation.stable_group(1, session_timeout_ms=1_000_000, rebalance_timeout_ms=1_000_000)
    _, reply = simulation.member(session_timeout_ms=1_000_000, rebalance_timeout_ms=1_000_000)
    simulation.advance(299_999)
    assert not reply.is_done
    simulation.advance(1)
    assert reply.value.error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_one_groups_slow_rebalance_leaves_others_alone(simulation: GroupSimulation) -> None:
    members, _ = simulation.stable_group(2)
    simulation.join(members[0])
    _, reply = simulation.member(group_id="other")
    simulation.advance(0)
    assert reply.value.generation_id == 1
    assert simulation.group().state is PREPARING_REBALANCE


@pytest.mark.parametrize("version", [3, 4, 9])
def test_a_member_that_names_an_instance_joins_in_one_step(simulation: GroupSimulation, version: int) -> None:
    reply = simulation.join(instance_id="i1", version=version)
    simulation.advance(0)
    assert reply.value.member_id == "i1-id1"
