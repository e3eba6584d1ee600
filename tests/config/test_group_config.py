"""A group's own properties, within the broker's bounds."""

from __future__ import annotations

import pytest

from kafkalite.config.broker_config import BrokerConfig
from kafkalite.config.config_value import ConfigException
from kafkalite.config.group_config import GroupConfig, validate_group_overrides

BROKER = BrokerConfig({"group.consumer.session.timeout.ms": "50000"})


def test_without_overrides_the_broker_decides() -> None:
    config = GroupConfig({}, BROKER.values)
    assert config.consumer_session_timeout_ms == 50000
    assert config.share_auto_offset_reset == "latest"
    assert config.streams_assignor_name == "sticky"
    assert config["share.isolation.level"] == "read_uncommitted"


def test_overrides_count_before_the_brokers_values() -> None:
    assert GroupConfig({"consumer.session.timeout.ms": "55000"}, BROKER.values).consumer_session_timeout_ms == 55000


def test_a_value_that_the_brokers_bounds_have_overtaken_is_brought_within_them() -> None:
    narrow = BrokerConfig({"group.consumer.max.session.timeout.ms": "48000"})
    config = GroupConfig({"consumer.session.timeout.ms": "55000"}, narrow.values)
    assert config.consumer_session_timeout_ms == 48000


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"no.such": "1"}, "Unknown group config name: no.such"),
        (
            {"consumer.session.timeout.ms": "1"},
            "consumer.session.timeout.ms must be in the range 45000 to 60000 inclusive.",
        ),
        (
            {"streams.num.standby.replicas": "9"},
            "streams.num.standby.replicas must be less than or equal to 2",
        ),
        (
            {"streams.task.offset.interval.ms": "1"},
            "streams.task.offset.interval.ms must be greater than or equal to 15000",
        ),
        (
            {"streams.assignor.name": "random"},
            "streams.assignor.name 'random' is not a registered task assignor. Registered assignors are: [sticky].",
        ),
        (
            {"streams.rack.aware.assignment.tags": "a,b,a"},
            "streams.rack.aware.assignment.tags must not contain duplicate tag keys.",
        ),
        (
            {"errors.deadletterqueue.topic.name": "__dlq"},
            "errors.deadletterqueue.topic.name: DLQ topic name must not start with '__'",
        ),
        (
            {"share.auto.offset.reset": "tomorrow"},
            "Invalid value tomorrow for configuration share.auto.offset.reset: Invalid value `tomorrow` for "
            "configuration share.auto.offset.reset. The value must be either 'earliest', 'latest' or of the format "
            "'by_duration:<PnDTnHnMn.nS>'.",
        ),
    ],
)
def test_what_a_group_may_not_have_is_refused(overrides: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigException) as refusal:
        validate_group_overrides(overrides, BROKER.values)
    assert str(refusal.value) == message


def test_a_heartbeat_interval_must_stay_below_the_session_timeout() -> None:
    broker = BrokerConfig(
        {"group.consumer.min.session.timeout.ms": "9000", "group.consumer.max.heartbeat.interval.ms": "12000"}
    )
    with pytest.raises(ConfigException, match=r"^consumer.session.timeout.ms must be greater than consumer.heartbeat"):
        validate_group_overrides(
            {"consumer.session.timeout.ms": "9000", "consumer.heartbeat.interval.ms": "9000"}, broker.values
        )
