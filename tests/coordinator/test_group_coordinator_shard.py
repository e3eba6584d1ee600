from __future__ import annotations

import pytest

from group_simulation import GroupSimulation, subscription
from kafkalite.coordinator.coordinator_result import CoordinatorRecord
from kafkalite.coordinator.group_coordinator_shard import RECORD_TYPES
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.coordinator_records.consumer_group import (
    ConsumerGroupCurrentMemberAssignmentKey,
    ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataKey,
    ConsumerGroupMemberMetadataValue,
    ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue,
    ConsumerGroupTargetAssignmentMetadataKey,
    ConsumerGroupTargetAssignmentMetadataValue,
)
from kafkalite.protocol.coordinator_records.share_group import ShareGroupMetadataKey, ShareGroupMetadataValue

CONSUMER_GROUP = [
    CoordinatorRecord(ConsumerGroupMetadataKey(group_id="c"), ConsumerGroupMetadataValue(epoch=4)),
    CoordinatorRecord(
        ConsumerGroupMemberMetadataKey(group_id="c", member_id="m"),
        ConsumerGroupMemberMetadataValue(classic_member_metadata=None),
    ),
    CoordinatorRecord(
        ConsumerGroupCurrentMemberAssignmentKey(group_id="c", member_id="m"),
        ConsumerGroupCurrentMemberAssignmentValue(member_epoch=4),
    ),
    CoordinatorRecord(
        ConsumerGroupTargetAssignmentMetadataKey(group_id="c"),
        ConsumerGroupTargetAssignmentMetadataValue(assignment_epoch=4),
    ),
]
MEMBER_GONE = [CoordinatorRecord(record.key, None) for record in reversed(CONSUMER_GROUP[1:3])]


def listed(simulation: GroupSimulation, states: tuple[str, ...] = (), types: tuple[str, ...] = ()) -> dict[str, str]:
    groups = simulation.shard.groups.list_groups(states, types)
    return {group.group_id: f"{group.group_type}/{group.protocol_type}/{group.group_state}" for group in groups}


def delete_group(simulation: GroupSimulation, group_id: str) -> int:
    error_code: int = simulation.run(simulation.shard.delete_group(group_id)).error_code
    return error_code


def test_every_type_of_record_is_known_with_its_value() -> None:
    assert sorted(RECORD_TYPES) == [*range(9), *range(10, 18), *range(19, 24)]
    for record_type, (key, value) in RECORD_TYPES.items():
        assert key.record_type == value.record_type == record_type


def test_a_record_of_an_unknown_type_is_no_records() -> None:
    assert GroupSimulation().shard.decode(b"\x03\xe7abc", b"") is None


def test_groups_are_listed_by_state_and_type_in_any_case(simulation: GroupSimulation) -> None:
    simulation.commit({("t", 0): 1}, group_id="simple")
    simulation.stable_group(1)
    simulation.append(CONSUMER_GROUP)
    everything = {"simple": "classic//Empty", "g": "classic/consumer/Stable", "c": "consumer/consumer/Stable"}
    assert listed(simulation) == listed(simulation.restarted()) == everything
    assert listed(simulation, states=("EMPTY ",)) == {"simple": "classic//Empty"}
    assert set(listed(simulation, types=("classic",))) == {"simple", "g"}
    assert set(listed(simulation, ("stable",), ("Consumer", "share"))) == {"c"}
    assert listed(simulation, types=("nonsense",)) == {}


def test_a_stable_group_is_described_with_what_members_said_and_were_assigned(simulation: GroupSimulation) -> None:
    metadata = subscription("t") + b"\xff\x00tail"
    members, _ = simulation.stable_group(1, protocols={"range": metadata})
    described = simulation.shard.groups.describe_classic_group("g", 5)
    assert (described.error_code, described.group_state) == (0, "Stable")
    assert (described.protocol_type, described.protocol_data) == ("consumer", "range")
    (member,) = described.members
    assert (member.member_id, member.client_id, member.client_host) == (members[0], "client", "/127.0.0.1")
    assert (member.member_metadata, member.member_assignment) == (metadata, members[0].encode())


def test_a_rebalancing_group_is_described_without_what_members_said(simulation: GroupSimulation) -> None:
    members, _ = simulation.stable_group(2)
    simulation.join(members[0])
    described = simulation.shard.groups.describe_classic_group("g", 5)
    assert (described.group_state, described.protocol_data) == ("PreparingRebalance", "")
    assert [member.member_metadata for member in described.members] == [b"", b""]


@pytest.mark.parametrize(
    ("group_id", "message"), [("no", "Group no not found."), ("c", "Group c is not a classic group.")]
)
def test_what_is_no_classic_group_is_described_as_dead(
    simulation: GroupSimulation, group_id: str, message: str
) -> None:
    simulation.append(CONSUMER_GROUP)
    old = simulation.shard.groups.describe_classic_group(group_id, 5)
    assert (old.error_code, old.error_message, old.group_state) == (0, None, "Dead")
    new = simulation.shard.groups.describe_classic_group(group_id, 6)
    assert (new.error_code, new.error_message, new.group_state) == (ErrorCode.GROUP_ID_NOT_FOUND, message, "Dead")


def test_deleting_a_group_deletes_its_offsets(simulation: GroupSimulation) -> None:
    members, _ = simulation.stable_group(1)
    assert delete_group(simulation, "g") == ErrorCode.NON_EMPTY_GROUP
    simulation.leave(members[0])
    simulation.commit({("t", 0): 1, ("t", 1): 2})
    assert delete_group(simulation, "g") == ErrorCode.NONE
    assert delete_group(simulation, "g") == ErrorCode.GROUP_ID_NOT_FOUND
    for coordinator in (simulation, simulation.restarted()):
        assert listed(coordinator) == {}
        assert coordinator.fetch() == {}


def test_a_groups_timers_go_with_it(simulation: GroupSimulation) -> None:
    timers = len(simulation.timers)
    simulation.join()
    assert len(simulation.timers) == timers + 1
    delete_group(simulation, "g")
    assert len(simulation.timers) == timers


def test_groups_of_other_kinds_are_kept_with_their_offsets(simulation: GroupSimulation) -> None:
    simulation.append(CONSUMER_GROUP)
    with pytest.raises(KafkaError):
        simulation.commit({("t", 0): 1}, group_id="c")
    assert delete_group(simulation, "c") == ErrorCode.NON_EMPTY_GROUP
    with pytest.raises(KafkaError, match="INCONSISTENT_GROUP_PROTOCOL"):
        simulation.join(group_id="c", protocol_type="connect")
    simulation.append(MEMBER_GONE)
    assert simulation.commit({("t", 0): 1}, group_id="c") == [0]
    assert listed(simulation.restarted()) == {"c": "consumer/consumer/Empty"}
    assert delete_group(simulation, "c") == ErrorCode.NONE
    assert listed(simulation.restarted()) == {}


def test_an_empty_group_of_another_kind_turns_into_a_classic_one_when_a_member_joins(
    simulation: GroupSimulation,
) -> None:
    simulation.append([*CONSUMER_GROUP, *MEMBER_GONE])
    _, reply = simulation.member(group_id="c")
    simulation.advance(0)
    assert reply.value.generation_id == 1
    assert listed(simulation) == {"c": "classic/consumer/CompletingRebalance"}
    assert listed(simulation.restarted()) == {"c": "classic//Empty"}


def test_a_member_that_is_refused_leaves_an_empty_group_of_another_kind_as_it_is(simulation: GroupSimulation) -> None:
    simulation.append([*CONSUMER_GROUP, *MEMBER_GONE])
    assert simulation.join("old", group_id="c").value.error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert listed(simulation) == listed(simulation.restarted()) == {"c": "consumer/consumer/Empty"}


def test_a_share_group_is_not_taken_over(simulation: GroupSimulation) -> None:
    simulation.append([CoordinatorRecord(ShareGroupMetadataKey(group_id="s"), ShareGroupMetadataValue(epoch=1))])
    assert simulation.join(group_id="s").value.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    simulation.advance(30 * 86_400_000)
    assert listed(simulation) == {"s": "share/share/Empty"}
