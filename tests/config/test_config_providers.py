"""Values that stand in the environment or in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from kafkalite.config.broker_config import BrokerConfig
from kafkalite.config.config_providers import resolve_variables
from kafkalite.config.config_value import ConfigException

PACKAGE = "org.apache.kafka.common.config.provider."
ENVIRONMENT = {
    "config.providers": "env",
    "config.providers.env.class": f"{PACKAGE}EnvVarConfigProvider",
}
FILE = {
    "config.providers": "file",
    "config.providers.file.class": f"{PACKAGE}FileConfigProvider",
}
DIRECTORY = {
    "config.providers": "dir",
    "config.providers.dir.class": f"{PACKAGE}DirectoryConfigProvider",
}


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "broker.properties").write_text("password=s3cret\n")
    (folder / "token").write_text("t0ken\n")
    (tmp_path / "outside").write_text("x")
    return folder


def test_without_providers_nothing_is_replaced() -> None:
    assert resolve_variables({"a": "${env:HOME}"}, {"HOME": "/root"}) == {"a": "${env:HOME}"}


def test_variables_are_taken_from_the_environment() -> None:
    properties = {**ENVIRONMENT, "a": "x${env:ONE}y${env:TWO}", "b": "${env:NONE}"}
    resolved = resolve_variables(properties, {"ONE": "1", "TWO": "2"})
    assert (resolved["a"], resolved["b"]) == ("x1y2", "${env:NONE}")


def test_only_what_the_pattern_allows_is_taken_from_the_environment() -> None:
    allowed = {**ENVIRONMENT, "config.providers.env.param.allowlist.pattern": "KAFKA_.*"}
    properties = {**allowed, "a": "${env:KAFKA_A}${env:B}"}
    assert resolve_variables(properties, {"KAFKA_A": "1", "B": "2"})["a"] == "1${env:B}"


def test_the_environment_has_no_paths() -> None:
    with pytest.raises(ConfigException, match="Path is not supported for EnvVarConfigProvider, invalid value 'x'"):
        resolve_variables({**ENVIRONMENT, "a": "${env:x:ONE}"}, {})


def test_variables_are_taken_from_properties_files(secrets: Path) -> None:
    file = secrets / "broker.properties"
    resolved = resolve_variables({**FILE, "a": f"${{file:{file}:password}}", "b": f"${{file:{file}:none}}"})
    assert (resolved["a"], resolved["b"]) == ("s3cret", f"${{file:{file}:none}}")
    with pytest.raises(ConfigException, match="Could not read properties from file /no/such/file"):
        resolve_variables({**FILE, "a": "${file:/no/such/file:password}"})


def test_variables_are_taken_from_the_files_of_a_directory(secrets: Path) -> None:
    resolved = resolve_variables({**DIRECTORY, "a": f"${{dir:{secrets}:token}}", "b": f"${{dir:{secrets}:../outside}}"})
    assert resolved["a"] == "t0ken\n"
    assert resolved["b"] == f"${{dir:{secrets}:../outside}}"


def test_only_allowed_paths_are_read(secrets: Path) -> None:
    allowed = {**DIRECTORY, "config.providers.dir.param.allowed.paths": str(secrets)}
    assert resolve_variables({**allowed, "a": f"${{dir:{secrets}:token}}"})["a"] == "t0ken\n"
    outside = f"${{dir:{secrets}/..:outside}}"
    assert resolve_variables({**allowed, "a": outside})["a"] == outside
    with pytest.raises(ConfigException, match="Path secrets is not absolute"):
        resolve_variables({**DIRECTORY, "config.providers.dir.param.allowed.paths": "secrets"})


def test_a_provider_of_ones_own_cannot_be_loaded() -> None:
    with pytest.raises(ConfigException, match=r"is no provider that is known: 'com\.example\.Vault'"):
        resolve_variables({"config.providers": "vault", "config.providers.vault.class": "com.example.Vault"})


def test_the_broker_takes_its_values_so(secrets: Path) -> None:
    (secrets / "partitions").write_text("8")
    config = BrokerConfig({**DIRECTORY, "num.partitions": f"${{dir:{secrets}:partitions}}"})
    assert (config.num_partitions, config.warnings) == (8, [])
