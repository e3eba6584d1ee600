"""Requests about transactions that only brokers make, or nobody: markers for nobody, transactions named twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kafkalite.protocol.messages import add_partitions_to_txn as adding
from kafkalite.protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)
from transaction_scenarios import Transactions, fetched
from transcript import Side

Compare = Callable[[Callable[[Side], None]], None]
Named = list[tuple[str, list[int]]]


def marker(
    producer_id: int, epoch: int, named: Named, *, coordinator_epoch: int = 0, transaction_version: int = 0
) -> WritableTxnMarker:
    return WritableTxnMarker(
        producer_id=producer_id,
        producer_epoch=epoch,
        coordinator_epoch=coordinator_epoch,
        transaction_result=True,
        transaction_version=transaction_version,
        topics=[WritableTxnMarkerTopic(name=name, partition_indexes=indexes) for name, indexes in named],
    )


@pytest.mark.parametrize("transaction_version", [-128, -1, 0, 1, 2, 3, 127])
def test_markers_by_every_transaction_version(compare: Compare, transaction_version: int) -> None:
    def scenario(side: Side) -> None:
        topic, other = side.topic(), side.topic()
        Transactions(side)
        of_nobody: Named = [("none", [0, 1])]
        all_named: list[Named] = [
            [(topic, [0])],
            [(topic, [0]), (other, [0])],
            [(topic, [0]), *of_nobody],
            of_nobody,
            [(topic, [7]), (other, [0])],
            [(topic, [])],
            [],
        ]
        for named in all_named:
            for epoch, coordinator_epoch in ((0, 0), (0, -1), (-1, 0), (5, 3), (5, 2), (4, 3), (-2, 0), (32767, 0)):
                one = marker(
                    1_000_000,
                    epoch,
                    named,
                    coordinator_epoch=coordinator_epoch,
                    transaction_version=transaction_version,
                )
                for version in (1, 2) if transaction_version == 0 else (2,):
                    request = WriteTxnMarkersRequest(markers=[one])
                    side.ask(request, version, label=f"{named} epoch {epoch}, {coordinator_epoch}")

    compare(scenario)


def test_several_markers_of_which_some_are_nobodys(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic, other = side.topic(), side.topic()
        Transactions(side)
        for markers in (
            [(7, 0, topic), (7, 1, other)],
            [(7, 2, topic), (8, -1, other)],
            [(8, -1, other), (7, 2, topic)],
            [(7, 0, "none"), (8, 0, other)],
            [(7, 0, "none"), (7, 0, "none-either")],
            [(7, 3, topic), (7, 2, topic)],
            [(-1, 0, "none")],
            [(-1, 0, topic)],
            [(-1, 0, "none"), (7, 4, topic)],
            [(-2, 0, topic)],
            [(0, 0, topic)],
            [(1 << 40, 0, "__transaction_state")],
            [(1 << 40, 0, "__consumer_offsets")],
            [(-1, 0, "__consumer_offsets")],
            [(1 << 40, -1, "__consumer_offsets"), (7, 5, topic)],
            [],
        ):
            request = WriteTxnMarkersRequest(
                markers=[marker(producer_id, epoch, [(name, [0])]) for producer_id, epoch, name in markers]
            )
            for version in (1, 2):
                side.ask(request, version, label=str(markers))
        for version in (-1, 0):
            named: Named = [("__consumer_offsets", [0])]
            request = WriteTxnMarkersRequest(markers=[marker(1 << 41, 0, named, transaction_version=version)])
            side.ask(request, 2, label=f"group offsets, transaction version {version}")
        for name in (topic, other):
            fetched(side, name, 0)

    compare(scenario)


@pytest.mark.parametrize("version", [4, 5])
def test_transactions_that_one_request_names_twice(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        one, two = side.topic(2), side.topic()
        first, second = Transactions(side), Transactions(side, "second")
        first.init()
        second.init()

        def part(named: Named, txn: Transactions = first, *, verify_only: bool = False, epoch: int | None = None):  # type: ignore[no-untyped-def]
            identity = txn.identity if epoch is None else {**txn.identity, "producer_epoch": epoch}
            return adding.AddPartitionsToTxnTransaction(
                transactional_id=txn.transactional_id,
                verify_only=verify_only,
                topics=[adding.AddPartitionsToTxnTopic(name=name, partitions=of) for name, of in named],
                **identity,
            )

        for number, transactions in enumerate(
            (
                [part([(one, [0])]), part([(two, [0])])],
                [part([(one, [0])]), part([(one, [0])])],
                [part([(one, [0])]), part([("none", [0])])],
                [part([("none", [0])]), part([(one, [1])])],
                [part([(one, [0])], epoch=99), part([(two, [0])])],
                [part([(one, [0])]), part([(two, [0])], epoch=99)],
                [part([(one, [0])], verify_only=True), part([(two, [0])])],
                [part([(one, [0])]), part([(two, [0])], verify_only=True)],
                [part([(one, [1])], verify_only=True), part([(two, [0])], verify_only=True)],
                [part([(one, [0]), (one, [1])])],
                [part([(one, [0, 0])], verify_only=True)],
                [part([(one, [0])]), part([(one, [0])], second), part([(one, [1])])],
                [part([])],
                [part([]), part([(one, [0])])],
                [part([(one, [0])]), part([])],
                [part([(one, [])], verify_only=True)],
                [part([(one, [])])],
                [part([(one, [0])]), part([(one, [0]), (two, [0])]), part([(one, [1])])],
            )
        ):
            side.ask(adding.AddPartitionsToTxnRequest(transactions=transactions), version, label=str(number))
            first.describe(f"after {number}")
            second.describe(f"after {number}, the other one")

    compare(scenario)
