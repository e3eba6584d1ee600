"""What a task assignor is told, and what it answers. Apache Kafka's TaskAssignor, GroupSpec and TopologyDescriber."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from kafkalite.coordinator.streams.tasks import NO_TASKS, Tasks, TasksTuple


class MemberSpec(NamedTuple):
    """A member: its process, the tasks that it has, and the offsets up to which it has state on its disk."""

    process_id: str
    active_tasks: Tasks = NO_TASKS
    standby_tasks: Tasks = NO_TASKS
    task_offsets: Mapping[str, Mapping[int, int]] = {}


class SubtopologySpec(NamedTuple):
    """A subtopology as far as it matters here."""

    task_count: int
    is_stateful: bool


class GroupSpec(NamedTuple):
    """A group; `members` come in the order in which Apache Kafka, which keeps them in a HashMap, goes through them."""

    members: Mapping[str, MemberSpec]
    subtopologies: Mapping[str, SubtopologySpec]
    num_standby_replicas: int = 0


TaskAssignor = Callable[[GroupSpec], dict[str, TasksTuple]]
"""Gives each member its tasks; raises TaskAssignorError where there is nobody to give them to."""


class TaskAssignorError(Exception):
    """Why there is no assignment."""
