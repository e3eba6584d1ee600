"""Fixtures that every folder of tests may use; they live in tests/fixtures, one module for each thing."""

import pytest

pytest.register_assert_rewrite("client_scenarios")
pytest_plugins = [
    "transcript",
    "toolchains",
    "broker_process",
    "apache_kafka",
    "kafkalite_process",
    "offline_broker",
    "fresh_checkout",
    "shell_terminal",
]
