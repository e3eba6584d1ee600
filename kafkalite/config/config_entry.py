"""What is told about configurations: the value of every property, its source, and all that could decide it.

Entries follow Apache Kafka's ConfigHelper; a list of them answers DescribeConfigs or a CreateTopics.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kafkalite.config.broker_config import BrokerConfig, ConfigSource, ConfigSynonym
from kafkalite.config.broker_config_def import BROKER_CONFIG_DEF, DYNAMIC_CONFIG_DEF, find_key
from kafkalite.config.client_metrics_config import CLIENT_METRICS_CONFIG_DEF
from kafkalite.config.config_def import ConfigDef, ConfigKey
from kafkalite.config.config_value import ConfigException, ConfigValue, to_text
from kafkalite.config.group_config import GROUP_CONFIG_DEF, GROUP_CONFIG_SYNONYMS, group_values
from kafkalite.config.topic_config import TOPIC_CONFIG_DEF, TOPIC_CONFIG_SYNONYMS

UNKNOWN_TYPE = 0


class ConfigEntry(NamedTuple):
    """One property of a resource. A sensitive value, and those of its synonyms, are None."""

    name: str
    value: str | None
    source: int
    is_sensitive: bool
    is_read_only: bool
    synonyms: list[ConfigSynonym]
    type: int


def topic_entries(broker: BrokerConfig, overrides: Mapping[str, str]) -> list[ConfigEntry]:
    """The properties of a topic that has `overrides`."""
    entries = []
    for name, key, own in _described(TOPIC_CONFIG_DEF, overrides):
        synonyms = broker.synonyms(TOPIC_CONFIG_SYNONYMS[name][0][0]) if name in TOPIC_CONFIG_SYNONYMS else []
        value = broker.topic_defaults.get(name, key.default) if own is None else own
        entries.append(_entry(key, value, own, ConfigSource.TOPIC_CONFIG, synonyms))
    return entries


def group_entries(broker: BrokerConfig, overrides: Mapping[str, str]) -> list[ConfigEntry]:
    """The properties of a group that has `overrides`."""
    inherited = group_values({}, broker.values)
    entries = []
    for name, key, own in _described(GROUP_CONFIG_DEF, overrides):
        synonym = GROUP_CONFIG_SYNONYMS[name]
        if synonym is not None:
            synonyms = broker.synonyms(synonym)
        else:
            synonyms = [ConfigSynonym(name, to_text(key.default), ConfigSource.DEFAULT_CONFIG)]
        value = inherited[name] if own is None else own
        entries.append(_entry(key, value, own, ConfigSource.GROUP_CONFIG, synonyms))
    return entries


def client_metrics_entries(overrides: Mapping[str, str]) -> list[ConfigEntry]:
    """The properties of a client metrics subscription that has `overrides`."""
    return [
        _entry(key, key.default if own is None else own, own, ConfigSource.CLIENT_METRICS_CONFIG, [])
        for _, key, own in _described(CLIENT_METRICS_CONFIG_DEF, overrides)
    ]


def broker_entries(broker: BrokerConfig) -> list[ConfigEntry]:
    """The properties of this broker, with those that only its file or somebody's plugin knows."""
    entries = [
        _broker_entry(name, to_text(broker.values[name]), broker.synonyms(name))
        for name, key in BROKER_CONFIG_DEF.keys.items()
        if not key.is_internal
    ]
    for name, text in broker.effective.items():
        key = BROKER_CONFIG_DEF.keys.get(name)
        if key is None or key.is_internal:
            entries.append(_broker_entry(name, text, broker.synonyms(name)))
    return entries


def broker_default_entries(broker: BrokerConfig) -> list[ConfigEntry]:
    """What was set for all brokers while they ran."""
    return [
        _broker_entry(
            name,
            text,
            [
                synonym
                for synonym in broker.synonyms(name)
                if synonym.source == ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG
            ],
        )
        for name, text in broker.dynamic_defaults.items()
    ]


def documentation(definition: ConfigDef, name: str) -> str | None:
    """What a property does here, or that it does nothing; None for one that is not in `definition`."""
    from kafkalite.config import descriptions  # seldom asked for, and long

    if definition is BROKER_CONFIG_DEF:
        texts = descriptions.BROKER_DESCRIPTIONS
    elif definition is TOPIC_CONFIG_DEF:
        texts = descriptions.TOPIC_DESCRIPTIONS
    elif definition is GROUP_CONFIG_DEF:
        texts = descriptions.GROUP_DESCRIPTIONS
    else:
        texts = descriptions.CLIENT_METRICS_DESCRIPTIONS
    if name not in definition.keys:
        return None
    return descriptions.WITHOUT_EFFECT if name in descriptions.AWAITED else texts.get(name, descriptions.WITHOUT_EFFECT)


def _described(definition: ConfigDef, overrides: Mapping[str, str]) -> list[tuple[str, ConfigKey, ConfigValue | None]]:
    """(name, key, own value or None) of the properties to tell of: all but internal ones that are not set."""
    described = []
    for name, key in definition.keys.items():
        text = overrides.get(name)
        if text is None:
            if not key.is_internal:
                described.append((name, key, None))
            continue
        try:
            described.append((name, key, key.parse(text)))
        except ConfigException:  # stored by another version; it is not obeyed either
            described.append((name, key, None))
    return described


def _entry(
    key: ConfigKey, value: ConfigValue, own: ConfigValue | None, own_source: int, synonyms: list[ConfigSynonym]
) -> ConfigEntry:
    text = to_text(value)
    if own is not None:
        synonyms = [ConfigSynonym(key.name, text, own_source), *synonyms]
    source = synonyms[0].source if synonyms else ConfigSource.DEFAULT_CONFIG
    return ConfigEntry(key.name, text, source, False, False, synonyms, key.type)


def _broker_entry(name: str, text: str | None, synonyms: list[ConfigSynonym]) -> ConfigEntry:
    key = find_key(name)
    is_sensitive = key is None or key.is_sensitive  # what nobody knows may be a secret
    if is_sensitive:
        text = None
        synonyms = [synonym._replace(value=None) for synonym in synonyms]
    return ConfigEntry(
        name,
        text,
        synonyms[0].source if synonyms else ConfigSource.DEFAULT_CONFIG,
        is_sensitive,
        name not in DYNAMIC_CONFIG_DEF.keys,
        synonyms,
        UNKNOWN_TYPE if key is None else key.type,
    )
