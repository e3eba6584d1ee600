"""The properties of a group: consumer, share or streams.

Apache Kafka's GroupConfig.
"""

from __future__ import annotations

from typing import Final

from kafkalite.config.config_def import LOW, MEDIUM, ConfigKey
from kafkalite.config.config_value import BOOLEAN, INT, LIST, LONG, STRING
from kafkalite.config.units import MINUTE_MS, SECOND_MS
from kafkalite.config.validators import SHARE_OFFSET_RESET, at_least, list_of, one_of

KEYS: Final = (
    ConfigKey("consumer.assignment.interval.ms", INT, SECOND_MS, MEDIUM, at_least(0)),
    ConfigKey("consumer.assignor.offload.enable", BOOLEAN, True, MEDIUM, internal=True),
    ConfigKey("consumer.heartbeat.interval.ms", INT, 5 * SECOND_MS, MEDIUM, at_least(1)),
    ConfigKey("consumer.session.timeout.ms", INT, 45 * SECOND_MS, MEDIUM, at_least(1)),
    ConfigKey("errors.deadletterqueue.copy.record.enable", BOOLEAN, False, MEDIUM),
    ConfigKey("errors.deadletterqueue.topic.name", STRING, "", MEDIUM),
    ConfigKey("share.assignment.interval.ms", INT, SECOND_MS, MEDIUM, at_least(0)),
    ConfigKey("share.assignor.offload.enable", BOOLEAN, True, MEDIUM, internal=True),
    ConfigKey("share.auto.offset.reset", STRING, "latest", MEDIUM, SHARE_OFFSET_RESET),
    ConfigKey("share.delivery.count.limit", INT, 5, MEDIUM, at_least(2)),
    ConfigKey("share.heartbeat.interval.ms", INT, 5 * SECOND_MS, MEDIUM, at_least(1)),
    ConfigKey(
        "share.isolation.level", STRING, "read_uncommitted", MEDIUM, one_of("read_committed", "read_uncommitted")
    ),
    ConfigKey("share.partition.max.record.locks", INT, 2000, MEDIUM, at_least(100)),
    ConfigKey("share.record.lock.duration.ms", INT, 30 * SECOND_MS, MEDIUM, at_least(SECOND_MS)),
    ConfigKey("share.renew.acknowledge.enable", BOOLEAN, True, MEDIUM),
    ConfigKey("share.session.timeout.ms", INT, 45 * SECOND_MS, MEDIUM, at_least(1)),
    ConfigKey("streams.acceptable.recovery.lag", LONG, 10000, MEDIUM, at_least(0), internal=True),
    ConfigKey("streams.assignment.interval.ms", INT, SECOND_MS, MEDIUM, at_least(0)),
    ConfigKey("streams.assignor.name", STRING, None, MEDIUM),
    ConfigKey("streams.assignor.offload.enable", BOOLEAN, True, MEDIUM, internal=True),
    ConfigKey("streams.heartbeat.interval.ms", INT, 5 * SECOND_MS, MEDIUM, at_least(1)),
    ConfigKey("streams.initial.rebalance.delay.ms", INT, 3 * SECOND_MS, MEDIUM, at_least(0)),
    ConfigKey("streams.num.standby.replicas", INT, 0, MEDIUM, at_least(0)),
    ConfigKey("streams.num.warmup.replicas", INT, 2, MEDIUM, at_least(0), internal=True),
    ConfigKey("streams.rack.aware.assignment.tags", LIST, (), LOW, list_of()),
    ConfigKey("streams.session.timeout.ms", INT, 45 * SECOND_MS, MEDIUM, at_least(1)),
    ConfigKey("streams.task.offset.interval.ms", INT, MINUTE_MS, MEDIUM, at_least(1), internal=True),
)
