from __future__ import annotations

from group_simulation import GroupSimulation
from kafkalite.coordinator.classic_group_state import (
    COMPLETING_REBALANCE,
    EMPTY,
    PREPARING_REBALANCE,
    STABLE,
)
from kafkalite.coordinator.coordinator_result import Deferred
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.messages.join_group import JoinGroupResponse


def joined(simulation: GroupSimulation, size: int) -> list[str]:
    """Members of a generation that waits for its assignment, the leader first."""
    replies: list[tuple[str, Deferred[JoinGroupResponse]]] = [simulation.member() for _ in range(size)]
    simulation.advance(0)
    assert simulation.group().state is COMPLETING_REBALANCE
    return [member for member, _ in replies]


def test_members_get_what_the_leader_assigns_once_it_is_in_the_log(simulation: GroupSimulation) -> None:
    leader, follower, forgotten = joined(simulation, 3)
    waiting = [simulation.sync(follower, 1), simulation.sync(forgotten, 1)]
    assert not any(reply.is_done for reply in waiting)
    own = simulation.sync(leader, 1, {leader: b"a", follower: b"b"})
    assert [reply.value.assignment for reply in [own, *waiting]] == [b"a", b"b", b""]
    assert (own.value.protocol_type, own.value.protocol_name) == ("consumer", "range")
    assert simulation.group().state is STABLE
    loaded = simulation.restarted().group()
    assert (loaded.state, loaded.generation_id, loaded.leader_id) == (STABLE, 1, leader)
    assert {m.member_id: m.assignment for m in loaded.members.values()} == {
        leader: b"a",
        follower: b"b",
        forgotten: b"",
    }


def test_a_member_that_syncs_later_gets_its_assignment_at_once(simulation: GroupSimulation) -> None:
    leader, follower = joined(simulation, 2)
    simulation.sync(leader, 1, {follower: b"b"})
    assert simulation.sync(follower, 1).value.assignment == b"b"


def test_an_assignment_that_cannot_be_written_begins_another_rebalance(simulation: GroupSimulation) -> None:
    leader, follower = joined(simulation, 2)
    waiting = simulation.sync(follower, 1)
    simulation.append_error = KafkaError(ErrorCode.KAFKA_STORAGE_ERROR)
    own = simulation.sync(leader, 1, {leader: b"a"})
    assert own.value.error_code == waiting.value.error_code == ErrorCode.NOT_COORDINATOR
    assert simulation.group().state is PREPARING_REBALANCE


def test_syncs_that_do_not_fit_are_refused(simulation: GroupSimulation) -> None:
    leader, _ = joined(simulation, 2)
    error_codes = [
        simulation.sync("who", 1).value.error_code,
        simulation.sync(leader, 0).value.error_code,
        simulation.sync(leader, 1, protocol_name="sticky").value.error_code,
        simulation.sync(leader, 1, protocol_type="connect").value.error_code,
        simulation.sync(leader, 1, group_id="other").value.error_code,
        simulation.sync(leader, 1, instance_id="i").value.error_code,
    ]
    assert error_codes == [
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.ILLEGAL_GENERATION,
        ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
        ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.UNKNOWN_MEMBER_ID,
    ]


def test_syncs_without_protocol_names_are_taken(simulation: GroupSimulation) -> None:
    (leader,) = joined(simulation, 1)
    reply = simulation.sync(leader, 1, {leader: b"a"}, protocol_type=None, protocol_name=None)
    assert reply.value.assignment == b"a"


def test_a_member_that_joins_meanwhile_sends_those_who_wait_back_to_join(simulation: GroupSimulation) -> None:
    leader, follower = joined(simulation, 2)
    waiting = simulation.sync(follower, 1)
    simulation.member()
    assert waiting.value.error_code == ErrorCode.REBALANCE_IN_PROGRESS
    assert simulation.sync(leader, 1).value.error_code == ErrorCode.REBALANCE_IN_PROGRESS


def test_members_that_never_sync_are_dropped_after_the_rebalance_timeout(simulation: GroupSimulation) -> None:
    leader, silent = joined(simulation, 2)
    simulation.sync(leader, 1, {leader: b"a"})
    for _ in range(11):
        simulation.advance(5_000)
        assert simulation.heartbeat(leader, 1) == simulation.heartbeat(silent, 1) == ErrorCode.NONE
    simulation.advance(5_000)
    assert simulation.heartbeat(leader, 1) == ErrorCode.REBALANCE_IN_PROGRESS
    assert simulation.heartbeat(silent, 1) == ErrorCode.UNKNOWN_MEMBER_ID
    assert simulation.join(leader).value.generation_id == 2


def test_a_leader_that_never_syncs_makes_the_others_join_again(simulation: GroupSimulation) -> None:
    leader, follower = joined(simulation, 2)
    waiting = simulation.sync(follower, 1)
    simulation.advance(10_000)
    assert waiting.value.error_code == ErrorCode.REBALANCE_IN_PROGRESS
    assert leader not in simulation.group().members
    assert simulation.join(follower).value.leader == follower


def test_a_second_sync_takes_the_first_ones_place(simulation: GroupSimulation) -> None:
    leader, follower = joined(simulation, 2)
    first, second = simulation.sync(follower, 1), simulation.sync(follower, 1)
    assert first.value.error_code == ErrorCode.REBALANCE_IN_PROGRESS
    simulation.sync(leader, 1, {follower: b"b"})
    assert second.value.assignment == b"b"


def test_a_session_lives_by_heartbeats(simulation: GroupSimulation) -> None:
    members, generation_id = simulation.stable_group(2, session_timeout_ms=10_000)
    for _ in range(3):
        simulation.advance(9_999)
        assert simulation.heartbeat(members[0], generation_id) == ErrorCode.NONE
        if members[1] in simulation.group().members:
            simulation.heartbeat(members[1], generation_id)
    simulation.advance(9_999)
    simulation.heartbeat(members[0], generation_id)
    simulation.advance(1)
    assert list(simulation.group().members) == members[:1]
    assert simulation.heartbeat(members[0], generation_id) == ErrorCode.REBALANCE_IN_PROGRESS


def test_heartbeats_that_do_not_fit_are_refused(simulation: GroupSimulation) -> None:
    assert simulation.heartbeat("who", 1) == ErrorCode.UNKNOWN_MEMBER_ID
    members, generation_id = simulation.stable_group(1)
    assert simulation.heartbeat("who", generation_id) == ErrorCode.UNKNOWN_MEMBER_ID
    assert simulation.heartbeat(members[0], generation_id + 1) == ErrorCode.ILLEGAL_GENERATION
    assert simulation.heartbeat(members[0], generation_id, instance_id="i") == ErrorCode.UNKNOWN_MEMBER_ID


def test_heartbeats_are_fine_while_the_assignment_is_awaited(simulation: GroupSimulation) -> None:
    leader, _ = joined(simulation, 2)
    assert simulation.heartbeat(leader, 1) == ErrorCode.NONE


def test_a_member_that_waits_for_others_needs_no_heartbeats(simulation: GroupSimulation) -> None:
    members, _ = simulation.stable_group(2, session_timeout_ms=10_000, rebalance_timeout_ms=60_000)
    waiting = simulation.join(members[0])
    simulation.advance(9_999)
    assert not waiting.is_done
    simulation.advance(50_001)
    assert waiting.value.generation_id == 2


def test_the_last_members_end_leaves_an_empty_group_in_the_log(simulation: GroupSimulation) -> None:
    _, generation_id = simulation.stable_group(1)
    simulation.advance(10_000)
    for group in (simulation.group(), simulation.restarted().group()):
        assert (group.state, group.generation_id, group.leader_id) == (EMPTY, generation_id + 1, None)
        assert (group.protocol_type, group.protocol_name) == ("consumer", None)


def test_after_a_restart_members_have_their_session_timeout_to_be_heard_of(simulation: GroupSimulation) -> None:
    members, generation_id = simulation.stable_group(2, session_timeout_ms=10_000)
    simulation.advance(9_000)
    restarted = simulation.restarted()
    restarted.advance(9_000)
    assert restarted.heartbeat(members[0], generation_id) == ErrorCode.NONE
    restarted.advance(1_000)
    assert list(restarted.group().members) == members[:1]


def test_a_restart_in_a_rebalance_goes_back_to_the_last_generation(simulation: GroupSimulation) -> None:
    members, generation_id = simulation.stable_group(2)
    simulation.join(members[0])
    simulation.join(members[1])
    assert simulation.group().generation_id == generation_id + 1
    restarted = simulation.restarted()
    assert restarted.heartbeat(members[0], generation_id + 1) == ErrorCode.ILLEGAL_GENERATION
    assert restarted.heartbeat(members[0], generation_id) == ErrorCode.NONE
