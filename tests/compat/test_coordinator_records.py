"""What the coordinators write into their topics beside what Apache Kafka writes: the same records, field by field."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from group_scenarios import GroupOnSide, subscription
from kafkalite.coordinator.group_coordinator_shard import RECORD_TYPES
from kafkalite.coordinator.string_hash import partition_for
from kafkalite.errors import ErrorCode
from kafkalite.identifiers import GROUP_METADATA_TOPIC, TRANSACTION_STATE_TOPIC
from kafkalite.protocol.coordinator_record import read_key, read_prefix, read_value
from kafkalite.protocol.coordinator_records.transaction_log import TransactionLogKey, TransactionLogValue
from kafkalite.protocol.messages.delete_groups import DeleteGroupsRequest
from kafkalite.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kafkalite.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kafkalite.protocol.messages.streams_group_heartbeat import Endpoint, KeyValue
from kafkalite.records.record_batch import decode_batch, iter_batches
from streams_group_scenarios import StreamsGroupOnSide
from transaction_scenarios import Transactions
from transcript import Side

Compare = Callable[[Callable[[Side], None]], None]
TRANSACTION_RECORD = {0: (TransactionLogKey, TransactionLogValue)}


def note_records(side: Side, topic: str, name: str, types: dict[int, Any], is_ours: Callable[[Any], bool]) -> None:
    """Notes the records about `name` in its partition of a coordinator's topic: what they say and in which form."""
    index = partition_for(name, 50)
    deadline = time.monotonic() + 10
    previous = -1
    while True:
        partition = FetchPartition(partition=index, fetch_offset=0, partition_max_bytes=1 << 22)
        request = FetchRequest(
            max_wait_ms=100, max_bytes=1 << 22, topics=[FetchTopic(topic=topic, partitions=[partition])]
        )
        data = side.send(request, 11).responses[0].partitions[0]
        assert data.error_code == ErrorCode.NONE
        if data.high_watermark == previous or time.monotonic() > deadline:
            break
        previous = data.high_watermark
        time.sleep(0.2)
    raw = bytes(data.records)
    for position, header in iter_batches(raw):
        if header.is_control:
            continue
        for record in decode_batch(raw, position, header):
            assert record.key is not None
            key_type, value_type = types[read_prefix(record.key)]
            key = read_key(key_type, record.key)
            if not is_ours(key):
                continue
            value = None if record.value is None else read_value(value_type, record.value)
            version = None if record.value is None else read_prefix(record.value)
            side.note(f"a record about {key_type.__name__}", key)
            side.note("its value", value)
            facts = (version, header.is_transactional, header.compression_type.name, header.timestamp_type.name)
            side.note("its form", str(facts))


def commit(side: Side, group: GroupOnSide, topic: str, version: int, **facts: Any) -> None:
    partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=5, committed_metadata="m")
    if version >= 6:
        partition.committed_leader_epoch = 0
    topics = [OffsetCommitRequestTopic(name=topic, partitions=[partition])]
    group.ask(OffsetCommitRequest(group_id=group.group_id, topics=topics, **facts), version)


def test_groups_and_offsets_are_written_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        group = GroupOnSide(side)
        topic = side.topic()
        commit(side, group, topic, 9)
        commit(side, group, topic, 2, retention_time_ms=1_000_000)
        group.ask(group.join_request(), 9)
        members, _ = group.stable(2, protocols={"range": subscription("t"), "sticky": subscription("u")})
        group.leave((members[1], None), (members[0], None))
        static = group.later(group.join_request(instance_id="i"), 9).answer()
        group.ask(group.sync_request(static.member_id, static.generation_id, {static.member_id: b"x"}), 4)
        group.ask(group.join_request(instance_id="i"), 9)
        group.leave(("", "i"))
        group.ask(DeleteGroupsRequest(groups_names=[group.group_id]), 2)
        note_records(
            side,
            GROUP_METADATA_TOPIC,
            group.group_id,
            RECORD_TYPES,
            lambda key: getattr(key, "group", getattr(key, "group_id", None)) == group.group_id,
        )

    compare(scenario)


def test_streams_groups_are_written_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        group = StreamsGroupOnSide(side)
        group.configure("streams.num.standby.replicas", "1")
        topology = group.topology(side.topic(3), is_stateful=True)
        group.join("a", topology, rack_id="r", user_endpoint=Endpoint(host="h", port=1))
        group.until_ready("a")
        group.join("b", topology, instance_id="i", client_tags=[KeyValue(key="zone", value="1")])
        for _ in range(3):
            group.go_on("a")
            group.go_on("b", instance_id="i")
        group.beat("b", -2, instance_id="i", label="b leaves for a while")
        group.join("c", topology, instance_id="i")
        group.go_on("a")
        group.beat("c", -1, instance_id="i", label="c leaves")
        group.go_on("a")
        group.beat("a", -1, label="a leaves")
        group.settle()
        group.ask(DeleteGroupsRequest(groups_names=[group.group_id]), 2)
        note_records(
            side,
            GROUP_METADATA_TOPIC,
            group.group_id,
            RECORD_TYPES,
            lambda key: getattr(key, "group_id", None) == group.group_id,
        )

    compare(scenario)


def test_transactions_are_written_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(2)
        group = GroupOnSide(side)
        txn = Transactions(side)
        txn.init()
        txn.write(topic, "a")
        txn.ask(txn.commit_offset_request(group.group_id, topic, 5), 5)
        txn.end()
        txn.describe("committed")
        txn.end(committed=False)
        txn.describe("an abort of nothing")
        txn.ask(txn.add_request({topic: [0, 1]}, 3), 3)
        txn.end(3)
        txn.describe("committed in the older way")
        txn.init()
        txn.write(topic, "b")
        txn.init()
        txn.describe("aborted by another producer")
        name = txn.transactional_id
        note_records(side, TRANSACTION_STATE_TOPIC, name, TRANSACTION_RECORD, lambda key: key.transactional_id == name)
        note_records(
            side,
            GROUP_METADATA_TOPIC,
            group.group_id,
            RECORD_TYPES,
            lambda key: getattr(key, "group", None) == group.group_id,
        )

    compare(scenario)
