from __future__ import annotations

import socket
from typing import Any

import pytest

from kafkalite.client.admin import Admin, AdminTimeoutError, is_retriable, raise_for
from kafkalite.client.endpoint import BootstrapError
from kafkalite.client.group_admin import list_groups
from kafkalite.client.wire_client import BrokerUnreachableError, WireClientError
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.protocol.headers import ResponseHeader
from kafkalite.protocol.messages.api_versions import ApiVersion, ApiVersionsResponse
from kafkalite.protocol.messages.delete_groups import DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse
from kafkalite.protocol.messages.find_coordinator import Coordinator, FindCoordinatorResponse
from kafkalite.protocol.messages.metadata import (
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from kafkalite.protocol.schema import Response


class MovedTime:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.pauses: list[float] = []

    def read(self) -> float:
        return self.now_s

    def sleep(self, pause_s: float) -> None:
        self.pauses.append(pause_s)
        self.now_s += pause_s


def answer(response: Response, version: int, header_version: int = 1) -> Any:
    def reply(payload: bytes) -> bytes:
        body = ResponseHeader(correlation_id=int.from_bytes(payload[4:8])).encode(header_version)
        body += response.encode(version)
        return len(body).to_bytes(4) + body

    return reply


VERSIONS = answer(
    ApiVersionsResponse(
        api_keys=[
            ApiVersion(api_key=3, min_version=12, max_version=12),
            ApiVersion(api_key=10, min_version=4, max_version=4),
            ApiVersion(api_key=42, min_version=2, max_version=2),
        ]
    ),
    5,
    0,
)
BROKERS = answer(MetadataResponse(brokers=[MetadataResponseBroker(node_id=7, host="elsewhere", port=1)]), 12)


def coordinator(error: ErrorCode = ErrorCode.NONE) -> Any:
    found = Coordinator(key="g", node_id=7, error_code=error, error_message=None)
    return answer(FindCoordinatorResponse(coordinators=[found]), 4)


def deleted(error: ErrorCode = ErrorCode.NONE) -> Any:
    return answer(DeleteGroupsResponse(results=[DeletableGroupResult(group_id="g", error_code=error)]), 2)


def open_admin(port: int, time: MovedTime, **facts: Any) -> Admin:
    return Admin(f"127.0.0.1:{port}", now_s=time.read, sleep_s=time.sleep, **facts)


def delete_group(admin: Admin) -> DeleteGroupsResponse:
    response: DeleteGroupsResponse = admin.send_to_coordinator(
        "g",
        DeleteGroupsRequest(groups_names=["g"]),
        call="deleteConsumerGroups",
        errors=lambda response: [result.error_code for result in response.results],
    )
    return response


def test_a_call_is_repeated_with_growing_pauses_until_its_deadline() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    time = MovedTime()
    heard: list[tuple[int, BrokerUnreachableError]] = []
    admin = open_admin(port, time, api_timeout_s=5.0, on_unreachable=lambda node, error: heard.append((node, error)))
    with admin, pytest.raises(AdminTimeoutError) as caught:
        admin.metadata(None, call="listTopics")
    assert str(caught.value) == "Timed out waiting for a node assignment. Call: listTopics"
    assert time.pauses == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0, 0.45])
    assert time.now_s == pytest.approx(1005.0)
    assert [node for node, _ in heard] == [-1] * 10


def test_a_failure_names_the_call_also_while_its_coordinator_is_looked_up() -> None:
    with open_admin(1, MovedTime(), api_timeout_s=1.0) as admin:
        with pytest.raises(AdminTimeoutError) as caught:
            delete_group(admin)
        expected = "Timed out waiting for a node assignment. Call: deleteConsumerGroups(api=FIND_COORDINATOR)"
        assert str(caught.value) == expected
        with pytest.raises(WireClientError, match=r"^Failed to find brokers to send ListGroups$"):
            list_groups(admin)


def test_an_empty_name_is_not_sent() -> None:
    with open_admin(1, MovedTime()) as admin:
        with pytest.raises(KafkaError, match="cannot be represented in a request"):
            admin.metadata(["t", ""])
        with pytest.raises(KafkaError, match="cannot be represented in a request"):
            admin.leaders([TopicPartition("", 0)])


def test_a_broker_that_does_not_answer_is_not_waited_for_beyond_the_deadline(scripted_broker: Any) -> None:
    scripted_broker.replies = [VERSIONS, b""]
    with Admin(f"127.0.0.1:{scripted_broker.port}", request_timeout_s=60.0, api_timeout_s=0.2) as admin:
        admin.bootstrap_client.api_versions()
        with pytest.raises(AdminTimeoutError, match=r"^Timed out waiting to send the call\. Call: metadata$"):
            admin.metadata(None)


def test_a_broken_connection_is_opened_again(scripted_broker: Any) -> None:
    scripted_broker.replies = [VERSIONS, None, VERSIONS, answer(MetadataResponse(cluster_id="c"), 12)]
    time = MovedTime()
    with open_admin(scripted_broker.port, time) as admin:
        assert admin.metadata(None).cluster_id == "c"
    assert scripted_broker.connections == 2
    assert time.pauses == [0.05]


def test_one_broker_is_spoken_to_where_it_was_reached_whatever_it_advertises(scripted_broker: Any) -> None:
    scripted_broker.replies = [VERSIONS, BROKERS, coordinator(), deleted()]
    with open_admin(scripted_broker.port, MovedTime()) as admin:
        assert delete_group(admin).results[0].error_code == ErrorCode.NONE
    assert scripted_broker.connections == 1


def test_a_coordinator_that_is_not_there_yet_is_waited_for(scripted_broker: Any) -> None:
    scripted_broker.replies = [
        VERSIONS,
        BROKERS,
        coordinator(ErrorCode.COORDINATOR_NOT_AVAILABLE),
        coordinator(),
        deleted(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS),
        deleted(ErrorCode.NON_EMPTY_GROUP),
    ]
    time = MovedTime()
    with open_admin(scripted_broker.port, time) as admin:
        assert delete_group(admin).results[0].error_code == ErrorCode.NON_EMPTY_GROUP
    assert len(time.pauses) == 2


def test_a_coordinator_that_cannot_be_had_is_an_error(scripted_broker: Any) -> None:
    scripted_broker.replies = [VERSIONS, BROKERS, coordinator(ErrorCode.INVALID_GROUP_ID)]
    with open_admin(scripted_broker.port, MovedTime()) as admin, pytest.raises(KafkaError) as caught:
        admin.coordinator("g")
    assert caught.value.error is ErrorCode.INVALID_GROUP_ID


def topics(leader_error: ErrorCode = ErrorCode.NONE) -> Any:
    partitions = [
        MetadataResponsePartition(partition_index=index, leader_id=index % 2, error_code=leader_error)
        for index in range(3)
    ]
    return answer(MetadataResponse(topics=[MetadataResponseTopic(name="t", partitions=partitions)]), 12)


def test_partitions_are_grouped_by_leader_once_there_is_one(scripted_broker: Any) -> None:
    scripted_broker.replies = [VERSIONS, topics(ErrorCode.LEADER_NOT_AVAILABLE), topics(), topics()]
    with open_admin(scripted_broker.port, MovedTime()) as admin:
        wanted = [TopicPartition("t", index) for index in (2, 1, 0)]
        assert admin.leaders(wanted) == {0: [("t", 2), ("t", 0)], 1: [("t", 1)]}
        with pytest.raises(KafkaError) as caught:
            admin.leaders([TopicPartition("t", 3)])
    assert caught.value.error is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_a_bootstrap_list_is_checked_at_once() -> None:
    with pytest.raises(BootstrapError, match=r"Invalid url in bootstrap\.servers: nowhere"):
        Admin("nowhere")


def test_error_codes_become_exceptions() -> None:
    raise_for(0)
    with pytest.raises(KafkaError, match="NOT_CONTROLLER: wrong one"):
        raise_for(41, "wrong one")
    assert is_retriable(41) and not is_retriable(42)
