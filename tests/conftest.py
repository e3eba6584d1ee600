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
