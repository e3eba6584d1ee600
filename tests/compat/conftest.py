"""`compare`: runs a scenario against Apache Kafka and against kafkalite and asserts equal transcripts."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from apache_kafka import ApacheKafka
from kafkalite_process import KafkaliteProcess
from transcript import Scenario, Side, differences

_namespaces = itertools.count()


@pytest.fixture
def compare(apache_kafka: ApacheKafka, kafkalite_process: KafkaliteProcess) -> Callable[[Scenario], None]:
    """`compare(scenario)`; a failure lists every difference."""

    def run(scenario: Scenario) -> None:
        namespace = f"compat-{next(_namespaces)}"
        sides = [
            Side("Apache Kafka", apache_kafka.bootstrap_servers, namespace),
            Side("kafkalite", kafkalite_process.bootstrap_servers, namespace),
        ]
        for side in sides:
            try:
                scenario(side)
            finally:
                side.client.close()
        theirs, ours = (side.transcript for side in sides)
        assert [label for label, _ in ours] == [label for label, _ in theirs]
        found = [
            f"{label}: {path}: kafkalite {answer!r}, Apache Kafka {expected!r}"
            for (label, their_value), (_, our_value) in zip(theirs, ours, strict=True)
            for path, expected, answer in differences(their_value, our_value)
        ]
        assert not found, "\n".join(["answers differ", *found])

    return run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every comparison needs Apache Kafka."""
    for item in items:
        if "/compat/" in str(item.path):
            item.add_marker(pytest.mark.oracle)
