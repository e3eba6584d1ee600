from __future__ import annotations

from collections.abc import Callable

import pytest

from group_simulation import GroupSimulation, subscription
from kafkalite.coordinator.coordinator_result import CoordinatorRecord
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.protocol.coordinator_records.offsets import (
    LegacyOffsetCommitKey,
    LegacyOffsetCommitValue,
    OffsetCommitKey,
    OffsetCommitValue,
)
from kafkalite.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from kafkalite.protocol.messages.offset_fetch import OffsetFetchRequestGroup, OffsetFetchRequestTopics
from kafkalite.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)

T0 = ("t", 0)
NOTHING = (-1, ErrorCode.NONE)
DAY_MS = 86_400_000
ID_1, ID_2 = Uuid(b"1" * 16), Uuid(b"2" * 16)


def txn_commit(simulation: GroupSimulation, producer_id: int, offset: int, **facts: object) -> None:
    request = TxnOffsetCommitRequest(
        group_id="g",
        producer_id=producer_id,
        topics=[
            TxnOffsetCommitRequestTopic(
                name="t", partitions=[TxnOffsetCommitRequestPartition(partition_index=0, committed_offset=offset)]
            )
        ],
        **facts,
    )
    simulation.run(simulation.shard.offsets.commit_transactional(simulation.sender(5), request), producer_id)


def delete(simulation: GroupSimulation, *topics: str) -> list[int]:
    request = OffsetDeleteRequest(
        group_id="g",
        topics=[
            OffsetDeleteRequestTopic(name=topic, partitions=[OffsetDeleteRequestPartition(partition_index=0)])
            for topic in topics
        ],
    )
    response = simulation.run(simulation.shard.offsets.delete(request))
    return [partition.error_code for topic in response.topics for partition in topic.partitions]


def test_a_tool_commits_for_a_group_that_does_not_exist_and_so_creates_it(simulation: GroupSimulation) -> None:
    assert simulation.commit({T0: 5, ("u", 1): 7}) == [0, 0]
    for coordinator in (simulation, simulation.restarted()):
        assert coordinator.fetch() == {T0: (5, 0), ("u", 1): (7, 0)}
        assert coordinator.fetch(T0, ("t", 1), ("no", 0)) == {T0: (5, 0), ("t", 1): NOTHING, ("no", 0): NOTHING}
        assert (coordinator.group().state_name, coordinator.group().protocol_type) == ("Empty", None)


def test_a_group_without_offsets_answers_with_none(simulation: GroupSimulation) -> None:
    assert simulation.fetch() == {}
    assert simulation.fetch(T0) == {T0: NOTHING}


def test_metadata_and_leader_epoch_come_back_as_they_went(simulation: GroupSimulation) -> None:
    simulation.commit({T0: 5}, metadata="ünï 😀")
    simulation.commit({("t", 1): 5}, metadata=None)
    response = simulation.restarted().shard.offsets.fetch(
        OffsetFetchRequestGroup(group_id="g", topics=None), require_stable=False
    )
    assert [(p.metadata, p.committed_leader_epoch) for p in response.topics[0].partitions] == [("ünï 😀", -1), ("", -1)]


@pytest.mark.parametrize(
    ("metadata", "error_code"),
    [("x" * 10, 0), ("x" * 11, 12), ("ü" * 10, 0), ("😀" * 5, 0), ("😀" * 6, 12)],
)
def test_metadata_is_limited_in_utf_16_units(
    new_simulation: Callable[..., GroupSimulation], metadata: str, error_code: int
) -> None:
    simulation = new_simulation(offset_metadata_max_size=10)
    assert simulation.commit({T0: 5}, metadata=metadata) == [error_code]
    assert (T0 in simulation.fetch()) == (error_code == 0)


def test_members_commit_in_their_generation(simulation: GroupSimulation) -> None:
    members, generation_id = simulation.stable_group(2)
    assert simulation.commit({T0: 1}, member_id=members[0], generation_id=generation_id) == [0]
    assert simulation.fetch(T0) == {T0: (1, 0)}


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        ({"member_id": "who", "generation_id": 1}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"member_id": "LEADER", "generation_id": 0}, ErrorCode.ILLEGAL_GENERATION),
        ({"member_id": "LEADER", "generation_id": 2}, ErrorCode.ILLEGAL_GENERATION),
        ({}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"member_id": "LEADER", "generation_id": 1, "group_instance_id": "i"}, ErrorCode.UNKNOWN_MEMBER_ID),
    ],
)
def test_commits_that_do_not_fit_a_group_with_members_are_refused(
    simulation: GroupSimulation, facts: dict[str, object], error: ErrorCode
) -> None:
    members, _ = simulation.stable_group(1)
    if facts.get("member_id") == "LEADER":
        facts = {**facts, "member_id": members[0]}
    with pytest.raises(KafkaError) as raised:
        simulation.commit({T0: 1}, **facts)  # type: ignore[arg-type]
    assert raised.value.error is error
    assert simulation.fetch() == {}


def test_a_member_may_commit_while_a_rebalance_waits_for_joins_but_not_for_its_assignment(
    simulation: GroupSimulation,
) -> None:
    members, generation_id = simulation.stable_group(2)
    simulation.join(members[0])
    assert simulation.commit({T0: 1}, member_id=members[1], generation_id=generation_id) == [0]
    simulation.join(members[1])
    with pytest.raises(KafkaError) as raised:
        simulation.commit({T0: 2}, member_id=members[1], generation_id=generation_id + 1)
    assert raised.value.error is ErrorCode.REBALANCE_IN_PROGRESS


@pytest.mark.parametrize(("version", "error"), [(8, ErrorCode.ILLEGAL_GENERATION), (9, ErrorCode.GROUP_ID_NOT_FOUND)])
def test_a_commit_in_a_generation_of_no_group_is_refused(
    simulation: GroupSimulation, version: int, error: ErrorCode
) -> None:
    with pytest.raises(KafkaError) as raised:
        simulation.commit({T0: 1}, member_id="who", generation_id=3, version=version)
    assert raised.value.error is error
    assert simulation.shard.groups.groups == {}


def test_commits_keep_a_session_alive(simulation: GroupSimulation) -> None:
    members, generation_id = simulation.stable_group(1, session_timeout_ms=10_000)
    for _ in range(3):
        simulation.advance(9_999)
        simulation.commit({T0: 1}, member_id=members[0], generation_id=generation_id)
    assert simulation.heartbeat(members[0], generation_id) == ErrorCode.NONE


def test_offsets_of_a_deleted_and_recreated_topic_are_not_taken_for_the_new_ones(simulation: GroupSimulation) -> None:
    key = OffsetCommitKey(group="g", topic="t", partition=0)
    simulation.append([CoordinatorRecord(key, OffsetCommitValue(offset=5, topic_id=ID_1))])

    def fetch(topic_id: Uuid) -> int:
        topics = [OffsetFetchRequestTopics(name="t", topic_id=topic_id, partition_indexes=[0])]
        request = OffsetFetchRequestGroup(group_id="g", topics=topics)
        topic = simulation.restarted().shard.offsets.fetch(request, require_stable=False).topics[0]
        assert topic.topic_id == topic_id
        return topic.partitions[0].committed_offset

    assert (fetch(ID_1), fetch(ID_2), fetch(Uuid.ZERO)) == (5, -1, 5)


def test_old_records_of_offsets_are_read(simulation: GroupSimulation) -> None:
    key = LegacyOffsetCommitKey(group="g", topic="t", partition=0)
    simulation.append([CoordinatorRecord(key, LegacyOffsetCommitValue(offset=5, commit_timestamp=1))])
    assert simulation.restarted().fetch() == {T0: (5, 0)}
    simulation.append([CoordinatorRecord(key, None)])
    assert simulation.restarted().fetch() == {}


# Deleting


def test_offsets_of_topics_that_members_read_are_not_deleted(simulation: GroupSimulation) -> None:
    simulation.commit({T0: 1, ("u", 0): 2})
    simulation.stable_group(1, protocols={"range": subscription("t")})
    assert delete(simulation, "t", "u", "no") == [ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC, 0, 0]
    assert simulation.fetch() == simulation.restarted().fetch() == {T0: (1, 0)}


def test_offsets_of_a_group_of_others_than_consumers_are_deleted_only_when_it_is_empty(
    simulation: GroupSimulation,
) -> None:
    members, _ = simulation.stable_group(1, protocol_type="connect", protocols={"range": b""})
    with pytest.raises(KafkaError) as raised:
        delete(simulation, "t")
    assert raised.value.error is ErrorCode.NON_EMPTY_GROUP
    simulation.leave(members[0])
    assert delete(simulation, "t") == [0]


def test_offsets_of_no_group_cannot_be_deleted(simulation: GroupSimulation) -> None:
    with pytest.raises(KafkaError) as raised:
        delete(simulation, "t")
    assert raised.value.error is ErrorCode.GROUP_ID_NOT_FOUND


def test_deleted_topics_take_their_offsets_with_them(simulation: GroupSimulation) -> None:
    for topic, topic_id in (("t", ID_1), ("u", ID_2), ("v", Uuid.ZERO), ("w", Uuid.ZERO)):
        key = OffsetCommitKey(group="g", topic=topic, partition=0)
        simulation.append([CoordinatorRecord(key, OffsetCommitValue(offset=5, topic_id=topic_id))])
    simulation.run(simulation.shard.delete_topics({ID_1}, {"u", "w"}.__contains__))
    assert simulation.fetch() == simulation.restarted().fetch() == {("u", 0): (5, 0), ("w", 0): (5, 0)}


# Expiry


def test_a_simple_groups_offsets_expire_from_their_commit_on_and_the_group_with_them(
    simulation: GroupSimulation,
) -> None:
    simulation.commit({T0: 1})
    simulation.advance(3 * DAY_MS)
    simulation.commit({("t", 1): 1})
    simulation.advance(4 * DAY_MS)
    assert simulation.fetch() == {("t", 1): (1, 0)}
    simulation.advance(3 * DAY_MS)
    assert simulation.shard.groups.groups == simulation.restarted().shard.groups.groups == {}
    assert simulation.restarted().fetch() == {}


def test_a_groups_offsets_age_from_when_it_became_empty(simulation: GroupSimulation) -> None:
    members, generation_id = simulation.stable_group(1, session_timeout_ms=20 * DAY_MS)
    simulation.commit({T0: 1}, member_id=members[0], generation_id=generation_id)
    simulation.advance(10 * DAY_MS)
    assert simulation.fetch() == {T0: (1, 0)}
    simulation.leave(members[0])
    simulation.advance(7 * DAY_MS - 600_001)
    assert simulation.fetch() == {T0: (1, 0)}
    simulation.advance(700_000)
    assert simulation.shard.groups.groups == {}


def test_offsets_of_topics_that_no_member_reads_any_longer_expire_in_a_stable_group(
    simulation: GroupSimulation,
) -> None:
    simulation.commit({T0: 1, ("u", 0): 1})
    simulation.stable_group(1, session_timeout_ms=20 * DAY_MS, protocols={"range": subscription("t")})
    simulation.advance(8 * DAY_MS)
    assert simulation.fetch() == {T0: (1, 0)}


def test_offsets_do_not_expire_while_the_subscription_is_not_known(simulation: GroupSimulation) -> None:
    simulation.commit({T0: 1})
    simulation.stable_group(1, session_timeout_ms=20 * DAY_MS, protocols={"range": b"\x00"})
    simulation.advance(8 * DAY_MS)
    assert simulation.fetch() == {T0: (1, 0)}


def test_a_retention_time_given_with_the_commit_counts_instead(simulation: GroupSimulation) -> None:
    simulation.commit({T0: 1}, version=4, retention_time_ms=60_000)
    simulation.commit({("t", 1): 1}, version=4, retention_time_ms=20 * DAY_MS)
    restarted = simulation.restarted()
    restarted.advance(600_000)
    assert restarted.fetch() == {("t", 1): (1, 0)}
    restarted.advance(10 * DAY_MS)
    assert restarted.fetch() == {("t", 1): (1, 0)}


# Transactions


def test_offsets_of_a_transaction_count_from_its_commit_on(simulation: GroupSimulation) -> None:
    simulation.commit({T0: 1})
    txn_commit(simulation, 9, 5)
    for coordinator in (simulation, simulation.restarted()):
        assert coordinator.fetch(T0) == {T0: (1, 0)}
        assert coordinator.fetch(T0, require_stable=True) == {T0: (-1, ErrorCode.UNSTABLE_OFFSET_COMMIT)}
        assert coordinator.fetch(require_stable=True) == {T0: (-1, ErrorCode.UNSTABLE_OFFSET_COMMIT)}
        coordinator.shard.replay_end_transaction_marker(9, is_commit=True)
        assert coordinator.fetch(T0, require_stable=True) == {T0: (5, 0)}


def test_offsets_of_an_aborted_transaction_are_dropped(simulation: GroupSimulation) -> None:
    txn_commit(simulation, 9, 5)
    simulation.shard.replay_end_transaction_marker(9, is_commit=False)
    assert simulation.fetch(T0, require_stable=True) == {T0: NOTHING}
    assert simulation.shard.offsets.open_transactions == {}


def test_a_later_commit_outside_the_transaction_wins(simulation: GroupSimulation) -> None:
    txn_commit(simulation, 9, 5)
    simulation.commit({T0: 7})
    simulation.shard.replay_end_transaction_marker(9, is_commit=True)
    assert simulation.fetch(T0) == {T0: (7, 0)}


def test_an_offset_is_stable_when_the_last_open_transaction_has_ended(simulation: GroupSimulation) -> None:
    txn_commit(simulation, 9, 5)
    txn_commit(simulation, 10, 6)
    simulation.shard.replay_end_transaction_marker(10, is_commit=True)
    assert simulation.fetch(T0, require_stable=True) == {T0: (-1, ErrorCode.UNSTABLE_OFFSET_COMMIT)}
    simulation.shard.replay_end_transaction_marker(9, is_commit=True)
    assert simulation.fetch(T0, require_stable=True) == {T0: (6, 0)}


def test_open_transactions_keep_offsets_and_their_group_from_expiring(simulation: GroupSimulation) -> None:
    simulation.commit({T0: 1})
    txn_commit(simulation, 9, 5)
    simulation.advance(10 * DAY_MS)
    assert simulation.fetch() == {T0: (1, 0)}
    simulation.shard.replay_end_transaction_marker(9, is_commit=False)
    simulation.advance(600_000)
    assert simulation.shard.groups.groups == {}


def test_deleting_a_group_ends_its_pending_offsets(simulation: GroupSimulation) -> None:
    txn_commit(simulation, 9, 5)
    simulation.run(simulation.shard.delete_group("g"))
    simulation.shard.replay_end_transaction_marker(9, is_commit=True)
    assert simulation.fetch() == {}
    assert simulation.shard.groups.groups == {}


def test_a_transaction_of_a_generation_of_no_group_is_refused(simulation: GroupSimulation) -> None:
    with pytest.raises(KafkaError) as raised:
        txn_commit(simulation, 9, 5, generation_id_or_member_epoch=1, member_id="who")
    assert raised.value.error is ErrorCode.ILLEGAL_GENERATION


def test_a_transaction_without_a_generation_commits_into_a_group_with_members(simulation: GroupSimulation) -> None:
    simulation.stable_group(1)
    txn_commit(simulation, 9, 5)
    simulation.shard.replay_end_transaction_marker(9, is_commit=True)
    assert simulation.fetch(T0) == {T0: (5, 0)}
