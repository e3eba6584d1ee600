"""A process of a streams application and what an assignment has given its members so far.

Members are the threads of a process; they share its state directory. Apache Kafka's ProcessState.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from kafkalite.coordinator.streams.tasks import TaskId
from kafkalite.coordinator.string_hash import hash_map_order

T = TypeVar("T")


class PriorityQueue(Generic[T]):
    """Java's: equal elements come out in the same order, which decides who gets a task when loads are the same."""

    __slots__ = ("_heap", "_key")

    def __init__(self, elements: Iterable[T], key: Callable[[T], Any]) -> None:
        self._key = key
        self._heap: list[T] = []
        for element in elements:
            self.add(element)

    def __bool__(self) -> bool:
        return bool(self._heap)

    def add(self, element: T) -> None:
        """Puts an element in."""
        heap, key = self._heap, self._key(element)
        heap.append(element)
        position = len(heap) - 1
        while position > 0:
            parent = (position - 1) // 2
            if key >= self._key(heap[parent]):
                break
            heap[position] = heap[parent]
            position = parent
        heap[position] = element

    def poll(self) -> T:
        """Takes the least element out."""
        heap = self._heap
        least = heap[0]
        last = heap.pop()
        if heap:
            key, count, position = self._key(last), len(heap), 0
            while 2 * position + 1 < count:
                child = 2 * position + 1
                if child + 1 < count and self._key(heap[child]) > self._key(heap[child + 1]):
                    child += 1
                if key <= self._key(heap[child]):
                    break
                heap[position] = heap[child]
                position = child
            heap[position] = last
        return least


class ProcessState:
    """The members of one process, and their tasks by kind."""

    __slots__ = ("_members_by_load", "_task_count", "active_tasks", "load", "standby_tasks", "task_counts", "tasks")

    def __init__(self) -> None:
        self.load = 0.0
        self.task_counts: dict[str, int] = {}
        self.active_tasks: dict[str, set[TaskId]] = {}
        self.standby_tasks: dict[str, set[TaskId]] = {}
        self.tasks: set[TaskId] = set()
        self._task_count = 0
        self._members_by_load: PriorityQueue[str] | None = None

    def add_member(self, member_id: str) -> None:
        """The process has one more thread."""
        self.task_counts[member_id] = 0
        self._compute_load()

    def add_task(self, member_id: str, task: TaskId, *, is_active: bool) -> int:
        """Gives a task to a member; how many it has then."""
        self._members_by_load = None
        return self._add(member_id, task, is_active)

    def add_task_to_least_loaded_member(self, task: TaskId, *, is_active: bool) -> int:
        """Gives a task to the member with the fewest; how many it has then."""
        if len(self.task_counts) == 1:
            return self._add(next(iter(self.task_counts)), task, is_active)
        queue = self._members_by_load
        if queue is None:
            queue = PriorityQueue(hash_map_order(self.task_counts), self.task_counts.__getitem__)
            self._members_by_load = queue
        member_id = queue.poll()
        count = self._add(member_id, task, is_active)
        queue.add(member_id)
        return count

    def _add(self, member_id: str, task: TaskId, is_active: bool) -> int:
        self._task_count += 1
        self.tasks.add(task)
        (self.active_tasks if is_active else self.standby_tasks).setdefault(member_id, set()).add(task)
        self.task_counts[member_id] += 1
        self._compute_load()
        return self.task_counts[member_id]

    def _compute_load(self) -> None:
        self.load = self._task_count / len(self.task_counts)
