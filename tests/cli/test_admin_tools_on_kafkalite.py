"""The admin tools on kafkalite alone, for where there is no Java: what they print, to the letter."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kafkalite.cli.kafka_broker_api_versions import main as kafka_broker_api_versions
from kafkalite.cli.kafka_delete_records import main as kafka_delete_records
from kafkalite.cli.kafka_topics import TopicCommandOptions
from kafkalite.cli.kafka_topics import main as kafka_topics


@pytest.fixture
def tool(tools_kafkalite: Any, stage: Any, on_empty_kafkalite: Any) -> Any:
    """Runs one of our tools on a kafkalite that was emptied; returns its output."""
    return on_empty_kafkalite


def test_topics_are_created_described_altered_and_deleted(tool: Any) -> None:
    assert tool("kafka_topics", "--list", "--exclude-internal").stdout == "\n"
    created = tool("kafka_topics", "--create", "--topic", "sample", "--partitions", "2", "--config", "retention.ms=7")
    assert (created.exit_code, created.stdout, created.stderr) == (0, "Created topic sample.\n", "")
    described = tool("kafka_topics", "--describe", "--topic", "sample").stdout
    assert re.sub(r"TopicId: [-\w]{22}", "TopicId: #", described) == (
        "Topic: sample\tTopicId: #\tPartitionCount: 2\tReplicationFactor: 1\t"
        "Configs: min.insync.replicas=1,retention.ms=7\n"
        "\tTopic: sample\tPartition: 0\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: \tLastKnownElr: \n"
        "\tTopic: sample\tPartition: 1\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: \tLastKnownElr: \n"
    )
    again = tool("kafka_topics", "--create", "--topic", "sample")
    assert (again.exit_code, again.stdout) == (
        1,
        "Error while executing topic command : Topic 'sample' already exists.\n",
    )
    assert again.stderr.endswith(
        "] ERROR org.apache.kafka.common.errors.TopicExistsException: Topic 'sample' already exists."
        " (org.apache.kafka.tools.TopicCommand)\n"
    )
    assert tool("kafka_topics", "--alter", "--topic", "sample", "--partitions", "3") == (0, "", "")
    assert tool("kafka_get_offsets", "--topic", "sample").stdout == "sample:0:0\nsample:1:0\nsample:2:0\n"
    assert tool("kafka_topics", "--delete", "--topic", "s.*") == (0, "", "")
    assert tool("kafka_topics", "--list", "--exclude-internal").stdout == "\n"


def test_group_offsets_are_described_reset_and_deleted(tool: Any, stage: Any) -> None:
    stage.create_topic("sample", 2, retention_ms="-1")
    stage.produce("sample", [1000, 2000, 3000])
    stage.commit("readers", {("sample", 0): 1})
    assert tool("kafka_consumer_groups", "--list").stdout == "readers\n"
    described = tool("kafka_consumer_groups", "--describe", "--group", "readers")
    assert described.stderr == "\nConsumer group 'readers' has no active members.\n"
    assert [line.split() for line in described.stdout.splitlines()] == [
        [],
        ["GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CONSUMER-ID", "HOST", "CLIENT-ID"],
        ["readers", "sample", "0", "1", "3", "2", "-", "-", "-"],
    ]
    reset = ("--reset-offsets", "--group", "readers", "--topic", "sample", "--execute")
    moved = tool("kafka_consumer_groups", *reset, "--to-datetime", "1970-01-01T00:00:01.500")
    assert moved.stdout == (
        "\nWarn: Partition 1 from topic sample is empty. Falling back to latest known offset.\n"
        "\nGROUP           TOPIC           PARTITION  NEW-OFFSET"
        "\nreaders         sample          0          1"
        "\nreaders         sample          1          0\n"
    )
    exported = tool("kafka_consumer_groups", *reset[:-1], "--dry-run", "--to-latest", "--export").stdout
    assert sorted(exported.split()) == ["sample,0,3", "sample,1,0"]
    deleted = tool("kafka_consumer_groups", "--delete-offsets", "--group", "readers", "--topic", "sample:0")
    assert deleted.stdout == (
        "Request succeeded for deleting offsets from group readers.\n"
        "\nTOPIC           PARTITION  STATUS         \nsample          0          Successful     \n"
    )
    assert tool("kafka_consumer_groups", "--delete", "--group", "readers").stdout == (
        "Deletion of requested consumer groups ('readers') was successful.\n"
    )
    assert tool("kafka_consumer_groups", "--describe", "--group", "readers").stdout.startswith(
        "\nError: Executing consumer group command failed due to"
        " org.apache.kafka.common.errors.GroupIdNotFoundException: Group readers not found."
    )


def test_records_are_deleted_and_directories_measured(tool: Any, stage: Any, tmp_path: Path) -> None:
    stage.create_topic("sample")
    stage.produce("sample", [-1, -1, -1])
    plan = tmp_path / "offsets.json"
    plan.write_text('{"partitions": [{"topic": "sample", "partition": 0, "offset": 2}]}')
    assert tool("kafka_delete_records", "--offset-json-file", str(plan)).stdout == (
        "Executing records delete operation\n"
        "Records delete operation completed:\n"
        "partition: sample-0\tlow_watermark: 2\n"
    )
    assert tool("kafka_get_offsets", "--topic", "sample", "--time", "earliest").stdout == "sample:0:2\n"
    lines = tool("kafka_log_dirs", "--describe", "--topic-list", "sample").stdout.splitlines()
    assert lines[:2] == [
        "Querying brokers for log directories information",
        "Received log directory information from brokers 1",
    ]
    (broker,) = json.loads(lines[2])["brokers"]
    (log_dir,) = broker["logDirs"]
    (partition,) = log_dir["partitions"]
    assert partition["partition"] == "sample-0"
    assert partition["size"] > 61


def test_the_brokers_apis_are_listed(tool: Any, tools_kafkalite: Any) -> None:
    lines = tool("kafka_broker_api_versions").stdout.splitlines()
    assert lines[0] == f"{tools_kafkalite.bootstrap_servers} (id: 1 rack: null isFenced: false) -> ("
    assert "\tMetadata(3): 0 to 13 [usable: 13]," in lines


def test_the_zookeeper_of_old_tutorials_stands_for_the_broker_beside_it(capsys: Any) -> None:
    options = TopicCommandOptions(["--list", "--zookeeper", "localhost:2181,other/chroot"])
    assert options.bootstrap_servers() == "localhost:9092,other:9092"
    assert capsys.readouterr().err.startswith("Warning: --zookeeper is deprecated")


def test_security_that_is_not_there_yet_is_said_in_a_line(tmp_path: Path, capsys: Any) -> None:
    config = tmp_path / "client.properties"
    config.write_text("security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\n")
    assert kafka_topics(["--bootstrap-server", "127.0.0.1:1", "--list", "--command-config", str(config)]) == 1
    output = capsys.readouterr()
    assert (output.out, output.err) == (
        "",
        "security.protocol=SASL_SSL is not supported yet: kafkalite's tools have no SASL.\n",
    )
    config.write_text(
        "security.protocol=plaintext\nrequest.timeout.ms=1\ndefault.api.timeout.ms=1\nsasl.mechanism=PLAIN\n"
    )
    assert kafka_topics(["--bootstrap-server", "127.0.0.1:1", "--list", "--command-config", str(config)]) == 1
    assert capsys.readouterr().out == (
        "Error while executing topic command : Timed out waiting for a node assignment. Call: listTopics\n"
    )


@pytest.mark.parametrize(
    ("properties", "complaint"),
    [
        (
            "request.timeout.ms=soon",
            "Invalid value soon for configuration request.timeout.ms: Not a number of type INT",
        ),
        ("request.timeout.ms=-1", "Invalid value -1 for configuration request.timeout.ms: Value must be at least 0"),
        (
            "default.api.timeout.ms=29999",
            "Failed to create new KafkaAdminClient\nCaused by: org.apache.kafka.common.config.ConfigException: "
            "The specified value of default.api.timeout.ms must be no smaller than the value of request.timeout.ms.",
        ),
        (
            "security.protocol=secret",
            "Invalid value secret for configuration security.protocol: "
            "String must be one of (case insensitive): SASL_SSL, PLAINTEXT, SSL, SASL_PLAINTEXT",
        ),
    ],
)
def test_properties_of_the_connection_are_checked(properties: str, complaint: str, tmp_path: Path, capsys: Any) -> None:
    config = tmp_path / "client.properties"
    config.write_text(properties)
    assert kafka_topics(["--bootstrap-server", "127.0.0.1:1", "--list", "--command-config", str(config)]) == 1
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", complaint + "\n")


def test_a_broker_that_is_not_there_ends_a_look_at_its_versions_at_once(capsys: Any) -> None:
    assert kafka_broker_api_versions(["--bootstrap-server", "127.0.0.1:1"]) == 1
    assert capsys.readouterr().err == (
        "Request METADATA failed on brokers [127.0.0.1:1 (id: -1 rack: null isFenced: false)]\n"
    )


def test_partitions_whose_broker_is_not_there_each_get_their_error(tmp_path: Path, capsys: Any) -> None:
    offsets, config = tmp_path / "offsets.json", tmp_path / "client.properties"
    offsets.write_text('{"partitions": [{"topic": "t", "partition": 3, "offset": 1}]}')
    config.write_text("request.timeout.ms=1\ndefault.api.timeout.ms=1\n")
    words = ["--bootstrap-server", "127.0.0.1:1", "--offset-json-file", str(offsets), "--command-config", str(config)]
    assert kafka_delete_records(words) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "partition: t-3\terror: org.apache.kafka.common.errors.TimeoutException: "
        "Timed out waiting for a node assignment. Call: deleteRecords(api=METADATA)"
    )


@pytest.mark.parametrize(
    ("servers", "cause"),
    [
        ("nowhere", "Invalid url in bootstrap.servers: nowhere"),
        ("", "No resolvable bootstrap urls given in bootstrap.servers"),
        ("no-such-host.invalid:9092", "No resolvable bootstrap urls given in bootstrap.servers"),
    ],
)
def test_addresses_that_lead_nowhere_are_reported_at_once(servers: str, cause: str, capsys: Any) -> None:
    assert kafka_topics(["--bootstrap-server", servers, "--list"]) == 1
    assert capsys.readouterr().err.endswith(
        f"Failed to create new KafkaAdminClient\nCaused by: org.apache.kafka.common.config.ConfigException: {cause}\n"
    )


def test_whoever_reads_the_output_may_stop_early(tools_kafkalite: Any) -> None:
    command = [sys.executable, "-m", "kafkalite.cli.kafka_broker_api_versions"]
    words = ["--bootstrap-server", tools_kafkalite.bootstrap_servers]
    with subprocess.Popen([*command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
