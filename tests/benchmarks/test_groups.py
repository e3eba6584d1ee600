"""What many groups cost, beside Apache Kafka: heartbeats, commits, fetches of offsets, a rebalance of 100 members.

Prints a table (run with -s); asserts only that all is answered. CPU is that of the broker's process.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from broker_process import HOST, BrokerProcess
from group_scenarios import GroupOnSide
from kafkalite.client.wire_client import WireClient
from kafkalite.protocol.headers import RequestHeader
from kafkalite.protocol.messages.heartbeat import HeartbeatRequest
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
from kafkalite.protocol.schema import Request
from transcript import Side

pytestmark = [pytest.mark.oracle, pytest.mark.stress]

GROUPS = 1_000
ROUNDS = 10
IN_FLIGHT = 100
MEMBERS_OF_ONE = 100


def frame(request: Request, version: int) -> bytes:
    """A request as it travels; all of these are answered in frames whose size is enough to know where they end."""
    header = RequestHeader(
        request_api_key=request.api_key, request_api_version=version, correlation_id=1, client_id="bench"
    )
    body = header.encode(2 if version in type(request).flexible_versions else 1) + request.encode(version)
    return struct.pack(">i", len(body)) + body


def frames_in(received: bytearray) -> int:
    """How many whole frames have arrived; they are taken out."""
    position = count = 0
    while len(received) - position >= 4:
        (size,) = struct.unpack_from(">i", received, position)
        if len(received) - position < 4 + size:
            break
        position += 4 + size
        count += 1
    del received[:position]
    return count


def cpu_seconds(pid: int) -> float:
    """What a process has used of the processors, in its own code and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(broker: BrokerProcess, requests: list[bytes]) -> tuple[float, float]:
    """Requests per second and the broker's CPU microseconds for each, with so many in flight on one connection."""
    with socket.create_connection((HOST, broker.port)) as connection:
        before = cpu_seconds(broker.pid)
        began = time.perf_counter()
        sent = answered = 0
        received = bytearray()
        while answered < len(requests):
            if sent < len(requests) and sent - answered <= IN_FLIGHT // 2:
                connection.sendall(b"".join(requests[sent : sent + IN_FLIGHT // 2]))
                sent = min(len(requests), sent + IN_FLIGHT // 2)
            data = connection.recv(1 << 20)
            assert data, "the connection was closed"
            received += data
            answered += frames_in(received)
        took = time.perf_counter() - began
        cpu = cpu_seconds(broker.pid) - before
    return len(requests) / took, cpu / len(requests) * 1e6


@pytest.fixture(params=["apache_kafka", "kafkalite_process"])
def broker(request: pytest.FixtureRequest) -> Iterator[BrokerProcess]:
    yield request.getfixturevalue(request.param)


@pytest.fixture
def side(broker: BrokerProcess) -> Iterator[Side]:
    side = Side(type(broker).__name__, broker.bootstrap_servers, f"bench-{time.time_ns()}")
    yield side
    side.client.close()


def test_many_groups(broker: BrokerProcess, side: Side) -> None:
    GroupOnSide(side)
    topic = side.topic(1)
    members = []
    for number in range(GROUPS):
        group = GroupOnSide.__new__(GroupOnSide)
        group.side, group.group_id = side, f"{side.namespace}-{number}"
        joined = side.client.send(group.join_request(instance_id="i", session_timeout_ms=600_000), 9)
        side.client.send(group.sync_request(joined.member_id, 1, {joined.member_id: b"x"}, instance_id="i"), 5)
        members.append((group.group_id, joined.member_id))
    partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=5, committed_metadata="")
    topics = [OffsetCommitRequestTopic(name=topic, partitions=[partition])]
    wanted = [OffsetFetchRequestTopics(name=topic, partition_indexes=[0])]
    makers: dict[str, tuple[Callable[[str, str], Request], int]] = {
        "Heartbeat": (
            lambda group_id, member_id: HeartbeatRequest(
                group_id=group_id, generation_id=1, member_id=member_id, group_instance_id="i"
            ),
            4,
        ),
        "OffsetCommit": (
            lambda group_id, member_id: OffsetCommitRequest(
                group_id=group_id,
                generation_id_or_member_epoch=1,
                member_id=member_id,
                group_instance_id="i",
                topics=topics,
            ),
            9,
        ),
        "OffsetFetch": (
            lambda group_id, _: OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group_id, topics=wanted)]),
            9,
        ),
    }
    for name, (make, version) in makers.items():
        requests = [frame(make(*member), version) for member in members]
        run(broker, requests * 3)  # the JVM compiles what it has seen often
        per_second, cpu_us = run(broker, requests * ROUNDS)
        print(f"\n{side.name:18} {name:13} {per_second:9,.0f} requests/s {cpu_us:7.1f} us of CPU each", end="")


def test_a_rebalance_of_many_members(broker: BrokerProcess, side: Side) -> None:
    group = GroupOnSide(side)
    clients = [WireClient(broker.bootstrap_servers) for _ in range(MEMBERS_OF_ONE)]
    ids: list[str] = [""] * MEMBERS_OF_ONE
    generations: list[int] = [0] * MEMBERS_OF_ONE
    leaders: list[str] = [""] * MEMBERS_OF_ONE
    group_facts = {"session_timeout_ms": 600_000, "rebalance_timeout_ms": 60_000}

    def join(number: int) -> None:
        # What a member says changes with each round, so everybody's joining is part of the rebalance.
        said = {"range": f"round {len(took)}".encode()}
        response = clients[number].send(group.join_request(ids[number], protocols=said, **group_facts), 9)
        assert response.error_code == 0
        generations[number], leaders[number] = response.generation_id, response.leader

    def sync(number: int) -> None:
        assignments = dict.fromkeys(ids, b"x" * 100) if ids[number] == leaders[number] else {}
        response = clients[number].send(group.sync_request(ids[number], generations[number], assignments), 5)
        assert response.error_code == 0

    def everyone(what: Callable[[int], None]) -> None:
        threads = [threading.Thread(target=what, args=(number,)) for number in range(MEMBERS_OF_ONE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()

    for number, client in enumerate(clients):
        ids[number] = client.send(group.join_request(protocols={"range": b""}, **group_facts), 9).member_id
    took: list[float] = []
    # With no initial delay the first to join is alone in its generation: it joins again with the others.
    clients[0].send(group.join_request(ids[0], protocols={"range": b"alone"}, **group_facts), 9)
    cpu = cpu_seconds(broker.pid)
    for _ in range(5):
        began = time.perf_counter()
        everyone(join)
        everyone(sync)
        took.append(time.perf_counter() - began)
    cpu = (cpu_seconds(broker.pid) - cpu) / 5
    for client in clients:
        client.close()
    assert len(set(generations)) == 1
    best = min(took) * 1e3
    print(f"\n{side.name:18} rebalance of {MEMBERS_OF_ONE}: {best:6.0f} ms, {cpu * 1e3:6.0f} ms of CPU", end="")
