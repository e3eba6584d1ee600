from __future__ import annotations

import pytest

from kafkalite.config.broker_config import BrokerConfig
from kafkalite.config.config_value import ConfigException


@pytest.fixture
def config() -> BrokerConfig:
    return BrokerConfig({"node.id": "1", "num.io.threads": "8"})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("num.io.threads", "3", "num.io.threads=3, value should be at least half the current value 8"),
        ("num.io.threads", "17", "num.io.threads=17, value should not be greater than double the current value 8"),
        ("num.network.threads", "1000", "num.network.threads=1000, value should not be greater than double"),
        ("log.cleaner.threads", "3", "Log cleaner threads cannot be increased to more than double the current value 1"),
        ("log.local.retention.ms", "-1", "Value must not be -1 as log.retention.ms value is set as 604800000."),
        ("max.connections", "0", "Invalid max.connections 0"),
        ("listener.name.plaintext.max.connections", "0", "Invalid max.connections 0"),
        ("metric.reporters", "com.example.Reporter", "update of Set(metric.reporters) failed"),
        ("principal.builder.class", "com.example.Builder", "Class com.example.Builder could not be found."),
    ],
)
def test_a_value_may_not_move_too_far_at_once(config: BrokerConfig, name: str, value: str, message: str) -> None:
    with pytest.raises(ConfigException) as refused:
        config.validate_dynamic({name: value}, for_all_brokers=False)
    assert message in str(refused.value)


@pytest.mark.parametrize("value", ["4", "16"])
def test_a_thread_pool_may_halve_and_double(config: BrokerConfig, value: str) -> None:
    config.validate_dynamic({"num.io.threads": value}, for_all_brokers=True)


def test_the_bounds_follow_the_value_in_force(config: BrokerConfig) -> None:
    assert config.update_dynamic({"num.io.threads": "16"}, {}) == []
    config.validate_dynamic({"num.io.threads": "32"}, for_all_brokers=True)
    with pytest.raises(ConfigException, match="at least half the current value 16"):
        config.validate_dynamic({"num.io.threads": "7"}, for_all_brokers=True)


def test_what_is_not_changed_is_not_asked_about(config: BrokerConfig) -> None:
    static = BrokerConfig({"node.id": "1", "log.local.retention.ms": "604800001"})
    static.validate_dynamic({"message.timestamp.type": "CreateTime", "num.io.threads": "8"}, for_all_brokers=True)
