"""What is told about the properties of brokers, topics, groups and client metrics subscriptions."""

from __future__ import annotations

from collections.abc import Sequence

from kafkalite.config.broker_config import BrokerConfig, ConfigSource, ConfigSynonym
from kafkalite.config.broker_config_def import BROKER_CONFIG_DEF
from kafkalite.config.config_entry import (
    ConfigEntry,
    broker_default_entries,
    broker_entries,
    client_metrics_entries,
    documentation,
    group_entries,
    topic_entries,
)
from kafkalite.config.descriptions import WITHOUT_EFFECT
from kafkalite.config.topic_config import TOPIC_CONFIG_DEF


def by_name(entries: Sequence[ConfigEntry]) -> dict[str, ConfigEntry]:
    found = {entry.name: entry for entry in entries}
    assert len(found) == len(entries)
    return found


def test_a_topics_own_value_comes_first_then_all_that_the_broker_has_for_it() -> None:
    broker = BrokerConfig({"log.retention.ms": "7000", "log.retention.hours": "1"})
    entries = by_name(topic_entries(broker, {"retention.ms": "5"}))
    assert entries["retention.ms"] == ConfigEntry(
        "retention.ms",
        "5",
        ConfigSource.TOPIC_CONFIG,
        False,
        False,
        [
            ConfigSynonym("retention.ms", "5", ConfigSource.TOPIC_CONFIG),
            ConfigSynonym("log.retention.ms", "7000", ConfigSource.STATIC_BROKER_CONFIG),
            ConfigSynonym("log.retention.hours", "1", ConfigSource.STATIC_BROKER_CONFIG),
            ConfigSynonym("log.retention.hours", "168", ConfigSource.DEFAULT_CONFIG),
        ],
        5,
    )


def test_a_topic_inherits_the_brokers_value_in_its_own_unit() -> None:
    entry = by_name(topic_entries(BrokerConfig({"log.roll.hours": "2"}), {}))["segment.ms"]
    assert (entry.value, entry.source, entry.synonyms) == ("7200000", ConfigSource.DEFAULT_CONFIG, [])


def test_internal_properties_are_told_of_only_where_they_are_set() -> None:
    broker = BrokerConfig()
    assert "internal.segment.bytes" not in by_name(topic_entries(broker, {}))
    assert by_name(topic_entries(broker, {"internal.segment.bytes": "9"}))["internal.segment.bytes"].value == "9"
    assert "consumer.assignor.offload.enable" not in by_name(group_entries(broker, {}))


def test_a_stored_value_that_is_not_obeyed_is_not_told_either() -> None:
    entry = by_name(topic_entries(BrokerConfig(), {"segment.bytes": "14"}))["segment.bytes"]
    assert (entry.value, entry.source) == ("1073741824", ConfigSource.DEFAULT_CONFIG)


def test_secrets_and_what_nobody_knows_are_hidden() -> None:
    broker = BrokerConfig({"ssl.key.password": "s3cret", "plugin.token": "s3cret", "log.dirs": "/a,/b"})
    entries = by_name(broker_entries(broker))
    for name in ("ssl.key.password", "plugin.token"):
        assert entries[name].is_sensitive
        assert entries[name].value is None
        assert [synonym.value for synonym in entries[name].synonyms] == [None]
    assert (entries["plugin.token"].type, entries["plugin.token"].is_read_only) == (0, True)
    assert (entries["log.dirs"].value, entries["log.dirs"].is_sensitive) == ("/a,/b", False)
    assert "s3cret" not in repr(entries)


def test_what_can_change_while_the_broker_runs_is_not_read_only() -> None:
    entries = by_name(broker_entries(BrokerConfig()))
    assert not entries["log.retention.ms"].is_read_only
    assert entries["log.retention.hours"].is_read_only
    assert entries["node.id"].is_read_only


def test_the_default_of_all_brokers_is_what_was_set_on_it() -> None:
    broker = BrokerConfig({"log.cleaner.threads": "2"})
    broker.update_dynamic({"log.cleaner.threads": "3"}, {"log.cleaner.threads": "4"})
    [entry] = broker_default_entries(broker)
    assert (entry.name, entry.value, entry.source) == (
        "log.cleaner.threads",
        "3",
        ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG,
    )
    assert entry.synonyms == [("log.cleaner.threads", "3", ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG)]


def test_a_subscription_has_its_own_values_and_defaults() -> None:
    entries = by_name(client_metrics_entries({"metrics": "a, b"}))
    assert (entries["metrics"].value, entries["metrics"].source) == ("a,b", ConfigSource.CLIENT_METRICS_CONFIG)
    assert (entries["interval.ms"].value, entries["interval.ms"].source) == ("300000", ConfigSource.DEFAULT_CONFIG)


def test_documentation_says_what_a_property_does_or_that_it_does_nothing() -> None:
    assert documentation(TOPIC_CONFIG_DEF, "retention.ms") == "Age at which records are deleted; -1 keeps them."
    assert documentation(BROKER_CONFIG_DEF, "replica.fetch.max.bytes") == WITHOUT_EFFECT
    assert documentation(BROKER_CONFIG_DEF, "plugin.token") is None
