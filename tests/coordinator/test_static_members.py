from __future__ import annotations

from group_simulation import GroupSimulation, subscription
from kafkalite.coordinator.classic_group_state import COMPLETING_REBALANCE, PREPARING_REBALANCE, STABLE
from kafkalite.errors import ErrorCode, KafkaError


def static_group(simulation: GroupSimulation, *instances: str) -> list[str]:
    """The ids of static members of a stable group, the leader first; each is assigned its instance id."""
    replies = [simulation.join(instance_id=instance, session_timeout_ms=30_000) for instance in instances]
    simulation.advance(0)
    members = [reply.value.member_id for reply in replies]
    assignments = dict(zip(members, (instance.encode() for instance in instances), strict=True))
    for member, instance in reversed(list(zip(members, instances, strict=True))):
        simulation.sync(member, 1, assignments, instance_id=instance)
    assert simulation.group().state is STABLE
    return members


def test_a_static_member_that_comes_back_takes_its_assignment_over_without_a_rebalance(
    simulation: GroupSimulation,
) -> None:
    leader, follower = static_group(simulation, "a", "b")
    response = simulation.join(instance_id="b").value
    assert response.error_code == ErrorCode.NONE
    assert response.member_id not in (leader, follower)
    assert (response.generation_id, response.leader, response.members) == (1, leader, [])
    assert not response.skip_assignment
    assert simulation.sync(response.member_id, 1, instance_id="b").value.assignment == b"b"
    assert simulation.group().state is STABLE
    assert simulation.restarted().group().static_members == {"a": leader, "b": response.member_id}


def test_a_leader_that_comes_back_leads_on_but_skips_the_assignment(simulation: GroupSimulation) -> None:
    _, follower = static_group(simulation, "a", "b")
    response = simulation.join(instance_id="a").value
    assert response.leader == response.member_id
    assert response.skip_assignment
    assert [member.member_id for member in response.members] == [follower, response.member_id]


def test_before_version_9_a_leader_that_comes_back_is_told_the_old_leaders_id(simulation: GroupSimulation) -> None:
    leader, _ = static_group(simulation, "a", "b")
    response = simulation.join(instance_id="a", version=8).value
    assert (response.leader, response.members) == (leader, [])
    assert not response.skip_assignment


def test_whoever_uses_the_old_id_is_fenced(simulation: GroupSimulation) -> None:
    leader, follower = static_group(simulation, "a", "b")
    simulation.join(instance_id="b")
    assert simulation.heartbeat(follower, 1, instance_id="b") == ErrorCode.FENCED_INSTANCE_ID
    assert simulation.heartbeat(follower, 1) == ErrorCode.UNKNOWN_MEMBER_ID
    assert simulation.sync(follower, 1, instance_id="b").value.error_code == ErrorCode.FENCED_INSTANCE_ID
    assert simulation.join(follower, instance_id="b").value.error_code == ErrorCode.FENCED_INSTANCE_ID
    assert simulation.heartbeat(leader, 1, instance_id="a") == ErrorCode.NONE


def test_a_waiting_join_of_the_old_id_is_fenced(simulation: GroupSimulation) -> None:
    leader, follower = static_group(simulation, "a", "b")
    simulation.join(leader, instance_id="a", protocols={"range": subscription("other")})
    old = simulation.join(follower, instance_id="b", protocols={"range": subscription("other")})
    assert old.is_done  # all are there
    first = simulation.join(leader, instance_id="a", protocols={"range": subscription("t")})
    second = simulation.join(instance_id="a", protocols={"range": subscription("t")})
    assert (first.value.error_code, first.value.member_id) == (ErrorCode.FENCED_INSTANCE_ID, leader)
    assert not second.is_done


def test_a_static_member_that_comes_back_while_an_assignment_is_awaited_begins_another_rebalance(
    simulation: GroupSimulation,
) -> None:
    leader, follower = static_group(simulation, "a", "b")
    simulation.join(leader, instance_id="a")
    simulation.join(follower, instance_id="b")
    assert simulation.group().state is COMPLETING_REBALANCE
    waiting = simulation.sync(follower, 2, instance_id="b")
    simulation.join(instance_id="b")
    assert waiting.value.error_code in (ErrorCode.FENCED_INSTANCE_ID, ErrorCode.REBALANCE_IN_PROGRESS)
    assert simulation.group().state is PREPARING_REBALANCE


def test_a_change_of_protocol_needs_a_rebalance(simulation: GroupSimulation) -> None:
    data = subscription("t")
    old_id = simulation.join(instance_id="a", protocols={"range": data, "sticky": data})
    simulation.advance(0)
    simulation.sync(old_id.value.member_id, 1, instance_id="a")
    response = simulation.join(instance_id="a", protocols={"sticky": data, "range": data}).value
    assert (response.generation_id, response.protocol_name) == (2, "sticky")
    assert simulation.group().state is COMPLETING_REBALANCE
    assert list(simulation.group().members) == [response.member_id]


def test_if_the_new_id_cannot_be_written_the_old_one_stays(simulation: GroupSimulation) -> None:
    leader, follower = static_group(simulation, "a", "b")
    simulation.append_error = KafkaError(ErrorCode.KAFKA_STORAGE_ERROR)
    response = simulation.join(instance_id="b").value
    assert (response.error_code, response.member_id) == (ErrorCode.NOT_COORDINATOR, "")
    assert simulation.group().static_members == {"a": leader, "b": follower}
    assert simulation.heartbeat(follower, 1, instance_id="b") == ErrorCode.NONE


def test_static_members_survive_a_rebalance_they_miss_and_go_with_their_session(simulation: GroupSimulation) -> None:
    leader, follower = static_group(simulation, "a", "b")
    waiting = simulation.join(
        leader,
        instance_id="a",
        session_timeout_ms=100_000,
        rebalance_timeout_ms=20_000,
        protocols={"range": subscription("other")},
    )
    simulation.group().members[follower].rebalance_timeout_ms = 20_000
    simulation.heartbeat(follower, 1, instance_id="b")
    simulation.advance(29_000)
    simulation.heartbeat(follower, 1, instance_id="b")
    simulation.advance(29_000)
    simulation.heartbeat(follower, 1, instance_id="b")
    simulation.advance(2_000)
    assert waiting.value.generation_id == 2
    assert [member.member_id for member in waiting.value.members] == [leader, follower]


def test_a_rebalance_that_no_member_joins_waits_for_them_or_for_their_sessions_end(
    simulation: GroupSimulation,
) -> None:
    leader, follower = static_group(simulation, "a", "b")
    simulation.leave((follower, "b"))
    assert simulation.group().state is PREPARING_REBALANCE
    simulation.advance(29_999)
    assert simulation.group().state is PREPARING_REBALANCE
    assert simulation.join(leader, instance_id="a").value.generation_id == 2


def test_a_pending_member_cannot_turn_static(simulation: GroupSimulation) -> None:
    pending = simulation.join().value.member_id
    try:
        simulation.join(pending, instance_id="a")
    except KafkaError as error:
        assert error.error is ErrorCode.UNKNOWN_SERVER_ERROR
    else:
        raise AssertionError("it was let in")
