"""Who may do what, as the metadata log says: ACLs, SCRAM credentials, delegation tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kafkalite.identifiers import Uuid
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.security import (
    AccessControlEntryRecord,
    DelegationTokenRecord,
    RemoveAccessControlEntryRecord,
    RemoveDelegationTokenRecord,
    RemoveUserScramCredentialRecord,
    UserScramCredentialRecord,
)


class StandardAcl(NamedTuple):
    """One access control entry; the enums are Kafka's numbers."""

    resource_type: int
    resource_name: str
    pattern_type: int
    principal: str
    host: str
    operation: int
    permission_type: int


class AclsImage:
    """Access control entries by id."""

    __slots__ = ("by_id",)

    def __init__(self) -> None:
        self.by_id: dict[Uuid, StandardAcl] = {}

    def copy(self) -> AclsImage:
        image = AclsImage()
        image.by_id = self.by_id.copy()
        return image

    def replay(self, record: AccessControlEntryRecord) -> None:
        self.by_id[record.id] = StandardAcl(
            record.resource_type,
            record.resource_name,
            record.pattern_type,
            record.principal,
            record.host,
            record.operation,
            record.permission_type,
        )

    def replay_remove(self, record: RemoveAccessControlEntryRecord) -> None:
        if self.by_id.pop(record.id, None) is None:
            raise ValueError(f"Failed to find existing ACL with ID {record.id}")

    def to_records(self) -> Iterator[MetadataRecord]:
        for acl_id, acl in self.by_id.items():
            yield AccessControlEntryRecord(id=acl_id, **acl._asdict())


class ScramCredential(NamedTuple):
    """What the server keeps of a SCRAM password."""

    salt: bytes
    stored_key: bytes
    server_key: bytes
    iterations: int


class ScramImage:
    """Credentials by mechanism (1: SCRAM-SHA-256, 2: SCRAM-SHA-512) and user."""

    __slots__ = ("by_mechanism",)

    def __init__(self) -> None:
        self.by_mechanism: dict[int, dict[str, ScramCredential]] = {}

    def copy(self) -> ScramImage:
        image = ScramImage()
        image.by_mechanism = {mechanism: users.copy() for mechanism, users in self.by_mechanism.items()}
        return image

    def credential(self, mechanism: int, user: str) -> ScramCredential | None:
        users = self.by_mechanism.get(mechanism)
        return None if users is None else users.get(user)

    def replay(self, record: UserScramCredentialRecord) -> None:
        self.by_mechanism.setdefault(record.mechanism, {})[record.name] = ScramCredential(
            bytes(record.salt), bytes(record.stored_key), bytes(record.server_key), record.iterations
        )

    def replay_remove(self, record: RemoveUserScramCredentialRecord) -> None:
        users = self.by_mechanism.get(record.mechanism)
        if users is not None:
            users.pop(record.name, None)
            if not users:
                del self.by_mechanism[record.mechanism]

    def to_records(self) -> Iterator[MetadataRecord]:
        for mechanism, users in self.by_mechanism.items():
            for name, credential in users.items():
                yield UserScramCredentialRecord(name=name, mechanism=mechanism, **credential._asdict())


class DelegationToken(NamedTuple):
    """A delegation token; principals as "User:name", timestamps in milliseconds."""

    owner: str
    requester: str
    renewers: tuple[str, ...]
    issue_timestamp: int
    max_timestamp: int
    expiration_timestamp: int
    token_id: str


class DelegationTokensImage:
    """Delegation tokens by id."""

    __slots__ = ("by_id",)

    def __init__(self) -> None:
        self.by_id: dict[str, DelegationToken] = {}

    def copy(self) -> DelegationTokensImage:
        image = DelegationTokensImage()
        image.by_id = self.by_id.copy()
        return image

    def replay(self, record: DelegationTokenRecord) -> None:
        self.by_id[record.token_id] = DelegationToken(
            record.owner,
            record.requester,
            tuple(record.renewers),
            record.issue_timestamp,
            record.max_timestamp,
            record.expiration_timestamp,
            record.token_id,
        )

    def replay_remove(self, record: RemoveDelegationTokenRecord) -> None:
        self.by_id.pop(record.token_id, None)

    def to_records(self) -> Iterator[MetadataRecord]:
        for token in self.by_id.values():
            yield DelegationTokenRecord(**(token._asdict() | {"renewers": list(token.renewers)}))
