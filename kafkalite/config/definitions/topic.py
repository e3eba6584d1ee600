"""The properties of a topic.

Apache Kafka's TopicConfig and LogConfig.
"""

from __future__ import annotations

import re
from typing import Final

from kafkalite.config.config_def import MEDIUM, ConfigKey
from kafkalite.config.config_value import BOOLEAN, DOUBLE, INT, LIST, LONG, STRING, ConfigException, ConfigValue
from kafkalite.config.units import DAY_MS, GIB, HOUR_MS, KIB, MAX_LONG, MIB, MINUTE_MS
from kafkalite.config.validators import COMPRESSION_TYPE, GZIP_LEVEL, TIMESTAMP_TYPE, Check, at_least, between, list_of


def _check_throttled_replicas(name: str, value: ConfigValue) -> None:
    if "".join(value) != "*" and not all(re.fullmatch("([0-9]+:[0-9]+)?", element) for element in value):
        raise ConfigException.for_value(
            name,
            value,
            f"{name} must be the literal '*' or a list of replicas in the following format: "
            "[partitionId]:[brokerId],[partitionId]:[brokerId],...",
        )


THROTTLED_REPLICAS: Final = Check("[partitionId]:[brokerId],[partitionId]:[brokerId],...", _check_throttled_replicas)

KEYS: Final = (
    ConfigKey("max.decompressed.message.bytes", INT, 2147483639, MEDIUM, between(1, 2147483639)),
    ConfigKey("compression.type", STRING, "producer", MEDIUM, COMPRESSION_TYPE),
    ConfigKey("compression.gzip.level", INT, -1, MEDIUM, GZIP_LEVEL),
    ConfigKey("compression.lz4.level", INT, 9, MEDIUM, between(1, 17)),
    ConfigKey("compression.zstd.level", INT, 3, MEDIUM, between(-131072, 22)),
    ConfigKey("unclean.leader.election.enable", BOOLEAN, False, MEDIUM),
    ConfigKey("min.insync.replicas", INT, 1, MEDIUM, at_least(1)),
    ConfigKey("cleanup.policy", LIST, ("delete",), MEDIUM, list_of("compact", "delete")),
    ConfigKey("delete.retention.ms", LONG, DAY_MS, MEDIUM, at_least(0)),
    ConfigKey("errors.deadletterqueue.group.enable", BOOLEAN, False, MEDIUM),
    ConfigKey("file.delete.delay.ms", LONG, MINUTE_MS, MEDIUM, at_least(0)),
    ConfigKey("flush.messages", LONG, MAX_LONG, MEDIUM, at_least(1)),
    ConfigKey("flush.ms", LONG, MAX_LONG, MEDIUM, at_least(0)),
    ConfigKey("follower.replication.throttled.replicas", LIST, (), MEDIUM, THROTTLED_REPLICAS),
    ConfigKey("index.interval.bytes", INT, 4 * KIB, MEDIUM, at_least(0)),
    ConfigKey("internal.segment.bytes", INT, None, MEDIUM, internal=True),
    ConfigKey("leader.replication.throttled.replicas", LIST, (), MEDIUM, THROTTLED_REPLICAS),
    ConfigKey("local.retention.bytes", LONG, -2, MEDIUM, at_least(-2)),
    ConfigKey("local.retention.ms", LONG, -2, MEDIUM, at_least(-2)),
    ConfigKey("max.compaction.lag.ms", LONG, MAX_LONG, MEDIUM, at_least(1)),
    ConfigKey("max.message.bytes", INT, MIB + 12, MEDIUM, at_least(0)),
    ConfigKey("message.timestamp.after.max.ms", LONG, HOUR_MS, MEDIUM, at_least(0)),
    ConfigKey("message.timestamp.before.max.ms", LONG, MAX_LONG, MEDIUM, at_least(0)),
    ConfigKey("message.timestamp.type", STRING, "CreateTime", MEDIUM, TIMESTAMP_TYPE),
    ConfigKey("min.cleanable.dirty.ratio", DOUBLE, 0.5, MEDIUM, between(0, 1)),
    ConfigKey("min.compaction.lag.ms", LONG, 0, MEDIUM, at_least(0)),
    ConfigKey("preallocate", BOOLEAN, False, MEDIUM),
    ConfigKey("remote.copy.lag.bytes", LONG, -1, MEDIUM, at_least(-1)),
    ConfigKey("remote.copy.lag.ms", LONG, 0, MEDIUM, at_least(-1)),
    ConfigKey("remote.log.copy.disable", BOOLEAN, False, MEDIUM),
    ConfigKey("remote.log.delete.on.disable", BOOLEAN, False, MEDIUM),
    ConfigKey("remote.storage.enable", BOOLEAN, False, MEDIUM),
    ConfigKey("retention.bytes", LONG, -1, MEDIUM),
    ConfigKey("retention.ms", LONG, 7 * DAY_MS, MEDIUM, at_least(-1)),
    ConfigKey("segment.bytes", INT, GIB, MEDIUM, at_least(MIB)),
    ConfigKey("segment.index.bytes", INT, 10 * MIB, MEDIUM, at_least(4)),
    ConfigKey("segment.jitter.ms", LONG, 0, MEDIUM, at_least(0)),
    ConfigKey("segment.ms", LONG, 7 * DAY_MS, MEDIUM, at_least(1)),
)
