"""Random stories of two transactional ids: epochs never fall, decisions are carried out, replay agrees."""

from __future__ import annotations

from collections.abc import Collection

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kafkalite.coordinator.coordinator_result import CoordinatorResult
from kafkalite.coordinator.coordinator_timers import CoordinatorTimers
from kafkalite.coordinator.transaction_coordinator import (
    TransactionConfig,
    TransactionCoordinatorShard,
)
from kafkalite.coordinator.transaction_metadata import TransactionMetadata
from kafkalite.coordinator.transaction_state import ONGOING, PREPARE_COMMIT
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import ProducerIdAndEpoch, TopicPartition

PARTITIONS = [TopicPartition("t", index) for index in range(3)]
IDS = st.sampled_from(["x", "y"])
EXPECTED = {
    ErrorCode.CONCURRENT_TRANSACTIONS,
    ErrorCode.INVALID_PRODUCER_ID_MAPPING,
    ErrorCode.INVALID_TXN_STATE,
    ErrorCode.KAFKA_STORAGE_ERROR,
    ErrorCode.PRODUCER_FENCED,
    ErrorCode.UNKNOWN_SERVER_ERROR,
}


class TransactionStories(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now_ms, self.steady_ms = 1_700_000_000_000, 0
        self.next_producer_id = 0
        self.server_version = 2
        self.offline: set[TopicPartition] = set()
        self.log: list[tuple[bytes, bytes | None]] = []
        self.fails = False
        self.markers: dict[tuple[str, int, int], dict[TopicPartition, bool]] = {}
        self.decided: dict[tuple[str, int, int], tuple[frozenset[TopicPartition], bool]] = {}
        self.producers: list[tuple[str, ProducerIdAndEpoch]] = []
        self.highest: dict[tuple[str, int], int] = {}
        self.shard = self.new_shard()
        self.shard.on_loaded(self.now_ms)

    def new_shard(self) -> TransactionCoordinatorShard:
        self.timers = CoordinatorTimers(lambda: self.steady_ms)
        return TransactionCoordinatorShard(
            self.timers,
            TransactionConfig(transactional_id_expiration_ms=500_000),
            new_producer_id=self.new_producer_id,
            transaction_version=lambda: self.server_version,
            write_markers=self.write_markers,
        )

    def new_producer_id(self) -> int:
        self.next_producer_id += 1
        return self.next_producer_id

    def write_markers(
        self, metadata: TransactionMetadata, partitions: Collection[TopicPartition]
    ) -> frozenset[TopicPartition]:
        name = (metadata.transactional_id, metadata.producer_id, metadata.start_ms)
        for partition in set(partitions) - self.offline:
            is_commit = metadata.state is PREPARE_COMMIT
            # A marker may be written again after a restart, but never a contrary one.
            assert self.markers.setdefault(name, {}).setdefault(partition, is_commit) is is_commit
        return frozenset(partitions) & self.offline

    def run(self, result: CoordinatorResult[ProducerIdAndEpoch] | CoordinatorResult[None]) -> ProducerIdAndEpoch | None:
        if result.records and self.fails:
            error = KafkaError(ErrorCode.KAFKA_STORAGE_ERROR)
            if result.on_appended is not None:
                result.on_appended(error)
            raise error
        for record in result.records:
            self.log.append(record.to_bytes())
            if result.is_replayed:
                self.shard.replay(0, -1, record.key, record.value, self.now_ms)
        if result.on_appended is not None:
            result.on_appended(None)
        reply = result.reply
        assert reply is None or isinstance(reply, ProducerIdAndEpoch)
        return reply

    def producer(self, choice: int) -> tuple[str, ProducerIdAndEpoch]:
        """One that was initialised some time, the last ones more likely."""
        if not self.producers:
            return "x", ProducerIdAndEpoch(0, 0)
        return self.producers[-1 - choice % min(4, len(self.producers))]

    @rule(transactional_id=IDS, choice=st.integers(0, 9), names_itself=st.booleans(), timeout_ms=st.integers(1, 60_000))
    def init(self, transactional_id: str, choice: int, names_itself: bool, timeout_ms: int) -> None:
        expected = self.producer(choice)[1] if names_itself else None
        try:
            producer = self.run(self.shard.init_producer_id(transactional_id, timeout_ms, expected, self.now_ms))
        except KafkaError as error:
            assert error.error in EXPECTED
            return
        if producer is not None:
            self.producers.append((transactional_id, producer))

    @rule(choice=st.integers(0, 9), index=st.integers(0, 2), version=st.sampled_from([0, 2]))
    def add(self, choice: int, index: int, version: int) -> None:
        transactional_id, producer = self.producer(choice)
        try:
            self.run(
                self.shard.add_partitions(
                    transactional_id, producer, frozenset({PARTITIONS[index]}), version, self.now_ms
                )
            )
        except KafkaError as error:
            assert error.error in EXPECTED
            return
        metadata = self.shard.transactions[transactional_id]
        assert (metadata.producer_id, metadata.producer_epoch, metadata.state) == (*producer, ONGOING)

    @rule(choice=st.integers(0, 9), is_commit=st.booleans(), version=st.sampled_from([0, 2]))
    def end(self, choice: int, is_commit: bool, version: int) -> None:
        transactional_id, producer = self.producer(choice)
        before = self.shard.transactions.get(transactional_id)
        try:
            ended = self.run(
                self.shard.end_transaction(
                    transactional_id, producer, is_commit=is_commit, client_version=version, now_ms=self.now_ms
                )
            )
        except KafkaError as error:
            assert error.error in EXPECTED
            return
        assert before is not None
        if before.state is ONGOING:
            self.decided[transactional_id, before.producer_id, before.start_ms] = (before.partitions, is_commit)
        if version == 2:
            assert ended is not None
            self.producers.append((transactional_id, ended))

    @rule(transactional_id=IDS)
    def use_up_epochs(self, transactional_id: str) -> None:
        """Years pass in this producer's life."""
        metadata = self.shard.transactions.get(transactional_id)
        if metadata is not None and metadata.state.is_expiration_allowed and not self.fails:
            aged = metadata._replace(producer_epoch=max(metadata.producer_epoch, 32765))
            self.run(self.shard._write(aged))
            self.producers.append((transactional_id, ProducerIdAndEpoch(aged.producer_id, aged.producer_epoch)))

    @rule(index=st.integers(0, 2))
    def partition_goes_offline(self, index: int) -> None:
        self.offline.add(PARTITIONS[index])

    @rule()
    def partitions_come_back(self) -> None:
        self.offline.clear()

    @rule(fails=st.booleans())
    def disk_fails(self, fails: bool) -> None:
        self.fails = fails

    @rule(version=st.sampled_from([0, 1, 2]))
    def feature_changes(self, version: int) -> None:
        self.server_version = version

    @rule(delay_ms=st.sampled_from([0, 1, 200, 11_000, 80_000, 4_000_000]))
    def wait(self, delay_ms: int) -> None:
        end_ms = self.steady_ms + delay_ms
        rounds = 0
        while self.timers.next_deadline_ms <= end_ms and rounds < 2_000:
            rounds += 1
            moved_ms = max(0, self.timers.next_deadline_ms - self.steady_ms)
            self.now_ms, self.steady_ms = self.now_ms + moved_ms, self.steady_ms + moved_ms
            for operation in self.timers.pop_due():
                try:
                    self.run(operation(self.now_ms))
                except KafkaError as error:
                    assert error.error is ErrorCode.KAFKA_STORAGE_ERROR
        self.now_ms, self.steady_ms = self.now_ms + max(0, end_ms - self.steady_ms), max(end_ms, self.steady_ms)

    @rule()
    def restart(self) -> None:
        live = self.shard.transactions
        self.shard = self.new_shard()
        for key, value in self.log:
            decoded = self.shard.decode(key, value)
            assert decoded is not None
            self.shard.replay(0, -1, *decoded, self.now_ms)
        assert described(self.shard.transactions) == described(live)
        self.shard.on_loaded(self.now_ms)

    @invariant()
    def epochs_never_fall(self) -> None:
        for metadata in self.shard.transactions.values():
            name = (metadata.transactional_id, metadata.producer_id)
            assert metadata.producer_epoch >= self.highest.get(name, -1)
            self.highest[name] = metadata.producer_epoch

    @invariant()
    def a_producer_id_has_one_owner(self) -> None:
        owners: dict[int, str] = {}
        for metadata in self.shard.transactions.values():
            assert owners.setdefault(metadata.producer_id, metadata.transactional_id) == metadata.transactional_id

    @invariant()
    def markers_are_those_that_were_decided(self) -> None:
        for name, (partitions, is_commit) in self.decided.items():
            for partition, marked in self.markers.get(name, {}).items():
                assert partition in partitions
                assert marked is is_commit

    def teardown(self) -> None:
        """Once everything works again, every decision has been carried out and nothing is left open."""
        self.offline.clear()
        self.fails = False
        self.wait(80_000)
        for name, (partitions, is_commit) in self.decided.items():
            assert self.markers.get(name, {}) == dict.fromkeys(partitions, is_commit)
        for metadata in self.shard.transactions.values():
            assert metadata.state.is_expiration_allowed


def described(transactions: dict[str, TransactionMetadata]) -> dict[str, TransactionMetadata]:
    """What outlives a restart: not the last epoch; with the oldest records not the previous ids either."""
    return {
        name: metadata._replace(last_producer_epoch=-1, previous_producer_id=-1, next_producer_id=-1, client_version=0)
        for name, metadata in transactions.items()
    }


TestTransactionStories = TransactionStories.TestCase
TestTransactionStories.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
