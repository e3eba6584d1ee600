"""Fixtures that every folder of tests may use; they live in tests/fixtures, one module for each thing."""

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("client_scenarios", "modern_group_machine", "tool_comparison")
pytest_plugins = [
    "transcript",
    "toolchains",
    "broker_process",
    "certificates",
    "apache_kafka",
    "kafkalite_process",
    "offline_broker",
    "loading_broker",
    "fresh_checkout",
    "shell_terminal",
]

# Every run of the tests tries the same examples; --hypothesis-profile=explore tries others.
settings.register_profile("repeatable", derandomize=True)
settings.register_profile("explore", derandomize=False)
settings.load_profile("repeatable")


@pytest.fixture
def fast_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """No write seems to take long."""
    monkeypatch.setattr("kafkalite.storage.write_pace.SLOW_NS", 10**12)


@pytest.fixture
def slow_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every write seems to take long, so that worker threads make them."""
    monkeypatch.setattr("kafkalite.storage.write_pace.SLOW_NS", -1)
