"""The way of one member of a streams group from what it has to what it is to have.

It first gives up what is not its own any more, and says so by no longer naming it among what it owns. Then it goes on
to the assignment's epoch and gets what is free; the rest follows as others give it up. So no task is ever run by two,
and no process ever has a task twice, except that a member may go straight from one role to another with the state it
has: from running a task to standing by for it, and back. Apache Kafka 4.4's CurrentAssignmentBuilder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from kafkalite.coordinator.streams.streams_group_member import MemberState, StreamsGroupMember
from kafkalite.coordinator.streams.tasks import Tasks, TasksTuple, TasksTupleWithEpochs
from kafkalite.errors import ErrorCode, KafkaError

_TaskSets = dict[str, set[int]]


class TaskOwners(NamedTuple):
    """The processes that have a task now: the one that runs it, and those that stand by or warm up."""

    active: str | None
    standby: frozenset[str]
    warmup: frozenset[str]


class CurrentAssignmentBuilder:
    """One step of a member.

    `owners` tells who has a task. `owned_tasks` is what the member says it owns, None where it says nothing.
    """

    __slots__ = ("_member", "_owned", "_owners", "_target", "_target_epoch")

    def __init__(
        self,
        member: StreamsGroupMember,
        *,
        target_epoch: int,
        target: TasksTuple,
        owners: Callable[[str, int], TaskOwners],
        owned_tasks: TasksTuple | None,
    ) -> None:
        self._member = member
        self._target_epoch = target_epoch
        self._target = target
        self._owners = owners
        self._owned = owned_tasks

    def build(self) -> StreamsGroupMember:
        """The member after the step; the same object where there is none to make."""
        member = self._member
        match member.state:
            case MemberState.STABLE if member.member_epoch == self._target_epoch:
                return member
            case MemberState.UNREVOKED_TASKS:
                if self._has_not_released(member.tasks_pending_revocation):
                    return member
                return self._next(member.member_epoch + 1)
            case MemberState.UNKNOWN:
                if self._owned is None or not self._owned.is_empty:
                    raise KafkaError(
                        ErrorCode.FENCED_MEMBER_EPOCH,
                        "The streams group member is in a unknown state. The member must abandon all its tasks and "
                        "rejoin.",
                    )
                return self._next(self._target_epoch)
        return self._next(member.member_epoch)

    def _has_not_released(self, tasks: TasksTupleWithEpochs) -> bool:
        """Whether the member may still own some of these; it does while it says nothing."""
        return self._owned is None or self._owned.contains_any(tasks)

    def _next(self, member_epoch: int) -> StreamsGroupMember:
        member, current, target = self._member, self._member.assigned_tasks, self._target
        active = _Difference(current.active_tasks, target.active, self._is_unreleased_active)
        standby = _Difference(current.standby, target.standby, self._is_unreleased_standby)
        warmup = _Difference(current.warmup, target.warmup, self._is_unreleased_warmup)
        # Who runs a task and is to stand by for it has the state: it does so while it stops.
        _grant(current.active_tasks, standby)
        for held, before, after in ((current.standby, standby, warmup), (current.warmup, warmup, standby)):
            for subtopology_id, partition in _grant(held, after):
                _discard(before.revoked, subtopology_id, partition)
        # Who is to run a task whose state it keeps already goes on keeping it until then.
        promoted = {
            kind: [
                (subtopology_id, partition)
                for subtopology_id, partitions in held.items()
                for partition in partitions & target.active.get(subtopology_id, frozenset())
            ]
            for kind, held in ((standby, current.standby), (warmup, current.warmup))
        }
        for kind, tasks in promoted.items():
            for subtopology_id, partition in tasks:
                _discard(kind.revoked, subtopology_id, partition)
        revoked = TasksTupleWithEpochs(
            _with_epochs(active.revoked, current.active), _frozen(standby.revoked), _frozen(warmup.revoked)
        )
        must_revoke = not revoked.is_empty and self._has_not_released(revoked)
        for kind, tasks in promoted.items():
            for subtopology_id, partition in tasks:
                if must_revoke or partition not in active.pending.get(subtopology_id, ()):
                    kind.kept.setdefault(subtopology_id, set()).add(partition)
        kept = TasksTupleWithEpochs(
            _with_epochs(active.kept, current.active), _frozen(standby.kept), _frozen(warmup.kept)
        )
        if must_revoke:
            return member.with_epoch(
                member_epoch,
                state=MemberState.UNREVOKED_TASKS,
                assigned_tasks=kept,
                tasks_pending_revocation=revoked,
            )
        added = TasksTupleWithEpochs(
            {name: dict.fromkeys(sorted(tasks), self._target_epoch) for name, tasks in active.pending.items()},
            _frozen(standby.pending),
            _frozen(warmup.pending),
        )
        has_unreleased = active.has_unreleased or standby.has_unreleased or warmup.has_unreleased
        return member.with_epoch(
            self._target_epoch,
            state=MemberState.UNRELEASED_TASKS if has_unreleased else MemberState.STABLE,
            assigned_tasks=kept.merge(added),
        )

    # Who else has a task

    def _is_unreleased_active(self, subtopology_id: str, partition: int) -> bool:
        owners, current = self._owners(subtopology_id, partition), self._member.assigned_tasks
        return (
            owners.active is not None
            or self._is_held_beside(owners.standby, current.standby, subtopology_id, partition)
            or self._is_held_beside(owners.warmup, current.warmup, subtopology_id, partition)
        )

    def _is_unreleased_standby(self, subtopology_id: str, partition: int) -> bool:
        owners, current, process_id = (
            self._owners(subtopology_id, partition),
            self._member.assigned_tasks,
            self._member.process_id,
        )
        is_run_beside = owners.active == process_id and partition not in current.active.get(subtopology_id, ())
        return (
            is_run_beside
            or process_id in owners.standby
            or self._is_held_beside(owners.warmup, current.warmup, subtopology_id, partition)
        )

    def _is_unreleased_warmup(self, subtopology_id: str, partition: int) -> bool:
        owners, process_id = self._owners(subtopology_id, partition), self._member.process_id
        return (
            owners.active == process_id
            or self._is_held_beside(owners.standby, self._member.assigned_tasks.standby, subtopology_id, partition)
            or process_id in owners.warmup
        )

    def _is_held_beside(self, process_ids: frozenset[str], own: Tasks, subtopology_id: str, partition: int) -> bool:
        """Whether another member of the same process has the task."""
        return self._member.process_id in process_ids and partition not in own.get(subtopology_id, ())


class _Difference:
    """Tasks of one kind: what stays, what has to go, what may come now; and whether there is more to come."""

    __slots__ = ("has_unreleased", "kept", "pending", "revoked")

    def __init__(self, current: Tasks, target: Tasks, is_unreleased: Callable[[str, int], bool]) -> None:
        self.has_unreleased = False
        self.kept: _TaskSets = {}
        self.revoked: _TaskSets = {}
        self.pending: _TaskSets = {}
        for subtopology_id in {**target, **current}:
            has = current.get(subtopology_id, frozenset())
            wanted = target.get(subtopology_id, frozenset())
            if has & wanted:
                self.kept[subtopology_id] = set(has & wanted)
            if has - wanted:
                self.revoked[subtopology_id] = set(has - wanted)
            missing = wanted - has
            free = {partition for partition in missing if not is_unreleased(subtopology_id, partition)}
            if free:
                self.pending[subtopology_id] = free
            if len(free) < len(missing):
                self.has_unreleased = True


def _grant(held: Tasks, kind: _Difference) -> list[tuple[str, int]]:
    """Gives the tasks at once, among those that may come, that the member has in another role; returns them."""
    granted = [
        (subtopology_id, partition)
        for subtopology_id, partitions in held.items()
        for partition in partitions
        if partition in kind.pending.get(subtopology_id, ())
    ]
    for subtopology_id, partition in granted:
        _discard(kind.pending, subtopology_id, partition)
        kind.kept.setdefault(subtopology_id, set()).add(partition)
    return granted


def _discard(tasks: _TaskSets, subtopology_id: str, partition: int) -> None:
    partitions = tasks.get(subtopology_id)
    if partitions is not None:
        partitions.discard(partition)
        if not partitions:
            del tasks[subtopology_id]


def _frozen(tasks: _TaskSets) -> Tasks:
    return {subtopology_id: frozenset(partitions) for subtopology_id, partitions in tasks.items()}


def _with_epochs(tasks: _TaskSets, epochs: Mapping[str, Mapping[int, int]]) -> Mapping[str, Mapping[int, int]]:
    return {
        subtopology_id: {partition: epochs[subtopology_id][partition] for partition in sorted(partitions)}
        for subtopology_id, partitions in tasks.items()
    }
