"""Transactions beside Apache Kafka: both generations of the protocol, every version, refusals, what readers see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from group_scenarios import GroupOnSide
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from kafkalite.protocol.messages.describe_transactions import DescribeTransactionsRequest
from kafkalite.protocol.messages.list_transactions import ListTransactionsRequest
from kafkalite.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup
from kafkalite.protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)
from transaction_scenarios import Transactions, fetched
from transcript import Side

Compare = Callable[[Callable[[Side], None]], None]


@pytest.mark.parametrize("version", range(6))
def test_producers_are_initialised_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        txn = Transactions(side)
        txn.init(version, "first")
        txn.init(version, "second")
        for facts in (
            {"transactional_id": ""},
            {"transaction_timeout_ms": 0},
            {"transaction_timeout_ms": -5},
            {"transaction_timeout_ms": 900_001},
            {"transactional_id": None},
            {"transactional_id": None, "transaction_timeout_ms": 0},
        ):
            txn.ask(txn.init_request(**facts), version, f"with {facts}")
        if version >= 3:
            before = txn.identity
            txn.init(version, "going on", **before)
            txn.ask(txn.init_request(**before), version, "again")
            txn.ask(txn.init_request(producer_id=before["producer_id"], producer_epoch=0), version, "long replaced")
            txn.ask(
                txn.init_request(producer_id=before["producer_id"], producer_epoch=30_000), version, "unknown epoch"
            )
            txn.ask(txn.init_request(producer_id=9_999_999, producer_epoch=0), version, "another producer")
            txn.ask(txn.init_request(producer_id=before["producer_id"]), version, "without its epoch")
            txn.ask(txn.init_request(producer_epoch=0), version, "without its id")

    compare(scenario)


@pytest.mark.parametrize("version", range(6))
def test_partitions_are_added_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        txn = Transactions(side)
        one, two = side.topic(2), side.topic(1)
        txn.ask(txn.add_request({one: [0]}, version, producer_id=1, producer_epoch=0), version, "unknown id")
        txn.init()
        txn.ask(txn.add_request({one: [0, 1], two: [0]}, version), version, "three")
        txn.ask(txn.add_request({one: [0]}, version), version, "again")
        txn.ask(txn.add_request({one: [7], "none": [0], two: [0]}, version), version, "some unknown")
        txn.ask(txn.add_request({}, version), version, "nothing")
        txn.ask(txn.add_request({"__consumer_offsets": [0]}, version), version, "an internal topic")
        txn.ask(txn.add_request({one: [0]}, version, producer_id=9_999_999), version, "another producer")
        txn.ask(txn.add_request({one: [0]}, version, producer_epoch=txn.epoch + 1), version, "higher epoch")
        txn.ask(txn.add_request({one: [0]}, version, producer_epoch=-1), version, "no epoch")
        if version >= 4:
            for partitions in ({one: [0]}, {one: [0], "__consumer_offsets": [1]}, {one: [9]}):
                request = txn.add_request(partitions, version)
                request.transactions[0].verify_only = True
                txn.ask(request, version, f"verify {len(partitions)}")
        txn.describe("described")
        txn.end(3, committed=False)
        txn.transactional_id = ""
        txn.ask(txn.add_request({one: [0]}, version), version, "empty id")

    compare(scenario)


@pytest.mark.parametrize("version", range(6))
def test_ends_are_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        txn = Transactions(side)
        topic = side.topic()
        txn.ask(txn.end_request(producer_id=1, producer_epoch=0), version, "unknown id")
        txn.init()
        txn.end(version, label="a commit of nothing")
        txn.end(version, committed=False, label="an abort of nothing")
        txn.describe("after nothing")
        for committed in (True, False):
            txn.ask(txn.add_request({topic: [0]}, 3), 3)
            txn.describe("open")
            before = txn.identity
            txn.end(version, committed=committed, label="the end")
            txn.describe("ended")
            txn.ask(txn.end_request(committed=committed, **before), version, "the same again")
            txn.ask(txn.end_request(committed=not committed, **before), version, "the contrary again")
            txn.end(version, committed=committed, label="the next, empty")
            txn.end(version, committed=not committed, label="the next contrary, empty")
        txn.ask(txn.end_request(producer_epoch=txn.epoch + 1), version, "higher epoch")
        txn.ask(txn.end_request(producer_epoch=-1), version, "no epoch")
        txn.ask(txn.end_request(producer_id=9_999_999), version, "another producer")
        txn.transactional_id = ""
        txn.ask(txn.end_request(), version, "empty id")

    compare(scenario)


@pytest.mark.parametrize("version", [3, 7, 9, 10, 11, 12, 13])
def test_writes_in_transactions_are_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        txn = Transactions(side)
        topic = side.topic()
        txn.init()
        end_version = 5 if version >= 12 else 3
        txn.write(topic, "a", version=version, label="not added")
        if version < 12:
            txn.ask(txn.add_request({topic: [0]}, 3), 3)
        txn.write(topic, "b", "c", version=version, label="added")
        txn.write(topic, "d", version=version, label="more")
        txn.ask(txn.write_request(topic, txn.batch("d", base_sequence=txn.sequence - 1), version), version, "repeated")
        plain = txn.batch("e", is_transactional=False)
        txn.ask(txn.write_request(topic, plain, version), version, "outside of the transaction")
        txn.ask(txn.write_request(topic, txn.batch("f"), version, transactional_id=None), version, "without its id")
        txn.ask(txn.write_request(topic, txn.batch("f"), version, transactional_id="other"), version, "another's id")
        fenced = txn.batch("g", producer_epoch=txn.epoch - 1) if txn.epoch else txn.batch("g", producer_epoch=99)
        txn.ask(txn.write_request(topic, fenced, version), version, "another epoch")
        for isolation_level in (0, 1):
            fetched(side, topic, isolation_level)
        txn.end(end_version, committed=False)
        txn.describe("aborted")
        for isolation_level in (0, 1):
            fetched(side, topic, isolation_level)
        if version < 12:
            txn.ask(txn.add_request({topic: [0]}, 3), 3)
        txn.write(topic, "h", version=version, label="another transaction")
        txn.end(end_version)
        txn.describe("committed")
        for isolation_level in (0, 1):
            fetched(side, topic, isolation_level)

    compare(scenario)


@pytest.mark.parametrize("version", range(7))
def test_offsets_in_transactions_are_answered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        group = GroupOnSide(side)
        txn = Transactions(side)
        topic = side.topic()
        txn.init()
        end_version = 5 if version >= 5 else 3

        def commit(label: str, group_id: str = group.group_id, **facts: Any) -> None:
            txn.ask(txn.commit_offset_request(group_id, topic, version, **facts), version, label)

        def fetch(label: str) -> None:
            for require_stable in (False, True):
                wanted = OffsetFetchRequestGroup(group_id=group.group_id, topics=None)
                response = side.send(OffsetFetchRequest(groups=[wanted], require_stable=require_stable), 9)
                side.note(f"{label}, {'stable' if require_stable else 'any'}", response)

        commit("not added")
        if version < 5:
            for add_version in range(5):
                request = AddOffsetsToTxnRequest(
                    transactional_id=txn.transactional_id, group_id=group.group_id, **txn.identity
                )
                txn.ask(request, add_version, "the group's partition")
        commit("added")
        if version >= 3:
            commit("a member of no group", generation_id_or_member_epoch=3, member_id="m")
        commit("empty group id", group_id="")
        commit("another producer", producer_id=9_999_999)
        commit("another epoch", producer_epoch=99)
        unknown = txn.commit_offset_request(group.group_id, topic, version)
        if version >= 6:
            unknown.topics[0].topic_id = Uuid(b"no such topic id")
        else:
            unknown.topics[0].name = "none"
        txn.ask(unknown, version, "unknown topic")
        fetch("open")
        txn.end(end_version)
        txn.describe("committed")
        fetch("committed")

    compare(scenario)


def test_a_replaced_producer_is_fenced_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        old, new = Transactions(side), Transactions(side)
        old.init()
        old.write(topic, "a")
        new.init()
        new.describe("aborted")
        old.write(topic, "b", label="the old one writes")
        for version in (1, 3, 5):
            old.end(version, label="the old one ends")
            old.ask(old.add_request({topic: [0]}, min(version, 3)), min(version, 3), "the old one adds")
        new.write(topic, "c", label="the new one writes")
        new.end()
        new.describe("committed")
        for isolation_level in (0, 1):
            fetched(side, topic, isolation_level)

    compare(scenario)


def test_transactions_are_described_and_listed_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        names = ("one", "two", "three")
        transactions = [Transactions(side, name) for name in names]
        for txn in transactions:
            txn.init()
        transactions[0].write(topic, "a")
        transactions[1].write(topic, "a")
        transactions[1].end()
        transactions[1].describe("two")
        ids = [txn.transactional_id for txn in transactions]
        side.ask(DescribeTransactionsRequest(transactional_ids=[*ids, "none", ""]), 0)
        side.ask(DescribeTransactionsRequest(transactional_ids=[]), 0, label="nothing")
        for version in range(3):
            filters: list[dict[str, Any]] = [
                {},
                {"state_filters": ["Ongoing"]},
                {"state_filters": ["CompleteCommit", "Empty", "nonsense"]},
                {"producer_id_filters": [transactions[2].producer_id, 9_999_999]},
            ]
            if version >= 1:
                filters += [{"duration_filter": 0}, {"duration_filter": 1_000_000, "state_filters": ["Ongoing"]}]
            if version >= 2:
                filters += [{"transactional_id_pattern": f"{side.namespace}-t.*"}, {"transactional_id_pattern": ""}]
                filters += [{"transactional_id_pattern": "one"}, {"transactional_id_pattern": "("}]
            for each in filters:
                response = side.send(ListTransactionsRequest(**each), version)
                response.transaction_states = [t for t in response.transaction_states if t.transactional_id in ids]
                label = {name: value for name, value in each.items() if name != "producer_id_filters"}
                side.note(f"listed by {label} in version {version}", response)
        transactions[0].end(committed=False)

    compare(scenario)


@pytest.mark.parametrize("version", [1, 2])
def test_markers_are_written_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        txn = Transactions(side)
        txn.init()
        txn.init()
        txn.write(topic, "a")
        for label, facts in (
            ("an old epoch", {"producer_epoch": txn.epoch - 1}),
            ("no epoch", {"producer_epoch": -1}),
            ("no producer", {"producer_id": -1}),
            ("the transaction", {}),
            ("once more", {}),
            ("an old coordinator", {"coordinator_epoch": -1}),
        ):
            marker = WritableTxnMarker(
                **{**txn.identity, "coordinator_epoch": 0, **facts},
                transaction_result=False,
                topics=[
                    WritableTxnMarkerTopic(name=topic, partition_indexes=[0, 7]),
                    WritableTxnMarkerTopic(name="none", partition_indexes=[0]),
                ],
            )
            side.ask(WriteTxnMarkersRequest(markers=[marker]), version, label=label)
        side.ask(WriteTxnMarkersRequest(markers=[]), version, label="nothing")
        for isolation_level in (0, 1):
            fetched(side, topic, isolation_level)
        txn.end(committed=False)

    compare(scenario)
