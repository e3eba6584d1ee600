"""When the tasks of streams groups are assigned anew, and by what configuration.

The first assignment waits for `group.streams.initial.rebalance.delay.ms`, so that one covers all members that start
together; between later ones lies `group.streams.assignment.interval.ms`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping
from typing import Final

from kafkalite.config.group_config import GroupConfig
from kafkalite.coordinator.coordinator_result import NO_EFFECTS, CoordinatorRecord, CoordinatorResult
from kafkalite.coordinator.coordinator_timers import CoordinatorTimers
from kafkalite.coordinator.streams import sticky_task_assignor
from kafkalite.coordinator.streams.configured_topology import ConfiguredTopology
from kafkalite.coordinator.streams.streams_group import StreamsGroup
from kafkalite.coordinator.streams.streams_group_member import StreamsGroupMember
from kafkalite.coordinator.streams.target_assignment_builder import (
    NUM_STANDBY_REPLICAS,
    MembersAndTargets,
    build_target_assignment,
)
from kafkalite.coordinator.streams.task_assignor import TaskAssignorError
from kafkalite.coordinator.streams.tasks import TasksTuple
from kafkalite.errors import ErrorCode, KafkaError

logger = logging.getLogger(__name__)

RACK_AWARE_ASSIGNMENT_TAGS: Final = "rack.aware.assignment.tags"
"""The name among a group's assignment configs of the tags by which standby tasks are spread."""


class StreamsGroupAssignments:
    """Assignments of one shard's streams groups; `find` gives a streams group by its id."""

    __slots__ = ("_find", "_group_config", "_timers")

    def __init__(
        self,
        timers: CoordinatorTimers,
        group_config: Callable[[str], GroupConfig],
        find: Callable[[str], StreamsGroup | None],
    ) -> None:
        self._timers = timers
        self._group_config = group_config
        self._find = find

    def is_waiting(self, group_id: str) -> bool:
        """Whether the first assignment still waits for more members."""
        return _initial_rebalance_key(group_id) in self._timers

    def may_assign(self, group: StreamsGroup, now_ms: int) -> bool:
        """Whether the interval between two assignments of a group is over."""
        interval_ms = self._group_config(group.group_id).streams_assignment_interval_ms
        # A clock that was set back must not put assignments off until it has caught up.
        return not (group.assignment_timestamp_ms and 0 <= now_ms - group.assignment_timestamp_ms < interval_ms)

    @staticmethod
    def assign(
        group: StreamsGroup,
        updated: StreamsGroupMember | None,
        group_epoch: int,
        configured: ConfiguredTopology,
        configs: Mapping[str, str],
        records: list[CoordinatorRecord],
        now_ms: int,
    ) -> Mapping[str, TasksTuple]:
        """What each member is to have at that epoch, one of them being what a heartbeat makes of it; and its records.

        Raises KafkaError.
        """
        try:
            computed = build_target_assignment(
                group,
                MembersAndTargets.of(group, updated),
                configured,
                group_epoch=group_epoch,
                assignor=sticky_task_assignor.assign,
                assignment_configs=configs,
                now_ms=now_ms,
            )
        except TaskAssignorError as error:
            what = f"Failed to compute a new target assignment for epoch {group_epoch}: {error}"
            logger.error("[GroupId %s] %s.", group.group_id, what)
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, what) from None
        logger.info(
            "[GroupId %s] Computed a new target assignment for epoch %d with '%s' assignor.",
            group.group_id,
            group_epoch,
            sticky_task_assignor.NAME,
        )
        records += computed.records
        return computed.assignment

    def schedule_initial_rebalance(self, group_id: str, delay_ms: int) -> None:
        """The first assignment waits a while, so that one covers all members that start together."""
        key = _initial_rebalance_key(group_id)
        if key in self._timers:
            return

        def assign(now_ms: int) -> CoordinatorResult[None]:
            group = self._find(group_id)
            if group is None or group.is_empty or group.group_epoch <= group.assignment_epoch:
                return NO_EFFECTS
            configured = group.configured_topology
            if configured is None:
                logger.warning(
                    "[GroupId %s] Cannot compute delayed target assignment: configured topology is not present",
                    group_id,
                )
                return NO_EFFECTS
            records: list[CoordinatorRecord] = []
            if self.may_assign(group, now_ms):
                self.assign(group, None, group.group_epoch, configured, group.assignment_configs, records, now_ms)
            return CoordinatorResult(records)

        self._timers.schedule(key, delay_ms, assign)

    def on_group_removed(self, group_id: str) -> None:
        """The group is gone."""
        self._timers.cancel(_initial_rebalance_key(group_id))


def assignment_configs(config: GroupConfig) -> dict[str, str]:
    """What of a group's configuration its assignment depends on; a change calls for another one."""
    configs = {NUM_STANDBY_REPLICAS: str(config.streams_num_standby_replicas)}
    if config.streams_rack_aware_assignment_tags:
        configs[RACK_AWARE_ASSIGNMENT_TAGS] = ",".join(config.streams_rack_aware_assignment_tags)
    return configs


def _initial_rebalance_key(group_id: str) -> Hashable:
    return "streams-group-initial-rebalance", group_id
