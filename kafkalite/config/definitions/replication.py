"""Replication, purgatories and leader election: things a single node accepts for the sake of shared files.

Apache Kafka's ReplicationConfigs.
"""

from __future__ import annotations

from typing import Final

from kafkalite.config.config_def import CLUSTER_WIDE, HIGH, MEDIUM, ConfigKey
from kafkalite.config.config_value import BOOLEAN, INT, LONG, STRING
from kafkalite.config.units import KIB, MIB, MINUTE_MS, SECOND_MS
from kafkalite.config.validators import at_least, one_of

KEYS: Final = (
    ConfigKey("controller.socket.timeout.ms", INT, 30 * SECOND_MS, MEDIUM),
    ConfigKey("default.replication.factor", INT, 1, MEDIUM),
    ConfigKey("replica.lag.time.max.ms", LONG, 30 * SECOND_MS, HIGH),
    ConfigKey("replica.socket.timeout.ms", INT, 30 * SECOND_MS, HIGH),
    ConfigKey("replica.socket.receive.buffer.bytes", INT, 64 * KIB, HIGH),
    ConfigKey("replica.fetch.max.bytes", INT, MIB, MEDIUM, at_least(0)),
    ConfigKey("replica.fetch.wait.max.ms", INT, 500, HIGH),
    ConfigKey("replica.fetch.backoff.ms", INT, SECOND_MS, MEDIUM, at_least(0)),
    ConfigKey("replica.fetch.min.bytes", INT, 1, HIGH),
    ConfigKey("replica.fetch.response.max.bytes", INT, 10 * MIB, MEDIUM, at_least(0)),
    ConfigKey("num.replica.fetchers", INT, 1, HIGH, at_least(1), CLUSTER_WIDE),
    ConfigKey("replica.high.watermark.checkpoint.interval.ms", LONG, 5 * SECOND_MS, HIGH),
    ConfigKey("fetch.purgatory.purge.interval.requests", INT, 1000, MEDIUM),
    ConfigKey("producer.purgatory.purge.interval.requests", INT, 1000, MEDIUM),
    ConfigKey("delete.records.purgatory.purge.interval.requests", INT, 1, MEDIUM),
    ConfigKey("auto.leader.rebalance.enable", BOOLEAN, True, HIGH),
    ConfigKey("leader.imbalance.check.interval.seconds", LONG, 300, HIGH, at_least(1)),
    ConfigKey("unclean.leader.election.interval.ms", LONG, 5 * MINUTE_MS, MEDIUM, at_least(1), internal=True),
    ConfigKey("unclean.leader.election.enable", BOOLEAN, False, HIGH, mode=CLUSTER_WIDE),
    ConfigKey(
        "security.inter.broker.protocol",
        STRING,
        "PLAINTEXT",
        MEDIUM,
        one_of("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
    ),
    ConfigKey("inter.broker.listener.name", STRING, None, MEDIUM),
    ConfigKey("replica.selector.class", STRING, None, MEDIUM),
    ConfigKey("follower.fetch.last.tiered.offset.enable", BOOLEAN, False, MEDIUM, mode=CLUSTER_WIDE),
)
