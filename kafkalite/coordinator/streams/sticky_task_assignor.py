"""Spreads tasks evenly and lets them stay where they, or their state, have been.

Active tasks go first to who ran them, then to who stood by for them, as long as nobody gets more than an even share;
the rest goes to the processes with the least load. Standby tasks follow in the same way, never two of a task in one
process. Apache Kafka 4.4's StickyTaskAssignor, down to how it decides between equals.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final, NamedTuple

from kafkalite.coordinator.streams.process_state import PriorityQueue, ProcessState
from kafkalite.coordinator.streams.task_assignor import GroupSpec, MemberSpec, TaskAssignorError
from kafkalite.coordinator.streams.tasks import TaskId, Tasks, TasksTuple
from kafkalite.coordinator.string_hash import computed_hash_map_order

logger = logging.getLogger(__name__)

NAME: Final = "sticky"


def assign(group: GroupSpec) -> dict[str, TasksTuple]:
    """The tasks of each member."""
    assignment = _Assignment(group)
    assignment.assign_active()
    if group.num_standby_replicas > 0:
        assignment.assign_standby()
    return assignment.result()


class _Quota:
    """An even share for each member; when some have theirs, that of the others follows from what is left."""

    __slots__ = ("_member_count", "_task_count", "per_member")

    def __init__(self, task_count: int, member_count: int) -> None:
        self._task_count = task_count
        self._member_count = member_count
        self._compute()

    def note(self, task_count: int) -> None:
        """A member has so many tasks now."""
        if task_count == self.per_member:
            self._member_count -= 1
            self._task_count -= task_count
            self._compute()

    def _compute(self) -> None:
        self.per_member = -(-self._task_count // self._member_count) if self._member_count else 0


class _StandbyCandidate(NamedTuple):
    member_id: str
    was_standby: bool
    offset_sum: int


class _Assignment:
    """An assignment in the making."""

    def __init__(self, group: GroupSpec) -> None:
        self._group = group
        subtopologies = group.subtopologies.values()
        active_count = sum(subtopology.task_count for subtopology in subtopologies)
        standby_count = sum(s.task_count for s in subtopologies if s.is_stateful) * group.num_standby_replicas
        self._active_quota = _Quota(active_count, len(group.members))
        self._quota = _Quota(active_count + standby_count, len(group.members))
        self._previous_active: dict[TaskId, str] = {}
        self._process_of: dict[str, ProcessState] = {}
        processes: dict[str, ProcessState] = {}
        candidates: dict[TaskId, list[_StandbyCandidate]] = {}
        for member_id, member in group.members.items():
            process = processes.setdefault(member.process_id, ProcessState())
            process.add_member(member_id)
            self._process_of[member_id] = process
            for task in _task_ids(member.active_tasks):
                self._previous_active[task] = member_id
            for task, candidate in _standby_candidates(member_id, member):
                candidates.setdefault(task, []).append(candidate)
        order = computed_hash_map_order(
            (member.process_id for member in group.members.values()), initial_capacity=len(group.members)
        )
        self._processes = [processes[name] for name in order]
        self._previous_standbys = {
            task: [c.member_id for c in sorted(found, key=lambda c: (not c.was_standby, -c.offset_sum))]
            for task, found in candidates.items()
        }

    def assign_active(self) -> None:
        """All tasks are given to somebody."""
        tasks = sorted(self._tasks(), key=lambda task: (task.partition, task.subtopology_id))
        tasks = [task for task in tasks if not self._keep_active(task, self._previous_active.get(task))]
        tasks = [task for task in tasks if not self._keep_active(task, self._least_loaded_standby(task))]
        queue = PriorityQueue(self._processes, _load)
        for task in sorted(tasks):
            if not queue:
                raise TaskAssignorError(f"No process available to assign active task {task}.")
            process = queue.poll()
            count = process.add_task_to_least_loaded_member(task, is_active=True)
            self._active_quota.note(count)
            self._quota.note(count)
            queue.add(process)

    def assign_standby(self) -> None:
        """Tasks with state get their replicas, as far as there are processes for them."""
        replicas = self._group.num_standby_replicas
        stateful = [task for task in self._tasks() if self._group.subtopologies[task.subtopology_id].is_stateful]
        remaining: list[tuple[TaskId, int]] = []
        for task in sorted(stateful, key=lambda task: (task.partition, task.subtopology_id), reverse=True):
            for replica in range(replicas):
                if not self._keep_standby(task):
                    remaining.append((task, replicas - replica))
                    break
        queue = PriorityQueue(self._processes, _load)
        for task, count in sorted(remaining, reverse=True):
            for replica in range(count):
                if not self._add_standby(queue, task):
                    logger.warning(
                        "Unable to assign %d of %d standby tasks for task [%s]. There is not enough available "
                        "capacity. You should increase the number of threads and/or application instances to "
                        "maintain the requested number of standby replicas.",
                        replicas - replica,
                        replicas,
                        task,
                    )
                    break

    def result(self) -> dict[str, TasksTuple]:
        """What everybody has been given."""
        return {
            member_id: TasksTuple(
                _tasks(self._process_of[member_id].active_tasks.get(member_id, ())),
                _tasks(self._process_of[member_id].standby_tasks.get(member_id, ())),
            )
            for member_id in self._group.members
        }

    def _tasks(self) -> list[TaskId]:
        return [
            TaskId(subtopology_id, partition)
            for subtopology_id, subtopology in self._group.subtopologies.items()
            for partition in range(subtopology.task_count)
        ]

    def _keep_active(self, task: TaskId, member_id: str | None) -> bool:
        if member_id is None:
            return False
        process = self._process_of[member_id]
        if process.task_counts[member_id] >= self._active_quota.per_member:
            return False
        count = process.add_task(member_id, task, is_active=True)
        self._active_quota.note(count)
        self._quota.note(count)
        return True

    def _keep_standby(self, task: TaskId) -> bool:
        """Gives a replica to who ran the task, or else to who stood by for it."""
        previous = self._previous_active.get(task)
        if previous is not None and task in self._process_of[previous].tasks:
            previous = None
        for member_id in (previous, self._least_loaded_standby(task, is_without=True)):
            if member_id is not None and self._process_of[member_id].task_counts[member_id] < self._quota.per_member:
                self._quota.note(self._process_of[member_id].add_task(member_id, task, is_active=False))
                return True
        return False

    def _least_loaded_standby(self, task: TaskId, *, is_without: bool = False) -> str | None:
        """Who stood by for the task and has the least to do; with `is_without`, whose process does not have it."""
        found: str | None = None
        least_load = least_count = 0.0
        for member_id in self._previous_standbys.get(task, ()):
            process = self._process_of[member_id]
            if is_without and task in process.tasks:
                continue
            count = process.task_counts[member_id]
            if found is None or (process.load < least_load and count < least_count):
                found, least_load, least_count = member_id, process.load, count
        return found

    def _add_standby(self, queue: PriorityQueue[ProcessState], task: TaskId) -> bool:
        """Gives a replica to the process with the least load among those that do not have the task."""
        passed: list[ProcessState] = []
        is_added = False
        while queue and not is_added:
            process = queue.poll()
            passed.append(process)
            if task not in process.tasks:
                self._quota.note(process.add_task_to_least_loaded_member(task, is_active=False))
                is_added = True
        for process in reversed(passed):
            queue.add(process)
        return is_added


def _standby_candidates(member_id: str, member: MemberSpec) -> Iterable[tuple[TaskId, _StandbyCandidate]]:
    """The tasks that a member has stood by for, and those of which it has state from before."""
    for task in _task_ids(member.standby_tasks):
        offset_sum = member.task_offsets.get(task.subtopology_id, {}).get(task.partition, 0)
        yield task, _StandbyCandidate(member_id, True, offset_sum)
    for subtopology_id, offsets in member.task_offsets.items():
        for partition, offset_sum in offsets.items():
            if partition not in member.standby_tasks.get(subtopology_id, ()):
                yield TaskId(subtopology_id, partition), _StandbyCandidate(member_id, False, offset_sum)


def _task_ids(tasks: Tasks) -> list[TaskId]:
    return [TaskId(subtopology_id, partition) for subtopology_id, found in tasks.items() for partition in sorted(found)]


def _tasks(task_ids: Iterable[TaskId]) -> Tasks:
    partitions: dict[str, set[int]] = {}
    for task in task_ids:
        partitions.setdefault(task.subtopology_id, set()).add(task.partition)
    return {subtopology_id: frozenset(found) for subtopology_id, found in partitions.items()}


def _load(process: ProcessState) -> float:
    return process.load
