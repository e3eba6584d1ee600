"""kafka-groups, kafka-cluster, kafka-metadata-quorum and kafka-features beside Apache Kafka's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from kafkalite.cli import kafka_cluster, kafka_features
from kafkalite.cli.java_exceptions import ToolError


@pytest.mark.oracle
def test_groups_of_all_types_are_listed_as_apache_kafka_lists_them(each_comparison: Any, stage: Any) -> None:
    def scenario(tool: Any) -> None:
        tool("kafka_groups", "--list")
        stage.create_topic("t")
        for group_id in ("alpha", "beta", "a-group-with-a-long-name", "delta", "epsilon"):
            stage.commit(group_id, {("t", 0): 1})
        tool("kafka_groups", "--list")
        tool("kafka_groups", "--list", "--group-type", "Classic")
        tool("kafka_groups", "--list", "--group-type", "classic", "--protocol", "consumer")
        tool("kafka_groups", "--list", "--group-type", "other")
        tool("kafka_groups", "--list", "--protocol", "")
        tool("kafka_groups", "--list", "--protocol", "consumer")
        tool("kafka_groups", "--list", "--consumer")
        tool("kafka_groups", "--list", "--share")
        tool("kafka_groups", "--list", "--streams")
        tool("kafka_groups", "--list", "--streams", "--share")
        tool("kafka_groups")
        tool("kafka_groups", "--help")
        tool("kafka_groups", "--nothing")

    each_comparison.of(scenario)


@pytest.mark.oracle
def test_cluster_prints_what_apache_kafka_prints(comparison: Any) -> None:
    at = ("--bootstrap-server", comparison.broker.bootstrap_servers)
    controllers = ("--bootstrap-controller", f"127.0.0.1:{comparison.broker.controller_port}")

    def scenario(tool: Any) -> None:
        tool("kafka_cluster", "cluster-id", *at)
        tool("kafka_cluster", "cluster-id", "-b", at[1])
        tool("kafka_cluster", "cluster-id", *controllers)
        tool("kafka_cluster", "list-endpoints", *at)
        tool("kafka_cluster", "list-endpoints", *at, "--include-fenced-brokers")
        tool("kafka_cluster", "list-endpoints", *controllers)
        tool("kafka_cluster", "list-endpoints", *controllers, "--include-fenced-brokers")
        tool("kafka_cluster", "unregister", *at, "--id", "77")

    comparison.of(scenario, adds_bootstrap=False)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "too few arguments"),
        (["bogus"], "invalid choice: 'bogus' (choose from 'cluster-id', 'unregister', 'list-endpoints')"),
        (["cluster-id"], "one of the arguments --bootstrap-server/-b --bootstrap-controller/-C is required"),
        (["unregister", "-b", "b:1"], "argument --id/-i is required"),
        (
            ["unregister", "-b", "b:1", "--id", "x"],
            "argument --id/-i: could not convert 'x' to Integer (For input string: \"x\")",
        ),
        (["cluster-id", "-b", "b:1", "--foo"], "unrecognized arguments: '--foo'"),
    ],
)
def test_subcommands_are_checked_in_argparse4js_words(words: list[str], complaint: str, capsys: Any) -> None:
    assert kafka_cluster.main(words) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("usage: kafka-cluster")
    assert output.err.splitlines()[-1] == f"kafka-cluster: error: {complaint}"


@pytest.mark.oracle
def test_metadata_quorum_prints_what_apache_kafka_prints(comparison: Any, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "meta.properties").write_text(
        "version=1\nnode.id=3\ncluster.id=MkU3OEVBNTcwNTJENDM2Qk\ndirectory.id=VTYn0Zg3R1WVQz9Gx5LDRg\n"
    )
    joining = tmp_path / "controller.properties"
    joining.write_text(
        f"node.id=3\nprocess.roles=controller\nlog.dirs={tmp_path / 'data'}\ncontroller.listener.names=CONTROLLER\n"
        "listeners=CONTROLLER://:9093\nadvertised.listeners=CONTROLLER://example.com:9093\n"
    )
    broker = tmp_path / "broker.properties"
    broker.write_text("node.id=3\nprocess.roles=broker\n")
    config = ("--command-config", str(joining))
    directory = ("-d", "VTYn0Zg3R1WVQz9Gx5LDRg")
    describe_controllers = ("--bootstrap-controller", f"127.0.0.1:{comparison.broker.controller_port}", "describe")

    def scenario(tool: Any) -> None:
        def quorum(*words: str) -> None:
            tool("kafka_metadata_quorum", "--bootstrap-server", comparison.broker.bootstrap_servers, *words)

        quorum("describe", "--status")
        quorum("describe", "--replication")
        quorum("describe", "--replication", "--human-readable")
        quorum("describe", "--status", "--human-readable")
        quorum("describe", "--status", "--replication")
        quorum("describe")
        tool("kafka_metadata_quorum", *describe_controllers, "--status")
        quorum(*config, "add-controller", "--dry-run")
        quorum("--command-config", str(broker), "add-controller", "--dry-run")
        quorum("--command-config", "/no/such/file", "add-controller", "--dry-run")
        quorum("add-controller")
        quorum("remove-controller", "-i", "3", *directory, "--dry-run")
        quorum("remove-controller", "-i", "3", *directory)
        quorum("remove-controller", "-i", "3", "-d", "x" * 30)
        quorum("remove-controller", "--controller-id=-3", *directory)

    def without_offsets_and_times(text: str) -> str:
        return re.sub(r"(HighWatermark: +)\d+|\b\d+( ms ago)|\b\d{2,}\b", r"\1#\2", re.sub(r" +", " ", text))

    comparison.of(scenario, adds_bootstrap=False, normalise=without_offsets_and_times)


@pytest.mark.oracle
def test_features_are_described_and_changed_as_apache_kafka_does(comparison: Any) -> None:
    at = ("--bootstrap-server", comparison.broker.bootstrap_servers)

    def scenario(tool: Any) -> None:
        def features(*words: str) -> None:
            tool("kafka_features", *at, *words)

        features("describe")
        features("describe", "--node-id", "1")
        features("describe", "--node-id=-1")
        features("describe", "--node-id", "x")
        features("upgrade", "--feature", "transaction.version=2", "--dry-run")
        features("upgrade", "--feature", "transaction.version=9", "--feature", "group.version=1")
        features("upgrade", "--feature", "nonsense=1")
        features("upgrade", "--feature", "transaction.version")
        features("upgrade", "--feature", "transaction.version=x")
        features("upgrade", "--feature", "group.version=1", "--feature", "group.version=1")
        features("upgrade", "--metadata", "3.9", "--dry-run")
        features("upgrade", "--release-version", "3.9", "--metadata", "3.9")
        features("upgrade", "--release-version", "4.0-IV3", "--dry-run")
        features("upgrade")
        features("downgrade", "--feature", "group.version=0", "--dry-run")
        features("downgrade", "--metadata", "4.0", "--unsafe", "--dry-run")
        features("disable", "--feature", "group.version", "--dry-run")
        features("disable", "--feature", "nonsense")
        features("disable")
        for version in ("3.3-IV3", "3.9", "4.0", "4.1-IV0", "4.2", "4.3.0"):
            tool("kafka_features", "version-mapping", "--release-version", version)
        for needed in ("group.version=1", "eligible.leader.replicas.version=1", "metadata.version=20", "x=1", "x"):
            tool("kafka_features", "feature-dependencies", "--feature", needed)
        for words in ([], ["describe"], ["bogus"], [*at, "describe", "--foo"], ["upgrade", "--feature"]):
            tool("kafka_features", *words)

    def without_what_the_release_before_does_not_know(text: str) -> str:
        # The original's tools are one release behind the broker.
        return re.sub(r"UNKNOWN \d+ *|4\.4-IV\d *|(?<=Epoch: )\d+", "#", text)

    comparison.of(scenario, adds_bootstrap=False, normalise=without_what_the_release_before_does_not_know)


def test_the_levels_of_a_release_need_no_broker(capsys: Any) -> None:
    assert kafka_features.main(["version-mapping", "--release-version", "4.0"]) == 0
    assert capsys.readouterr().out.splitlines()[:3] == [
        "metadata.version=25 (4.0)",
        "kraft.version=1",
        "transaction.version=2",
    ]
    assert kafka_features.main(["version-mapping", "--release-version", "9.9"]) == 1
    assert capsys.readouterr().err.startswith("Unknown metadata.version '9.9'. Supported metadata.version are: 3.3-IV3")


def test_a_level_is_a_short() -> None:
    assert kafka_features.parse_name_and_level(" a.b = 7 ") == ("a.b", 7)
    with pytest.raises(ToolError, match="unable to parse 40000 as a short"):
        kafka_features.parse_name_and_level("a=40000")
