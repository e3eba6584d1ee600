"""The group coordinator: offsets, classic and consumer groups.

Apache Kafka's GroupCoordinatorConfig.
"""

from __future__ import annotations

from typing import Final

from kafkalite.config.config_def import CLUSTER_WIDE, HIGH, MEDIUM, ConfigKey
from kafkalite.config.config_value import BOOLEAN, INT, LIST, LONG, SHORT, STRING
from kafkalite.config.units import KIB, MAX_INT, MIB, MINUTE_MS, SECOND_MS
from kafkalite.config.validators import at_least, list_of, one_of_any_case

CONSUMER_ASSIGNORS: Final = ("uniform", "range")
"""The assignors of consumer groups that there are."""

KEYS: Final = (
    ConfigKey(
        "group.coordinator.rebalance.protocols",
        LIST,
        ("classic", "consumer", "streams"),
        MEDIUM,
        list_of("consumer", "classic", "share", "streams", empty=False),
    ),
    ConfigKey("group.coordinator.threads", INT, 4, HIGH, at_least(1)),
    ConfigKey("group.coordinator.background.threads", INT, 2, HIGH, at_least(1)),
    ConfigKey("group.coordinator.append.linger.ms", INT, -1, MEDIUM, at_least(-1)),
    ConfigKey("offsets.commit.timeout.ms", INT, 5 * SECOND_MS, HIGH, at_least(1)),
    ConfigKey("offsets.load.buffer.size", INT, 5 * MIB, HIGH, at_least(1)),
    ConfigKey("offsets.topic.replication.factor", SHORT, 3, HIGH, at_least(1)),
    ConfigKey("offsets.topic.num.partitions", INT, 50, HIGH, at_least(1)),
    ConfigKey("offsets.topic.segment.bytes", INT, 100 * MIB, HIGH, at_least(1)),
    ConfigKey("offsets.topic.compression.codec", INT, 0, HIGH),
    ConfigKey("group.coordinator.cached.buffer.max.bytes", INT, MIB + 12, MEDIUM, at_least(512 * KIB), CLUSTER_WIDE),
    ConfigKey("offset.metadata.max.bytes", INT, 4 * KIB, HIGH),
    ConfigKey("offsets.retention.minutes", INT, 10080, HIGH, at_least(1)),
    ConfigKey("offsets.retention.check.interval.ms", LONG, 10 * MINUTE_MS, HIGH, at_least(1)),
    ConfigKey("group.min.session.timeout.ms", INT, 6 * SECOND_MS, MEDIUM),
    ConfigKey("group.max.session.timeout.ms", INT, 30 * MINUTE_MS, MEDIUM),
    ConfigKey("group.initial.rebalance.delay.ms", INT, 3 * SECOND_MS, MEDIUM),
    ConfigKey("group.max.size", INT, MAX_INT, MEDIUM, at_least(1)),
    ConfigKey("group.consumer.session.timeout.ms", INT, 45 * SECOND_MS, MEDIUM, at_least(1)),
    ConfigKey("group.consumer.min.session.timeout.ms", INT, 45 * SECOND_MS, MEDIUM, at_least(1)),
    ConfigKey("group.consumer.max.session.timeout.ms", INT, MINUTE_MS, MEDIUM, at_least(1)),
    ConfigKey("group.consumer.heartbeat.interval.ms", INT, 5 * SECOND_MS, MEDIUM, at_least(1)),
    ConfigKey("group.consumer.min.heartbeat.interval.ms", INT, 5 * SECOND_MS, MEDIUM, at_least(1)),
    ConfigKey("group.consumer.max.heartbeat.interval.ms", INT, 15 * SECOND_MS, MEDIUM, at_least(1)),
    ConfigKey("group.consumer.max.size", INT, MAX_INT, MEDIUM, at_least(1)),
    ConfigKey("group.consumer.assignors", LIST, CONSUMER_ASSIGNORS, MEDIUM, list_of(empty=False)),
    ConfigKey(
        "group.consumer.migration.policy",
        STRING,
        "bidirectional",
        MEDIUM,
        one_of_any_case("DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"),
    ),
    ConfigKey("group.consumer.assignment.interval.ms", INT, SECOND_MS, MEDIUM, at_least(0), CLUSTER_WIDE),
    ConfigKey("group.consumer.min.assignment.interval.ms", INT, 0, MEDIUM, at_least(0)),
    ConfigKey("group.consumer.max.assignment.interval.ms", INT, 15 * SECOND_MS, MEDIUM, at_least(0)),
    ConfigKey("group.consumer.assignor.offload.enable", BOOLEAN, True, MEDIUM, mode=CLUSTER_WIDE, internal=True),
    ConfigKey(
        "group.consumer.regex.refresh.interval.ms", INT, 10 * MINUTE_MS, MEDIUM, at_least(10 * SECOND_MS), internal=True
    ),
)
