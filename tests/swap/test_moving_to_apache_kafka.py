"""docs/moving-to-apache-kafka.md, run as it stands but for the ports: one kafkalite becomes three Apache Kafkas, and
another is copied into one by MirrorMaker."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from apache_kafka import StartApacheKafka, broker_home, class_path, mirror_home
from broker_process import BrokerProcess, free_port
from kafkalite.client.wire_client import WireClient
from kafkalite.protocol.messages.find_coordinator import FindCoordinatorRequest
from kafkalite.protocol.messages.metadata import MetadataRequest
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
from kafkalite_process import KafkaliteProcess, StartKafkalite

pytestmark = pytest.mark.oracle

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "moving-to-apache-kafka.md"
GROUP = "billing"
_JAVA = ["java", "-Xms128m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]
ORDERS = [f"order {number}" for number in range(50)]
_TOOLS = (
    "kafka-broker-api-versions",
    "kafka-console-consumer",
    "kafka-console-producer",
    "kafka-consumer-groups",
    "kafka-get-offsets",
    "kafka-reassign-partitions",
    "kafka-topics",
)


def commands() -> tuple[str, str]:
    """The commands of the page, in its order: those of the move, and those of the copy."""
    move, copy = PAGE.read_text().split("\n## Without stopping\n")
    scripts = [re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL) for text in (move, copy)]
    assert [len(blocks) for blocks in scripts] == [5, 4]
    return "\n".join(scripts[0]), "\n".join(scripts[1])


def run_script(script: str, ports: dict[str, str], tools: Path, folder: Path) -> str:
    """Runs commands of the page with other ports; returns what they have printed."""
    for stock, port in ports.items():
        script = script.replace(f":{stock}", f":{port}")
    ran = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-4000:]
    return ran.stdout


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder with the tools that the page uses: Apache Kafka's where they start a JVM, else kafkalite's."""
    folder = tmp_path / "tools"
    folder.mkdir()
    java = [*_JAVA, class_path(broker_home())]
    programs = {
        "kafka-server-start.sh": [*java, "kafka.Kafka"],
        "kafka-storage.sh": [*java, "kafka.tools.StorageTool"],
        "kafkalite": [sys.executable, "-m", "kafkalite.cli.kafkalite"],
    }
    for tool in _TOOLS:
        programs[f"{tool}.sh"] = [sys.executable, "-m", f"kafkalite.cli.{tool.replace('-', '_')}"]
    for name, command in programs.items():
        write_program(folder, name, command)
    return folder


def write_program(folder: Path, name: str, command: list[str]) -> None:
    """Writes a script of that name; of those that go on beside the others the process id is noted."""
    goes_on = name in ("kafka-server-start.sh", "connect-mirror-maker.sh")
    note_pid = f"echo $$ >> {shlex.quote(str(folder.parent / 'pids'))}\n" if goes_on else ""
    script = folder / name
    script.write_text(f'#!/bin/sh\n{note_pid}exec {shlex.join(command)} "$@"\n')
    script.chmod(0o755)


def end_brokers(folder: Path) -> None:
    """Those that the script has started."""
    pids = folder / "pids"
    for pid in map(int, pids.read_text().split() if pids.exists() else []):
        try:
            if b"kafka." in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            pass


def fill(broker: KafkaliteProcess, tools: Path) -> None:
    """Orders in a topic of three partitions, and a group that has read some."""
    run = [str(tools / "kafka-topics.sh"), "--bootstrap-server", broker.bootstrap_servers]
    subprocess.run([*run, "--create", "--topic", "orders", "--partitions", "3"], check=True, capture_output=True)
    producer = str(tools / "kafka-console-producer.sh")
    produce = [producer, "--bootstrap-server", broker.bootstrap_servers, "--topic", "orders"]
    subprocess.run(produce, input="".join(f"{order}\n" for order in ORDERS), text=True, check=True)
    client = WireClient(broker.bootstrap_servers)
    wanted = OffsetCommitRequestPartition(partition_index=1, committed_offset=7, committed_metadata="so far")
    request = OffsetCommitRequest(
        group_id=GROUP,
        generation_id_or_member_epoch=-1,
        member_id="",
        topics=[OffsetCommitRequestTopic(name="orders", partitions=[wanted])],
    )
    [answer] = client.send(request, 9).topics[0].partitions
    assert answer.error_code == 0
    client.close()


def test_the_commands_of_the_page_move_a_node_to_three_brokers(
    start_kafkalite: StartKafkalite, tools: Path, tmp_path: Path
) -> None:
    broker = start_kafkalite(directory=tmp_path, properties={"log.dirs": str(tmp_path / "kafkalite-data")})
    fill(broker, tools)
    assert broker.stop() == 0
    ports = {port: str(free_port()) for port in ("9092", "9093", "9094", "9095")}
    try:
        printed = run_script(commands()[0], ports, tools, tmp_path)
        assert "all is well" in printed
        assert sorted((tmp_path / "orders.txt").read_text().splitlines()) == sorted([*ORDERS, "still here"])
        check_cluster(f"localhost:{ports['9094']}")
    finally:
        end_brokers(tmp_path)


def check_cluster(bootstrap_servers: str) -> None:
    """Every partition has three replicas and is led by a broker that lives; the group knows how far it was."""
    client = WireClient(bootstrap_servers)
    deadline = time.monotonic() + 30
    while True:  # until the session of the broker that was killed has run out
        topics = client.send(MetadataRequest(topics=None)).topics
        if time.monotonic() > deadline or not any(3 in p.isr_nodes for topic in topics for p in topic.partitions):
            break
        time.sleep(0.2)
    assert {topic.name for topic in topics} >= {"orders", "__consumer_offsets"}
    for topic in topics:
        for partition in topic.partitions:
            assert sorted(partition.replica_nodes) == [1, 2, 3]
            assert partition.leader_id in (1, 2)
            assert sorted(partition.isr_nodes) == [1, 2]
    wanted = OffsetFetchRequestTopics(name="orders", partition_indexes=[1])
    request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=GROUP, topics=[wanted])])
    coordinator = client.send(FindCoordinatorRequest(key_type=0, coordinator_keys=[GROUP])).coordinators[0]
    client.close()
    client = WireClient(f"{coordinator.host}:{coordinator.port}")
    [offset] = client.send(request, 9).groups[0].topics[0].partitions
    assert (offset.error_code, offset.committed_offset, offset.metadata) == (0, 7, "so far")
    client.close()


def test_the_page_names_no_tool_that_the_test_does_not_have(tools: Path) -> None:
    named = set(re.findall(r"\bkafka-[a-z-]+\.sh\b", "".join(commands())))
    assert named <= {path.name for path in tools.iterdir()}


@pytest.mark.stress
def test_the_commands_of_the_page_copy_a_node_that_goes_on(
    start_kafkalite: StartKafkalite, start_apache_kafka: StartApacheKafka, tools: Path, tmp_path: Path
) -> None:
    broker = start_kafkalite()
    fill(broker, tools)
    other = start_apache_kafka()
    mirror_maker = [*_JAVA, class_path(mirror_home()), "org.apache.kafka.connect.mirror.MirrorMaker"]
    write_program(tools, "connect-mirror-maker.sh", mirror_maker)
    try:
        run_script(commands()[1], {"9092": str(broker.port), "9096": str(other.port)}, tools, tmp_path)
    finally:
        end_brokers(tmp_path)
    ends = [(tmp_path / name).read_text().splitlines() for name in ("read-there.txt", "read-here.txt")]
    assert sorted(ends[0] + records_of(broker, 1)[:7]) == sorted(ORDERS)
    assert "one more" in ends[1]
    assert set(ends[1]) <= {*ORDERS, "one more"}
    for partition in range(3):
        assert records_of(other, partition) == records_of(broker, partition)


def records_of(broker: BrokerProcess, partition: int) -> list[str]:
    """The orders in a partition."""
    consumer = Consumer(
        {"bootstrap.servers": broker.bootstrap_servers, "group.id": "reader", "enable.partition.eof": True}
    )
    consumer.assign([TopicPartition("orders", partition, 0)])
    found = []
    while (message := consumer.poll(30)) is not None and not message.error():
        found.append(message.value().decode())
    consumer.close()
    return found
