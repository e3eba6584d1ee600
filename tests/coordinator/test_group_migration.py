"""Groups that turn from classic into consumer groups and back: what the log says is what is there."""

from __future__ import annotations

import pytest

from consumer_group_simulation import ConsumerGroupSimulation, durable_state
from group_simulation import GroupSimulation, subscription
from kafkalite.coordinator.coordinator_result import Deferred
from kafkalite.coordinator.group_coordinator_config import GroupCoordinatorConfig
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.consumer_protocol import AssignmentTopicPartition, ConsumerProtocolAssignment
from kafkalite.protocol.messages.join_group import JoinGroupResponse

RANGE = {"range": subscription("t")}


def assignment(*partitions: int) -> bytes:
    topics = [AssignmentTopicPartition(topic="t", partitions=list(partitions))]
    return b"\x00\x00" + ConsumerProtocolAssignment(assigned_partitions=topics).encode(0)


class Migration(ConsumerGroupSimulation):
    """A classic group of one, which reads all four partitions of a topic."""

    def classic(self) -> tuple[str, int]:
        self.topic("t", 4)
        joined = self.classic_join()
        joined = self.classic_join(joined.value.member_id)
        self.advance(self.config.initial_rebalance_delay_ms)
        member_id, generation_id = joined.value.member_id, joined.value.generation_id
        self.sync(member_id, generation_id, {member_id: assignment(0, 1, 2, 3)})
        return member_id, generation_id

    def classic_join(self, member_id: str = "") -> Deferred[JoinGroupResponse]:
        return super(ConsumerGroupSimulation, self).join(member_id, protocols=RANGE)


@pytest.fixture
def migration() -> Migration:
    return Migration(GroupCoordinatorConfig(initial_rebalance_delay_ms=0))


def test_members_of_a_classic_group_keep_their_partitions_when_it_turns_into_a_consumer_group(
    migration: Migration,
) -> None:
    member_id, generation_id = migration.classic()
    new = ConsumerGroupSimulation.join(migration, "new", "t")
    group = migration.consumer_group()
    assert (group.group_epoch, group.state_name, set(group.members)) == (2, "Reconciling", {member_id, "new"})
    assert set(migration.owners().values()) == {member_id}
    assert (new.epoch, new.owned) == (2, {})
    assert durable_state(migration.restarted().consumer_group()) == durable_state(group)
    assert migration.heartbeat(member_id, generation_id) == ErrorCode.REBALANCE_IN_PROGRESS


def test_a_classic_member_that_does_not_join_again_in_time_is_out(migration: Migration) -> None:
    member_id, generation_id = migration.classic()
    new = ConsumerGroupSimulation.join(migration, "new", "t")
    assert migration.heartbeat(member_id, generation_id) == ErrorCode.REBALANCE_IN_PROGRESS
    for _ in range(61):
        migration.heartbeat(member_id, generation_id)
        migration.go_on(new)
        migration.advance(1_000)
    assert list(migration.consumer_group().members) == ["new"]
    migration.settle(new)
    assert len(migration.owners()) == 4


def test_a_classic_group_is_left_when_the_last_member_of_the_consumer_protocol_goes(migration: Migration) -> None:
    member_id, _ = migration.classic()
    ConsumerGroupSimulation.join(migration, "new", "t")
    migration.beat("new", -1)
    group = migration.group()
    assert (group.state.value, list(group.members), group.generation_id) == ("PreparingRebalance", [member_id], 2)
    assert migration.heartbeat(member_id, 2) == ErrorCode.REBALANCE_IN_PROGRESS
    again = migration.restarted().group()
    assert (again.state.value, list(again.members), again.generation_id) == ("Stable", [member_id], 2)
    assert again.members[member_id].protocols == group.members[member_id].protocols
    joined = migration.classic_join(member_id)
    assert joined.value.generation_id == 3


def test_a_static_member_that_comes_back_by_the_classic_protocol_leaves_a_group_that_can_be_read_again(
    migration: Migration,
) -> None:
    member_id, _ = migration.classic()
    ConsumerGroupSimulation.join(migration, "new", "t", instance_id="i")
    joined = GroupSimulation.join(migration, instance_id="i", protocols=RANGE)
    group = migration.group()
    assert set(group.members) == {member_id, joined.value.member_id}
    again = migration.restarted().group()
    assert set(again.members) == set(group.members)
    assert again.static_members == {"i": joined.value.member_id}


def test_a_group_stays_what_it_was_when_the_log_does_not_take_its_change(migration: Migration) -> None:
    migration.classic()
    migration.append_error = KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    with pytest.raises(KafkaError):
        ConsumerGroupSimulation.join(migration, "new", "t")
    assert migration.group().state.value == "Stable"
    migration.append_error = None
    ConsumerGroupSimulation.join(migration, "new", "t")
    migration.append_error = KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    migration.beat("new", -1)
    assert "new" in migration.consumer_group().members


@pytest.mark.parametrize(("policy", "may_upgrade", "may_downgrade"), [
    ("disabled", False, False),
    ("upgrade", True, False),
    ("downgrade", False, True),
    ("bidirectional", True, True),
])  # fmt: skip
def test_groups_move_only_as_far_as_the_policy_allows(policy: str, may_upgrade: bool, may_downgrade: bool) -> None:
    config = GroupCoordinatorConfig(initial_rebalance_delay_ms=0, consumer_group_migration_policy=policy)
    migration = Migration(config)
    migration.classic()
    if not may_upgrade:
        with pytest.raises(KafkaError, match="online upgrade is disabled"):
            ConsumerGroupSimulation.join(migration, "new", "t")
        return
    ConsumerGroupSimulation.join(migration, "new", "t")
    migration.beat("new", -1)
    assert migration.shard.groups.groups["g"].type.value == ("classic" if may_downgrade else "consumer")
