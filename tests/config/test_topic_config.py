"""A topic's own properties over the broker's."""

from __future__ import annotations

import pytest

from kafkalite.config.broker_config import BrokerConfig
from kafkalite.config.config_value import ConfigException
from kafkalite.config.topic_config import TopicConfig, validate_topic_overrides


def test_without_overrides_the_values_are_the_tables_defaults() -> None:
    config = TopicConfig()
    assert config.segment_bytes == 1 << 30
    assert config.retention_ms == 7 * 24 * 3600 * 1000
    assert config.cleanup_policy == ("delete",)
    assert (config.is_compacted, config.is_deleted) == (False, True)


def test_overrides_count_before_the_brokers_values() -> None:
    broker = BrokerConfig({"log.retention.hours": "1", "log.segment.bytes": "2097152"})
    config = TopicConfig({"segment.bytes": "1048576"}, broker.topic_defaults)
    assert config.segment_bytes == 1 << 20
    assert config.retention_ms == 3600_000
    assert config["retention.ms"] == 3600_000
    assert config.overrides == {"segment.bytes": "1048576"}


def test_compaction_can_shorten_the_life_of_a_segment() -> None:
    assert TopicConfig({"cleanup.policy": "compact", "max.compaction.lag.ms": "1000"}).max_segment_ms == 1000
    assert TopicConfig({"max.compaction.lag.ms": "1000"}).max_segment_ms == 7 * 24 * 3600 * 1000


def test_the_internal_segment_size_goes_below_the_public_minimum() -> None:
    assert TopicConfig({"internal.segment.bytes": "100"}).segment_bytes == 100


def test_a_bad_override_is_refused() -> None:
    with pytest.raises(ConfigException, match=r"^Invalid value 10 for configuration segment.bytes: Value must be"):
        TopicConfig({"segment.bytes": "10"})


def test_stored_overrides_that_are_no_longer_valid_are_left_out_and_named() -> None:
    config, complaints = TopicConfig.of_stored({"segment.bytes": "14", "retention.ms": "5", "message.format": "3"})
    assert (config.segment_bytes, config.retention_ms) == (1 << 30, 5)
    assert complaints == [
        "Invalid value 14 for configuration segment.bytes: Value must be at least 1048576",
        "Unknown topic config name: message.format",
    ]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"no.such.name": "1"}, "Unknown topic config name: no.such.name"),
        (
            {"min.compaction.lag.ms": "20", "max.compaction.lag.ms": "10"},
            "conflict topic config setting min.compaction.lag.ms (20) > max.compaction.lag.ms (10)",
        ),
        (
            {"remote.storage.enable": "true"},
            "Tiered Storage functionality is disabled in the broker. "
            "Topic cannot be configured with remote log storage.",
        ),
    ],
)
def test_overrides_that_cannot_be_together_are_refused(overrides: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigException) as refusal:
        validate_topic_overrides(overrides)
    assert str(refusal.value) == message
