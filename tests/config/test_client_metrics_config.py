"""Client metrics subscriptions."""

from __future__ import annotations

import pytest

from kafkalite.config.client_metrics_config import parse_match, validate_client_metrics_overrides
from kafkalite.config.config_value import ConfigException
from kafkalite.errors import ErrorCode, KafkaError


def test_a_subscription_may_name_metrics_interval_and_clients() -> None:
    validate_client_metrics_overrides(
        "s", {"metrics": "a.,b.", "interval.ms": "100", "match": "client_id=x.*,client_source_port=9\\d+"}
    )
    assert parse_match(("client_id = x.*",))["client_id"].pattern == "x.*"
    assert parse_match(("client_id=x=",))["client_id"].pattern == "x"


@pytest.mark.parametrize(
    ("subscription", "overrides", "message"),
    [
        ("", {}, "Subscription name can't be empty"),
        ("s", {"speed": "1"}, "Unknown client metrics configuration: speed"),
        (
            "s",
            {"interval.ms": "99"},
            "Invalid value 99 for interval.ms, interval must be between 100 and 3600000 (1 hour)",
        ),
    ],
)
def test_a_bad_subscription_is_an_invalid_request(subscription: str, overrides: dict[str, str], message: str) -> None:
    with pytest.raises(KafkaError) as refusal:
        validate_client_metrics_overrides(subscription, overrides)
    assert (refusal.value.error, refusal.value.message) == (ErrorCode.INVALID_REQUEST, message)


@pytest.mark.parametrize("pattern", ["client_id", "client_id=", "client_id=a=b", "colour=red", "client_id=("])
def test_a_pattern_that_cannot_match_a_client_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigException) as refusal:
        validate_client_metrics_overrides("s", {"match": pattern})
    assert str(refusal.value) == f"Illegal client matching pattern: {pattern}"
