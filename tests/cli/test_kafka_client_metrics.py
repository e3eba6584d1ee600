from __future__ import annotations

import re
from typing import Any

import pytest

TOOL = "kafka_client_metrics"


@pytest.mark.oracle
def test_subscriptions_are_kept_and_shown_as_apache_kafka_does(each_comparison: Any) -> None:
    def scenario(tool: Any) -> None:
        def metrics(*words: str) -> None:
            tool(TOOL, *words)

        metrics("--list")
        metrics("--alter", "--name", "one", "--interval", "1000", "--metrics", "a,b", "--match", "client_id=x")
        metrics("--alter", "--name", "two", "--metrics", "*")
        metrics("--describe")
        metrics("--describe", "--name", "one")
        metrics("--describe", "--name", "none")
        metrics("--alter", "--name", "one", "--interval", "", "--match", "")
        metrics("--describe", "--name", "one")
        metrics("--alter", "--name", "one", "--interval", "5")
        metrics("--alter", "--name", "one", "--match", "nonsense=x")
        metrics("--alter", "--generate-name")
        metrics("--delete", "--name", "one")
        metrics("--delete", "--name", "two")
        metrics("--delete", "--name", "none")
        metrics("--list")
        metrics("--alter")
        metrics("--alter", "--name", "one", "--generate-name")
        metrics("--alter", "--name", "one", "--interval", "x")
        metrics("--delete")
        metrics("--delete", "--name", "a", "--interval", "1")
        metrics("--list", "--name", "a")
        metrics("--list", "--describe")
        metrics("--help")
        metrics("--nothing")

    each_comparison.of(scenario, normalise=lambda text: re.sub(r"for [-\w]{22}\.", "for #.", text))
