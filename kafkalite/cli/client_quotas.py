"""Quotas of users, clients and addresses, and SCRAM credentials of users, as kafka-configs shows and changes them."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from typing import Final

from kafkalite.cli.config_command_options import CLIENTS, IPS, USERS
from kafkalite.cli.java_exceptions import ToolError, message
from kafkalite.client.admin import Admin, raise_for
from kafkalite.config.config_value import java_double, parse_double
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.java_hash_map import hash_map_order, string_hash, string_map_order

Entity = tuple[tuple[str, str | None], ...]
"""(kind, name) of each part, as user and client-id; no name: the default."""

_KINDS: Final = {USERS: "user", CLIENTS: "client-id", IPS: "ip"}
_SHOWN: Final = (("user", "user-principal"), ("client-id", "client-id"), ("ip", "ip"))
_USER_AND_CLIENT_QUOTAS: Final = (
    "producer_byte_rate",
    "consumer_byte_rate",
    "request_percentage",
    "controller_mutation_rate",
)
_IP_QUOTAS: Final = ("connection_creation_rate",)
_MECHANISMS: Final = {"SCRAM-SHA-256": (1, "sha256"), "SCRAM-SHA-512": (2, "sha512")}
_MIN_ITERATIONS: Final = 4096
_EXACT, _DEFAULT, _ANY = 0, 1, 2


def describe_quotas(admin: Admin, types: Sequence[str], names: Sequence[str]) -> None:
    """Prints one line for each entity that has quotas."""
    for entity, quotas in _quotas(admin, types, names).items():
        parts = dict(entity)
        shown = [
            f"{label} '{parts[kind]}'" if parts[kind] is not None else f"the default {label}"
            for kind, label in _SHOWN
            if kind in parts
        ]
        values = ", ".join(f"{name}={java_double(value)}" for name, value in quotas.items())
        print(f"Quota configs for {', '.join(shown)} are {values}")


def _quotas(admin: Admin, types: Sequence[str], names: Sequence[str]) -> dict[Entity, dict[str, float]]:
    from kafkalite.protocol.messages.describe_client_quotas import ComponentData, DescribeClientQuotasRequest

    if len(names) > len(types):
        raise ToolError("More entity names specified than entity types")
    components = []
    for position, kind in enumerate(types):
        name = names[position] if position < len(names) else None
        match_type = _ANY if name is None else _EXACT if name else _DEFAULT
        components.append(ComponentData(entity_type=_KINDS[kind], match_type=match_type, match=name or None))
    response = admin.send(DescribeClientQuotasRequest(components=components, strict=True), call="describeClientQuotas")
    raise_for(response.error_code, response.error_message)
    found: dict[Entity, dict[str, float]] = {}
    for entry in response.entries or []:
        values = {value.key: value.value for value in entry.values}
        order = string_map_order(values, capacity=len(values))
        entity = tuple((part.entity_type, part.entity_name) for part in entry.entity)
        found[entity] = {name: values[name] for name in order}
    return {entity: found[entity] for entity in hash_map_order(found, _entity_hash, capacity=len(found))}


def _entity_hash(entity: Entity) -> int:
    """ClientQuotaEntity.hashCode."""
    return (31 + sum(string_hash(kind) ^ string_hash(name or "") for kind, name in entity)) & 0xFFFFFFFF


def alter_quotas(
    admin: Admin, types: Sequence[str], names: Sequence[str], added: Mapping[str, str], deleted: Sequence[str]
) -> None:
    """Sets and removes quotas of one entity; raises ToolError or KafkaError."""
    from kafkalite.protocol.messages.alter_client_quotas import (
        AlterClientQuotasRequest,
        EntityData,
        OpData,
        RequestEntryData,
    )

    if len(types) != len(names):
        raise ToolError("Exactly one entity name must be specified for every entity type")
    existing = next(iter(_quotas(admin, types, names).values()), {})
    unknown = [name for name in deleted if name not in existing]
    if unknown:
        raise ToolError(f"Invalid config(s): {','.join(unknown)}")
    operations = []
    for name, text in added.items():
        value = parse_double(text.strip())
        if value is None:
            raise ToolError(f"Cannot parse quota configuration value for {name}: {text}")
        operations.append(OpData(key=name, value=value))
    operations += [OpData(key=name, remove=True) for name in deleted]
    entity = [
        EntityData(entity_type=_KINDS[kind], entity_name=name or None) for kind, name in zip(types, names, strict=True)
    ]
    request = AlterClientQuotasRequest(entries=[RequestEntryData(entity=entity, ops=operations)])
    response = admin.send(request, call="alterClientQuotas")
    for entry in response.entries:
        raise_for(entry.error_code, entry.error_message)


def alter_ips(admin: Admin, names: Sequence[str], added: Mapping[str, str], deleted: Sequence[str]) -> None:
    unknown = [name for name in (*added, *deleted) if name not in _IP_QUOTAS]
    if unknown:
        raise ToolError(
            f"Only connection quota configs can be added for '{IPS}' using --bootstrap-server. "
            f"Unexpected config names: {','.join(unknown)}"
        )
    alter_quotas(admin, [IPS], names, added, deleted)


def alter_users_and_clients(
    admin: Admin, types: Sequence[str], names: Sequence[str], added: Mapping[str, str], deleted: Sequence[str]
) -> None:
    """Changes quotas of users and clients, or SCRAM credentials of a user; raises ToolError or KafkaError."""
    known = (*_USER_AND_CLIENT_QUOTAS, *_MECHANISMS)
    unknown_added = [name for name in added if name not in known]
    unknown_deleted = [name for name in deleted if name not in known]
    scram_added = {name: value for name, value in added.items() if name in _MECHANISMS}
    scram_deleted = [name for name in deleted if name in _MECHANISMS]
    has_quotas = any(name in _USER_AND_CLIENT_QUOTAS for name in (*added, *deleted))
    if types[0] == CLIENTS or len(types) == 2:
        if unknown_added or scram_added:
            raise ToolError(
                f"Only quota configs can be added for '{CLIENTS}' using --bootstrap-server. "
                f"Unexpected config names: {_scala('Set', (*unknown_added, *scram_added))}"
            )
        if unknown_deleted or scram_deleted:
            raise ToolError(
                f"Only quota configs can be deleted for '{CLIENTS}' using --bootstrap-server. "
                f"Unexpected config names: {_scala('ArrayBuffer', (*unknown_deleted, *scram_deleted))}"
            )
    else:
        _check_user(names, unknown_added, unknown_deleted)
        if scram_added or scram_deleted:
            _check_scram(names, has_quotas)
    if has_quotas:
        alter_quotas(admin, types, names, added, deleted)
    else:
        _alter_scram(admin, names[0], scram_added, scram_deleted)


def _check_user(names: Sequence[str], unknown_added: Sequence[str], unknown_deleted: Sequence[str]) -> None:
    if unknown_added:
        raise ToolError(
            f"Only quota and SCRAM credential configs can be added for '{USERS}' using --bootstrap-server. "
            f"Unexpected config names: {_scala('Set', unknown_added)}"
        )
    if unknown_deleted:
        raise ToolError(
            f"Only quota and SCRAM credential configs can be deleted for '{USERS}' using --bootstrap-server. "
            f"Unexpected config names: {_scala('ArrayBuffer', unknown_deleted)}"
        )


def _check_scram(names: Sequence[str], has_quotas: bool) -> None:
    if not all(names):
        raise ToolError(
            "The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials using "
            "--bootstrap-server."
        )
    if has_quotas:
        raise ToolError(
            f"Cannot alter both quota and SCRAM credential configs simultaneously for '{USERS}' using "
            "--bootstrap-server."
        )


def _scala(collection: str, names: Sequence[str]) -> str:
    return f"{collection}({', '.join(names)})"


def _alter_scram(admin: Admin, user: str, added: Mapping[str, str], deleted: Sequence[str]) -> None:
    from kafkalite.protocol.messages.alter_user_scram_credentials import (
        AlterUserScramCredentialsRequest,
        ScramCredentialDeletion,
        ScramCredentialUpsertion,
    )

    upsertions = []
    for mechanism, text in added.items():
        match = re.fullmatch(r"(?:iterations=(-?[0-9]*),)?password=(.*)", text)
        if match is None:
            raise ToolError(f"Invalid credential property {mechanism.replace('-', '_')}={text}")
        if not match[2]:
            raise KafkaError(ErrorCode.UNACCEPTABLE_CREDENTIAL, "Password must not be empty")
        iterations = _MIN_ITERATIONS if match[1] in (None, "-1") else int(match[1] or "0")
        if iterations < _MIN_ITERATIONS:
            raise ToolError(
                f"Iterations {iterations} is less than the minimum {_MIN_ITERATIONS} required for {mechanism}"
            )
        number, digest = _MECHANISMS[mechanism]
        salt = os.urandom(32)
        upsertions.append(
            ScramCredentialUpsertion(
                name=user,
                mechanism=number,
                iterations=iterations,
                salt=salt,
                salted_password=hashlib.pbkdf2_hmac(digest, match[2].encode(), salt, iterations),
            )
        )
    request = AlterUserScramCredentialsRequest(
        deletions=[ScramCredentialDeletion(name=user, mechanism=_MECHANISMS[name][0]) for name in deleted],
        upsertions=upsertions,
    )
    response = admin.send(request, call="alterUserScramCredentials")
    for result in response.results:
        raise_for(result.error_code, result.error_message)


def describe_scram(admin: Admin, users: Sequence[str]) -> None:
    """Prints one line for each user that has credentials."""
    from kafkalite.protocol.messages.describe_user_scram_credentials import (
        DescribeUserScramCredentialsRequest,
        UserName,
    )

    request = DescribeUserScramCredentialsRequest(users=[UserName(name=user) for user in users])
    response = admin.send(request, call="describeUserScramCredentials")
    raise_for(response.error_code, response.error_message)
    names = {number: name for name, (number, _) in _MECHANISMS.items()}
    for result in response.results:
        if result.error_code == ErrorCode.RESOURCE_NOT_FOUND:
            continue
        if result.error_code:
            error = KafkaError(ErrorCode.for_code(result.error_code), result.error_message)
            print(f"Error retrieving SCRAM credential configs for user-principal '{result.user}': {message(error)}")
            continue
        infos = ", ".join(f"{names[info.mechanism]}=iterations={info.iterations}" for info in result.credential_infos)
        print(f"SCRAM credential configs for user-principal '{result.user}' are {infos}")
