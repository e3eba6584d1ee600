"""Share groups and the share coordinator.

Apache Kafka's ShareGroupConfig, ShareCoordinatorConfig.
"""

from __future__ import annotations

from typing import Final

from kafkalite.config.config_def import CLUSTER_WIDE, HIGH, LOW, MEDIUM, ConfigKey
from kafkalite.config.config_value import BOOLEAN, INT, LIST, SHORT, STRING
from kafkalite.config.units import HOUR_MS, KIB, MIB, MINUTE_MS, SECOND_MS
from kafkalite.config.validators import at_least, between, list_of

KEYS: Final = (
    ConfigKey("group.share.session.timeout.ms", INT, 45 * SECOND_MS, MEDIUM, at_least(1)),
    ConfigKey("group.share.min.session.timeout.ms", INT, 45 * SECOND_MS, MEDIUM, at_least(1)),
    ConfigKey("group.share.max.session.timeout.ms", INT, MINUTE_MS, MEDIUM, at_least(1)),
    ConfigKey("group.share.heartbeat.interval.ms", INT, 5 * SECOND_MS, MEDIUM, at_least(1)),
    ConfigKey("group.share.min.heartbeat.interval.ms", INT, 5 * SECOND_MS, MEDIUM, at_least(1)),
    ConfigKey("group.share.max.heartbeat.interval.ms", INT, 15 * SECOND_MS, MEDIUM, at_least(1)),
    ConfigKey("group.share.max.size", INT, 200, MEDIUM, between(1, 1000)),
    ConfigKey("group.share.assignors", LIST, ("simple",), MEDIUM, list_of(empty=False)),
    ConfigKey("group.share.assignment.interval.ms", INT, SECOND_MS, MEDIUM, at_least(0), CLUSTER_WIDE),
    ConfigKey("group.share.min.assignment.interval.ms", INT, 0, MEDIUM, at_least(0)),
    ConfigKey("group.share.max.assignment.interval.ms", INT, 15 * SECOND_MS, MEDIUM, at_least(0)),
    ConfigKey("group.share.assignor.offload.enable", BOOLEAN, True, MEDIUM, mode=CLUSTER_WIDE, internal=True),
    ConfigKey("group.share.initialize.retry.interval.ms", INT, 30 * SECOND_MS, LOW, at_least(1), internal=True),
    ConfigKey("errors.deadletterqueue.auto.create.topics.enable", BOOLEAN, False, MEDIUM, mode=CLUSTER_WIDE),
    ConfigKey("errors.deadletterqueue.topic.name.prefix", STRING, "dlq.", MEDIUM, mode=CLUSTER_WIDE),
    ConfigKey("group.share.delivery.count.limit", INT, 5, MEDIUM, between(2, 10)),
    ConfigKey("group.share.max.delivery.count.limit", INT, 10, MEDIUM, between(5, 25)),
    ConfigKey("group.share.min.delivery.count.limit", INT, 2, MEDIUM, between(2, 5)),
    ConfigKey("group.share.record.lock.duration.ms", INT, 30 * SECOND_MS, MEDIUM, between(SECOND_MS, HOUR_MS)),
    ConfigKey(
        "group.share.min.record.lock.duration.ms", INT, 15 * SECOND_MS, MEDIUM, between(SECOND_MS, 30 * SECOND_MS)
    ),
    ConfigKey("group.share.max.record.lock.duration.ms", INT, MINUTE_MS, MEDIUM, between(30 * SECOND_MS, HOUR_MS)),
    ConfigKey("group.share.partition.max.record.locks", INT, 2000, MEDIUM, between(100, 10000)),
    ConfigKey("group.share.max.partition.max.record.locks", INT, 4000, MEDIUM, between(2000, 10000)),
    ConfigKey("group.share.min.partition.max.record.locks", INT, 100, MEDIUM, between(100, 2000)),
    ConfigKey("share.fetch.purgatory.purge.interval.requests", INT, 1000, MEDIUM),
    ConfigKey("group.share.max.share.sessions", INT, 2000, MEDIUM, at_least(1)),
    ConfigKey(
        "group.share.persister.class.name",
        STRING,
        "org.apache.kafka.server.share.persister.DefaultStatePersister",
        MEDIUM,
        internal=True,
    ),
    ConfigKey(
        "group.share.dlq.manager.class.name",
        STRING,
        "org.apache.kafka.server.share.dlq.DefaultShareGroupDLQManager",
        MEDIUM,
        internal=True,
    ),
    ConfigKey("share.coordinator.state.topic.num.partitions", INT, 50, HIGH, at_least(1)),
    ConfigKey("share.coordinator.state.topic.replication.factor", SHORT, 3, HIGH, at_least(1)),
    ConfigKey("share.coordinator.state.topic.min.isr", SHORT, 2, HIGH, at_least(1)),
    ConfigKey("share.coordinator.state.topic.segment.bytes", INT, 100 * MIB, HIGH, at_least(1)),
    ConfigKey("share.coordinator.threads", INT, 1, MEDIUM, at_least(1)),
    ConfigKey("share.coordinator.snapshot.update.records.per.snapshot", INT, 500, MEDIUM, between(0, 500)),
    ConfigKey("share.coordinator.load.buffer.size", INT, 5 * MIB, HIGH, at_least(1)),
    ConfigKey("share.coordinator.state.topic.compression.codec", INT, 0, HIGH),
    ConfigKey("share.coordinator.append.linger.ms", INT, -1, MEDIUM, at_least(-1)),
    ConfigKey("share.coordinator.write.timeout.ms", INT, 5 * SECOND_MS, HIGH, at_least(1)),
    ConfigKey("share.coordinator.state.topic.prune.interval.ms", INT, 5 * MINUTE_MS, LOW, at_least(1), internal=True),
    ConfigKey(
        "share.coordinator.cold.partition.snapshot.interval.ms", INT, 5 * MINUTE_MS, LOW, at_least(1), internal=True
    ),
    ConfigKey("share.coordinator.cached.buffer.max.bytes", INT, MIB + 12, MEDIUM, at_least(512 * KIB), CLUSTER_WIDE),
)
