"""The same random stories of transactions on Apache Kafka and kafkalite: every answer alike, to the last error."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from group_scenarios import GroupOnSide
from kafkalite.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from kafkalite.protocol.messages.describe_transactions import DescribeTransactionsRequest
from kafkalite.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup
from transaction_scenarios import Transactions, fetched
from transcript import Side

Compare = Callable[[Callable[[Side], None]], None]
STEPS = 40


class Story:
    """One side of a story; `chance` is seeded alike on both sides, and drawn from alike."""

    def __init__(self, side: Side, seed: int) -> None:
        self.side = side
        self.chance = random.Random(seed)
        self.group = GroupOnSide(side)
        self.topics = [side.topic(1), side.topic(1)]
        self.ids = [Transactions(side, name) for name in ("one", "two")]
        self.identities: list[list[tuple[int, int]]] = [[], []]

    def run(self) -> None:
        for _ in range(STEPS):
            step = self.chance.choice(
                [self.init, self.add, self.add_offsets, self.write, self.write, self.commit_offset, self.end, self.end]
            )
            which = self.chance.randrange(2)
            step(self.ids[which], self.identities[which])
            self.settle(self.ids[which])
        for txn in self.ids:
            self.init(txn, [])
            self.settle(txn)
        for topic in self.topics:
            for isolation_level in (0, 1):
                fetched(self.side, topic, isolation_level)

    def settle(self, txn: Transactions) -> None:
        """Apache Kafka writes markers a moment after its answer."""
        deadline = time.monotonic() + 10
        request = DescribeTransactionsRequest(transactional_ids=[txn.transactional_id])
        while time.monotonic() < deadline:
            [state] = self.side.send(request, 0).transaction_states
            if not state.transaction_state.startswith("Prepare"):
                break
            time.sleep(0.01)
        self.side.note("state", state)

    def be_somebody(self, txn: Transactions, identities: list[tuple[int, int]]) -> None:
        """Mostly who the producer is now, sometimes who it was or never has been."""
        draw = self.chance.random()
        if identities:
            txn.producer_id, txn.epoch = identities[-1]
            if draw > 0.85:
                txn.producer_id, txn.epoch = self.chance.choice(identities)
            elif draw > 0.8:
                txn.epoch += 1

    def init(self, txn: Transactions, identities: list[tuple[int, int]]) -> None:
        version = self.chance.choice([2, 3, 4, 5])
        facts: dict[str, Any] = {}
        if identities and version >= 3 and self.chance.random() < 0.6:
            self.be_somebody(txn, identities)
            facts = txn.identity
        response = txn.ask(txn.init_request(**facts), version)
        if not response.error_code:
            identities.append((response.producer_id, response.producer_epoch))
            txn.sequence = 0

    def add(self, txn: Transactions, identities: list[tuple[int, int]]) -> None:
        self.be_somebody(txn, identities)
        version = self.chance.choice([1, 3, 5])
        txn.ask(txn.add_request({self.chance.choice(self.topics): [0]}, version), version)

    def add_offsets(self, txn: Transactions, identities: list[tuple[int, int]]) -> None:
        self.be_somebody(txn, identities)
        request = AddOffsetsToTxnRequest(
            transactional_id=txn.transactional_id, group_id=self.group.group_id, **txn.identity
        )
        txn.ask(request, self.chance.choice([1, 3]))

    def write(self, txn: Transactions, identities: list[tuple[int, int]]) -> None:
        self.be_somebody(txn, identities)
        version = self.chance.choice([9, 11, 12])
        # Sequences are kept for one partition; the other one sees them out of order, alike on both sides.
        topic = self.topics[0] if self.chance.random() < 0.8 else self.topics[1]
        is_current = bool(identities) and (txn.producer_id, txn.epoch) == identities[-1]
        batch = txn.batch("v", base_sequence=txn.sequence if is_current and topic == self.topics[0] else 0)
        response = txn.ask(txn.write_request(topic, batch, version), version)
        if is_current and topic == self.topics[0] and not response.responses[0].partition_responses[0].error_code:
            txn.sequence += 1

    def commit_offset(self, txn: Transactions, identities: list[tuple[int, int]]) -> None:
        self.be_somebody(txn, identities)
        version = self.chance.choice([2, 3, 4, 5])
        txn.ask(txn.commit_offset_request(self.group.group_id, self.topics[0], version), version)
        for require_stable in (False, True):
            wanted = OffsetFetchRequestGroup(group_id=self.group.group_id, topics=None)
            request = OffsetFetchRequest(groups=[wanted], require_stable=require_stable)
            self.group.settle()
            self.side.note(f"offsets, stable: {require_stable}", self.side.send(request, 9))

    def end(self, txn: Transactions, identities: list[tuple[int, int]]) -> None:
        self.be_somebody(txn, identities)
        version = self.chance.choice([1, 3, 5, 5])
        committed = self.chance.random() < 0.6
        response = txn.ask(txn.end_request(committed=committed), version, f"committed: {committed}")
        if version >= 5 and not response.error_code:
            if not identities or identities[-1] != (response.producer_id, response.producer_epoch):
                txn.sequence = 0
            identities.append((response.producer_id, response.producer_epoch))


@pytest.mark.parametrize("seed", [*range(8), *(pytest.param(seed, marks=pytest.mark.stress) for seed in range(8, 100))])
def test_a_random_story_is_answered_alike(compare: Compare, seed: int) -> None:
    compare(lambda side: Story(side, seed).run())
