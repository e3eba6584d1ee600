"""Tasks: a partition of a subtopology is one task, which a member runs, stands by for, or warms up.

Apache Kafka's TaskId, TasksTuple and TasksTupleWithEpochs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, Protocol

Tasks = Mapping[str, frozenset[int]]
"""Partitions by subtopology; subtopologies without any are left out."""

TaskEpochs = Mapping[str, Mapping[int, int]]
"""By subtopology and partition the group epoch at which the member got the task."""

NO_TASKS: Final[Tasks] = {}


class TaskIds(Protocol):
    """A subtopology and partitions of it, as requests and records write them."""

    subtopology_id: str
    partitions: list[int]


class TaskId(NamedTuple):
    """One task."""

    subtopology_id: str
    partition: int

    def __str__(self) -> str:
        return f"{self.subtopology_id}_{self.partition}"


class TasksTuple(NamedTuple):
    """Tasks of each kind, as they are meant for a member, or as it says that it owns them."""

    active: Tasks = NO_TASKS
    standby: Tasks = NO_TASKS
    warmup: Tasks = NO_TASKS

    @property
    def is_empty(self) -> bool:
        return not (self.active or self.standby or self.warmup)

    def contains_any(self, other: TasksTupleWithEpochs) -> bool:
        """Whether a task stands in both, as one of the same kind."""
        return (
            any(not partitions.isdisjoint(other.active.get(name, ())) for name, partitions in self.active.items())
            or any(not partitions.isdisjoint(other.standby.get(name, ())) for name, partitions in self.standby.items())
            or any(not partitions.isdisjoint(other.warmup.get(name, ())) for name, partitions in self.warmup.items())
        )


class TasksTupleWithEpochs(NamedTuple):
    """Tasks that a member has, the active ones with the epochs at which it got them."""

    active: TaskEpochs = {}
    standby: Tasks = NO_TASKS
    warmup: Tasks = NO_TASKS

    @property
    def is_empty(self) -> bool:
        return not (self.active or self.standby or self.warmup)

    @property
    def active_tasks(self) -> Tasks:
        return {name: frozenset(epochs) for name, epochs in self.active.items()}

    def merge(self, other: TasksTupleWithEpochs) -> TasksTupleWithEpochs:
        """The tasks of both."""
        return TasksTupleWithEpochs(
            {
                name: {**self.active.get(name, {}), **other.active.get(name, {})}
                for name in {**self.active, **other.active}
            },
            merge_tasks(self.standby, other.standby),
            merge_tasks(self.warmup, other.warmup),
        )


NO_ASSIGNED_TASKS: Final = TasksTupleWithEpochs()


def merge_tasks(one: Tasks, other: Tasks) -> Tasks:
    """The tasks of both."""
    none: frozenset[int] = frozenset()
    return {name: one.get(name, none) | other.get(name, none) for name in {**one, **other}}


def tasks_of(task_ids: Iterable[TaskIds]) -> Tasks:
    """What a list in a request or record says."""
    tasks: dict[str, frozenset[int]] = {}
    for entry in task_ids:
        tasks[entry.subtopology_id] = frozenset(entry.partitions)
    return tasks


def task_ids_of(tasks: Mapping[str, Iterable[int]], new: type[Any]) -> list[Any]:
    """The list that says so, ascending, in the class `new` of a message or record."""
    return [new(subtopology_id=name, partitions=sorted(tasks[name])) for name in sorted(tasks)]
