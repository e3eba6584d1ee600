from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kafkalite.coordinator.coordinator_result import NO_EFFECTS, CoordinatorResult
from kafkalite.coordinator.coordinator_timers import NEVER, CoordinatorTimers


class Moved:
    """Timers whose time a test moves, and what ran."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.ran: list[tuple[int, str]] = []
        self.timers = CoordinatorTimers(lambda: self.now_ms)

    def schedule(self, key: str, delay_ms: int) -> None:
        def operation(now_ms: int) -> CoordinatorResult[None]:
            self.ran.append((self.now_ms, key))
            return NO_EFFECTS

        self.timers.schedule(key, delay_ms, operation)

    def advance_to(self, now_ms: int) -> None:
        while self.timers.next_deadline_ms <= now_ms:
            self.now_ms = max(self.now_ms, self.timers.next_deadline_ms)
            for operation in self.timers.pop_due():
                operation(self.now_ms)
        self.now_ms = now_ms


def test_timers_run_at_their_deadlines_in_order() -> None:
    moved = Moved()
    for key, delay_ms in (("late", 30), ("early", 10), ("middle", 20)):
        moved.schedule(key, delay_ms)
    moved.advance_to(25)
    assert moved.ran == [(10, "early"), (20, "middle")]
    moved.advance_to(100)
    assert moved.ran[2:] == [(30, "late")]
    assert moved.timers.next_deadline_ms == NEVER


def test_timers_of_one_moment_run_in_the_order_they_were_scheduled() -> None:
    moved = Moved()
    for key in "cab":
        moved.schedule(key, 5)
    moved.advance_to(5)
    assert [key for _, key in moved.ran] == ["c", "a", "b"]


def test_scheduling_again_replaces_the_deadline_in_both_directions() -> None:
    moved = Moved()
    moved.schedule("session", 10)
    moved.schedule("session", 50)
    moved.advance_to(40)
    assert moved.ran == []
    moved.schedule("session", 2)
    moved.advance_to(100)
    assert moved.ran == [(42, "session")]


def test_a_postponed_timer_keeps_its_operation_and_one_that_is_not_there_is_not_made() -> None:
    moved = Moved()
    moved.schedule("session", 10)
    assert moved.timers.postpone("session", 30)
    assert not moved.timers.postpone("other", 30)
    moved.advance_to(100)
    assert moved.ran == [(30, "session")]


def test_a_cancelled_timer_does_not_run() -> None:
    moved = Moved()
    moved.schedule("session", 10)
    moved.timers.cancel("session")
    moved.timers.cancel("session")
    moved.advance_to(100)
    assert moved.ran == []
    assert len(moved.timers) == 0


def test_cancelled_timers_do_not_pile_up() -> None:
    moved = Moved()
    for number in range(10_000):
        moved.schedule(str(number), 1_000_000)
        moved.timers.cancel(str(number))
    assert len(moved.timers._heap) <= 100


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["schedule", "postpone", "cancel", "advance"]), st.sampled_from("abc"), st.integers(0, 20)
    )
)


@given(STEPS)
def test_timers_behave_like_a_dictionary_of_deadlines(steps: list[tuple[str, str, int]]) -> None:
    moved = Moved()
    deadlines: dict[str, int] = {}
    expected: list[tuple[int, str]] = []
    for action, key, number in steps:
        if action == "schedule":
            moved.schedule(key, number)
            deadlines[key] = moved.now_ms + number
        elif action == "postpone":
            assert moved.timers.postpone(key, number) == (key in deadlines)
            if key in deadlines:
                deadlines[key] = moved.now_ms + number
        elif action == "cancel":
            moved.timers.cancel(key)
            deadlines.pop(key, None)
        else:
            until_ms = moved.now_ms + number
            due = sorted((deadline_ms, key) for key, deadline_ms in deadlines.items() if deadline_ms <= until_ms)
            for deadline_ms, due_key in due:
                expected.append((deadline_ms, due_key))
                del deadlines[due_key]
            moved.advance_to(until_ms)
        assert {key: moved.timers.deadline_ms(key) for key in deadlines} == deadlines
        assert len(moved.timers) == len(deadlines)
        assert sorted(moved.ran) == sorted(expected)
        assert [at_ms for at_ms, _ in moved.ran] == [at_ms for at_ms, _ in expected]
