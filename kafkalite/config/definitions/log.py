"""Logs: directories, rolling, retention, flushing, cleaning.

Apache Kafka's ServerLogConfigs, CleanerConfig.
"""

from __future__ import annotations

from typing import Final

from kafkalite.config.config_def import CLUSTER_WIDE, HIGH, LOW, MEDIUM, PER_BROKER, ConfigKey
from kafkalite.config.config_value import BOOLEAN, CLASS, DOUBLE, INT, LIST, LONG, STRING
from kafkalite.config.units import DAY_MS, GIB, HOUR_MS, KIB, MAX_DOUBLE, MAX_LONG, MIB, MINUTE_MS, SECOND_MS
from kafkalite.config.validators import TIMESTAMP_TYPE, at_least, between, list_of

KEYS: Final = (
    ConfigKey("num.partitions", INT, 1, MEDIUM, at_least(1)),
    ConfigKey("log.dir", LIST, ("/tmp/kafka-logs",), HIGH, list_of(empty=False)),
    ConfigKey("log.dirs", LIST, None, HIGH, list_of(empty=False, null=True)),
    ConfigKey("cordoned.log.dirs", LIST, (), MEDIUM, list_of(null=True), PER_BROKER),
    ConfigKey("log.segment.bytes", INT, GIB, HIGH, at_least(MIB), CLUSTER_WIDE),
    ConfigKey("log.roll.ms", LONG, None, HIGH, mode=CLUSTER_WIDE),
    ConfigKey("log.roll.hours", INT, 168, HIGH, at_least(1)),
    ConfigKey("log.roll.jitter.ms", LONG, None, HIGH, mode=CLUSTER_WIDE),
    ConfigKey("log.roll.jitter.hours", INT, 0, HIGH, at_least(0)),
    ConfigKey("log.retention.ms", LONG, None, HIGH, mode=CLUSTER_WIDE),
    ConfigKey("log.retention.minutes", INT, None, HIGH),
    ConfigKey("log.retention.hours", INT, 168, HIGH),
    ConfigKey("log.retention.bytes", LONG, -1, HIGH, mode=CLUSTER_WIDE),
    ConfigKey("log.retention.check.interval.ms", LONG, 5 * MINUTE_MS, MEDIUM, at_least(1)),
    ConfigKey("log.cleanup.policy", LIST, ("delete",), MEDIUM, list_of("compact", "delete"), CLUSTER_WIDE),
    ConfigKey("log.index.size.max.bytes", INT, 10 * MIB, MEDIUM, at_least(4), CLUSTER_WIDE),
    ConfigKey("log.index.interval.bytes", INT, 4 * KIB, MEDIUM, at_least(0), CLUSTER_WIDE),
    ConfigKey("log.flush.interval.messages", LONG, MAX_LONG, HIGH, at_least(1), CLUSTER_WIDE),
    ConfigKey("log.segment.delete.delay.ms", LONG, MINUTE_MS, HIGH, at_least(0), CLUSTER_WIDE),
    ConfigKey("log.flush.scheduler.interval.ms", LONG, MAX_LONG, HIGH),
    ConfigKey("log.flush.interval.ms", LONG, None, HIGH, mode=CLUSTER_WIDE),
    ConfigKey("log.flush.offset.checkpoint.interval.ms", INT, MINUTE_MS, HIGH, at_least(0)),
    ConfigKey("log.flush.start.offset.checkpoint.interval.ms", INT, MINUTE_MS, HIGH, at_least(0)),
    ConfigKey("log.preallocate", BOOLEAN, False, MEDIUM, mode=CLUSTER_WIDE),
    ConfigKey("num.recovery.threads.per.data.dir", INT, 2, HIGH, at_least(1), CLUSTER_WIDE),
    ConfigKey("auto.create.topics.enable", BOOLEAN, True, HIGH),
    ConfigKey("min.insync.replicas", INT, 1, HIGH, at_least(1), CLUSTER_WIDE),
    ConfigKey("log.message.timestamp.type", STRING, "CreateTime", MEDIUM, TIMESTAMP_TYPE, CLUSTER_WIDE),
    ConfigKey("log.message.timestamp.before.max.ms", LONG, MAX_LONG, MEDIUM, at_least(0), CLUSTER_WIDE),
    ConfigKey("log.message.timestamp.after.max.ms", LONG, HOUR_MS, MEDIUM, at_least(0), CLUSTER_WIDE),
    ConfigKey("create.topic.policy.class.name", CLASS, None, LOW),
    ConfigKey("alter.config.policy.class.name", CLASS, None, LOW),
    ConfigKey("log.dir.failure.timeout.ms", LONG, 30 * SECOND_MS, LOW, at_least(1)),
    ConfigKey("log.initial.task.delay.ms", LONG, 30 * SECOND_MS, LOW, at_least(0), internal=True),
    ConfigKey("log.cleaner.threads", INT, 1, MEDIUM, at_least(0), CLUSTER_WIDE),
    ConfigKey("log.cleaner.io.max.bytes.per.second", DOUBLE, MAX_DOUBLE, MEDIUM, mode=CLUSTER_WIDE),
    ConfigKey("log.cleaner.dedupe.buffer.size", LONG, 128 * MIB, MEDIUM, mode=CLUSTER_WIDE),
    ConfigKey("log.cleaner.io.buffer.size", INT, 512 * KIB, MEDIUM, at_least(0), CLUSTER_WIDE),
    ConfigKey("log.cleaner.io.buffer.load.factor", DOUBLE, 0.9, MEDIUM, mode=CLUSTER_WIDE),
    ConfigKey("log.cleaner.backoff.ms", LONG, 15 * SECOND_MS, MEDIUM, at_least(0), CLUSTER_WIDE),
    ConfigKey("log.cleaner.min.cleanable.ratio", DOUBLE, 0.5, MEDIUM, between(0, 1), CLUSTER_WIDE),
    ConfigKey("log.cleaner.enable", BOOLEAN, True, MEDIUM),
    ConfigKey("log.cleaner.delete.retention.ms", LONG, DAY_MS, MEDIUM, at_least(0), CLUSTER_WIDE),
    ConfigKey("log.cleaner.min.compaction.lag.ms", LONG, 0, MEDIUM, at_least(0), CLUSTER_WIDE),
    ConfigKey("log.cleaner.max.compaction.lag.ms", LONG, MAX_LONG, MEDIUM, at_least(1), CLUSTER_WIDE),
)
