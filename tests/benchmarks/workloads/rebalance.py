"""A rebalance of a classic group: all members join again, each on its own connection, and sync."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

from measuring import Bench, Figure, Figures, Workload
from workloads.groups import group_coordinator_is_there

from kafkalite.client.wire_client import WireClient
from kafkalite.errors import ErrorCode
from kafkalite.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from kafkalite.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse

_JOIN_VERSION, _SYNC_VERSION = 9, 5
_ROUNDS = 5


class RebalancingGroup:
    """A group whose members, one for each client, are driven in step."""

    def __init__(self, name: str, clients: Sequence[WireClient]) -> None:
        self._name = name
        self._clients = clients
        self.generation_id = -1
        # The first answer is the id to join with (KIP-394); who has one is waited for.
        self.ids = [str(client.send(self._join("", b""), _JOIN_VERSION).member_id) for client in self._clients]

    def _join(self, member_id: str, metadata: bytes) -> JoinGroupRequest:
        return JoinGroupRequest(
            group_id=self._name,
            member_id=member_id,
            session_timeout_ms=600_000,
            rebalance_timeout_ms=60_000,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=metadata)],
        )

    def join_alone(self) -> None:
        """With no initial delay, who comes first is alone in its generation: the others make it a rebalance."""
        self._clients[0].send(self._join(self.ids[0], b"alone"), _JOIN_VERSION)

    def rebalance(self, round_number: int) -> None:
        # What a member says changes with each round, so everybody's joining is part of it.
        said = f"round {round_number}".encode()
        numbers = [
            client.send_request(self._join(member_id, said), _JOIN_VERSION)
            for client, member_id in zip(self._clients, self.ids, strict=True)
        ]
        joined = [
            client.receive_response(JoinGroupResponse, _JOIN_VERSION, number)
            for client, number in zip(self._clients, numbers, strict=True)
        ]
        assert {each.error_code for each in joined} == {ErrorCode.NONE}
        [self.generation_id] = {each.generation_id for each in joined}
        given = [SyncGroupRequestAssignment(member_id=each, assignment=b"x" * 100) for each in self.ids]
        numbers = [
            client.send_request(
                SyncGroupRequest(
                    group_id=self._name,
                    generation_id=answer.generation_id,
                    member_id=answer.member_id,
                    protocol_type="consumer",
                    protocol_name="range",
                    assignments=given if answer.member_id == answer.leader else [],
                ),
                _SYNC_VERSION,
            )
            for client, answer in zip(self._clients, joined, strict=True)
        ]
        for client, number in zip(self._clients, numbers, strict=True):
            synced = client.receive_response(SyncGroupResponse, _SYNC_VERSION, number)
            assert synced.error_code == ErrorCode.NONE
            assert len(synced.assignment) == 100


def measure(bench: Bench, size: int) -> Figures:
    group_coordinator_is_there(bench)
    clients = [WireClient(bench.broker.bootstrap_servers, timeout_s=60) for _ in range(size)]
    group = RebalancingGroup(f"rebalancing-{size}", clients)
    group.join_alone()
    for round_number in range(_ROUNDS):
        group.rebalance(round_number)
    times = []
    cpu = bench.cpu_seconds()
    for round_number in range(_ROUNDS, 3 * _ROUNDS):
        began = time.perf_counter()
        group.rebalance(round_number)
        times.append(time.perf_counter() - began)
    cpu = bench.cpu_seconds() - cpu
    for client in clients:
        client.close()
    return {
        "p50_ms": statistics.median(times) * 1e3,
        "longest_ms": max(times) * 1e3,
        "cpu_us": cpu / len(times) / size * 1e6,
    }


WORKLOAD = Workload(
    name="rebalance",
    title="Rebalance",
    counted="members",
    sizes=(1, 10, 100, 1_000),
    figures={
        "p50_ms": Figure("median, ms"),
        "longest_ms": Figure("longest, ms", is_drawn=False),
        "cpu_us": Figure("broker CPU, µs for each member"),
    },
    measure=measure,
)
