"""Share groups beside Apache Kafka: membership, records acquired and acknowledged, sessions, refusals."""

from __future__ import annotations

import pytest

from kafkalite.errors import ErrorCode
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.alter_share_group_offsets import (
    AlterShareGroupOffsetsRequest,
    AlterShareGroupOffsetsRequestPartition,
    AlterShareGroupOffsetsRequestTopic,
)
from kafkalite.protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from kafkalite.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from kafkalite.protocol.messages.delete_groups import DeleteGroupsRequest
from kafkalite.protocol.messages.delete_share_group_offsets import (
    DeleteShareGroupOffsetsRequest,
    DeleteShareGroupOffsetsRequestTopic,
)
from kafkalite.protocol.messages.describe_groups import DescribeGroupsRequest
from kafkalite.protocol.messages.describe_share_group_offsets import (
    DescribeShareGroupOffsetsRequest,
    DescribeShareGroupOffsetsRequestGroup,
    DescribeShareGroupOffsetsRequestTopic,
)
from kafkalite.protocol.messages.end_txn import EndTxnRequest
from kafkalite.protocol.messages.find_coordinator import FindCoordinatorRequest
from kafkalite.protocol.messages.init_producer_id import InitProducerIdRequest
from kafkalite.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from kafkalite.protocol.messages.list_groups import ListGroupsRequest
from kafkalite.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from kafkalite.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kafkalite.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup
from kafkalite.protocol.messages.share_group_describe import ShareGroupDescribeRequest
from kafkalite.protocol.messages.share_group_heartbeat import ShareGroupHeartbeatRequest
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from share_group_scenarios import Compare, ShareGroupOnSide
from transcript import Side

ACCEPT, RELEASE, REJECT, RENEW = 1, 2, 3, 4


def test_members_join_share_and_leave(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(2)
        group = ShareGroupOnSide(side)
        first, second = group.member(topic), group.member(topic)
        first.join()
        group.describe()
        first.settle(2)
        group.describe()
        first.heartbeat()
        first.heartbeat(subscribed_topic_names=[topic])
        second.join()
        second.heartbeat()
        first.heartbeat()
        group.describe()
        second.leave()
        first.heartbeat()
        group.describe()
        side.ask(DeleteGroupsRequest(groups_names=[group.group_id]))
        first.leave()
        group.describe()
        groups = side.send(ListGroupsRequest(types_filter=["share"]), 5).groups
        side.note("listed", [one for one in groups if one.group_id == group.group_id])
        side.ask(DeleteGroupsRequest(groups_names=[group.group_id]))
        group.describe()

    compare(scenario)


def test_heartbeats_that_are_refused(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        group = ShareGroupOnSide(side)
        member = group.member(topic)
        for facts in (
            {"member_id": ""},
            {"member_id": "m" * 37},
            {"member_epoch": -2},
            {"member_epoch": 0},
            {"member_epoch": 0, "subscribed_topic_names": []},
            {"member_epoch": 1},
            {"member_epoch": -1},
            {"member_epoch": 0, "subscribed_topic_names": [topic], "rack_id": ""},
        ):
            member.heartbeat(**facts)
        side.ask(ShareGroupHeartbeatRequest(group_id="", member_id="m", subscribed_topic_names=[topic]))
        member.join()
        member.heartbeat(member_epoch=17)
        member.heartbeat(member_id="another", member_epoch=1)
        member.heartbeat(member_id="another", member_epoch=-1)
        member.heartbeat(member_epoch=0, subscribed_topic_names=["there-is-no-such-topic"])
        side.ask(ShareGroupDescribeRequest(group_ids=["", "there-is-no-such-group"]))

    compare(scenario)


def test_records_are_acquired_and_acknowledged(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        topic_id = side.topic_id(topic)
        for batch in range(3):
            side.produce(topic, *(f"{batch}-{index}" for index in range(10)))
        group = ShareGroupOnSide(side)
        member, other = group.member(topic), group.member(topic)
        member.join()
        member.settle(1)
        member.fetch(topic_id, max_records=15)
        member.acknowledge(topic_id, (0, 4, [ACCEPT]), (5, 9, [ACCEPT, RELEASE, REJECT, 0, ACCEPT]))
        other.fetch(topic_id, max_records=5)
        member.acknowledge(topic_id, (10, 19, [ACCEPT]))
        member.acknowledge(topic_id, (10, 19, [ACCEPT]))
        member.acknowledge(topic_id, (20, 29, [ACCEPT]))
        member.fetch(None, acknowledgements=[], max_wait_ms=0)
        other.fetch(topic_id, acknowledgements=[(6, 6, [ACCEPT])])
        other.acknowledge(topic_id, (20, 24, [RELEASE]))
        other.fetch(topic_id, batch_size=2)
        member.fetch(topic_id, share_session_epoch=-1)
        other.fetch(topic_id, acknowledgements=[(20, 29, [ACCEPT])], share_session_epoch=-1)
        other.fetch(topic_id, max_wait_ms=0)

    compare(scenario)


def test_acknowledgements_that_are_refused(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        topic_id = side.topic_id(topic)
        side.produce(topic, *(f"{index}" for index in range(10)))
        group = ShareGroupOnSide(side)
        member, other = group.member(topic), group.member(topic)
        member.join()
        member.settle(1)
        member.acknowledge(topic_id, (0, 0, [ACCEPT]))
        member.fetch(topic_id)
        other.fetch(topic_id, max_wait_ms=0)
        other.acknowledge(topic_id, (0, 0, [ACCEPT]))
        for batch in (
            (5, 4, [ACCEPT]),
            (0, 3, [ACCEPT, ACCEPT]),
            (0, 0, []),
            (0, 0, [5]),
            (0, 0, [-1]),
            (0, 0, [RENEW]),
            (8, 12, [ACCEPT]),
            (12, 14, [ACCEPT]),
        ):
            member.acknowledge(topic_id, batch)
        member.acknowledge(topic_id, (0, 0, [RENEW]), version=1)
        member.acknowledge(topic_id, (4, 5, [ACCEPT]), (2, 3, [ACCEPT]))
        member.acknowledge(topic_id, (0, 1, [ACCEPT]), partition=3)
        member.acknowledge(Uuid.ONE, (0, 1, [ACCEPT]))
        member.acknowledge(topic_id, (0, 1, [ACCEPT]), share_session_epoch=0)
        member.acknowledge(topic_id, (0, 1, [ACCEPT]), share_session_epoch=77)
        member.acknowledge(topic_id)
        side.ask(member.acknowledge_request(topic_id, [(0, 9, [ACCEPT])], share_session_epoch=-1))
        side.ask(member.acknowledge_request(topic_id, [(0, 9, [ACCEPT])], share_session_epoch=-1))

    compare(scenario)


def test_sessions_and_requests_that_do_not_fit(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(2)
        topic_id = side.topic_id(topic)
        group = ShareGroupOnSide(side)
        member = group.member(topic)
        member.join()
        member.settle(2)
        member.fetch(topic_id, share_session_epoch=1)
        member.fetch(topic_id, share_session_epoch=-1)
        member.fetch(topic_id, acknowledgements=[(0, 0, [ACCEPT])])
        member.fetch(topic_id, partitions=[0, 1, 2], max_wait_ms=100)
        member.fetch(topic_id, share_session_epoch=5)
        member.fetch(None, max_wait_ms=100)
        member.fetch(Uuid.ONE, max_wait_ms=100)
        side.produce(topic, "a", partition=1)
        member.fetch(None)
        member.fetch(None, max_records=0)
        member.fetch(None, max_bytes=0)
        member.fetch(topic_id, is_renew_ack=True)
        member.fetch(topic_id, partitions=[1], acknowledgements=[(0, 0, [RENEW])], is_renew_ack=True, max_bytes=0,
                     min_bytes=0, max_records=0, max_wait_ms=0)  # fmt: skip
        member.fetch(topic_id, partitions=[1], acknowledgements=[(0, 0, [ACCEPT])], max_wait_ms=0, version=1)
        for facts in ({"group_id": None}, {"member_id": ""}, {"member_id": None}, {"member_id": "m" * 37}):
            request = member.fetch_request(topic_id)
            for name, value in facts.items():
                setattr(request, name, value)
            side.ask(request)
            acknowledge = member.acknowledge_request(topic_id, [(0, 0, [ACCEPT])])
            for name, value in facts.items():
                setattr(acknowledge, name, value)
            side.ask(acknowledge)

    compare(scenario)


@pytest.mark.parametrize("mode", [0, 1])
def test_how_many_records_a_member_gets(compare: Compare, mode: int) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        topic_id = side.topic_id(topic)
        for batch in range(4):
            side.produce(topic, *(f"{batch}-{index}" for index in range(25)))
        group = ShareGroupOnSide(side, share_partition_max_record_locks="100", share_delivery_count_limit="3")
        members = [group.member(topic) for _ in range(3)]
        members[0].join()
        members[0].settle(1)
        members[0].fetch(topic_id, max_records=10, share_acquire_mode=mode)
        members[1].fetch(topic_id, max_records=30, share_acquire_mode=mode, batch_size=5)
        members[2].fetch(topic_id, share_acquire_mode=mode)
        for _ in range(3):
            members[0].acknowledge(topic_id, (0, 9, [RELEASE]))
            members[0].fetch(None, max_records=7, share_acquire_mode=mode, max_wait_ms=50)

    compare(scenario)


class Transaction:
    """A transactional producer that writes to one partition."""

    def __init__(self, side: Side, topic: str) -> None:
        self.side = side
        self.topic = topic
        self.transactional_id = f"{side.namespace}-{topic}"
        self.sequence = 0
        find = FindCoordinatorRequest(coordinator_keys=[self.transactional_id], key_type=1)
        side.eventually(lambda: side.send(find, 4).coordinators[0].error_code == 0)
        side.eventually(self._init)

    def _init(self) -> bool:
        request = InitProducerIdRequest(transactional_id=self.transactional_id, transaction_timeout_ms=60_000)
        answer = self.side.send(request, 5)
        self.producer_id, self.epoch = answer.producer_id, answer.producer_epoch
        return bool(answer.error_code == 0)

    def write(self, *values: str) -> None:
        records = [Record(index, 1000, None, value.encode(), []) for index, value in enumerate(values)]
        batch = build_batch(
            records,
            producer_id=self.producer_id,
            producer_epoch=self.epoch,
            base_sequence=self.sequence,
            is_transactional=True,
        )
        self.sequence += len(values)
        request = self.side.produce_request(self.topic, batch)
        request.transactional_id = self.transactional_id
        self.side.eventually(
            lambda: self.side.send(request, 12).responses[0].partition_responses[0].error_code == ErrorCode.NONE
        )

    def end(self, *, committed: bool, end_offset: int) -> None:
        request = EndTxnRequest(
            transactional_id=self.transactional_id,
            producer_id=self.producer_id,
            producer_epoch=self.epoch,
            committed=committed,
        )
        answer = self.side.send(request, 5)
        assert answer.error_code == 0, answer
        self.producer_id, self.epoch, self.sequence = answer.producer_id, answer.producer_epoch, 0
        # The marker is written a moment after that has been answered.
        self.side.eventually(lambda: _end_offset(self.side, self.topic) == end_offset)


@pytest.mark.parametrize("isolation_level", ["read_committed", "read_uncommitted"])
def test_transactions_that_are_open_or_were_aborted(compare: Compare, isolation_level: str) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        topic_id = side.topic_id(topic)
        transaction = Transaction(side, topic)
        side.produce(topic, "plain")
        transaction.write("aborted", "aborted too")
        transaction.end(committed=False, end_offset=4)
        side.produce(topic, "plain", "plain")
        transaction.write("committed")
        transaction.end(committed=True, end_offset=8)
        transaction.write("open")
        side.produce(topic, "behind")
        group = ShareGroupOnSide(side, share_isolation_level=isolation_level)
        member = group.member(topic)
        member.join()
        member.settle(1)
        member.fetch(topic_id)
        member.acknowledge(topic_id, (0, 0, [ACCEPT]))
        member.acknowledge(topic_id, (1, 1, [ACCEPT]))
        member.fetch(None, max_wait_ms=50)
        Offsets(group).describe()

    compare(scenario)


def _end_offset(side: Side, topic: str) -> int:
    partition = ListOffsetsPartition(partition_index=0, timestamp=-1)
    request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=[partition])])
    return int(side.send(request).topics[0].partitions[0].offset)


class Offsets:
    """What administrators ask of a group's offsets."""

    def __init__(self, group: ShareGroupOnSide) -> None:
        self.group = group
        self.side = group.side

    def describe(self, topics: dict[str, list[int]] | None = None, version: int = 1) -> None:
        wanted = None
        if topics is not None:
            wanted = [
                DescribeShareGroupOffsetsRequestTopic(topic_name=name, partitions=of) for name, of in topics.items()
            ]
        group = DescribeShareGroupOffsetsRequestGroup(group_id=self.group.group_id, topics=wanted)
        self.side.ask(DescribeShareGroupOffsetsRequest(groups=[group]), version)

    def alter(self, topics: dict[str, dict[int, int]]) -> None:
        self.side.ask(self.alter_request(topics))

    def alter_request(self, topics: dict[str, dict[int, int]]) -> AlterShareGroupOffsetsRequest:
        return AlterShareGroupOffsetsRequest(
            group_id=self.group.group_id,
            topics=[
                AlterShareGroupOffsetsRequestTopic(
                    topic_name=name,
                    partitions=[
                        AlterShareGroupOffsetsRequestPartition(partition_index=index, start_offset=offset)
                        for index, offset in offsets.items()
                    ],
                )
                for name, offsets in topics.items()
            ],
        )

    def delete(self, *names: str) -> None:
        topics = [DeleteShareGroupOffsetsRequestTopic(topic_name=name) for name in names]
        self.side.ask(DeleteShareGroupOffsetsRequest(group_id=self.group.group_id, topics=topics))


def test_offsets_are_described_while_members_read(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(2)
        topic_id = side.topic_id(topic)
        side.produce(topic, *(f"{index}" for index in range(20)))
        group = ShareGroupOnSide(side)
        offsets = Offsets(group)
        offsets.describe()
        offsets.describe({topic: [0]})
        member = group.member(topic)
        member.join()
        member.settle(2)
        offsets.describe()
        member.fetch(topic_id)
        member.acknowledge(topic_id, (0, 4, [ACCEPT]), (10, 12, [REJECT]))
        for version in (0, 1):
            offsets.describe({topic: [0, 1, 2, -1], "there-is-no-such-topic": [0]}, version)
        member.acknowledge(topic_id, (5, 9, [ACCEPT]))
        offsets.describe()
        member.acknowledge(topic_id, (13, 14, [ACCEPT]))
        offsets.describe()
        offsets.describe({})
        offsets.alter({topic: {0: 3}})
        offsets.delete(topic)

    compare(scenario)


def test_offsets_are_altered_and_deleted(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic, other = side.topic(2), side.topic()
        topic_id = side.topic_id(topic)
        side.produce(topic, *(f"{index}" for index in range(20)))
        group = ShareGroupOnSide(side)
        offsets = Offsets(group)
        offsets.delete(topic)
        offsets.alter({topic: {0: 5}, "there-is-no-such-topic": {0: 1}, other: {7: 0}})
        offsets.describe()
        group.describe()
        offsets.alter({topic: {0: 8, 1: 0, 2: 0}})
        offsets.describe()
        offsets.alter({})
        refused = side.send(offsets.alter_request({topic: {0: 8, -1: 3}}))
        side.note("a partition that cannot be", refused.error_message.replace(str(topic_id), "<topic id>"))
        offsets.alter({topic: {0: -1}, other: {0: -5}})
        offsets.alter({topic: {0: 8, 1: 0}})
        member = group.member(topic)
        member.join()
        member.settle(2)
        member.fetch(topic_id)
        member.acknowledge(topic_id, (8, 12, [ACCEPT]))
        side.ask(member.acknowledge_request(topic_id, [], share_session_epoch=-1))
        member.leave()
        offsets.describe()
        offsets.delete(topic, other, "there-is-no-such-topic")
        offsets.describe()
        offsets.delete(topic)
        offsets.delete()
        group.group_id = ""
        offsets.alter({topic: {0: 5}})
        offsets.delete(topic)
        offsets.describe()
        offsets.describe({topic: [0]})

    compare(scenario)


def test_locks_are_renewed_where_the_group_allows_it(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        topic_id = side.topic_id(topic)
        side.produce(topic, *(f"{index}" for index in range(10)))
        group = ShareGroupOnSide(side)
        member = group.member(topic)
        member.join()
        member.settle(1)
        member.fetch(topic_id)
        member.acknowledge(topic_id, (0, 9, [RENEW]), is_renew_ack=True)
        member.acknowledge(topic_id, (0, 1, [RENEW, ACCEPT]), is_renew_ack=True)
        member.acknowledge(topic_id, (0, 1, [RENEW]), is_renew_ack=True)
        group.configure_and_wait(share_renew_acknowledge_enable="false")
        member.acknowledge(topic_id, (2, 2, [RENEW]), is_renew_ack=True)
        member.acknowledge(topic_id, (2, 2, [ACCEPT]))
        member.acknowledge(topic_id, (0, 9, [RELEASE]))

    compare(scenario)


def test_subscriptions_and_topics_change(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic, other = side.topic(2), side.topic()
        group = ShareGroupOnSide(side)
        member = group.member(topic)
        member.join()
        member.settle(2)
        member.heartbeat(subscribed_topic_names=[topic, other])
        member.settle(3)
        group.describe()
        member.heartbeat(subscribed_topic_names=[other], rack_id="rack")
        group.describe()
        member.heartbeat(subscribed_topic_names=["there-is-no-such-topic"])
        group.describe()
        member.heartbeat()
        member.heartbeat(subscribed_topic_names=[topic])
        group.describe()
        second = group.member(other)
        second.join()
        second.heartbeat()
        group.describe()
        member.heartbeat(member_epoch=0, subscribed_topic_names=[topic])
        group.describe()

    compare(scenario)


def test_groups_of_other_types(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        group = ShareGroupOnSide(side)
        member = group.member(topic)
        member.join()
        name = group.group_id
        side.ask(DescribeGroupsRequest(groups=[name]))
        side.ask(ConsumerGroupDescribeRequest(group_ids=[name]))
        side.ask(OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=name, topics=None)]), 9)
        partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=1)
        topics = [OffsetCommitRequestTopic(name=topic, partitions=[partition])]
        side.ask(OffsetCommitRequest(group_id=name, topics=topics), 9)
        side.ask(
            ConsumerGroupHeartbeatRequest(
                group_id=name,
                member_id="m",
                rebalance_timeout_ms=1000,
                subscribed_topic_names=[topic],
                topic_partitions=[],
            )
        )
        protocol = JoinGroupRequestProtocol(name="range", metadata=b"")
        join = JoinGroupRequest(
            group_id=name, session_timeout_ms=6000, rebalance_timeout_ms=6000, protocol_type="consumer"
        )
        join.protocols = [protocol]
        side.ask(join, 9)
        group.group_id += "-classic"
        side.ask(OffsetCommitRequest(group_id=group.group_id, topics=topics), 9)
        other = group.member(topic)
        other.join()
        other.leave()
        other.heartbeat(member_epoch=1)
        group.describe()
        offsets = Offsets(group)
        offsets.describe()
        offsets.alter({topic: {0: 1}})
        offsets.delete(topic)

    compare(scenario)
