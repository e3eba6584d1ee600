"""The broker as a whole: identity, threads, requests, compression.

Apache Kafka's ServerConfigs.
"""

from __future__ import annotations

from typing import Final

from kafkalite.config.config_def import CLUSTER_WIDE, HIGH, LOW, MEDIUM, ConfigKey
from kafkalite.config.config_value import BOOLEAN, INT, LIST, LONG, STRING
from kafkalite.config.units import KIB, MIB, SECOND_MS
from kafkalite.config.validators import COMPRESSION_TYPE, GZIP_LEVEL, NON_NULL, at_least, between, list_of

KEYS: Final = (
    ConfigKey("broker.id", INT, -1, HIGH),
    ConfigKey("message.max.bytes", INT, MIB + 12, HIGH, at_least(0), CLUSTER_WIDE),
    ConfigKey("max.decompressed.message.bytes", INT, 2147483639, MEDIUM, between(1, 2147483639), CLUSTER_WIDE),
    ConfigKey("num.io.threads", INT, 8, HIGH, at_least(1), CLUSTER_WIDE),
    ConfigKey("num.replica.alter.log.dirs.threads", INT, None, HIGH),
    ConfigKey("background.threads", INT, 10, HIGH, at_least(1), CLUSTER_WIDE),
    ConfigKey("request.timeout.ms", INT, 30 * SECOND_MS, HIGH),
    ConfigKey("socket.connection.setup.timeout.ms", LONG, 10 * SECOND_MS, MEDIUM),
    ConfigKey("socket.connection.setup.timeout.max.ms", LONG, 30 * SECOND_MS, MEDIUM),
    ConfigKey("config.providers", LIST, (), LOW, list_of(), CLUSTER_WIDE),
    ConfigKey("authorizer.class.name", STRING, "", LOW, NON_NULL),
    ConfigKey("early.start.listeners", LIST, None, HIGH, list_of(null=True)),
    ConfigKey("broker.rack", STRING, None, MEDIUM),
    ConfigKey("controlled.shutdown.enable", BOOLEAN, True, MEDIUM),
    ConfigKey("delete.topic.enable", BOOLEAN, True, HIGH),
    ConfigKey("compression.type", STRING, "producer", HIGH, COMPRESSION_TYPE, CLUSTER_WIDE),
    ConfigKey("compression.gzip.level", INT, -1, MEDIUM, GZIP_LEVEL, CLUSTER_WIDE),
    ConfigKey("compression.lz4.level", INT, 9, MEDIUM, between(1, 17), CLUSTER_WIDE),
    ConfigKey("compression.zstd.level", INT, 3, MEDIUM, between(-131072, 22), CLUSTER_WIDE),
    ConfigKey("max.incremental.fetch.session.cache.slots", INT, 1000, MEDIUM, at_least(0)),
    ConfigKey("fetch.max.bytes", INT, 55 * MIB, MEDIUM, at_least(KIB)),
    ConfigKey("max.request.partition.size.limit", INT, 2000, MEDIUM, at_least(1)),
    ConfigKey("unstable.api.versions.enable", BOOLEAN, False, HIGH, internal=True),
    ConfigKey("unstable.feature.versions.enable", BOOLEAN, False, HIGH, internal=True),
)
