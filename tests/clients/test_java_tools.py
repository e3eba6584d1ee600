"""Apache Kafka's command-line tools, as its users type them, against the broker under test."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from apache_kafka import RunJavaTool
from client_scenarios import PARTITIONS

pytestmark = pytest.mark.oracle
Tool = Callable[..., str]

TOPICS = "org.apache.kafka.tools.TopicCommand"
CONFIGS = "kafka.admin.ConfigCommand"
GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
CONSOLE_PRODUCER = "org.apache.kafka.tools.ConsoleProducer"
CONSOLE_CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
GET_OFFSETS = "org.apache.kafka.tools.GetOffsetShell"
LOG_DIRS = "org.apache.kafka.tools.LogDirsCommand"
API_VERSIONS = "org.apache.kafka.tools.BrokerApiVersionsCommand"
PRODUCER_PERFORMANCE = "org.apache.kafka.tools.ProducerPerformance"
CONSUMER_PERFORMANCE = "org.apache.kafka.tools.ConsumerPerformance"


@pytest.fixture
def tool(bootstrap_servers: str, run_java_tool: RunJavaTool) -> Tool:
    """Runs a tool with --bootstrap-server to a successful end and returns what it prints."""

    def run(main_class: str, *arguments: str, stdin: str = "") -> str:
        finished = run_java_tool(main_class, "--bootstrap-server", bootstrap_servers, *arguments, stdin=stdin)
        assert finished.returncode == 0, f"{main_class} {' '.join(arguments)}\n{finished.stdout}\n{finished.stderr}"
        return finished.stdout

    return run


def test_topics_are_created_described_altered_and_deleted(tool: Tool, topic: str) -> None:
    created = tool(TOPICS, "--create", "--topic", topic, "--partitions", "2", "--config", "retention.ms=60000")
    assert created == f"Created topic {topic}.\n"
    tool(TOPICS, "--alter", "--topic", topic, "--partitions", "3")
    changes = "retention.ms=50000,cleanup.policy=[compact,delete]"
    altered = tool(CONFIGS, "--alter", "--entity-type", "topics", "--entity-name", topic, "--add-config", changes)
    assert altered == f"Completed updating config for topic {topic}.\n"
    header, *partitions = tool(TOPICS, "--describe", "--topic", topic).splitlines()
    summary, configs = re.sub(r"TopicId: [\w-]{22}\t", "", header).split("Configs: ")
    assert summary == f"Topic: {topic}\tPartitionCount: 3\tReplicationFactor: 1\t"
    assert sorted(re.split(",(?=[a-z.]+=)", configs)) == [
        "cleanup.policy=compact,delete",
        "min.insync.replicas=1",
        "retention.ms=50000",
    ]
    assert partitions == [
        f"\tTopic: {topic}\tPartition: {partition}\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: \tLastKnownElr: "
        for partition in range(3)
    ]
    tool(TOPICS, "--delete", "--topic", topic)
    assert topic not in tool(TOPICS, "--list").splitlines()


def test_records_typed_into_the_console_come_out_of_it(tool: Tool, topic: str, group: str) -> None:
    tool(TOPICS, "--create", "--topic", topic, "--partitions", str(PARTITIONS))
    parse = ["--reader-property", "parse.key=true", "--reader-property", "key.separator=:"]
    typed = [f"key-{number}:value {number}" for number in range(20)]
    tool(CONSOLE_PRODUCER, "--topic", topic, "--compression-codec", "lz4", *parse, stdin="\n".join(typed) + "\n")
    show = ["--formatter-property", "print.key=true", "--formatter-property", "key.separator=:"]
    read = ["--topic", topic, "--group", group, "--timeout-ms", "15000"]
    first = tool(CONSOLE_CONSUMER, *read, "--from-beginning", "--max-messages", "15", *show).splitlines()
    second = tool(CONSOLE_CONSUMER, *read, "--max-messages", "5", *show).splitlines()
    assert (len(first), len(second)) == (15, 5)
    assert sorted(first + second) == sorted(typed)

    offsets = tool(GET_OFFSETS, "--topic", topic).splitlines()
    ends = {int(line.split(":")[1]): int(line.split(":")[2]) for line in offsets}
    assert (sorted(ends), sum(ends.values())) == ([0, 1, 2, 3], 20)
    described = [line.split() for line in tool(GROUPS, "--describe", "--group", group).splitlines() if topic in line]
    assert sorted(line[2:6] for line in described) == [
        [str(partition), str(end), str(end), "0"] for partition, end in sorted(ends.items())
    ]
    reset = tool(GROUPS, "--reset-offsets", "--to-earliest", "--all-topics", "--execute", "--group", group)
    new_offsets = sorted(line.split()[2:4] for line in reset.splitlines() if topic in line)
    assert new_offsets == [[str(partition), "0"] for partition in range(PARTITIONS)]
    assert (
        tool(GROUPS, "--delete", "--group", group).strip()
        == f"Deletion of requested consumer groups ('{group}') was successful."
    )


def test_the_performance_tools_measure_a_topic(tool: Tool, topic: str) -> None:
    size = ["--num-records", "20000", "--record-size", "100", "--throughput", "-1"]
    produced = tool(PRODUCER_PERFORMANCE, "--topic", topic, *size).splitlines()
    assert re.match(r"20000 records sent, [\d.,]+ records/sec", produced[-1])
    consumed = tool(CONSUMER_PERFORMANCE, "--topic", topic, "--num-records", "20000").splitlines()
    columns = dict(zip(consumed[0].split(", "), consumed[1].split(", "), strict=True))
    assert (columns["data.consumed.in.nMsg"], columns["data.consumed.in.MB"]) == ("20000", "1.9073")
    directories = json.loads(tool(LOG_DIRS, "--describe", "--topic-list", topic).splitlines()[-1])
    (replica,) = directories["brokers"][0]["logDirs"][0]["partitions"]
    assert (replica["partition"], replica["isFuture"]) == (f"{topic}-0", False)
    assert replica["size"] > 20000 * 100


def test_the_broker_tells_its_api_versions(tool: Tool, bootstrap_servers: str) -> None:
    first, *lines = tool(API_VERSIONS).splitlines()
    assert first == f"{bootstrap_servers} (id: 1 rack: null isFenced: false) -> ("
    matches = [re.match(r"\t(\w+)\(\d+\): (\d+ to \d+|\d+) ", line) for line in lines]
    supported = {match[1]: match[2] for match in matches if match}
    assert {name: supported[name] for name in ("Produce", "Fetch", "ListOffsets", "JoinGroup", "ApiVersions")} == {
        "Produce": "0 to 13",
        "Fetch": "4 to 18",
        "ListOffsets": "1 to 11",
        "JoinGroup": "0 to 9",
        "ApiVersions": "0 to 5",
    }
