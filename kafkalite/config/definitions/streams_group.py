"""Streams groups.

Apache Kafka's GroupCoordinatorConfig.
"""

from __future__ import annotations

from typing import Final

from kafkalite.config.config_def import CLUSTER_WIDE, LOW, MEDIUM, ConfigKey
from kafkalite.config.config_value import BOOLEAN, CLASS, INT, LIST, LONG
from kafkalite.config.units import MAX_INT, MINUTE_MS, SECOND_MS
from kafkalite.config.validators import at_least, list_of

STREAMS_ASSIGNORS: Final = ("sticky",)
"""The assignors of streams groups that there are."""

KEYS: Final = (
    ConfigKey("group.streams.session.timeout.ms", INT, 45 * SECOND_MS, MEDIUM, at_least(1)),
    ConfigKey("group.streams.min.session.timeout.ms", INT, 45 * SECOND_MS, MEDIUM, at_least(1)),
    ConfigKey("group.streams.max.session.timeout.ms", INT, MINUTE_MS, MEDIUM, at_least(1)),
    ConfigKey("group.streams.heartbeat.interval.ms", INT, 5 * SECOND_MS, MEDIUM, at_least(1)),
    ConfigKey("group.streams.min.heartbeat.interval.ms", INT, 5 * SECOND_MS, MEDIUM, at_least(1)),
    ConfigKey("group.streams.max.heartbeat.interval.ms", INT, 15 * SECOND_MS, MEDIUM, at_least(1)),
    ConfigKey("group.streams.max.size", INT, MAX_INT, MEDIUM, at_least(1)),
    ConfigKey("group.streams.num.standby.replicas", INT, 0, MEDIUM, at_least(0)),
    ConfigKey("group.streams.max.standby.replicas", INT, 2, MEDIUM, at_least(0)),
    ConfigKey("group.streams.initial.rebalance.delay.ms", INT, 3 * SECOND_MS, MEDIUM, at_least(0)),
    ConfigKey("group.streams.assignment.interval.ms", INT, SECOND_MS, MEDIUM, at_least(0), CLUSTER_WIDE),
    ConfigKey("group.streams.min.assignment.interval.ms", INT, 0, MEDIUM, at_least(0)),
    ConfigKey("group.streams.max.assignment.interval.ms", INT, 15 * SECOND_MS, MEDIUM, at_least(0)),
    ConfigKey("group.streams.assignors", LIST, STREAMS_ASSIGNORS, MEDIUM, list_of(empty=False)),
    ConfigKey("group.streams.assignor.offload.enable", BOOLEAN, True, MEDIUM, mode=CLUSTER_WIDE, internal=True),
    ConfigKey("group.streams.task.offset.interval.ms", INT, MINUTE_MS, MEDIUM, at_least(1), internal=True),
    ConfigKey("group.streams.min.task.offset.interval.ms", INT, 15 * SECOND_MS, MEDIUM, at_least(1), internal=True),
    ConfigKey("group.streams.num.warmup.replicas", INT, 2, MEDIUM, at_least(0), internal=True),
    ConfigKey("group.streams.max.warmup.replicas", INT, 20, MEDIUM, at_least(0), internal=True),
    ConfigKey("group.streams.rack.aware.assignment.tags", LIST, (), LOW, list_of()),
    ConfigKey("group.streams.topology.description.plugin.class", CLASS, None, MEDIUM),
    ConfigKey("group.streams.acceptable.recovery.lag", LONG, 10000, MEDIUM, at_least(0), internal=True),
)
