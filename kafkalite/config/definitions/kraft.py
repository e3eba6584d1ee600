"""Process roles, the controller quorum and the metadata log.

Apache Kafka's KRaftConfigs, QuorumConfig, MetadataLogConfig.
"""

from __future__ import annotations

import re
from typing import Final

from kafkalite.config.config_def import HIGH, LOW, MEDIUM, NO_DEFAULT, ConfigKey
from kafkalite.config.config_value import BOOLEAN, INT, LIST, LONG, STRING, ConfigException, ConfigValue
from kafkalite.config.units import DAY_MS, GIB, HOUR_MS, MAX_LONG, MIB, MINUTE_MS, SECOND_MS
from kafkalite.config.validators import Check, at_least, list_of

_HOST_AND_PORT: Final = r"(?:[0-9a-zA-Z\-%._]*://)?\[?([0-9a-zA-Z\-%._:]*)]?:([0-9]+)"


def parse_voters(entries: tuple[str, ...]) -> dict[int, tuple[str, int]]:
    """Node id -> (host, port) of `controller.quorum.voters`; raises ConfigException."""
    voters = {}
    form = "Each entry should be in the form `{id}@{host}:{port}`."
    for entry in entries:
        node_id, at, address = entry.partition("@")
        if not at or not address or "@" in address:
            raise ConfigException(f"Invalid configuration value for controller.quorum.voters. {form}")
        if not node_id.lstrip("+-").isdigit():
            raise ConfigException(f"Failed to parse voter ID as an integer from {node_id}")
        match = re.fullmatch(_HOST_AND_PORT, address)
        if match is None:
            raise ConfigException(
                f"Failed to parse host name from entry {entry} for the configuration controller.quorum.voters. {form}"
            )
        voters[int(node_id)] = (match[1], int(match[2]))
    return voters


def _check_voters(name: str, value: ConfigValue) -> None:
    parse_voters(value)


def _check_bootstrap_servers(name: str, value: ConfigValue) -> None:
    for entry in value:
        if re.fullmatch(_HOST_AND_PORT, entry) is None:
            raise ConfigException(
                f"Failed to parse host name from {entry} for the configuration {name}. "
                'Each entry should be in the form "{host}:{port}"'
            )


KEYS: Final = (
    ConfigKey("process.roles", LIST, NO_DEFAULT, HIGH, list_of("broker", "controller", empty=False)),
    ConfigKey("node.id", INT, NO_DEFAULT, HIGH, at_least(0)),
    ConfigKey("initial.broker.registration.timeout.ms", INT, MINUTE_MS, MEDIUM),
    ConfigKey("broker.heartbeat.interval.ms", INT, 2 * SECOND_MS, MEDIUM),
    ConfigKey("broker.session.timeout.ms", INT, 9 * SECOND_MS, MEDIUM),
    ConfigKey("controller.listener.names", LIST, NO_DEFAULT, HIGH, list_of(empty=False)),
    ConfigKey("sasl.mechanism.controller.protocol", STRING, "GSSAPI", HIGH),
    ConfigKey("controller.performance.sample.period.ms", LONG, MINUTE_MS, MEDIUM, at_least(100), internal=True),
    ConfigKey(
        "controller.performance.always.log.threshold.ms", LONG, 2 * SECOND_MS, MEDIUM, at_least(0), internal=True
    ),
    ConfigKey("server.max.startup.time.ms", LONG, MAX_LONG, MEDIUM, at_least(0), internal=True),
    ConfigKey("metadata.log.max.record.bytes.between.snapshots", LONG, 20 * MIB, HIGH, at_least(1)),
    ConfigKey("metadata.log.max.snapshot.interval.ms", LONG, HOUR_MS, HIGH, at_least(0)),
    ConfigKey("metadata.log.dir", STRING, None, HIGH),
    ConfigKey("metadata.log.segment.bytes", INT, GIB, HIGH, at_least(8 * MIB)),
    ConfigKey("metadata.log.segment.ms", LONG, 7 * DAY_MS, HIGH),
    ConfigKey("metadata.max.retention.bytes", LONG, 100 * MIB, HIGH),
    ConfigKey("metadata.max.retention.ms", LONG, 7 * DAY_MS, HIGH),
    ConfigKey("metadata.max.idle.interval.ms", INT, 500, LOW, at_least(0)),
    ConfigKey("internal.metadata.log.segment.bytes", INT, None, LOW, internal=True),
    ConfigKey("internal.metadata.max.batch.size.in.bytes", INT, 8 * MIB, LOW, internal=True),
    ConfigKey("internal.metadata.delete.delay.millis", LONG, MINUTE_MS, LOW, internal=True),
    ConfigKey("controller.quorum.voters", LIST, (), HIGH, Check("non-empty list", _check_voters)),
    ConfigKey("controller.quorum.bootstrap.servers", LIST, (), HIGH, Check("non-empty list", _check_bootstrap_servers)),
    ConfigKey("controller.quorum.election.timeout.ms", INT, SECOND_MS, HIGH, at_least(0)),
    ConfigKey("controller.quorum.fetch.timeout.ms", INT, 2 * SECOND_MS, HIGH, at_least(0)),
    ConfigKey("controller.quorum.election.backoff.max.ms", INT, SECOND_MS, HIGH, at_least(0)),
    ConfigKey("controller.quorum.append.linger.ms", INT, 25, MEDIUM, at_least(0)),
    ConfigKey("controller.quorum.request.timeout.ms", INT, 2 * SECOND_MS, MEDIUM, at_least(0)),
    ConfigKey("controller.quorum.retry.backoff.ms", INT, 20, LOW, at_least(0)),
    ConfigKey("controller.quorum.auto.join.enable", BOOLEAN, False, LOW),
    ConfigKey("controller.quorum.fetch.snapshot.max.bytes", INT, MIB, LOW, at_least(1)),
    ConfigKey("controller.quorum.fetch.max.bytes", INT, MIB, LOW, at_least(1)),
)
