"""Tiered storage, which a single node does not have; all of it is accepted without effect.

Apache Kafka's RemoteLogManagerConfig.
"""

from __future__ import annotations

from typing import Final

from kafkalite.config.config_def import CLUSTER_WIDE, LOW, MEDIUM, ConfigKey
from kafkalite.config.config_value import BOOLEAN, DOUBLE, INT, LONG, STRING
from kafkalite.config.units import GIB, MAX_LONG, MINUTE_MS, SECOND_MS
from kafkalite.config.validators import NON_EMPTY, at_least, between

KEYS: Final = (
    ConfigKey("remote.log.storage.system.enable", BOOLEAN, False, MEDIUM),
    ConfigKey("remote.log.storage.manager.impl.prefix", STRING, "rsm.config.", MEDIUM, NON_EMPTY),
    ConfigKey("remote.log.metadata.manager.impl.prefix", STRING, "rlmm.config.", MEDIUM, NON_EMPTY),
    ConfigKey("remote.log.storage.manager.class.name", STRING, None, MEDIUM, NON_EMPTY),
    ConfigKey("remote.log.storage.manager.class.path", STRING, None, MEDIUM),
    ConfigKey(
        "remote.log.metadata.manager.class.name",
        STRING,
        "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager",
        MEDIUM,
        NON_EMPTY,
    ),
    ConfigKey("remote.log.metadata.manager.class.path", STRING, None, MEDIUM),
    ConfigKey("remote.log.metadata.manager.listener.name", STRING, None, MEDIUM, NON_EMPTY),
    ConfigKey("remote.log.metadata.custom.metadata.max.bytes", INT, 128, LOW, at_least(0)),
    ConfigKey("remote.log.index.file.cache.total.size.bytes", LONG, GIB, LOW, at_least(1), CLUSTER_WIDE),
    ConfigKey("remote.log.index.file.cache.ttl.ms", LONG, 15 * MINUTE_MS, LOW, at_least(-1), internal=True),
    ConfigKey("remote.log.manager.thread.pool.size", INT, 2, MEDIUM, at_least(1)),
    ConfigKey("remote.log.manager.copier.thread.pool.size", INT, 10, MEDIUM, at_least(1), CLUSTER_WIDE),
    ConfigKey("remote.log.manager.expiration.thread.pool.size", INT, 10, MEDIUM, at_least(1), CLUSTER_WIDE),
    ConfigKey("remote.log.manager.follower.thread.pool.size", INT, 2, MEDIUM, at_least(1), CLUSTER_WIDE),
    ConfigKey("remote.log.manager.task.interval.ms", LONG, 30 * SECOND_MS, LOW, at_least(1)),
    ConfigKey("remote.log.manager.task.retry.backoff.ms", LONG, 500, LOW, at_least(1), internal=True),
    ConfigKey("remote.log.manager.task.retry.backoff.max.ms", LONG, 30 * SECOND_MS, LOW, at_least(1), internal=True),
    ConfigKey("remote.log.manager.task.retry.jitter", DOUBLE, 0.2, LOW, between(0, 0.5), internal=True),
    ConfigKey("remote.log.reader.threads", INT, 10, MEDIUM, at_least(1), CLUSTER_WIDE),
    ConfigKey("remote.log.reader.max.pending.tasks", INT, 100, MEDIUM, at_least(1)),
    ConfigKey("log.local.retention.ms", LONG, -2, MEDIUM, at_least(-2), CLUSTER_WIDE),
    ConfigKey("log.local.retention.bytes", LONG, -2, MEDIUM, at_least(-2), CLUSTER_WIDE),
    ConfigKey("log.remote.copy.lag.ms", LONG, 0, MEDIUM, at_least(-1), CLUSTER_WIDE),
    ConfigKey("log.remote.copy.lag.bytes", LONG, -1, MEDIUM, at_least(-1), CLUSTER_WIDE),
    ConfigKey("remote.log.manager.copy.max.bytes.per.second", LONG, MAX_LONG, MEDIUM, at_least(1), CLUSTER_WIDE),
    ConfigKey("remote.log.manager.copy.quota.window.num", INT, 11, MEDIUM, at_least(1)),
    ConfigKey("remote.log.manager.copy.quota.window.size.seconds", INT, 1, MEDIUM, at_least(1)),
    ConfigKey("remote.log.manager.fetch.max.bytes.per.second", LONG, MAX_LONG, MEDIUM, at_least(1), CLUSTER_WIDE),
    ConfigKey("remote.log.manager.fetch.quota.window.num", INT, 11, MEDIUM, at_least(1)),
    ConfigKey("remote.log.manager.fetch.quota.window.size.seconds", INT, 1, MEDIUM, at_least(1)),
    ConfigKey("remote.fetch.max.wait.ms", INT, 500, MEDIUM, at_least(1), CLUSTER_WIDE),
    ConfigKey("remote.list.offsets.request.timeout.ms", LONG, 30 * SECOND_MS, MEDIUM, at_least(1), CLUSTER_WIDE),
)
