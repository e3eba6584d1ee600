"""Who may do what, and how much: credentials, ACLs, quotas and feature levels go back and forth with the directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from apache_kafka import StartApacheKafka
from eventually import eventually
from kafkalite.client.wire_client import WireClient
from kafkalite.protocol.messages.create_acls import AclCreation, CreateAclsRequest
from kafkalite_process import StartKafkalite
from security_metadata import (
    ALLOW,
    AUTHORIZER,
    KILLED,
    LITERAL,
    PREFIXED,
    READ,
    SHA_256,
    SHA_512,
    TOPIC,
    UNSAFE_DOWNGRADE,
    UPGRADE,
    WRITE,
    acls,
    credentials,
    give_credentials,
    levels,
    quotas,
    set_level,
    set_quota,
)


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
