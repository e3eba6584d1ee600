"""The sticky assignor spreads tasks evenly, keeps them where they are, and never gives a process a task twice."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from kafkalite.coordinator.streams.process_state import PriorityQueue
from kafkalite.coordinator.streams.sticky_task_assignor import assign
from kafkalite.coordinator.streams.task_assignor import GroupSpec, MemberSpec, SubtopologySpec
from kafkalite.coordinator.streams.tasks import TasksTuple

STATEFUL = SubtopologySpec(4, True)


def spec(member: str, tasks: TasksTuple | None = None, **facts: object) -> MemberSpec:
    tasks = tasks or TasksTuple()
    return MemberSpec(member[:2], tasks.active, tasks.standby, **facts)  # type: ignore[arg-type]


def active(assignment: dict[str, TasksTuple]) -> dict[str, list[int]]:
    return {member: sorted(tasks.active.get("0", ())) for member, tasks in assignment.items()}


def test_tasks_are_spread_over_processes_and_their_members() -> None:
    members = {name: spec(name) for name in ("p1-a", "p1-b", "p2-a", "p2-b")}
    assignment = assign(GroupSpec(members, {"0": STATEFUL}))
    assert sorted(map(len, active(assignment).values())) == [1, 1, 1, 1]


def test_a_process_with_more_members_gets_more_tasks() -> None:
    members = {name: spec(name) for name in ("p1-a", "p1-b", "p1-c", "p2-a")}
    found = active(assign(GroupSpec(members, {"0": SubtopologySpec(8, False)})))
    assert Counter(member[:2] for member, tasks in found.items() for _ in tasks) == {"p1": 6, "p2": 2}


def test_a_new_member_takes_no_more_than_its_share() -> None:
    before = assign(GroupSpec({"p1": spec("p1")}, {"0": STATEFUL}))
    after = active(assign(GroupSpec({"p1": spec("p1", before["p1"]), "p2": spec("p2")}, {"0": STATEFUL})))
    assert after == {"p1": [0, 1], "p2": [2, 3]}


def test_a_member_that_goes_leaves_its_tasks_to_who_stood_by_for_them() -> None:
    stay = {
        "p1": spec("p1", TasksTuple({"0": frozenset([0])}, {"0": frozenset([3])})),
        "p2": spec("p2", TasksTuple({"0": frozenset([1])}, {"0": frozenset([2])})),
    }
    assert active(assign(GroupSpec(stay, {"0": STATEFUL}, 1))) == {"p1": [0, 3], "p2": [1, 2]}


def test_state_on_a_disk_brings_a_task_back() -> None:
    members = {"p1": spec("p1"), "p2": spec("p2", task_offsets={"0": {0: 100, 2: 100}})}
    assert active(assign(GroupSpec(members, {"0": STATEFUL}))) == {"p1": [1, 3], "p2": [0, 2]}


def test_the_state_that_reaches_furthest_wins() -> None:
    members = {"p1": spec("p1", task_offsets={"0": {0: 10}}), "p2": spec("p2", task_offsets={"0": {0: 20}})}
    assert active(assign(GroupSpec(members, {"0": SubtopologySpec(2, True)})))["p2"] == [0]


def test_stateless_tasks_have_no_replicas() -> None:
    members = {name: spec(name) for name in ("p1", "p2")}
    assignment = assign(GroupSpec(members, {"0": SubtopologySpec(2, False)}, 1))
    assert all(not tasks.standby for tasks in assignment.values())


def test_there_are_no_more_replicas_than_processes() -> None:
    members = {name: spec(name) for name in ("p1-a", "p1-b")}
    assert all(not tasks.standby for tasks in assign(GroupSpec(members, {"0": STATEFUL}, 2)).values())


SUBTOPOLOGIES = st.dictionaries(
    st.sampled_from(["0", "1", "2"]), st.builds(SubtopologySpec, st.integers(1, 7), st.booleans()), min_size=1
)
MEMBERS = st.lists(st.sampled_from([f"p{p}-{m}" for p in range(4) for m in range(3)]), min_size=1, unique=True)


@given(SUBTOPOLOGIES, st.lists(MEMBERS, min_size=1, max_size=4), st.integers(0, 2))
def test_whoever_comes_and_goes_tasks_are_complete_even_and_never_twice_in_a_process(
    subtopologies: dict[str, SubtopologySpec], generations: list[list[str]], replicas: int
) -> None:
    assignment: dict[str, TasksTuple] = {}
    all_tasks = {(name, p) for name, subtopology in subtopologies.items() for p in range(subtopology.task_count)}
    for members in generations:
        specs = {name: spec(name, assignment.get(name)) for name in members}
        assignment = assign(GroupSpec(specs, subtopologies, replicas))
        given_active = [(n, p) for tasks in assignment.values() for n, found in tasks.active.items() for p in found]
        assert sorted(given_active) == sorted(all_tasks)
        held: Counter[tuple[str, str, int]] = Counter()
        for member, tasks in assignment.items():
            for kind in (tasks.active, tasks.standby):
                held.update((member[:2], name, p) for name, found in kind.items() for p in found)
        assert set(held.values()) <= {1}
        processes = len({member[:2] for member in members})
        standbys = Counter((n, p) for t in assignment.values() for n, found in t.standby.items() for p in found)
        expected = min(replicas, processes - 1)
        assert standbys == {task: expected for task in all_tasks if expected and subtopologies[task[0]].is_stateful}


@given(st.dictionaries(st.sampled_from([f"p{n}" for n in range(6)]), st.none(), min_size=1), SUBTOPOLOGIES)
def test_nothing_moves_while_nobody_comes_or_goes(
    members: dict[str, None], subtopologies: dict[str, SubtopologySpec]
) -> None:
    before = assign(GroupSpec({name: spec(name) for name in members}, subtopologies, 1))
    after = assign(GroupSpec({name: spec(name, before[name]) for name in members}, subtopologies, 1))
    assert {name: tasks.active for name, tasks in after.items()} == {n: tasks.active for n, tasks in before.items()}


@given(st.lists(st.integers(0, 5)))
def test_the_queue_gives_the_least_first(numbers: list[int]) -> None:
    queue = PriorityQueue(numbers, lambda number: number)
    assert [queue.poll() for _ in numbers] == sorted(numbers)
    assert not queue
