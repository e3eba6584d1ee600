from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from kafkalite.broker.coordinator_loader import RECORDS_PER_STEP, CoordinatorLoader
from kafkalite.broker.coordinator_runtime import CoordinatorContext
from kafkalite.coordinator.classic_group import ClassicGroup
from kafkalite.coordinator.coordinator_result import CoordinatorRecord, CoordinatorResult
from kafkalite.coordinator.group_coordinator_shard import GroupCoordinatorShard
from kafkalite.coordinator.string_hash import partition_for
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import GROUP_METADATA_TOPIC, TopicPartition
from kafkalite.protocol.coordinator_records.offsets import OffsetCommitKey, OffsetCommitValue
from kafkalite.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from kafkalite.protocol.messages.heartbeat import HeartbeatRequest
from kafkalite.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from kafkalite.protocol.messages.list_groups import ListGroupsRequest
from kafkalite.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kafkalite.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup
from kafkalite.records.compression import CompressionType
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch, decode_batch, iter_batches
from kafkalite.storage.partition_log import PartitionLog
from kafkalite.storage.producer_state import AppendOrigin
from offline_broker import OfflineBroker


def join(broker: OfflineBroker, instance_id: str, group_id: str = "g", **facts: int) -> Awaitable[JoinGroupResponse]:
    answer: Awaitable[JoinGroupResponse] = broker.ask(
        JoinGroupRequest(
            group_id=group_id,
            group_instance_id=instance_id,
            session_timeout_ms=facts.get("session_timeout_ms", 10_000),
            rebalance_timeout_ms=60_000,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
        )
    )
    return answer


def commit(
    broker: OfflineBroker, offset: int, group_id: str = "g", partitions: int = 1, first_partition: int = 0
) -> list[int]:
    response = broker.ask(
        OffsetCommitRequest(
            group_id=group_id,
            topics=[
                OffsetCommitRequestTopic(
                    name="t",
                    partitions=[
                        OffsetCommitRequestPartition(
                            partition_index=index, committed_offset=offset, committed_metadata="m" * 100
                        )
                        for index in range(first_partition, first_partition + partitions)
                    ],
                )
            ],
        ),
        9,
    )
    return [partition.error_code for partition in response.topics[0].partitions]


def fetch(broker: OfflineBroker, group_id: str = "g", *, require_stable: bool = False) -> dict[int, int]:
    group = OffsetFetchRequestGroup(group_id=group_id, topics=None)
    response = broker.ask(OffsetFetchRequest(groups=[group], require_stable=require_stable), 9)
    return {p.partition_index: p.committed_offset for topic in response.groups[0].topics for p in topic.partitions}


def group_log(broker: OfflineBroker, group_id: str = "g") -> PartitionLog:
    log = broker.broker.logs.get(TopicPartition(GROUP_METADATA_TOPIC, partition_for(group_id, 50)))
    assert log is not None
    return log


def context_of(broker: OfflineBroker, group_id: str = "g") -> CoordinatorContext[GroupCoordinatorShard]:
    return broker.broker.group_coordinator.runtime.context_for(group_id)


async def test_the_topic_is_made_when_a_coordinator_is_first_needed(offline_broker: OfflineBroker) -> None:
    topics = offline_broker.broker.metadata.image.topics
    assert topics.topic(GROUP_METADATA_TOPIC) is None
    offline_broker.create_topic("t")
    assert commit(offline_broker, 5) == [ErrorCode.NONE]
    topic = topics.topic(GROUP_METADATA_TOPIC)
    assert topic is not None and len(topic.partitions) == 50
    config = group_log(offline_broker).config
    assert (config.cleanup_policy, config.segment_bytes) == (("compact",), 100 * 1024 * 1024)


async def test_an_operations_records_are_one_batch(offline_broker: OfflineBroker) -> None:
    offline_broker.create_topic("t", 3)
    commit(offline_broker, 5, partitions=3)
    log = group_log(offline_broker)
    data = log.read(0, 1 << 20).records.read()
    [(position, header)] = iter_batches(data)
    assert (header.records_count, header.base_timestamp, header.producer_id) == (3, offline_broker.clock.now_ms(), -1)
    first = decode_batch(data, position, header)[0]
    assert first.key == OffsetCommitKey(group="g", topic="t", partition=0).to_bytes()
    assert first.value is not None and first.value[:2] == b"\x00\x04"


async def test_a_restart_brings_offsets_and_groups_back(offline_broker: OfflineBroker) -> None:
    offline_broker.create_topic("t")
    commit(offline_broker, 5)
    joining = join(offline_broker, "i", "members")
    offline_broker.clock.advance(0)
    member_id = (await joining).member_id
    offline_broker.restart()
    assert fetch(offline_broker) == {0: 5}
    group = context_of(offline_broker, "members").shard.groups.groups["members"]
    assert isinstance(group, ClassicGroup)
    assert group.state_name == "Empty"  # its first generation was never synced
    assert member_id not in group.members


async def test_a_group_that_cannot_be_written_is_answered_with_an_error(
    offline_broker: OfflineBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline_broker.create_topic("t")
    commit(offline_broker, 5)

    def fail(*_: object, **__: object) -> None:
        raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR)

    monkeypatch.setattr(PartitionLog, "append", fail)
    assert commit(offline_broker, 6) == [ErrorCode.NOT_COORDINATOR]
    assert fetch(offline_broker) == {0: 5}


async def test_records_that_do_not_fit_a_batch_are_refused_whole(
    new_offline_broker: Callable[..., OfflineBroker],
) -> None:
    broker = new_offline_broker({"message.max.bytes": "1000"})
    broker.create_topic("t", 20)
    assert set(commit(broker, 5, partitions=20)) == {ErrorCode.UNKNOWN_SERVER_ERROR}
    assert fetch(broker) == {}


async def test_records_that_need_not_stay_together_are_split(new_offline_broker: Callable[..., OfflineBroker]) -> None:
    broker = new_offline_broker({"message.max.bytes": "1000"})
    broker.create_topic("t")
    context = context_of(broker)
    records = [
        CoordinatorRecord(OffsetCommitKey(group="g", topic="t", partition=index), OffsetCommitValue(offset=index))
        for index in range(100)
    ]
    context.run(CoordinatorResult(records, is_atomic=False))
    assert fetch(broker) == {index: index for index in range(100)}
    assert len(list(iter_batches(context.log.read(0, 1 << 20).records.read()))) > 5
    broker.restart()
    assert fetch(broker) == {index: index for index in range(100)}


async def test_an_answer_that_has_to_wait_is_a_future(offline_broker: OfflineBroker) -> None:
    joining = join(offline_broker, "i")
    assert isinstance(joining, asyncio.Future)
    await asyncio.sleep(0)
    assert not joining.done()
    offline_broker.clock.advance(0)
    assert (await joining).generation_id == 1


async def test_a_client_that_has_gone_is_answered_in_vain(offline_broker: OfflineBroker) -> None:
    handler = offline_broker.broker.group_coordinator
    request = JoinGroupRequest(
        group_id="g",
        group_instance_id="i",
        session_timeout_ms=10_000,
        rebalance_timeout_ms=10_000,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range")],
    )
    offline_broker.context.api_version = 9
    future = handler.join_group(offline_broker.context, request)
    assert isinstance(future, asyncio.Future)
    future.cancel()
    offline_broker.clock.advance(0)
    group = context_of(offline_broker).shard.groups.groups["g"]
    assert group.state_name == "CompletingRebalance"


async def test_timers_run_at_their_time_and_wake_the_loop_once(offline_broker: OfflineBroker) -> None:
    joining = join(offline_broker, "i", session_timeout_ms=10_000)
    calls = offline_broker.clock.pending_calls
    offline_broker.clock.advance(0)
    await joining
    assert offline_broker.clock.pending_calls <= calls + 1
    group = context_of(offline_broker).shard.groups.groups["g"]
    offline_broker.clock.advance(9_999)
    assert group.state_name == "CompletingRebalance"
    offline_broker.clock.advance(1)
    assert group.state_name == "Empty"


async def test_members_that_wait_are_answered_when_the_broker_stops(offline_broker: OfflineBroker) -> None:
    joining = join(offline_broker, "i")
    offline_broker.broker.begin_shutdown()
    response = await joining
    assert response.error_code == ErrorCode.NOT_COORDINATOR
    assert commit_error(offline_broker) == ErrorCode.NOT_COORDINATOR


def commit_error(broker: OfflineBroker) -> int:
    group = OffsetFetchRequestGroup(group_id="g", topics=None)
    error_code: int = broker.ask(OffsetFetchRequest(groups=[group]), 9).groups[0].error_code
    return error_code


async def test_offsets_of_transactions_wait_for_their_marker_across_a_restart(offline_broker: OfflineBroker) -> None:
    offline_broker.create_topic("t")
    commit(offline_broker, 5)
    context = context_of(offline_broker)
    key = OffsetCommitKey(group="g", topic="t", partition=0)
    guard = context.log.start_transaction_verification(77, -1, 0, True, offline_broker.clock.now_ms())
    context.run(CoordinatorResult([CoordinatorRecord(key, OffsetCommitValue(offset=9))]), 77, 0, guard)
    for _ in range(2):
        assert fetch(offline_broker) == {0: 5}
        assert fetch(offline_broker, require_stable=True) == {0: -1}
        offline_broker.restart()


async def test_unreadable_and_unknown_records_do_not_keep_a_partition_from_loading(
    offline_broker: OfflineBroker,
) -> None:
    offline_broker.create_topic("t")
    commit(offline_broker, 5)
    records = [
        Record(0, 0, b"\x00\x63unknown type", b"\x00\x00"),
        Record(1, 0, b"\x00\x01\x00", b"\x00\x00"),
        Record(2, 0, None, b"no key"),
        Record(3, 0, OffsetCommitKey(group="g", topic="t", partition=1).to_bytes(), b"\x00\x63"),
        Record(
            4, 0, OffsetCommitKey(group="g", topic="t", partition=2).to_bytes(), OffsetCommitValue(offset=7).to_bytes()
        ),
    ]
    group_log(offline_broker).append(
        build_batch(records), now_ms=offline_broker.clock.now_ms(), origin=AppendOrigin.COORDINATOR
    )
    offline_broker.restart()
    assert fetch(offline_broker) == {0: 5, 2: 7}


async def test_deleted_topics_take_their_offsets_with_them(offline_broker: OfflineBroker) -> None:
    offline_broker.create_topic("t")
    commit(offline_broker, 5)
    offline_broker.ask(DeleteTopicsRequest(topic_names=["t"], timeout_ms=1000), 5)
    assert fetch(offline_broker) == {}
    offline_broker.restart()
    assert fetch(offline_broker) == {}


async def test_groups_begin_anew_when_their_topic_is_deleted(offline_broker: OfflineBroker) -> None:
    offline_broker.create_topic("t")
    commit(offline_broker, 5)
    joining = join(offline_broker, "i", "members")
    offline_broker.ask(DeleteTopicsRequest(topic_names=[GROUP_METADATA_TOPIC], timeout_ms=1000), 5)
    assert (await joining).error_code == ErrorCode.NOT_COORDINATOR
    assert fetch(offline_broker) == {}
    assert commit(offline_broker, 6) == [ErrorCode.NONE]
    assert fetch(offline_broker) == {0: 6}


async def test_what_a_timer_could_not_write_is_tried_again(
    new_offline_broker: Callable[..., OfflineBroker], monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = new_offline_broker({"offsets.retention.minutes": "1", "offsets.retention.check.interval.ms": "60000"})
    broker.create_topic("t")
    commit(broker, 5)

    def fail(*_: object, **__: object) -> None:
        raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR)

    with monkeypatch.context() as patch:
        patch.setattr(PartitionLog, "append", fail)
        broker.clock.advance(130_000)
        timers = len(context_of(broker).timers)
        broker.clock.advance(20_000)
        assert len(context_of(broker).timers) == timers
        assert fetch(broker) == {0: 5}
    broker.clock.advance(500)
    assert fetch(broker) == {}


async def test_loading_gives_what_replaying_every_record_gives(offline_broker: OfflineBroker) -> None:
    offline_broker.create_topic("t", 3)
    context = context_of(offline_broker)
    key = [OffsetCommitKey(group="g", topic="t", partition=index) for index in range(3)]
    guard = context.log.start_transaction_verification(77, -1, 0, True, offline_broker.clock.now_ms())

    def write(index: int, offset: int | None) -> CoordinatorResult[None]:
        value = None if offset is None else OffsetCommitValue(offset=offset)
        return CoordinatorResult([CoordinatorRecord(key[index], value)])

    context.run(write(0, 1))
    context.run(write(1, 1))
    context.run(write(0, 2))
    context.run(write(2, 1))
    context.run(write(2, None))
    context.run(write(1, 5), 77, 0, guard)
    context.run(write(0, 3))
    live = context.shard.offsets
    expected = (live.offsets, live.pending_transactional_offsets)
    offline_broker.restart()
    loaded = context_of(offline_broker).shard.offsets
    assert (loaded.offsets, loaded.pending_transactional_offsets) == expected
    assert fetch(offline_broker) == {0: 3, 1: 1}


async def test_a_log_that_moves_to_another_directory_is_written_there(
    new_offline_broker: Callable[..., OfflineBroker],
) -> None:
    broker = new_offline_broker({"log.dirs": "/one,/two"})
    broker.create_topic("t")
    commit(broker, 5)
    before = group_log(broker)
    [other] = {"/one", "/two"} - {before.log_directory.replace("//", "/")}
    topic_partition = before.topic_partition
    broker.broker.replica_alter_log_dirs.move(topic_partition, f"{before.log_directory[:-4]}{other}")
    broker.clock.advance(1_000)
    after = group_log(broker)
    assert after is not before
    assert commit(broker, 6) == [ErrorCode.NONE]
    assert after.log_end_offset == 2
    broker.restart()
    assert fetch(broker) == {0: 6}


def commit_many(broker: OfflineBroker, count: int) -> None:
    """`count` records in the log of the group g, and an offset of 7 in the end."""
    for number in range(count // 1_000):
        for first_partition in (0, 500):  # more at once are committed in steps
            assert set(commit(broker, number, partitions=500, first_partition=first_partition)) == {0}
    assert commit(broker, 7) == [0]


async def test_a_large_partition_is_loaded_in_steps_and_answers_that_it_loads(offline_broker: OfflineBroker) -> None:
    offline_broker.create_topic("t", 1_000)
    commit_many(offline_broker, 5_000)
    offline_broker.restart()
    group = OffsetFetchRequestGroup(group_id="g", topics=None)
    (answer,) = offline_broker.ask(OffsetFetchRequest(groups=[group]), 9).groups
    assert answer.error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    assert commit(offline_broker, 8) == [ErrorCode.COORDINATOR_LOAD_IN_PROGRESS]
    assert offline_broker.ask(ListGroupsRequest()).error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    heartbeat = HeartbeatRequest(group_id="g", generation_id=1, member_id="m")
    assert offline_broker.ask(heartbeat).error_code == ErrorCode.NONE
    assert commit(offline_broker, 5, group_id="another") == [ErrorCode.NONE]
    offline_broker.clock.advance(0)
    assert offline_broker.ask(ListGroupsRequest()).error_code == ErrorCode.NONE
    assert fetch(offline_broker) == {0: 7} | dict.fromkeys(range(1, 1_000), 4)
    assert fetch(offline_broker, "another") == {0: 5}


async def test_so_many_records_are_a_step_of_loading(offline_broker: OfflineBroker) -> None:
    offline_broker.create_topic("t", 1_000)
    commit_many(offline_broker, 5_000)
    broker = offline_broker.broker
    new_shard = broker.group_coordinator._new_shard
    context = CoordinatorContext(
        group_log(offline_broker), lambda: broker.logs, offline_broker.clock, new_shard, CompressionType.NONE
    )
    steps = sum(1 for _ in CoordinatorLoader(context, offline_broker.clock, 1 << 16).steps())
    assert steps == 5_001 // RECORDS_PER_STEP + 1_000 // RECORDS_PER_STEP  # read, and the last of each key replayed


async def test_a_topic_that_is_deleted_while_its_offsets_are_loaded_has_none_afterwards(
    offline_broker: OfflineBroker,
) -> None:
    offline_broker.create_topic("t", 1_000)
    commit_many(offline_broker, 3_000)
    offline_broker.restart()
    with pytest.raises(KafkaError, match="loading"):
        context_of(offline_broker)
    offline_broker.ask(DeleteTopicsRequest(topics=[DeleteTopicState(name="t")], timeout_ms=1000))
    offline_broker.create_topic("t", 1)
    for _ in range(100):
        offline_broker.clock.advance(0)
    assert fetch(offline_broker) == {}


async def test_a_broker_that_stops_while_it_loads_leaves_all_as_it_was(offline_broker: OfflineBroker) -> None:
    offline_broker.create_topic("t", 1_000)
    commit_many(offline_broker, 3_000)
    offline_broker.restart()
    with pytest.raises(KafkaError, match="loading"):
        context_of(offline_broker)
    offline_broker.restart()
    for _ in range(100):
        offline_broker.clock.advance(0)
    assert fetch(offline_broker)[0] == 7


async def test_a_log_that_cannot_be_read_is_tried_again_by_the_next_request(
    offline_broker: OfflineBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline_broker.create_topic("t", 1_000)
    commit_many(offline_broker, 3_000)
    offline_broker.restart()
    with pytest.raises(KafkaError, match="loading"):
        context_of(offline_broker)
    with monkeypatch.context() as broken:

        def replay(*_: object) -> None:
            raise RuntimeError("a fault of the program")

        broken.setattr(GroupCoordinatorShard, "replay", replay)
        for _ in range(100):
            offline_broker.clock.advance(0)
    with pytest.raises(KafkaError, match="loading"):
        context_of(offline_broker)
    for _ in range(100):
        offline_broker.clock.advance(0)
    assert fetch(offline_broker)[0] == 7
