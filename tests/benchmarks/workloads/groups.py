"""What a group costs: a heartbeat, a commit and a fetch of offsets, where so many groups take turns."""

from __future__ import annotations

import time
from typing import Any

from frames import frame, int16_position, response_frame
from load import Load
from measuring import Bench, Figure, Figures, Workload

from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.find_coordinator import FindCoordinatorRequest
from kafkalite.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from kafkalite.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from kafkalite.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kafkalite.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from kafkalite.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from kafkalite.protocol.schema import Request

_JOIN_VERSION, _HEARTBEAT_VERSION, _COMMIT_VERSION, _FETCH_VERSION = 9, 4, 8, 9
_UNDER_WAY = 50
_NOT_YET = {ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.NOT_COORDINATOR}


def _exchange(bench: Bench, requests: list[Request], version: int) -> list[Any]:
    """Responses to all requests, some of which are under way at a time."""
    responses: list[Any] = []
    client = bench.client
    for first in range(0, len(requests), _UNDER_WAY):
        some = requests[first : first + _UNDER_WAY]
        numbers = [client.send_request(request, version) for request in some]
        for request, number in zip(some, numbers, strict=True):
            responses.append(client.receive_response(request.response_type, version, number))
    return responses


def group_coordinator_is_there(bench: Bench) -> None:
    """Apache Kafka makes __consumer_offsets when the first group asks for it, and answers later."""
    deadline = time.monotonic() + 60
    while (
        bench.client.send(FindCoordinatorRequest(key="first"), 2).error_code in _NOT_YET
        or bench.client.send(_join("first"), _JOIN_VERSION).error_code in _NOT_YET
    ):
        assert time.monotonic() < deadline, "no group coordinator"
        time.sleep(0.1)


def _join(group: str) -> JoinGroupRequest:
    return JoinGroupRequest(
        group_id=group,
        group_instance_id="member",
        session_timeout_ms=1_800_000,
        rebalance_timeout_ms=60_000,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
    )


def _found_groups(bench: Bench, names: list[str]) -> list[str]:
    """Makes groups with one static member each, whose generation is 1; returns the members' ids."""
    group_coordinator_is_there(bench)
    joined = _exchange(bench, [_join(name) for name in names], _JOIN_VERSION)
    assert {each.error_code for each in joined} == {ErrorCode.NONE}
    members = [str(each.member_id) for each in joined]
    syncs: list[Request] = [
        SyncGroupRequest(
            group_id=name,
            generation_id=1,
            member_id=member,
            group_instance_id="member",
            protocol_type="consumer",
            protocol_name="range",
            assignments=[SyncGroupRequestAssignment(member_id=member, assignment=b"assignment")],
        )
        for name, member in zip(names, members, strict=True)
    ]
    assert {each.error_code for each in _exchange(bench, syncs, 5)} == {ErrorCode.NONE}
    return members


def measure(bench: Bench, size: int) -> Figures:
    groups: list[tuple[str, str]] = bench.kept.setdefault("groups", [])
    topic: str = bench.kept.get("topic") or bench.topic().name
    bench.kept["topic"] = topic
    names = [f"group-{number}" for number in range(len(groups), size)]
    groups += zip(names, _found_groups(bench, names), strict=True)
    partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=5, committed_metadata="")
    committed = [OffsetCommitRequestTopic(name=topic, partitions=[partition])]
    wanted = [OffsetFetchRequestTopics(name=topic, partition_indexes=[0])]
    heartbeats = [
        HeartbeatRequest(group_id=name, generation_id=1, member_id=member, group_instance_id="member")
        for name, member in groups
    ]
    commits = [
        OffsetCommitRequest(
            group_id=name,
            generation_id_or_member_epoch=1,
            member_id=member,
            group_instance_id="member",
            topics=committed,
        )
        for name, member in groups
    ]
    fetches = [OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=name, topics=wanted)]) for name, _ in groups]
    heartbeat_error = int16_position(
        lambda mark: response_frame(HeartbeatResponse(error_code=mark), _HEARTBEAT_VERSION)
    )
    figures: Figures = {}
    kinds: list[tuple[str, list[Any], int, list[int]]] = [
        ("heartbeat", heartbeats, _HEARTBEAT_VERSION, [heartbeat_error]),
        ("commit", commits, _COMMIT_VERSION, []),
        ("fetch", fetches, _FETCH_VERSION, []),
    ]
    for name, requests, version, zeros in kinds:
        frames = [frame(request, version) for request in requests]
        # One in flight for each group at most, as a member does it.
        connections = min(4, size)
        in_flight = max(1, min(10, size // connections))
        with Load(
            bench.broker.port,
            frames,
            connections=connections,
            in_flight=in_flight,
            seconds=bench.seconds,
            zero_at=zeros,
        ) as load:
            bench.warm_up(load)
            measured, cpu_us = bench.run(load)
        figures[f"{name}_per_second"] = measured.requests_per_second
        figures[f"{name}_cpu_us"] = cpu_us
        figures[f"{name}_p99_ms"] = measured.p99_ms
    figures["resident_mb"] = bench.resident_mb()
    return figures


WORKLOAD = Workload(
    name="groups",
    title="Groups",
    counted="groups",
    sizes=(1, 10, 100, 1_000, 10_000),
    figures={
        "heartbeat_per_second": Figure("heartbeats/s", is_more_better=True, is_drawn=False),
        "heartbeat_cpu_us": Figure("heartbeat, broker CPU, µs"),
        "commit_per_second": Figure("commits/s", is_more_better=True, is_drawn=False),
        "commit_cpu_us": Figure("commit, broker CPU, µs"),
        "commit_p99_ms": Figure("commit p99, ms", is_drawn=False),
        "fetch_per_second": Figure("fetches of offsets/s", is_more_better=True, is_drawn=False),
        "fetch_cpu_us": Figure("fetch of offsets, broker CPU, µs"),
        "resident_mb": Figure("resident, MB", is_drawn=False),
    },
    measure=measure,
)
