"""Records of a share partition: acquired, acknowledged, released, timed out; time is an argument."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kafkalite.coordinator.share_acknowledgement import AcknowledgementBatch, AcknowledgeType, acknowledge
from kafkalite.coordinator.share_acquisition import (
    AcquiredRecords,
    AcquireLimits,
    FetchedBatch,
    ShareAcquireMode,
    acquire,
    without_aborted,
)
from kafkalite.coordinator.share_partition import (
    SharePartition,
    SharePartitionSettings,
    StateChange,
)
from kafkalite.coordinator.share_state_batches import PersisterStateBatch, RecordState, combine_state_batches
from kafkalite.errors import ErrorCode, KafkaError

ACCEPT, RELEASE, REJECT, RENEW = (
    AcknowledgeType.ACCEPT,
    AcknowledgeType.RELEASE,
    AcknowledgeType.REJECT,
    AcknowledgeType.RENEW,
)
LOCK_MS = 30_000


class Share:
    """A share partition over a log of batches of `batch_size` records, with what has been kept of it."""

    def __init__(self, log_end: int = 100, batch_size: int = 10, config: SharePartitionSettings | None = None) -> None:
        self.config = config or SharePartitionSettings()
        self.log = [FetchedBatch(base, min(base + batch_size, log_end) - 1) for base in range(0, log_end, batch_size)]
        self.partition = SharePartition(0, 0, [], lambda: self.config)
        self.kept: list[PersisterStateBatch] = []
        self.kept_start = 0
        self.now_ms = 0

    def fetch(
        self, member: str, max_records: int = 500, batch_size: int = 500, mode: int = 0, batches: int = 100
    ) -> list[tuple[int, int, int]]:
        offset = self.partition.next_fetch_offset()
        if not self.partition.can_acquire:
            return []
        read = [batch for batch in self.log if batch.last_offset >= offset][:batches]
        limits = AcquireLimits(max_records, batch_size, ShareAcquireMode(mode))
        return [(*run,) for run in acquire(self.partition, member, read, offset, limits, self.now_ms)]

    def acknowledge(self, member: str, first: int, last: int, *types: int) -> None:
        self.keep(acknowledge(self.partition, member, [AcknowledgementBatch(first, last, types)], self.now_ms))

    def release(self, member: str) -> None:
        self.keep(self.partition.release(member))

    def advance(self, ms: int) -> None:
        self.now_ms += ms
        self.keep(self.partition.expire_locks(self.now_ms))

    def keep(self, change: StateChange) -> None:
        if change.batches:
            self.kept_start = self.partition.start_offset
            self.kept = combine_state_batches(self.kept, change.batches, self.kept_start)
            self.partition.complete(change, is_persisted=True)

    def restart(self) -> None:
        self.partition = SharePartition(self.kept_start, 0, self.kept, lambda: self.config)

    def states(self) -> dict[int, tuple[RecordState, int, str]]:
        return {
            offset: (state.state, state.delivery_count, state.member_id)
            for batch in self.partition.batches
            for first, last, state in batch.runs()
            for offset in range(first, last + 1)
            if offset >= self.partition.start_offset
        }


def test_new_records_are_taken_in_whole_batches_of_the_log() -> None:
    share = Share()
    assert share.fetch("a", max_records=15) == [(0, 19, 1)]
    assert share.fetch("b", max_records=5) == [(20, 29, 1)]
    assert share.partition.next_fetch_offset() == 30


def test_records_are_taken_one_by_one_where_the_member_insists_on_its_limit() -> None:
    share = Share()
    assert share.fetch("a", max_records=4, mode=ShareAcquireMode.RECORD_LIMIT) == [(0, 3, 1)]
    assert share.fetch("b", max_records=4, mode=ShareAcquireMode.RECORD_LIMIT) == [(4, 7, 1)]
    assert share.fetch("c", max_records=4, mode=ShareAcquireMode.RECORD_LIMIT) == [(8, 9, 1), (10, 11, 1)]


def test_answers_are_cut_into_batches_of_the_size_that_the_member_wants() -> None:
    share = Share()
    assert share.fetch("a", batch_size=25) == [(0, 29, 1), (30, 59, 1), (60, 89, 1), (90, 99, 1)]


def test_accepted_records_move_the_start_and_leave_nothing_in_flight() -> None:
    share = Share()
    share.fetch("a")
    share.acknowledge("a", 0, 99, ACCEPT)
    assert (share.partition.start_offset, share.partition.end_offset, len(share.partition.batches)) == (100, 100, 0)
    assert share.kept == [PersisterStateBatch(0, 99, 1, RecordState.ACKNOWLEDGED)]


def test_a_record_in_the_middle_holds_the_start() -> None:
    share = Share()
    share.fetch("a", max_records=10)
    share.acknowledge("a", 0, 3, ACCEPT)
    share.acknowledge("a", 5, 9, ACCEPT)
    assert share.partition.start_offset == 4
    assert share.partition.delivery_complete_count == 5
    share.acknowledge("a", 4, 4, REJECT)
    assert share.partition.start_offset == 10
    assert share.kept == [
        PersisterStateBatch(4, 4, 1, RecordState.ARCHIVED),
        PersisterStateBatch(5, 9, 1, RecordState.ACKNOWLEDGED),
    ]


def test_types_may_stand_for_each_record() -> None:
    share = Share()
    share.fetch("a", max_records=10)
    share.acknowledge("a", 0, 4, ACCEPT, RELEASE, REJECT, AcknowledgeType.GAP, ACCEPT)
    states = share.states()
    assert [states[offset][0].name for offset in range(1, 6)] == [
        "AVAILABLE",
        "ARCHIVED",
        "ARCHIVED",
        "ACKNOWLEDGED",
        "ACQUIRED",
    ]
    assert share.fetch("b", max_records=1) == [(1, 1, 2)]


def test_released_records_are_delivered_again_until_the_limit() -> None:
    share = Share(log_end=10, config=SharePartitionSettings(max_delivery_count=2))
    assert share.fetch("a") == [(0, 9, 1)]
    share.acknowledge("a", 0, 9, RELEASE)
    assert share.fetch("b") == [(0, 9, 2)]
    share.acknowledge("b", 0, 9, RELEASE)
    assert share.fetch("c") == []
    assert share.partition.start_offset == 10
    assert share.kept == [PersisterStateBatch(0, 9, 2, RecordState.ARCHIVED)]


def test_records_that_keep_failing_come_in_smaller_portions_and_at_last_alone() -> None:
    share = Share(log_end=8, batch_size=8)
    sizes = []
    for _ in range(3):
        [(first, last, _)] = share.fetch("a")
        sizes.append(last - first + 1)
        share.release("a")
    [(first, last, deliveries)] = share.fetch("a")
    assert (sizes, first, last, deliveries) == ([8, 8, 8], 0, 3, 4)
    share.release("a")
    assert share.fetch("a") == [(0, 0, 5)]


def test_a_lock_ends_after_its_time_and_not_before() -> None:
    share = Share()
    share.fetch("a", max_records=10)
    share.advance(LOCK_MS - 1)
    assert share.partition.next_fetch_offset() == 10
    share.advance(1)
    assert share.partition.next_fetch_offset() == 0
    with pytest.raises(KafkaError) as refused:
        share.acknowledge("a", 0, 9, ACCEPT)
    assert refused.value.error is ErrorCode.INVALID_RECORD_STATE


def test_a_renewed_lock_lasts_longer() -> None:
    share = Share()
    share.fetch("a", max_records=10)
    share.advance(LOCK_MS - 1)
    share.acknowledge("a", 2, 4, RENEW)
    share.advance(1)
    assert [state.name for state, _, _ in share.states().values()] == ["AVAILABLE"] * 2 + ["ACQUIRED"] * 3 + [
        "AVAILABLE"
    ] * 5
    share.advance(LOCK_MS)
    assert {state for state, _, _ in share.states().values()} == {RecordState.AVAILABLE}


def test_a_member_that_goes_loses_its_records_only() -> None:
    share = Share()
    share.fetch("a", max_records=10)
    share.fetch("b", max_records=10)
    share.release("a")
    assert share.fetch("c", max_records=10) == [(0, 9, 2)]
    share.acknowledge("b", 10, 19, ACCEPT)


@pytest.mark.parametrize(
    ("member", "first", "last", "message"),
    [
        ("b", 0, 9, "Member is not the owner of batch record"),
        ("a", 0, 150, "Batch record not found. The last offset in request is past acquired records."),
        ("a", 120, 150, "Batch record not found. The first offset in request is past acquired records."),
    ],
)
def test_what_a_member_may_not_say_changes_nothing(member: str, first: int, last: int, message: str) -> None:
    share = Share()
    share.fetch("a")
    before = share.states()
    with pytest.raises(KafkaError) as refused:
        acknowledge(
            share.partition,
            "a" if member == "a" else member,
            [AcknowledgementBatch(0, 0, [ACCEPT]), AcknowledgementBatch(first, last, [ACCEPT])]
            if member == "a"
            else [AcknowledgementBatch(first, last, [ACCEPT])],
            share.now_ms,
        )
    assert refused.value.message == message
    assert share.states() == before
    assert share.partition.delivery_complete_count == 0


def test_records_that_are_given_up_wait_for_their_dead_letters() -> None:
    share = Share(10, config=SharePartitionSettings(max_delivery_count=1, has_dead_letter_queue=True))
    share.fetch("m")
    change = acknowledge(share.partition, "m", [AcknowledgementBatch(0, 4, [REJECT])], 0)
    share.keep(change)
    assert [(one.first_offset, one.last_offset, one.cause) for one in change.dead_letters[:2]] == [
        (0, 0, "Offset rejected by client."),
        (1, 1, "Offset rejected by client."),
    ]
    exceeded = acknowledge(share.partition, "m", [AcknowledgementBatch(5, 9, [RELEASE])], 0)
    share.keep(exceeded)
    assert exceeded.dead_letters[0].cause == "Offset delivery count exceeded the threshold."
    assert {state for state, _, _ in share.states().values()} == {RecordState.ARCHIVING}
    assert share.fetch("m") == []
    for letters in [*change.dead_letters, *exceeded.dead_letters]:
        share.keep(share.partition.archive_dead_letters(letters))
    assert share.partition.start_offset == 10


def test_dead_letters_that_were_under_way_at_a_restart_are_written_again() -> None:
    share = Share(10, config=SharePartitionSettings(max_delivery_count=1, has_dead_letter_queue=True))
    share.fetch("m")
    share.keep(acknowledge(share.partition, "m", [AcknowledgementBatch(0, 9, [REJECT])], 0))
    share.restart()
    [letters] = share.partition.unwritten_dead_letters
    assert (letters.first_offset, letters.last_offset, letters.delivery_count) == (0, 9, 1)
    share.keep(share.partition.archive_dead_letters(letters))
    assert share.partition.start_offset == 10


def test_a_change_that_could_not_be_written_is_taken_back() -> None:
    share = Share()
    share.fetch("a")
    before = share.states()
    change = acknowledge(share.partition, "a", [AcknowledgementBatch(0, 50, [ACCEPT])], share.now_ms)
    share.partition.complete(change, is_persisted=False)
    assert share.states() == before
    assert (share.partition.start_offset, share.partition.delivery_complete_count) == (0, 0)


def test_no_more_records_are_in_flight_than_the_group_allows() -> None:
    share = Share(config=SharePartitionSettings(max_in_flight_records=30))
    assert share.fetch("a") == [(0, 29, 1)]
    assert share.fetch("b") == []
    share.acknowledge("a", 10, 19, RELEASE)
    assert share.fetch("b") == [(10, 19, 2)]


def test_the_start_of_the_log_takes_available_records_away() -> None:
    share = Share()
    share.fetch("a", max_records=10)
    share.fetch("b", max_records=10)
    share.release("a")
    share.partition.truncate_before(15)
    assert share.partition.start_offset == 15
    assert share.partition.next_fetch_offset() == 20
    share.acknowledge("b", 10, 19, ACCEPT)
    assert share.partition.start_offset == 15
    share.advance(LOCK_MS)  # the member has not been heard of those that are gone: their lock has to end
    assert share.partition.start_offset == 20


def test_records_of_aborted_transactions_are_nobodys() -> None:
    share = Share()
    acquired = acquire(share.partition, "a", share.log[:3], 0, AcquireLimits(500, 500), 0)
    assert without_aborted(share.partition, acquired, [share.log[1]]) == [
        AcquiredRecords(0, 9, 1),
        AcquiredRecords(20, 29, 1),
    ]
    assert share.states()[10][0] is RecordState.ARCHIVED
    assert share.partition.delivery_complete_count == 10


def test_what_lay_in_a_gap_is_read_after_a_restart() -> None:
    kept = [PersisterStateBatch(0, 9, 1, RecordState.ACKNOWLEDGED), PersisterStateBatch(20, 29, 2, 0)]
    share = Share()
    share.partition = SharePartition(0, 3, kept, lambda: share.config)
    assert share.partition.state_epoch == 3
    assert share.partition.start_offset == 10
    assert share.partition.next_fetch_offset() == 10
    assert share.fetch("a", max_records=10) == [(10, 19, 1)]
    assert share.fetch("a", max_records=10) == [(20, 29, 3)]
    assert share.partition.next_fetch_offset() == 30


steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["fetch", "fetch", "accept", "release", "reject", "renew", "leave", "wait", "restart", "truncate"]
        ),
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 40),
        st.integers(1, 25),
        st.integers(0, 1),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(steps, st.integers(1, 12), st.integers(2, 5))
def test_whatever_happens_records_have_one_owner_and_what_is_kept_agrees(
    script: list[tuple[str, str, int, int, int]], batch_size: int, max_deliveries: int
) -> None:
    share = Share(60, batch_size, SharePartitionSettings(max_deliveries, max_in_flight_records=40))
    kinds = {"accept": ACCEPT, "release": RELEASE, "reject": REJECT, "renew": RENEW}
    done: set[int] = set()
    for kind, member, first, count, mode in script:
        start_before, states_before = share.partition.start_offset, share.states()
        if kind == "fetch":
            for run_first, run_last, deliveries in share.fetch(member, max_records=count, batch_size=10, mode=mode):
                for offset in range(run_first, run_last + 1):
                    assert offset not in done
                    known = states_before.get(offset)
                    assert known is None or known[0] is RecordState.AVAILABLE
                    assert share.states()[offset] == (RecordState.ACQUIRED, deliveries, member)
                    assert deliveries == (known[1] if known else 0) + 1 <= max_deliveries
        elif kind in kinds:
            owned = [offset for offset, (state, _, owner) in share.states().items() if owner == member]
            if not owned:
                continue
            at = owned[first % len(owned)]
            last = at
            while last + 1 in owned and last + 1 - at < count:
                last += 1
            share.acknowledge(member, at, last, kinds[kind])
            done.update(range(at, last + 1) if kind in ("accept", "reject") else ())
        elif kind == "leave":
            share.release(member)
        elif kind == "wait":
            share.advance(count * 2000)
        elif kind == "truncate":
            share.partition.truncate_before(min(60, share.partition.start_offset + count % 3))
        else:
            share.restart()
            for offset in done:
                left = share.states().get(offset)
                assert left is None or left[0].is_terminal
        if kind != "restart":
            assert share.partition.start_offset >= start_before
        for state, deliveries, owner in share.states().values():
            assert (state is RecordState.ACQUIRED) == (owner != "")
            assert 0 <= deliveries <= max_deliveries
    share.advance(LOCK_MS)
    for _ in range(1000):
        acquired = share.fetch("z")
        if not acquired and share.partition.start_offset >= 60:
            break
        for run_first, run_last, _ in acquired:
            share.acknowledge("z", run_first, run_last, ACCEPT)
    assert share.partition.start_offset == 60
    assert share.states() == {}


def test_neighbours_in_one_state_are_joined() -> None:
    batches = [PersisterStateBatch(offset, offset, 1, RecordState.ACKNOWLEDGED) for offset in (5, 3, 4, 7)]
    assert combine_state_batches(batches[:2], batches[2:]) == [
        PersisterStateBatch(3, 5, 1, RecordState.ACKNOWLEDGED),
        PersisterStateBatch(7, 7, 1, RecordState.ACKNOWLEDGED),
    ]


batches = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 10), st.integers(1, 4), st.sampled_from([0, 2, 4])), max_size=12
)


@given(batches, batches, st.integers(-1, 20))
def test_combined_batches_hold_the_newest_state_of_each_record(
    so_far: list[tuple[int, int, int, int]], newer: list[tuple[int, int, int, int]], start_offset: int
) -> None:
    old = [PersisterStateBatch(first, first + size, count, state) for first, size, count, state in so_far]
    new = [PersisterStateBatch(first, first + size, count, state) for first, size, count, state in newer]
    expected: dict[int, tuple[int, int]] = {}
    for batch in old + new:
        for offset in range(max(batch.first_offset, start_offset), batch.last_offset + 1):
            expected[offset] = max(expected.get(offset, (0, 0)), batch.delivery)
    combined = combine_state_batches(old, new, start_offset)
    found = {
        offset: batch.delivery for batch in combined for offset in range(batch.first_offset, batch.last_offset + 1)
    }
    assert found == expected
    assert sum(batch.last_offset - batch.first_offset + 1 for batch in combined) == len(expected)
    for before, after in pairwise(combined):
        assert before.last_offset < after.first_offset
