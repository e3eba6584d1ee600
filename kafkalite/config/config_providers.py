"""Values that stand elsewhere: `${provider:path:key}` in a value is looked up in the environment or in files (KIP-297).

    config.providers=env,file
    config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider
    config.providers.file.class=org.apache.kafka.common.config.provider.FileConfigProvider
    listener.name.external.ssl.key.password=${file:/run/secrets/broker.properties:key.password}

The three providers of Apache Kafka are known by their class names. What cannot be found is left as it stands.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from kafkalite.config.config_value import ConfigException
from kafkalite.config.properties_file import load_properties

_PACKAGE: Final = "org.apache.kafka.common.config.provider."
_VARIABLE: Final = r"\$\{([^}]*?):(?:([^}]*?):)?([^}]*?)\}"

Provider = Callable[[str, str], str | None]
"""(path, key) -> value, None if there is none."""


def resolve_variables(properties: Mapping[str, str], environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The properties with their variables replaced; raises ConfigException for a provider or file that is not there."""
    names = [name.strip() for name in properties.get("config.providers", "").split(",") if name.strip()]
    if not names:
        return dict(properties)
    # As in Apache Kafka, a name for which no class is given provides nothing.
    names = [name for name in names if f"config.providers.{name}.class" in properties]
    providers = {name: _provider(name, properties, environment) for name in names}

    def replaced(match: re.Match[str]) -> str:
        provider = providers.get(match[1])
        value = provider(match[2] or "", match[3]) if provider is not None else None
        return match[0] if value is None else value

    return {name: re.sub(_VARIABLE, replaced, text) for name, text in properties.items()}


def _provider(name: str, properties: Mapping[str, str], environment: Mapping[str, str]) -> Provider:
    prefix = f"config.providers.{name}."
    class_name = properties.get(f"{prefix}class", "").strip()
    start = f"{prefix}param."
    parameters = {key.removeprefix(start): value for key, value in properties.items() if key.startswith(start)}
    if class_name == f"{_PACKAGE}EnvVarConfigProvider":
        return _environment_provider(environment, parameters.get("allowlist.pattern", ".*"))
    if class_name in (f"{_PACKAGE}FileConfigProvider", f"{_PACKAGE}DirectoryConfigProvider"):
        allowed = _allowed_paths(parameters.get("allowed.paths", ""))
        lookup = _look_up_in_file if class_name.endswith("FileConfigProvider") else _look_up_in_directory
        return lambda path, key: lookup(path, key) if path and _is_allowed(path, allowed) else None
    raise ConfigException(f"{prefix}class is no provider that is known: '{class_name}'")


def _environment_provider(environment: Mapping[str, str], pattern: str) -> Provider:
    try:
        allowed = re.compile(pattern)
    except re.error as error:
        raise ConfigException(f"allowlist.pattern is no regular expression: {pattern} ({error})") from None

    def look_up(path: str, key: str) -> str | None:
        if path:
            raise ConfigException(f"Path is not supported for EnvVarConfigProvider, invalid value '{path}'")
        return environment.get(key) if allowed.fullmatch(key) else None

    return look_up


def _allowed_paths(text: str) -> list[Path] | None:
    """None: all of them."""
    if not text:
        return None
    paths = [Path(os.path.normpath(path)) for path in text.split(",")]
    for path in paths:
        if not path.is_absolute():
            raise ConfigException(f"Path {path} is not absolute")
        if not path.exists():
            raise ConfigException(f"Path {path} does not exist")
    return paths


def _is_allowed(path: str, allowed: list[Path] | None) -> bool:
    normal = Path(os.path.normpath(path))
    return allowed is None or any(normal.is_relative_to(parent) for parent in allowed)


def _look_up_in_file(path: str, key: str) -> str | None:
    try:
        return load_properties(path).get(key)
    except OSError:
        raise ConfigException(f"Could not read properties from file {path}") from None


def _look_up_in_directory(path: str, key: str) -> str | None:
    """The content of the file `key`, every character of it."""
    file = Path(path) / key
    if file.parent != Path(path) or not file.is_file():
        return None
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigException(f"Could not read file {file} for property {key}") from None
