"""Fixtures that every folder of tests may use; they live in tests/fixtures, one module for each thing."""

pytest_plugins = ["transcript", "toolchains", "broker_process", "apache_kafka", "kafkalite_process"]
