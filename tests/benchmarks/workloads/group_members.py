"""What the members of many groups cost: their heartbeats and their commits, where each group has five of them."""

from __future__ import annotations

from typing import Any

from frames import frame, int16_position, response_frame
from load import Load
from measuring import Bench, Figure, Figures, Workload
from workloads.groups import group_coordinator_is_there
from workloads.rebalance import RebalancingGroup

from kafkalite.client.wire_client import WireClient
from kafkalite.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from kafkalite.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)

_HEARTBEAT_VERSION, _COMMIT_VERSION = 4, 8
MEMBERS = 5


def _found_groups(bench: Bench, names: list[str]) -> list[tuple[str, int, str]]:
    """Group, generation and id of each member."""
    clients = [WireClient(bench.broker.bootstrap_servers, timeout_s=60) for _ in range(MEMBERS)]
    members = []
    for name in names:
        group = RebalancingGroup(name, clients)
        group.join_alone()
        group.rebalance(0)
        members += [(name, group.generation_id, member_id) for member_id in group.ids]
    for client in clients:
        client.close()
    return members


def measure(bench: Bench, size: int) -> Figures:
    group_coordinator_is_there(bench)
    topic = bench.topic(MEMBERS)
    members = _found_groups(bench, [f"five-{size}-{number}" for number in range(size)])
    heartbeats = [
        frame(HeartbeatRequest(group_id=name, generation_id=generation_id, member_id=member_id), _HEARTBEAT_VERSION)
        for name, generation_id, member_id in members
    ]
    commits = []
    for number, (name, generation_id, member_id) in enumerate(members):
        partition = OffsetCommitRequestPartition(partition_index=number % MEMBERS, committed_offset=number)
        request = OffsetCommitRequest(
            group_id=name,
            generation_id_or_member_epoch=generation_id,
            member_id=member_id,
            topics=[OffsetCommitRequestTopic(name=topic.name, partitions=[partition])],
        )
        commits.append(frame(request, _COMMIT_VERSION))
    heartbeat_error = int16_position(
        lambda mark: response_frame(HeartbeatResponse(error_code=mark), _HEARTBEAT_VERSION)
    )
    figures: Figures = {}
    kinds: list[tuple[str, list[bytes], list[int]]] = [
        ("heartbeat", heartbeats, [heartbeat_error]),
        ("commit", commits, []),
    ]
    for name, frames, zeros in kinds:
        plan: dict[str, Any] = {"connections": 4, "in_flight": 10, "seconds": bench.seconds, "zero_at": zeros}
        with Load(bench.broker.port, frames, **plan) as load:
            bench.warm_up(load)
            measured, cpu_us = bench.run(load)
        figures[f"{name}_per_second"] = measured.requests_per_second
        figures[f"{name}_cpu_us"] = cpu_us
    # A member beats every three seconds and commits every five, as clients do that nobody has configured.
    figures["cpu_percent"] = size * MEMBERS * (figures["heartbeat_cpu_us"] / 3 + figures["commit_cpu_us"] / 5) / 1e4
    return figures


WORKLOAD = Workload(
    name="group-members",
    title="Groups of five members",
    counted="groups",
    sizes=(10, 100, 1_000),
    figures={
        "heartbeat_per_second": Figure("heartbeats/s", is_more_better=True, is_drawn=False),
        "heartbeat_cpu_us": Figure("heartbeat, broker CPU, µs", is_drawn=False),
        "commit_per_second": Figure("commits/s", is_more_better=True, is_drawn=False),
        "commit_cpu_us": Figure("commit, broker CPU, µs", is_drawn=False),
        "cpu_percent": Figure("all members at work, broker CPU, % of a core"),
    },
    measure=measure,
)
