"""Listeners, sockets and connection limits.

Apache Kafka's SocketServerConfigs.
"""

from __future__ import annotations

from typing import Final

from kafkalite.config.config_def import CLUSTER_WIDE, HIGH, LOW, MEDIUM, PER_BROKER, ConfigKey
from kafkalite.config.config_value import INT, LIST, LONG, STRING
from kafkalite.config.units import KIB, MAX_INT, MIB, MINUTE_MS
from kafkalite.config.validators import at_least, list_of

KEYS: Final = (
    ConfigKey("listeners", LIST, ("PLAINTEXT://:9092",), HIGH, list_of(empty=False), PER_BROKER),
    ConfigKey("advertised.listeners", LIST, None, HIGH, list_of(empty=False, null=True)),
    ConfigKey(
        "listener.security.protocol.map",
        STRING,
        "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT",
        LOW,
        mode=PER_BROKER,
    ),
    ConfigKey("socket.send.buffer.bytes", INT, 100 * KIB, HIGH),
    ConfigKey("socket.receive.buffer.bytes", INT, 100 * KIB, HIGH),
    ConfigKey("socket.request.max.bytes", INT, 100 * MIB, HIGH, at_least(1)),
    ConfigKey("socket.listen.backlog.size", INT, 50, MEDIUM, at_least(1)),
    ConfigKey("max.connections.per.ip", INT, MAX_INT, MEDIUM, at_least(0), CLUSTER_WIDE),
    ConfigKey("max.connections.per.ip.overrides", STRING, "", MEDIUM, mode=CLUSTER_WIDE),
    ConfigKey("max.connections", INT, MAX_INT, MEDIUM, at_least(0), CLUSTER_WIDE),
    ConfigKey("max.connection.creation.rate", INT, MAX_INT, MEDIUM, at_least(0), CLUSTER_WIDE),
    ConfigKey("connections.max.idle.ms", LONG, 10 * MINUTE_MS, MEDIUM),
    ConfigKey("connection.failed.authentication.delay.ms", INT, 100, LOW, at_least(0)),
    ConfigKey("queued.max.requests", INT, 500, HIGH, at_least(1)),
    ConfigKey("queued.max.request.bytes", LONG, -1, MEDIUM),
    ConfigKey("num.network.threads", INT, 3, HIGH, at_least(1), CLUSTER_WIDE),
)
