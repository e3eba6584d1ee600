"""Who may do what, and how much: credentials, ACLs, quotas and feature levels go back and forth with the directory."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from apache_kafka import StartApacheKafka
from kafkalite.client.wire_client import WireClient
from kafkalite.protocol.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    EntityData,
    OpData,
    RequestEntryData,
)
from kafkalite.protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    ScramCredentialDeletion,
    ScramCredentialUpsertion,
)
from kafkalite.protocol.messages.api_versions import ApiVersionsRequest
from kafkalite.protocol.messages.create_acls import AclCreation, CreateAclsRequest
from kafkalite.protocol.messages.describe_acls import DescribeAclsRequest
from kafkalite.protocol.messages.describe_client_quotas import DescribeClientQuotasRequest
from kafkalite.protocol.messages.describe_user_scram_credentials import DescribeUserScramCredentialsRequest
from kafkalite.protocol.messages.update_features import FeatureUpdateKey, UpdateFeaturesRequest
from kafkalite_process import StartKafkalite

SHA_256, SHA_512 = 1, 2
ALLOW, ANY, LITERAL, PREFIXED, TOPIC, READ, WRITE = 3, 1, 3, 4, 2, 3, 4
UPGRADE, UNSAFE_DOWNGRADE = 1, 3
AUTHORIZER = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
}
KILLED = {"broker.session.timeout.ms": "4000"}


def give_credentials(
    client: WireClient, *upsertions: tuple[str, int, int], gone: tuple[str, int] | None = None
) -> None:
    """Users with mechanism and iterations."""
    request = AlterUserScramCredentialsRequest(
        upsertions=[
            ScramCredentialUpsertion(
                name=name, mechanism=mechanism, iterations=iterations, salt=b"salt", salted_password=name.encode() * 8
            )
            for name, mechanism, iterations in upsertions
        ],
        deletions=[ScramCredentialDeletion(name=gone[0], mechanism=gone[1])] if gone else [],
    )
    assert [result.error_code for result in client.send(request).results] == [0] * (len(upsertions) + bool(gone))


def set_quota(client: WireClient, entity: dict[str, str | None], key: str, value: float | None) -> None:
    """None takes it away."""
    entry = RequestEntryData(
        entity=[EntityData(entity_type=kind, entity_name=name) for kind, name in entity.items()],
        ops=[OpData(key=key, value=value or 0.0, remove=value is None)],
    )
    [answer] = client.send(AlterClientQuotasRequest(entries=[entry])).entries
    assert answer.error_code == 0, answer


def credentials(client: WireClient) -> dict[str, list[tuple[int, int]]]:
    answer = client.send(DescribeUserScramCredentialsRequest(users=None))
    assert answer.error_code == 0
    return {
        result.user: sorted((info.mechanism, info.iterations) for info in result.credential_infos)
        for result in answer.results
    }


def quotas(client: WireClient) -> dict[tuple[tuple[str, str | None], ...], dict[str, float]]:
    answer = client.send(DescribeClientQuotasRequest(components=[]))
    assert answer.error_code == 0
    return {
        tuple(sorted((part.entity_type, part.entity_name) for part in entry.entity)): {
            value.key: value.value for value in entry.values
        }
        for entry in answer.entries
    }


def acls(client: WireClient) -> set[tuple[int, str, int, str, int]]:
    request = DescribeAclsRequest(
        resource_type_filter=ANY,
        resource_name_filter=None,
        pattern_type_filter=ANY,
        principal_filter=None,
        host_filter=None,
        operation=ANY,
        permission_type=ANY,
    )
    answer = client.send(request)
    assert answer.error_code == 0, answer
    return {
        (found.resource_type, found.resource_name, found.pattern_type, acl.principal, acl.operation)
        for found in answer.resources
        for acl in found.acls
    }


def levels(client: WireClient) -> dict[str, int]:
    answer = client.send(ApiVersionsRequest(client_software_name="test", client_software_version="1"), 3)
    assert answer.error_code == 0
    return {feature.name: feature.max_version_level for feature in answer.finalized_features}


def set_level(client: WireClient, feature: str, level: int, upgrade_type: int) -> None:
    update = FeatureUpdateKey(feature=feature, max_version_level=level, upgrade_type=upgrade_type)
    answer = client.send(UpdateFeaturesRequest(timeout_ms=30_000, feature_updates=[update]))
    assert (answer.error_code, [result.error_code for result in answer.results]) in ((0, [0]), (0, [])), answer


def eventually(is_so: Callable[[], bool]) -> None:
    """Apache Kafka's broker learns of a change a moment after its controller has answered."""
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
def test_credentials_acls_quotas_and_features_are_kept(
    start_kafkalite: StartKafkalite, start_apache_kafka: StartApacheKafka, tmp_path: Path, is_killed: bool
) -> None:
    node = tmp_path / "node"
    theirs = AUTHORIZER | (KILLED if is_killed else {})

    first = start_apache_kafka(directory=node, properties=theirs)
    with WireClient(first.bootstrap_servers) as client:
        give_credentials(client, ("ann", SHA_256, 4096), ("bob", SHA_512, 8192))
        set_quota(client, {"user": "ann"}, "producer_byte_rate", 1000)
        set_quota(client, {"user": None, "client-id": "app"}, "request_percentage", 12.5)
        set_quota(client, {"ip": None}, "connection_creation_rate", 6)
        allowed = [
            AclCreation(
                resource_type=TOPIC,
                resource_name=name,
                resource_pattern_type=pattern,
                principal=principal,
                host="*",
                operation=operation,
                permission_type=ALLOW,
            )
            for name, pattern, principal, operation in (
                ("orders", LITERAL, "User:ann", READ),
                ("pay", PREFIXED, "User:bob", WRITE),
            )
        ]
        assert [result.error_code for result in client.send(CreateAclsRequest(creations=allowed)).results] == [0, 0]
        set_level(client, "group.version", 0, UNSAFE_DOWNGRADE)
        eventually(lambda: len(acls(client)) == len(allowed) and not levels(client).get("group.version"))
        their_acls, their_levels = acls(client), levels(client)
        before = credentials(client), quotas(client)
    _ = first.kill() if is_killed else first.stop()

    second = start_kafkalite(directory=node)
    with WireClient(second.bootstrap_servers) as client:
        assert (credentials(client), quotas(client)) == before
        assert levels(client) == their_levels
        give_credentials(client, ("ann", SHA_512, 5000), gone=("bob", SHA_512))
        set_quota(client, {"user": "ann"}, "consumer_byte_rate", 2000)
        set_quota(client, {"ip": None}, "connection_creation_rate", None)
        set_level(client, "group.version", 1, UPGRADE)
        our_levels, after = levels(client), (credentials(client), quotas(client))
        assert after[0] == {"ann": [(SHA_256, 4096), (SHA_512, 5000)]}
        assert (("ip", None),) not in after[1]
        assert our_levels == their_levels | {"group.version": 1}
    _ = second.kill() if is_killed else second.stop()

    third = start_apache_kafka(directory=node, properties=theirs)
    with WireClient(third.bootstrap_servers) as client:
        assert (credentials(client), quotas(client)) == after
        assert acls(client) == their_acls
        assert levels(client) == our_levels
