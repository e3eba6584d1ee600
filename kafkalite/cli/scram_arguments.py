"""SCRAM credentials as kafka-storage takes them, `SCRAM-SHA-256=[name=alice,password=secret]` (ScramParser)."""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import b64decode
from collections.abc import Callable
from typing import Final, NamedTuple

from kafkalite.cli.java_exceptions import ToolError
from kafkalite.cli.java_numbers import parse_int
from kafkalite.protocol.metadata_records.security import UserScramCredentialRecord

_DEFAULT_ITERATIONS: Final = 4096


class _Mechanism(NamedTuple):
    number: int
    hash_name: str
    min_iterations: int = 4096
    max_iterations: int = 16384


_MECHANISMS: Final = {"SCRAM-SHA-256": _Mechanism(1, "sha256"), "SCRAM-SHA-512": _Mechanism(2, "sha512")}


def parse_scram_argument(argument: str, random_salt: Callable[[], bytes]) -> UserScramCredentialRecord:
    """The credential that an argument describes; raises ValueError with a line for whoever wrote it."""
    name, mechanism, components = _split(argument)
    user = components.pop("name", None)
    if user is None:
        raise ValueError("You must supply 'name' to add-scram")
    salt_text = components.pop("salt", None)
    salt = None if salt_text is None else _decode("salt", salt_text)
    iterations = _iterations(name, mechanism, components.pop("iterations", None))
    password = components.pop("password", None)
    salted_text = components.pop("saltedpassword", None)
    if password is None and salted_text is None:
        raise ValueError("You must supply one of 'password' or 'saltedpassword' to add-scram")
    if password is None and salt is None:
        raise ValueError("You must supply 'salt' with 'saltedpassword' to add-scram")
    if password is not None and salted_text is not None:
        components["saltedpassword"] = salted_text
    if components:
        raise ValueError(f"Unknown SCRAM configurations: {', '.join(sorted(components))}")
    if salt is None:
        salt = random_salt()
    if password is not None:
        salted = hashlib.pbkdf2_hmac(mechanism.hash_name, password.encode(), salt, iterations)
    else:
        salted = _decode("saltedPassword", salted_text or "")
    client_key = hmac.digest(salted, b"Client Key", mechanism.hash_name)
    return UserScramCredentialRecord(
        name=user,
        mechanism=mechanism.number,
        salt=salt,
        stored_key=hashlib.new(mechanism.hash_name, client_key).digest(),
        server_key=hmac.digest(salted, b"Server Key", mechanism.hash_name),
        iterations=iterations,
    )


def _split(argument: str) -> tuple[str, _Mechanism, dict[str, str]]:
    argument = argument.strip()
    name, equals, config = argument.partition("=")
    if not equals:
        raise ValueError(f"Failed to find equals sign in SCRAM argument '{argument}'")
    mechanism = _MECHANISMS.get(name)
    if mechanism is None:
        raise ValueError(f"The add-scram mechanism {name} is not supported.")
    if not config.startswith("["):
        raise ValueError("Expected configuration string to start with [")
    if not config.endswith("]"):
        raise ValueError("Expected configuration string to end with ]")
    components = {}
    for component in config[1:-1].split(","):
        key, equals, value = component.partition("=")
        if not equals:
            raise ValueError(f"No equals sign found in SCRAM component: {component}")
        if len(value) >= 2 and value[0] == value[-1] == '"':
            value = value[1:-1]
        components[key] = value
    return name, mechanism, components


def _decode(what: str, text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError(f"Failed to decode given {what}: {text}") from None


def _iterations(name: str, mechanism: _Mechanism, text: str | None) -> int:
    try:
        iterations = _DEFAULT_ITERATIONS if text is None else parse_int(text)
    except ToolError:
        raise ValueError(f"Failed to parse iterations count: {text}") from None
    constant = name.replace("-", "_")
    if iterations < mechanism.min_iterations:
        raise ValueError(f"The 'iterations' value must be >= {mechanism.min_iterations} for add-scram using {constant}")
    if iterations > mechanism.max_iterations:
        raise ValueError(f"The 'iterations' value must be <= {mechanism.max_iterations} for add-scram using {constant}")
    return iterations
