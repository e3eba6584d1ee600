"""JoinGroup, SyncGroup, Heartbeat, LeaveGroup, DescribeGroups, ListGroups, DeleteGroups and FindCoordinator."""

from __future__ import annotations

from typing import Any

import pytest

from kafkalite.apis.find_coordinator import is_share_partition_key
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.delete_groups import DeleteGroupsRequest
from kafkalite.protocol.messages.describe_groups import DescribeGroupsRequest
from kafkalite.protocol.messages.find_coordinator import FindCoordinatorRequest
from kafkalite.protocol.messages.heartbeat import HeartbeatRequest
from kafkalite.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from kafkalite.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from kafkalite.protocol.messages.list_groups import ListGroupsRequest
from kafkalite.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from offline_broker import OfflineBroker


def join_request(member_id: str = "", **facts: Any) -> JoinGroupRequest:
    return JoinGroupRequest(
        group_id=facts.pop("group_id", "g"),
        member_id=member_id,
        session_timeout_ms=facts.pop("session_timeout_ms", 10_000),
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=b"said")],
        **facts,
    )


async def stable_member(broker: OfflineBroker) -> str:
    """The only member of a stable group."""
    joining = broker.ask(join_request(group_instance_id="i", rebalance_timeout_ms=10_000))
    broker.clock.advance(0)
    member_id: str = (await joining).member_id
    broker.ask(sync_request(member_id))
    return member_id


def sync_request(member_id: str, **facts: Any) -> SyncGroupRequest:
    return SyncGroupRequest(
        group_id="g",
        generation_id=1,
        member_id=member_id,
        assignments=[SyncGroupRequestAssignment(member_id=member_id, assignment=b"all of it")],
        **{"protocol_type": "consumer", "protocol_name": "range", "group_instance_id": "i", **facts},
    )


@pytest.mark.parametrize("version", range(10))
async def test_a_group_is_joined_in_every_version(offline_broker: OfflineBroker, version: int) -> None:
    facts: dict[str, Any] = {"rebalance_timeout_ms": 20_000} if version else {}
    answer = offline_broker.ask(join_request(**facts), version)
    if version >= 4:
        assert answer.error_code == ErrorCode.MEMBER_ID_REQUIRED
        assert answer.protocol_name == (None if version >= 7 else "")
        answer = offline_broker.ask(join_request(answer.member_id, **facts), version)
    offline_broker.clock.advance(0)
    response = await answer
    assert (response.error_code, response.generation_id, response.protocol_name) == (0, 1, "range")
    assert response.protocol_type == ("consumer" if version >= 7 else None)
    assert [member.metadata for member in response.members] == [b"said"]
    group = offline_broker.broker.group_coordinator.runtime.context_for("g").shard.groups.groups["g"]
    [member] = group.members.values()  # type: ignore[attr-defined]
    assert member.rebalance_timeout_ms == (20_000 if version else 10_000)


@pytest.mark.parametrize(("version", "nothing"), [(6, ""), (7, None)])
async def test_a_later_answer_has_its_versions_idea_of_no_protocol(
    offline_broker: OfflineBroker, version: int, nothing: str | None
) -> None:
    joining = offline_broker.ask(join_request(group_instance_id="i", rebalance_timeout_ms=1), version)
    offline_broker.broker.begin_shutdown()
    response = await joining
    assert (response.error_code, response.protocol_name) == (ErrorCode.NOT_COORDINATOR, nothing)


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        ({"group_id": ""}, ErrorCode.INVALID_GROUP_ID),
        ({"session_timeout_ms": 5_999}, ErrorCode.INVALID_SESSION_TIMEOUT),
        ({"session_timeout_ms": 1_800_001}, ErrorCode.INVALID_SESSION_TIMEOUT),
    ],
)
async def test_joins_that_make_no_sense_are_refused(
    offline_broker: OfflineBroker, facts: dict[str, Any], error: ErrorCode
) -> None:
    response = offline_broker.ask(join_request("m", **facts))
    assert (response.error_code, response.member_id) == (error, "m")


async def test_a_sync_names_its_protocol_from_version_5_on(offline_broker: OfflineBroker) -> None:
    member_id = await stable_member(offline_broker)
    assert offline_broker.ask(sync_request(member_id)).assignment == b"all of it"
    for missing in ({"protocol_type": None}, {"protocol_name": None}):
        refused = offline_broker.ask(sync_request(member_id, **missing))
        assert (refused.error_code, refused.assignment) == (ErrorCode.INCONSISTENT_GROUP_PROTOCOL, b"")
    nameless = sync_request(member_id, protocol_type=None, protocol_name=None)
    assert offline_broker.ask(nameless, 4).assignment == b"all of it"


async def test_heartbeats_are_answered(offline_broker: OfflineBroker) -> None:
    member_id = await stable_member(offline_broker)

    def beat(**facts: Any) -> int:
        facts = {"group_id": "g", "member_id": member_id, "generation_id": 1, **facts}
        error_code: int = offline_broker.ask(HeartbeatRequest(**facts)).error_code
        return error_code

    assert beat() == ErrorCode.NONE
    assert beat(generation_id=2) == ErrorCode.ILLEGAL_GENERATION
    assert beat(group_id="other") == ErrorCode.UNKNOWN_MEMBER_ID
    assert beat(group_id="") == ErrorCode.INVALID_GROUP_ID


@pytest.mark.parametrize("version", [0, 2])
async def test_one_member_that_leaves_has_its_error_on_top(offline_broker: OfflineBroker, version: int) -> None:
    member_id = await stable_member(offline_broker)
    for expected in (ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID):
        response = offline_broker.ask(LeaveGroupRequest(group_id="g", member_id=member_id), version)
        assert (response.error_code, response.members) == (expected, [])
    response = offline_broker.ask(LeaveGroupRequest(group_id="", member_id=member_id), version)
    assert response.error_code == ErrorCode.INVALID_GROUP_ID


async def test_members_that_leave_a_group_that_is_not_there_are_unknown_each(offline_broker: OfflineBroker) -> None:
    members = [MemberIdentity(member_id="m"), MemberIdentity(group_instance_id="i")]
    response = offline_broker.ask(LeaveGroupRequest(group_id="none", members=members))
    assert response.error_code == ErrorCode.NONE
    assert [(m.member_id, m.group_instance_id, m.error_code) for m in response.members] == [
        ("m", None, ErrorCode.UNKNOWN_MEMBER_ID),
        ("", "i", ErrorCode.UNKNOWN_MEMBER_ID),
    ]


async def test_groups_are_described_listed_and_deleted(offline_broker: OfflineBroker) -> None:
    assert offline_broker.ask(ListGroupsRequest()).groups == []
    member_id = await stable_member(offline_broker)
    request = DescribeGroupsRequest(groups=["g", "none"], include_authorized_operations=True)
    described, missing = offline_broker.ask(request).groups
    assert (described.group_state, described.protocol_data, described.authorized_operations) == (
        "Stable",
        "range",
        3400,
    )
    [member] = described.members
    assert (member.member_metadata, member.member_assignment) == (b"said", b"all of it")
    assert (member.client_id, member.client_host) == ("client", "/127.0.0.1")
    assert (missing.error_code, missing.authorized_operations) == (ErrorCode.GROUP_ID_NOT_FOUND, -(1 << 31))
    [listed] = offline_broker.ask(ListGroupsRequest(states_filter=["stable"], types_filter=["classic"])).groups
    assert (listed.group_id, listed.protocol_type, listed.group_state) == ("g", "consumer", "Stable")
    names = ["g", "none", "g"]
    results = offline_broker.ask(DeleteGroupsRequest(groups_names=names)).results
    assert [(result.group_id, result.error_code) for result in results] == [
        ("g", ErrorCode.NON_EMPTY_GROUP),
        ("none", ErrorCode.GROUP_ID_NOT_FOUND),
    ]
    offline_broker.ask(LeaveGroupRequest(group_id="g", members=[MemberIdentity(member_id=member_id)]))
    assert offline_broker.ask(DeleteGroupsRequest(groups_names=["g"])).results[0].error_code == ErrorCode.NONE
    assert offline_broker.ask(ListGroupsRequest()).groups == []


@pytest.mark.parametrize(("key_type", "topic"), [(0, "__consumer_offsets"), (1, "__transaction_state")])
async def test_the_coordinator_is_this_node_and_its_topic_is_made_on_the_way(
    offline_broker: OfflineBroker, key_type: int, topic: str
) -> None:
    request = FindCoordinatorRequest(key_type=key_type, coordinator_keys=["a", "b"])
    found = offline_broker.ask(request).coordinators
    assert [(c.key, c.error_code, c.node_id, c.host, c.port) for c in found] == [
        ("a", 0, 1, "localhost", 9092),
        ("b", 0, 1, "localhost", 9092),
    ]
    made = offline_broker.broker.metadata.image.topics.topic(topic)
    assert made is not None
    assert len(made.partitions) == 50


async def test_before_version_4_one_coordinator_is_found_with_a_text(offline_broker: OfflineBroker) -> None:
    found = offline_broker.ask(FindCoordinatorRequest(key="g"), 3)
    assert (found.error_code, found.error_message, found.node_id, found.port) == (0, "NONE", 1, 9092)
    refused = offline_broker.ask(FindCoordinatorRequest(key="g", key_type=2), 3)
    assert (refused.error_code, refused.node_id, refused.port) == (ErrorCode.INVALID_REQUEST, -1, -1)
    assert refused.error_message == ErrorCode.INVALID_REQUEST.message


TOPIC_ID = "AAAAAAAAAAAAAAAAAAAAAA"


@pytest.mark.parametrize(
    ("key", "is_one"),
    [
        (f"g:{TOPIC_ID}:0", True),
        (f"a:group:{TOPIC_ID}:12", True),
        (f"g:{TOPIC_ID}", False),
        (f" :{TOPIC_ID}:0", False),
        (f"g:{TOPIC_ID}:x", False),
        (f"g:{TOPIC_ID}:99999999999", False),
        ("g:AAAA:0", False),
        ("", False),
    ],
)
def test_keys_of_share_partitions(key: str, is_one: bool) -> None:
    assert is_share_partition_key(key) is is_one
