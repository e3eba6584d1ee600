from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from kafkalite.coordinator.coordinator_result import CoordinatorResult
from kafkalite.coordinator.coordinator_timers import CoordinatorTimers
from kafkalite.coordinator.topic_regex.pattern import TopicPattern
from kafkalite.coordinator.transaction_coordinator import (
    NO_PRODUCER,
    TransactionConfig,
    TransactionCoordinatorShard,
)
from kafkalite.coordinator.transaction_metadata import TransactionMetadata
from kafkalite.coordinator.transaction_state import (
    COMPLETE_ABORT,
    COMPLETE_COMMIT,
    EMPTY,
    ONGOING,
    PREPARE_ABORT,
    PREPARE_COMMIT,
    TransactionState,
)
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import ProducerIdAndEpoch, TopicPartition

A0, A1, B0 = TopicPartition("a", 0), TopicPartition("a", 1), TopicPartition("b", 0)
TV0, TV2 = 0, 2
FIRST_ID = 100


class Simulation:
    """A coordinator without log, loop or clock; `offline` are partitions that take no markers."""

    def __init__(self, transaction_version: int = 2, **settings: Any) -> None:
        self.now_ms = 1_700_000_000_000
        self.steady_ms = 0
        self.transaction_version = transaction_version
        self.config = TransactionConfig(**settings)
        self.next_producer_id = FIRST_ID
        self.offline: set[TopicPartition] = set()
        self.markers: list[tuple[TopicPartition, int, int, bool]] = []
        self.log: list[tuple[bytes, bytes | None]] = []
        self.append_error: KafkaError | None = None
        self.holds_markers = False
        self.shard = self.new_shard()
        self.shard.on_loaded(self.now_ms)

    def new_shard(self) -> TransactionCoordinatorShard:
        self.timers = CoordinatorTimers(lambda: self.steady_ms)
        return TransactionCoordinatorShard(
            self.timers,
            self.config,
            new_producer_id=self.new_producer_id,
            transaction_version=lambda: self.transaction_version,
            write_markers=self.write_markers,
        )

    def new_producer_id(self) -> int:
        self.next_producer_id += 1
        return self.next_producer_id - 1

    def write_markers(
        self, metadata: TransactionMetadata, partitions: Collection[TopicPartition]
    ) -> frozenset[TopicPartition]:
        for partition in sorted(set(partitions) - self.offline):
            is_commit = metadata.state is PREPARE_COMMIT
            self.markers.append((partition, metadata.producer_id, metadata.producer_epoch, is_commit))
        return frozenset(partitions) & self.offline

    def run(self, result: CoordinatorResult[Any]) -> Any:
        if result.records:
            if self.append_error is not None:
                assert result.on_appended is not None
                result.on_appended(self.append_error)
                raise self.append_error
            for record in result.records:
                self.log.append(record.to_bytes())
                if result.is_replayed:
                    self.shard.replay(0, -1, record.key, record.value, self.now_ms)
        if result.on_appended is not None:
            result.on_appended(None)
        if not self.holds_markers:
            self.advance(0)
        return result.reply

    def advance(self, delay_ms: int) -> None:
        end_ms = self.steady_ms + delay_ms
        while self.timers.next_deadline_ms <= end_ms:
            moved_ms = max(0, self.timers.next_deadline_ms - self.steady_ms)
            self.now_ms, self.steady_ms = self.now_ms + moved_ms, self.steady_ms + moved_ms
            for operation in self.timers.pop_due():
                self.run(operation(self.now_ms))
        self.now_ms, self.steady_ms = self.now_ms + end_ms - self.steady_ms, end_ms

    def restart(self) -> None:
        self.shard = self.new_shard()
        for key, value in self.log:
            decoded = self.shard.decode(key, value)
            assert decoded is not None
            self.shard.replay(0, -1, *decoded, self.now_ms)
        self.shard.on_loaded(self.now_ms)

    # Requests

    def init(self, expected: ProducerIdAndEpoch | None = None, timeout_ms: int = 60_000, **facts: Any) -> Any:
        """The producer, or CONCURRENT_TRANSACTIONS where an open transaction was aborted first."""
        reply = self.run(self.shard.init_producer_id("x", timeout_ms, expected, self.now_ms, **facts))
        return ErrorCode.CONCURRENT_TRANSACTIONS if reply is None else reply

    def add(self, producer: ProducerIdAndEpoch, *partitions: TopicPartition, version: int = TV2) -> None:
        self.run(self.shard.add_partitions("x", producer, frozenset(partitions), version, self.now_ms))

    def end(self, producer: ProducerIdAndEpoch, *, is_commit: bool = True, version: int = TV2) -> Any:
        return self.run(
            self.shard.end_transaction("x", producer, is_commit=is_commit, client_version=version, now_ms=self.now_ms)
        )

    @property
    def metadata(self) -> TransactionMetadata:
        return self.shard.transactions["x"]

    def state(self) -> TransactionState:
        return self.metadata.state

    def set_epoch(self, epoch: int) -> ProducerIdAndEpoch:
        """The producer has used up its epochs to this one."""
        self.shard.transactions["x"] = self.metadata._replace(producer_epoch=epoch)
        return ProducerIdAndEpoch(self.metadata.producer_id, epoch)


@pytest.fixture
def simulation() -> Simulation:
    return Simulation()


def refused(call: Any, *arguments: Any, **facts: Any) -> ErrorCode:
    with pytest.raises(KafkaError) as raised:
        call(*arguments, **facts)
    return raised.value.error


# InitProducerId


def test_each_initialisation_raises_the_epoch(simulation: Simulation) -> None:
    assert [simulation.init() for _ in range(3)] == [(FIRST_ID, 0), (FIRST_ID, 1), (FIRST_ID, 2)]
    simulation.restart()
    assert simulation.init() == (FIRST_ID, 3)


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        ({"timeout_ms": 0}, ErrorCode.INVALID_TRANSACTION_TIMEOUT),
        ({"timeout_ms": -1}, ErrorCode.INVALID_TRANSACTION_TIMEOUT),
        ({"timeout_ms": 900_001}, ErrorCode.INVALID_TRANSACTION_TIMEOUT),
        ({"enables_two_phase_commit": True}, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        ({"keeps_prepared": True}, ErrorCode.UNSUPPORTED_VERSION),
    ],
)
def test_initialisations_that_make_no_sense_are_refused(
    simulation: Simulation, facts: dict[str, Any], error: ErrorCode
) -> None:
    assert refused(simulation.init, **facts) is error
    assert simulation.shard.transactions == {}


def test_an_empty_transactional_id_is_refused(simulation: Simulation) -> None:
    assert refused(simulation.shard.init_producer_id, "", 1, None, 0) is ErrorCode.INVALID_REQUEST


def test_a_producer_that_names_itself_goes_on_and_may_repeat_its_request(simulation: Simulation) -> None:
    first = simulation.init()
    second = simulation.init(first)
    assert second == (FIRST_ID, 1)
    assert simulation.init(first) == second
    assert refused(simulation.init, ProducerIdAndEpoch(FIRST_ID, 5)) is ErrorCode.PRODUCER_FENCED
    assert refused(simulation.init, ProducerIdAndEpoch(999, 0)) is ErrorCode.PRODUCER_FENCED


def test_a_producer_that_another_one_has_replaced_is_fenced(simulation: Simulation) -> None:
    first = simulation.init()
    simulation.init()
    assert refused(simulation.init, first) is ErrorCode.PRODUCER_FENCED


def test_a_producer_whose_epochs_are_used_up_gets_another_id(simulation: Simulation) -> None:
    simulation.init()
    last = simulation.set_epoch(32766)
    second = simulation.init(last)
    assert second == (FIRST_ID + 1, 0)
    assert simulation.init(last) == (FIRST_ID + 1, 1) or simulation.metadata.producer_id == FIRST_ID + 1


@pytest.mark.parametrize(("server_version", "aborted_epoch"), [(2, 1), (1, 1), (0, 1)])
def test_an_open_transaction_is_aborted_before_its_producer_is_replaced(
    server_version: int, aborted_epoch: int
) -> None:
    simulation = Simulation(server_version)
    first = simulation.init()
    simulation.add(first, A0, version=TV0)
    assert simulation.init() is ErrorCode.CONCURRENT_TRANSACTIONS
    assert simulation.markers == [(A0, FIRST_ID, aborted_epoch, False)]
    assert simulation.state() is COMPLETE_ABORT
    assert simulation.init() == (FIRST_ID, 2)
    assert refused(simulation.add, first, A0) is ErrorCode.PRODUCER_FENCED


def test_nobody_is_initialised_while_markers_are_on_their_way(simulation: Simulation) -> None:
    producer = simulation.init()
    simulation.add(producer, A0)
    simulation.offline = {A0}
    simulation.end(producer)
    assert refused(simulation.init) is ErrorCode.CONCURRENT_TRANSACTIONS
    assert refused(simulation.add, ProducerIdAndEpoch(FIRST_ID, 1), A0) is ErrorCode.CONCURRENT_TRANSACTIONS


# AddPartitionsToTxn


def test_partitions_are_added_once_and_open_the_transaction(simulation: Simulation) -> None:
    producer = simulation.init()
    simulation.add(producer, A0)
    began_ms = simulation.metadata.start_ms
    simulation.advance(5)
    simulation.add(producer, A1, B0)
    assert (simulation.metadata.state, simulation.metadata.start_ms) == (ONGOING, began_ms)
    written = len(simulation.log)
    simulation.add(producer, A0, B0)
    assert len(simulation.log) == written
    simulation.restart()
    assert simulation.metadata.partitions == {A0, A1, B0}


@pytest.mark.parametrize(
    ("producer", "error"),
    [
        (ProducerIdAndEpoch(999, 0), ErrorCode.INVALID_PRODUCER_ID_MAPPING),
        (ProducerIdAndEpoch(FIRST_ID, 1), ErrorCode.PRODUCER_FENCED),
        (ProducerIdAndEpoch(FIRST_ID, -1), ErrorCode.PRODUCER_FENCED),
    ],
)
def test_others_may_not_add_partitions_nor_end(
    simulation: Simulation, producer: ProducerIdAndEpoch, error: ErrorCode
) -> None:
    assert refused(simulation.add, producer, A0) is ErrorCode.INVALID_PRODUCER_ID_MAPPING
    simulation.init()
    assert refused(simulation.add, producer, A0) is error
    assert refused(simulation.end, producer) is error
    assert refused(simulation.end, producer, version=TV0) is error


def test_partitions_can_be_verified(simulation: Simulation) -> None:
    producer = simulation.init()
    simulation.add(producer, A0)
    assert simulation.shard.verify_partitions("x", producer, [A0, B0]) == {
        A0: ErrorCode.NONE,
        B0: ErrorCode.TRANSACTION_ABORTABLE,
    }
    assert refused(simulation.shard.verify_partitions, "", producer, [A0]) is ErrorCode.INVALID_REQUEST


# EndTxn


@pytest.mark.parametrize(("is_commit", "state"), [(True, COMPLETE_COMMIT), (False, COMPLETE_ABORT)])
def test_in_the_newer_generation_every_end_raises_the_epoch(
    simulation: Simulation, is_commit: bool, state: object
) -> None:
    producer = simulation.init()
    for epoch in (1, 2, 3):
        simulation.add(producer, A0, B0)
        producer = simulation.end(producer, is_commit=is_commit)
        assert producer == (FIRST_ID, epoch)
        assert simulation.state() is state
        assert simulation.markers[-2:] == [(A0, FIRST_ID, epoch, is_commit), (B0, FIRST_ID, epoch, is_commit)]


@pytest.mark.parametrize("is_commit", [True, False])
def test_in_the_older_generation_the_epoch_stays(simulation: Simulation, is_commit: bool) -> None:
    producer = simulation.init()
    for _ in range(2):
        simulation.add(producer, A0, version=TV0)
        assert simulation.end(producer, is_commit=is_commit, version=TV0) == NO_PRODUCER
        assert simulation.markers[-1] == (A0, FIRST_ID, 0, is_commit)
    assert simulation.end(producer, is_commit=is_commit, version=TV0) == NO_PRODUCER
    assert len(simulation.markers) == 2
    assert refused(simulation.end, producer, is_commit=not is_commit, version=TV0) is ErrorCode.INVALID_TXN_STATE


def test_in_the_older_generation_nothing_cannot_be_ended(simulation: Simulation) -> None:
    producer = simulation.init()
    for is_commit in (True, False):
        assert refused(simulation.end, producer, is_commit=is_commit, version=TV0) is ErrorCode.INVALID_TXN_STATE


@pytest.mark.parametrize("ended_with", [None, True, False])
@pytest.mark.parametrize("is_commit", [True, False])
@pytest.mark.parametrize("is_retry", [True, False])
def test_in_the_newer_generation_ends_without_partitions(
    simulation: Simulation, ended_with: bool | None, is_commit: bool, is_retry: bool
) -> None:
    """The table in KIP-890: after nothing, a commit or an abort; the last request again, or another one."""
    producer = simulation.init()
    if ended_with is None:
        previous = ProducerIdAndEpoch(FIRST_ID, -1)
    else:
        simulation.add(producer, A0)
        previous, producer = producer, simulation.end(producer, is_commit=ended_with)
    asked = previous if is_retry else producer
    if ended_with is None and is_retry:
        assert refused(simulation.end, asked, is_commit=is_commit) is ErrorCode.PRODUCER_FENCED
    elif is_retry and ended_with == is_commit:
        assert simulation.end(asked, is_commit=is_commit) == producer
        assert len(simulation.markers) == 1
    elif is_retry or is_commit:
        assert refused(simulation.end, asked, is_commit=is_commit) is ErrorCode.INVALID_TXN_STATE
    else:
        assert simulation.end(asked, is_commit=False) == (FIRST_ID, producer.producer_epoch + 1)
        assert simulation.state() is COMPLETE_ABORT


def test_the_end_at_the_last_epoch_gives_another_id_and_may_be_repeated(simulation: Simulation) -> None:
    simulation.init()
    last = simulation.set_epoch(32766)
    simulation.add(last, A0)
    renewed = simulation.end(last)
    assert renewed == (FIRST_ID + 1, 0)
    assert simulation.markers == [(A0, FIRST_ID, 32767, True)]
    assert simulation.end(last) == renewed
    simulation.add(renewed, A0)
    assert simulation.end(renewed) == (FIRST_ID + 1, 1)


def test_a_decision_is_carried_out_when_the_last_partition_takes_its_marker(simulation: Simulation) -> None:
    producer = simulation.init()
    simulation.add(producer, A0, A1, B0)
    simulation.offline = {A1, B0}
    assert simulation.end(producer) == (FIRST_ID, 1)
    assert refused(simulation.end, producer) is ErrorCode.CONCURRENT_TRANSACTIONS
    assert refused(simulation.end, producer, is_commit=False) is ErrorCode.INVALID_TXN_STATE
    simulation.offline = {B0}
    simulation.advance(1000)
    assert simulation.state() is PREPARE_COMMIT
    simulation.offline = set()
    simulation.advance(1000)
    assert simulation.state() is COMPLETE_COMMIT
    assert [partition for partition, *_ in simulation.markers] == [A0, A1, B0]


@pytest.mark.parametrize(
    ("is_commit", "prepared", "complete"),
    [(True, PREPARE_COMMIT, COMPLETE_COMMIT), (False, PREPARE_ABORT, COMPLETE_ABORT)],
)
def test_a_decision_outlives_a_restart(
    simulation: Simulation, is_commit: bool, prepared: object, complete: object
) -> None:
    producer = simulation.init()
    simulation.add(producer, A0, B0)
    simulation.offline = {A0, B0}
    simulation.end(producer, is_commit=is_commit)
    assert simulation.state() is prepared
    simulation.offline = set()
    simulation.restart()
    simulation.advance(0)
    assert simulation.state() is complete
    assert {(partition, is_commit) for partition, _, _, is_commit in simulation.markers} == {
        (A0, is_commit),
        (B0, is_commit),
    }


def test_what_cannot_be_written_has_not_happened(simulation: Simulation) -> None:
    producer = simulation.init()
    simulation.append_error = KafkaError(ErrorCode.KAFKA_STORAGE_ERROR)
    assert refused(simulation.add, producer, A0) is ErrorCode.KAFKA_STORAGE_ERROR
    assert simulation.state() is EMPTY
    simulation.append_error = None
    simulation.add(producer, A0)
    simulation.append_error = KafkaError(ErrorCode.KAFKA_STORAGE_ERROR)
    assert refused(simulation.end, producer) is ErrorCode.KAFKA_STORAGE_ERROR
    assert (simulation.metadata.state, simulation.markers) == (ONGOING, [])


# Time


@pytest.mark.parametrize("server_version", [0, 2])
def test_a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced(server_version: int) -> None:
    simulation = Simulation(server_version)
    producer = simulation.init(timeout_ms=30_000)
    simulation.add(producer, A0, version=TV0)
    simulation.advance(29_000)
    assert simulation.state() is ONGOING
    simulation.advance(12_000)
    assert simulation.state() is COMPLETE_ABORT
    assert simulation.markers == [(A0, FIRST_ID, 1, False)]
    assert refused(simulation.end, producer, version=TV0) is ErrorCode.PRODUCER_FENCED
    assert refused(simulation.add, producer, B0) is ErrorCode.PRODUCER_FENCED


def test_a_transaction_in_two_phases_has_no_timeout() -> None:
    simulation = Simulation(is_two_phase_commit_enabled=True)
    producer = simulation.init(enables_two_phase_commit=True, timeout_ms=0)
    simulation.add(producer, A0)
    simulation.advance(10_000_000)
    assert simulation.state() is ONGOING


def test_transactional_ids_that_nobody_uses_are_forgotten(simulation: Simulation) -> None:
    simulation.init()
    simulation.advance(604_800_000 - 1)
    simulation.init()
    simulation.advance(604_800_000 - 1)
    assert "x" in simulation.shard.transactions
    simulation.advance(3_600_001)
    assert simulation.shard.transactions == {}
    simulation.restart()
    assert simulation.shard.transactions == {}


# Administration


def test_a_transaction_is_described(simulation: Simulation) -> None:
    producer = simulation.init()
    simulation.add(producer, A1, B0, A0)
    described = simulation.shard.describe("x")
    assert (described.error_code, described.transaction_state) == (0, "Ongoing")
    assert (described.producer_id, described.producer_epoch, described.transaction_timeout_ms) == (FIRST_ID, 0, 60_000)
    assert described.transaction_start_time_ms == simulation.now_ms
    assert [(topic.topic, topic.partitions) for topic in described.topics] == [("a", [0, 1]), ("b", [0])]
    assert simulation.shard.describe("y").error_code == ErrorCode.TRANSACTIONAL_ID_NOT_FOUND
    assert simulation.shard.describe("").error_code == ErrorCode.INVALID_REQUEST


def test_transactions_are_listed_by_filters(simulation: Simulation) -> None:
    def listed(
        states: tuple[str, ...] = (), ids: tuple[int, ...] = (), duration_ms: int = -1, pattern: str | None = None
    ) -> list[str]:
        matches = None if pattern is None else TopicPattern(pattern).matches
        found = simulation.shard.list_transactions(states, ids, duration_ms, matches, simulation.now_ms)
        return [transaction.transactional_id for transaction in found]

    producer = simulation.init()
    simulation.run(simulation.shard.init_producer_id("other", 1000, None, simulation.now_ms))
    simulation.add(producer, A0)
    simulation.advance(500)
    assert listed() == ["x", "other"]
    assert listed(states=("Ongoing",)) == ["x"]
    assert listed(states=("Nonsense",)) == []
    assert listed(ids=(FIRST_ID + 1,)) == ["other"]
    assert (listed(states=("Ongoing",), duration_ms=499), listed(states=("Ongoing",), duration_ms=500)) == (["x"], [])
    assert (listed(pattern="o.*r"), listed(pattern="o")) == (["other"], [])


def test_records_of_the_oldest_version_are_written_and_read_while_the_feature_is_off() -> None:
    simulation = Simulation(transaction_version=0)
    producer = simulation.init()
    simulation.add(producer, A0, version=TV0)
    assert {value[:2] for _, value in simulation.log if value is not None} == {b"\x00\x00"}
    before = simulation.metadata
    simulation.restart()
    assert simulation.metadata == before._replace(previous_producer_id=-1)
