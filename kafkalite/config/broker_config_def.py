"""The table of the broker's properties, and how names belong together: synonyms, listener prefixes, dynamic ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kafkalite.config.config_def import PER_BROKER, READ_ONLY, ConfigDef, ConfigKey
from kafkalite.config.definitions import (
    group_coordinator,
    kraft,
    log,
    metrics,
    network,
    oauthbearer,
    quota,
    remote_log,
    replication,
    security,
    server,
    share_group,
    streams_group,
    transaction,
)
from kafkalite.config.single_node_defaults import SINGLE_NODE_DEFAULTS

DEFINITIONS: Final = (
    server,
    network,
    kraft,
    log,
    replication,
    group_coordinator,
    share_group,
    streams_group,
    transaction,
    quota,
    metrics,
    security,
    oauthbearer,
    remote_log,
)
"""The modules of the broker's properties, in the order of the documentation."""

APACHE_KAFKA_BROKER_CONFIG_DEF: Final = ConfigDef(key for module in DEFINITIONS for key in module.KEYS)
"""All properties of Apache Kafka 4.4.0's broker with its own defaults."""

BROKER_CONFIG_DEF: Final = ConfigDef(
    key.with_default(SINGLE_NODE_DEFAULTS[key.name][0]) if key.name in SINGLE_NODE_DEFAULTS else key
    for key in APACHE_KAFKA_BROKER_CONFIG_DEF.keys.values()
)

DYNAMIC_CONFIG_DEF: Final = ConfigDef(
    (
        *(key for key in BROKER_CONFIG_DEF.keys.values() if key.update_mode != READ_ONLY),
        *quota.DYNAMIC_KEYS,
    )
)
"""The properties that may be set while the broker runs."""

_SYNONYM_FAMILIES: Final = (
    ("log.roll.ms", "log.roll.hours"),
    ("log.roll.jitter.ms", "log.roll.jitter.hours"),
    ("log.retention.ms", "log.retention.minutes", "log.retention.hours"),
)

LISTENER_PREFIX: Final = "listener.name."

_MECHANISM_NAMES: Final = (
    "sasl.jaas.config",
    "sasl.login.callback.handler.class",
    "sasl.login.class",
    "sasl.server.callback.handler.class",
    "connections.max.reauth.ms",
)


def base_name(name: str) -> str:
    """`name` without `listener.name.{listener}.` and, for what is set per mechanism, without the mechanism."""
    if not name.startswith(LISTENER_PREFIX):
        return name
    _, _, base = name[len(LISTENER_PREFIX) :].partition(".")
    return next((mechanism_name for mechanism_name in _MECHANISM_NAMES if base.endswith(mechanism_name)), base)


def broker_synonyms(name: str) -> tuple[str, ...]:
    """The names that can decide the value of `name`, in the order in which they do."""
    for family in _SYNONYM_FAMILIES:
        if name in family:
            return family
    if name == "log.flush.interval.ms":
        return (name, "log.flush.scheduler.interval.ms")
    base = base_name(name)
    return (name,) if base == name else (name, base)


def find_key(name: str) -> ConfigKey | None:
    """The definition of a broker property, of one under `listener.name.` or of a dynamic one; None if there is none."""
    key = BROKER_CONFIG_DEF.keys.get(name) or DYNAMIC_CONFIG_DEF.keys.get(name)
    return key or BROKER_CONFIG_DEF.keys.get(base_name(name))


def is_per_broker(name: str) -> bool:
    """Whether a dynamic property cannot be set for all brokers at once."""
    if name.startswith(LISTENER_PREFIX):
        return base_name(name) not in ("max.connections", "max.connection.creation.rate", "num.network.threads")
    key = BROKER_CONFIG_DEF.keys.get(name)
    return key is not None and key.update_mode == PER_BROKER


def override_properties(*layers: Mapping[str, str]) -> dict[str, str]:
    """One map of several, later ones first; what a later one sets also removes its synonyms in earlier ones."""
    merged = dict(layers[0])
    for layer in layers[1:]:
        for name in layer:
            if not name.startswith(LISTENER_PREFIX):
                for synonym in broker_synonyms(name):
                    merged.pop(synonym, None)
        merged.update(layer)
    return merged
