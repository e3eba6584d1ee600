"""Changing and describing the SCRAM credentials of users (ScramControlManager, ScramImage; RFC 5802, KIP-554)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final, NamedTuple

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.metadata.controller_result import ApiError, ControllerResult
from kafkalite.metadata.metadata_image import MetadataImage
from kafkalite.metadata.metadata_version import is_scram_supported
from kafkalite.metadata.security_images import ScramImage
from kafkalite.protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    ScramCredentialUpsertion,
)
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.security import (
    RemoveUserScramCredentialRecord,
    UserScramCredentialRecord,
)

MAX_ITERATIONS: Final = 16_384


class ScramMechanism(NamedTuple):
    """A SCRAM mechanism: Kafka's number is its key in `MECHANISMS`."""

    name: str
    digest: str
    min_iterations: int


MECHANISMS: Final = {
    1: ScramMechanism("SCRAM-SHA-256", "sha256", 4096),
    2: ScramMechanism("SCRAM-SHA-512", "sha512", 4096),
}


def alter_user_scram_credentials(
    image: MetadataImage, request: AlterUserScramCredentialsRequest
) -> ControllerResult[list[tuple[str, ApiError]]]:
    """The records and each user's outcome. A user that is named twice is left as it is."""
    errors: dict[str, ApiError] = {}
    records: dict[str, MetadataRecord] = {}
    changes = [(deletion.name, deletion.mechanism, None) for deletion in request.deletions]
    changes += [(upsertion.name, upsertion.mechanism, upsertion) for upsertion in request.upsertions]  # type: ignore[misc]
    for name, mechanism, upsertion in changes:
        if name in errors:
            continue
        try:
            if records.pop(name, None) is not None:
                raise KafkaError(
                    ErrorCode.DUPLICATE_RESOURCE, "A user credential cannot be altered twice in the same request"
                )
            records[name] = _change(image, name, mechanism, upsertion)
        except KafkaError as error:
            errors[name] = ApiError(error.error, error.message)
    for upsertion in request.upsertions:
        if upsertion.name in records and not upsertion.salted_password:  # Java makes no key of nothing.
            del records[upsertion.name]
            errors[upsertion.name] = ApiError(ErrorCode.UNKNOWN_SERVER_ERROR, None)
    outcomes = [(name, ApiError(ErrorCode.NONE, None)) for name in records] + list(errors.items())
    return ControllerResult(list(records.values()), outcomes)


def describe_user_scram_credentials(
    image: ScramImage, names: Sequence[str]
) -> list[tuple[str, ApiError, list[tuple[int, int]]]]:
    """User, outcome, and (mechanism, iterations) of each credential; of all users where none is named."""
    if not names:
        names = list(dict.fromkeys(name for users in image.by_mechanism.values() for name in users))
    described = []
    for name in dict.fromkeys(names):
        found = [
            (mechanism, users[name].iterations) for mechanism, users in image.by_mechanism.items() if name in users
        ]
        error = ApiError(ErrorCode.NONE, None)
        if names.count(name) > 1:
            text = f"Cannot describe SCRAM credentials for the same user twice in a single request: {name}"
            error, found = ApiError(ErrorCode.DUPLICATE_RESOURCE, text), []
        elif not found:
            text = f"Attempt to describe a user credential that does not exist: {name}"
            error = ApiError(ErrorCode.RESOURCE_NOT_FOUND, text)
        described.append((name, error, found))
    return described


def stored_and_server_key(mechanism: ScramMechanism, salted_password: bytes) -> tuple[bytes, bytes]:
    """What the server keeps of a password: with it a proof can be checked, but none can be made."""
    client_key = hmac.digest(salted_password, b"Client Key", mechanism.digest)
    stored_key = hashlib.new(mechanism.digest, client_key).digest()
    return stored_key, hmac.digest(salted_password, b"Server Key", mechanism.digest)


def _change(image: MetadataImage, name: str, number: int, upsertion: ScramCredentialUpsertion | None) -> MetadataRecord:
    if not is_scram_supported(image.features.metadata_version_or_raise()):
        raise KafkaError(ErrorCode.UNSUPPORTED_VERSION, "The current metadata.version does not support SCRAM")
    if not name:
        raise KafkaError(ErrorCode.UNACCEPTABLE_CREDENTIAL, "Username must not be empty")
    mechanism = MECHANISMS.get(number)
    if mechanism is None:
        raise KafkaError(ErrorCode.UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism")
    if upsertion is None:
        if image.scram.credential(number, name) is None:
            raise KafkaError(ErrorCode.RESOURCE_NOT_FOUND, "Attempt to delete a user credential that does not exist")
        return RemoveUserScramCredentialRecord(name=name, mechanism=number)
    if upsertion.iterations < mechanism.min_iterations:
        raise KafkaError(ErrorCode.UNACCEPTABLE_CREDENTIAL, "Too few iterations")
    if upsertion.iterations > MAX_ITERATIONS:
        raise KafkaError(ErrorCode.UNACCEPTABLE_CREDENTIAL, "Too many iterations")
    stored_key, server_key = stored_and_server_key(mechanism, upsertion.salted_password)
    return UserScramCredentialRecord(
        name=name,
        mechanism=number,
        salt=upsertion.salt,
        stored_key=stored_key,
        server_key=server_key,
        iterations=upsertion.iterations,
    )
