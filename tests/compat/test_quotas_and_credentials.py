"""Client quotas, SCRAM credentials, ACLs and delegation tokens, beside Apache Kafka without security."""

from __future__ import annotations

import pytest

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
from kafkalite.protocol.messages.create_acls import AclCreation, CreateAclsRequest
from kafkalite.protocol.messages.create_delegation_token import CreatableRenewers, CreateDelegationTokenRequest
from kafkalite.protocol.messages.delete_acls import DeleteAclsFilter, DeleteAclsRequest
from kafkalite.protocol.messages.describe_acls import DescribeAclsRequest
from kafkalite.protocol.messages.describe_client_quotas import ComponentData, DescribeClientQuotasRequest
from kafkalite.protocol.messages.describe_delegation_token import DescribeDelegationTokenRequest
from kafkalite.protocol.messages.describe_user_scram_credentials import (
    DescribeUserScramCredentialsRequest,
    UserName,
)
from kafkalite.protocol.messages.expire_delegation_token import ExpireDelegationTokenRequest
from kafkalite.protocol.messages.renew_delegation_token import RenewDelegationTokenRequest
from transcript import Compare, Side


def entry(entity: dict[str, str | None], *ops: OpData) -> RequestEntryData:
    return RequestEntryData(
        entity=[EntityData(entity_type=kind, entity_name=name) for kind, name in entity.items()], ops=list(ops)
    )


def quota(key: str, value: float) -> OpData:
    return OpData(key=key, value=value)


ALTERATIONS = [
    entry({"user": "ann"}, quota("producer_byte_rate", 1000), quota("request_percentage", 12.5)),
    entry({"user": None}, quota("consumer_byte_rate", 2000)),
    entry({"client-id": "app"}, quota("consumer_byte_rate", 3000)),
    entry({"user": "ann", "client-id": "app"}, quota("producer_byte_rate", 4000)),
    entry({"ip": "127.0.0.1"}, quota("connection_creation_rate", 5)),
    entry({"ip": None}, quota("connection_creation_rate", 6)),
    entry({"user": "bob"}, quota("no_such_key", 1)),
    entry({"user": "bob"}, quota("producer_byte_rate", -1)),
    entry({"user": "bob"}, quota("producer_byte_rate", 0)),
    entry({"user": "bob"}, quota("producer_byte_rate", 1.5)),
    entry({"user": "bob"}, quota("producer_byte_rate", 1e30)),
    entry({"user": "bob"}, quota("controller_mutation_rate", 1.5)),
    entry({"ip": "127.0.0.1"}, quota("connection_creation_rate", 1e10)),
    entry({"ip": "127.0.0.1", "user": "ann"}, quota("connection_creation_rate", 1)),
    entry({"ip": "127.0.0.1"}, quota("producer_byte_rate", 1)),
    entry({"planet": "mars"}, quota("producer_byte_rate", 1)),
    entry({"user": ""}, quota("producer_byte_rate", 1)),
    entry({}, quota("producer_byte_rate", 1)),
    entry({"user": "bob"}),
    entry({"user": "nobody"}, OpData(key="producer_byte_rate", remove=True)),
    entry({"user": "ann"}, OpData(key="request_percentage", remove=True)),
]


def describe(side: Side, version: int) -> None:
    for components in (
        [],
        [("user", 0, "ann")],
        [("user", 1, None)],
        [("user", 2, None)],
        [("client-id", 2, None)],
        [("user", 0, "ann"), ("client-id", 0, "app")],
        [("ip", 2, None)],
        [("ip", 0, "127.0.0.1"), ("user", 2, None)],
        [("user", 0, "ann"), ("user", 2, None)],
        [("planet", 2, None)],
        [("", 2, None)],
        [("user", 0, None)],
        [("user", 1, "x")],
        [("user", 2, "x")],
        [("user", 9, None)],
    ):
        for strict in (False, True):
            wanted = [ComponentData(entity_type=kind, match_type=how, match=name) for kind, how, name in components]
            side.ask(
                DescribeClientQuotasRequest(components=wanted, strict=strict), version, label=f"{components} {strict}"
            )


@pytest.mark.parametrize("version", [0, 1])
def test_quotas_are_altered_and_described_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        for validate_only in (True, False):
            for alteration in ALTERATIONS:
                request = AlterClientQuotasRequest(entries=[alteration], validate_only=validate_only)
                side.ask(request, version, label=f"{validate_only} {alteration}")
        side.ask(AlterClientQuotasRequest(entries=[]), version, label="nothing")
        side.eventually(lambda: len(side.send(DescribeClientQuotasRequest()).entries) >= 7)
        describe(side, version)
        removals = [
            entry({part.entity_type: part.entity_name for part in found.entity}, OpData(key=value.key, remove=True))
            for found in side.send(DescribeClientQuotasRequest()).entries
            for value in found.values
        ]
        for removal in removals:
            side.send(AlterClientQuotasRequest(entries=[removal]))
        side.eventually(lambda: not side.send(DescribeClientQuotasRequest()).entries)

    compare(scenario)


def upsertion(name: str, mechanism: int = 1, iterations: int = 4096) -> ScramCredentialUpsertion:
    return ScramCredentialUpsertion(
        name=name, mechanism=mechanism, iterations=iterations, salt=b"salt", salted_password=b"p" * 32
    )


def test_credentials_are_altered_and_described_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        def alter(
            label: str, *upsertions: ScramCredentialUpsertion, deletions: tuple[tuple[str, int], ...] = ()
        ) -> None:
            request = AlterUserScramCredentialsRequest(
                upsertions=list(upsertions),
                deletions=[ScramCredentialDeletion(name=name, mechanism=mechanism) for name, mechanism in deletions],
            )
            side.ask(request, label=label)

        def describe_users(label: str, *names: str) -> None:
            users = [UserName(name=name) for name in names]
            side.ask(DescribeUserScramCredentialsRequest(users=users), label=label)

        describe_users("nobody yet")
        alter("two", upsertion("ann"), upsertion("bob", 2, 8192))
        alter("another mechanism", upsertion("ann", 2, 16384))
        alter("unknown mechanism", upsertion("carl", 7))
        alter("no name", upsertion(""))
        alter("too few", upsertion("carl", 1, 4095))
        alter("too many", upsertion("carl", 1, 16385))
        alter("twice", upsertion("carl"), upsertion("carl", 2))
        alter("there and back", upsertion("ann"), deletions=(("ann", 1),))
        alter("not there", deletions=(("dora", 1),))
        alter("one good, one not", upsertion("emil"), upsertion("frida", 1, 1))
        side.eventually(lambda: len(side.send(DescribeUserScramCredentialsRequest()).results) == 3)
        describe_users("all")
        describe_users("some", "ann", "bob")
        describe_users("twice", "ann", "ann")
        describe_users("unknown", "zoe", "ann")
        side.ask(DescribeUserScramCredentialsRequest(users=None), label="null")
        alter("away", deletions=(("bob", 2), ("emil", 1)))
        alter("away too", deletions=(("ann", 1),))
        alter("and the last", deletions=(("ann", 2),))
        side.eventually(lambda: not side.send(DescribeUserScramCredentialsRequest()).results)

    compare(scenario)


def test_users_that_one_request_names_twice_are_told_the_same(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        good, other, nobody = f"{side.namespace}-a", f"{side.namespace}-b", ""
        upsertions = [
            ScramCredentialUpsertion(
                name=name, mechanism=mechanism, iterations=iterations, salt=salt, salted_password=password
            )
            for name, mechanism, iterations, salt, password in (
                (good, 1, 8192, b"s", b"p"),
                (good, 1, 1, b"s", b"p"),
                (good, 1, 16385, b"s", b"p"),
                (good, 3, 8192, b"s", b"p"),
                (good, 1, 8192, b"", b"p"),
                (good, 1, 8192, b"s", b""),
                (good, 2, 8192, b"s", b"p"),
                (nobody, 1, 8192, b"s", b"p"),
                (nobody, 1, 1, b"s", b""),
                (other, 1, 8192, b"s", b""),
            )
        ]
        deletions = [
            ScramCredentialDeletion(name=name, mechanism=mechanism)
            for name, mechanism in ((good, 1), (good, 0), (good, 2), (nobody, 1), (good, -1))
        ]
        for first in range(len(upsertions)):
            for second in range(len(upsertions)):
                named = [upsertions[first], upsertions[second]]
                side.ask(AlterUserScramCredentialsRequest(upsertions=named), label=f"upserted: {first}, {second}")
        for first in range(len(deletions)):
            for second in range(len(deletions)):
                gone = [deletions[first], deletions[second]]
                side.ask(AlterUserScramCredentialsRequest(deletions=gone), label=f"deleted: {first}, {second}")
            for second in range(len(upsertions)):
                request = AlterUserScramCredentialsRequest(
                    deletions=[deletions[first]], upsertions=[upsertions[second], upsertions[0]]
                )
                side.ask(request, label=f"deleted: {first}, upserted: {second}, 0")
        for mechanism in (1, 2):
            gone = [ScramCredentialDeletion(name=good, mechanism=mechanism)]
            side.send(AlterUserScramCredentialsRequest(deletions=gone))

    compare(scenario)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_acls_are_refused_alike_without_an_authorizer(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        wanted = DescribeAclsRequest(resource_type_filter=1, pattern_type_filter=1, operation=1, permission_type=1)
        side.ask(wanted, version)
        creation = AclCreation(
            resource_type=2, resource_name="t", resource_pattern_type=3, principal="User:a", host="*", operation=3,
            permission_type=3,
        )  # fmt: skip
        side.ask(CreateAclsRequest(creations=[creation, creation]), version)
        side.ask(CreateAclsRequest(creations=[]), version, label="no creations")
        acl_filter = DeleteAclsFilter(
            resource_type_filter=1, pattern_type_filter=1, operation=1, permission_type=1, resource_name_filter=None,
            principal_filter=None, host_filter=None,
        )  # fmt: skip
        side.ask(DeleteAclsRequest(filters=[acl_filter]), version)

    compare(scenario)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_tokens_are_refused_alike_without_authentication(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        renewers = [CreatableRenewers(principal_type="User", principal_name="bob")]
        side.ask(CreateDelegationTokenRequest(renewers=renewers, max_lifetime_ms=1000), version)
        if version >= 3:
            request = CreateDelegationTokenRequest(
                owner_principal_type="User", owner_principal_name="ann", max_lifetime_ms=1000
            )
            side.ask(request, version, label="for another")
        side.ask(DescribeDelegationTokenRequest(owners=None), version)
        side.ask(RenewDelegationTokenRequest(hmac=b"x", renew_period_ms=10), min(version, 2))
        side.ask(ExpireDelegationTokenRequest(hmac=b"x", expiry_time_period_ms=10), min(version, 2))

    compare(scenario)
