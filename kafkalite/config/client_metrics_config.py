"""The configuration of a client metrics subscription (KIP-714)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from kafkalite.config.config_def import ConfigDef
from kafkalite.config.config_value import ConfigException
from kafkalite.config.definitions import client_metrics
from kafkalite.errors import ErrorCode, KafkaError

CLIENT_METRICS_CONFIG_DEF: Final = ConfigDef(client_metrics.KEYS)

MATCH_PARAMETERS: Final = frozenset(
    (
        "client_instance_id",
        "client_id",
        "client_software_name",
        "client_software_version",
        "client_source_address",
        "client_source_port",
    )
)


def parse_match(patterns: tuple[str, ...]) -> dict[str, re.Pattern[str]]:
    """Client attribute -> pattern of a `match` list; raises ConfigException."""
    matchers = {}
    for pattern in patterns:
        # Nothing behind the last = is no part at all, as Java splits.
        name, *values = (part.strip() for part in pattern.rstrip("=").split("="))
        try:
            if name not in MATCH_PARAMETERS or len(values) != 1:
                raise re.error("not NAME=PATTERN")
            matchers[name] = re.compile(values[0])
        except re.error:
            raise ConfigException(f"Illegal client matching pattern: {pattern}") from None
    return matchers


def validate_client_metrics_overrides(subscription: str, overrides: Mapping[str, str]) -> None:
    """Raises KafkaError(INVALID_REQUEST) or ConfigException, the same for the same fault as Apache Kafka."""
    if not subscription:
        raise KafkaError(ErrorCode.INVALID_REQUEST, "Subscription name can't be empty")
    for name in overrides:
        if name not in CLIENT_METRICS_CONFIG_DEF.keys:
            raise KafkaError(ErrorCode.INVALID_REQUEST, f"Unknown client metrics configuration: {name}")
    values = CLIENT_METRICS_CONFIG_DEF.parse(overrides)
    interval_ms = values["interval.ms"]
    if not 100 <= interval_ms <= 3600000:
        raise KafkaError(
            ErrorCode.INVALID_REQUEST,
            f"Invalid value {interval_ms} for interval.ms, interval must be between 100 and 3600000 (1 hour)",
        )
    parse_match(values["match"])
