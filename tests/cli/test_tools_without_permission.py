"""What the tools say to somebody who may not do what they ask for, on an Apache Kafka with an authorizer.

Everybody is ANONYMOUS there, who may do everything but: know of the topic `secret`, do more than look at the topic
`seen`, know of the group `hidden` and the transactional id `hidden`, and administer the cluster.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apache_kafka import ApacheKafka
from comparable_error import comparable_error
from java_tools import JavaTools, Output
from tool_comparison import Stage, run_ours

pytestmark = pytest.mark.oracle

ANYBODY = "User:ANONYMOUS"
ACLS = (
    ["--deny-principal", ANYBODY, "--topic", "secret"],
    ["--deny-principal", ANYBODY, "--group", "hidden"],
    ["--deny-principal", ANYBODY, "--transactional-id", "hidden"],
    ["--allow-principal", ANYBODY, "--topic", "seen", "--operation", "Describe"],
    # What a broker needs to be one: it is the same user.
    ["--allow-principal", ANYBODY, "--cluster", "--operation", "ClusterAction"],
)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    properties = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    with ApacheKafka(tmp_path_factory.mktemp("guarded"), properties=properties) as broker:
        stage = Stage()
        stage.broker = broker
        for topic in ("secret", "seen", "free"):
            stage.create_topic(topic, 2)
            stage.produce(topic, [1, 2])
        for group_id in ("hidden", "open"):
            stage.commit(group_id, {("secret", 0): 1, ("seen", 0): 1, ("free", 0): 1})
        servers = ("--bootstrap-server", broker.bootstrap_servers)
        for acl in ACLS:
            assert run_ours("kafka_acls", *servers, "--add", *acl).exit_code == 0
        deadline_s = time.monotonic() + 30
        while run_ours("kafka_configs", *servers, "--describe", "--entity-type", "brokers").exit_code == 0:
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        yield broker


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files that command lines name as {name}."""
    folder = tmp_path_factory.mktemp("files")
    contents: dict[str, Any] = {
        "records": {"partitions": [{"topic": "seen", "partition": 0, "offset": 1}], "version": 1},
        "moves": {"partitions": [{"topic": "seen", "partition": 0, "replicas": [1]}], "version": 1},
        "elections": {"partitions": [{"topic": "seen", "partition": 0}]},
    }
    for name, document in contents.items():
        (folder / name).write_text(json.dumps(document))
    (folder / "plan").write_text("seen,0,1\n")
    return {path.name: path for path in folder.iterdir()}


def comparable(output: Output, servers: str) -> tuple[int, list[str], list[str]]:
    """Exit code and lines, in any order: brokers and hash maps have their own."""
    out, err = (_REQUEST.sub("REQUEST", text.replace(servers, "HOST:PORT")) for text in (output.stdout, output.stderr))
    # kafka-acls prints its stack trace to stdout.
    return output.exit_code, sorted(comparable_error(out).splitlines()), sorted(comparable_error(err).splitlines())


_REQUEST = re.compile(r"Request\(processor=.*\)(?= needs)")
COMMANDS = (
    "kafka_topics --list",
    "kafka_topics --describe",
    "kafka_topics --describe --topic secret",
    "kafka_topics --describe --topic seen",
    "kafka_topics --describe --topic free",
    "kafka_topics --alter --topic seen --partitions 5",
    "kafka_topics --alter --topic secret --partitions 5",
    "kafka_topics --delete --topic seen",
    "kafka_topics --delete --topic secret",
    "kafka_configs --describe --entity-type topics --entity-name seen",
    "kafka_configs --describe --entity-type topics --entity-name secret",
    "kafka_configs --describe --entity-type topics",
    "kafka_configs --alter --entity-type topics --entity-name seen --add-config retention.ms=1",
    "kafka_configs --describe --entity-type brokers --entity-name 1",
    "kafka_configs --describe --entity-type brokers",
    "kafka_configs --alter --entity-type brokers --entity-name 1 --add-config log.cleaner.threads=2",
    "kafka_configs --describe --entity-type users",
    "kafka_configs --describe --entity-type clients",
    "kafka_configs --alter --entity-type clients --entity-name c --add-config producer_byte_rate=5",
    "kafka_configs --alter --entity-type users --entity-name u --add-config SCRAM-SHA-256=[password=x]",
    "kafka_configs --describe --entity-type groups --entity-name hidden",
    "kafka_configs --describe --entity-type groups --entity-name open",
    "kafka_configs --describe --entity-type client-metrics --entity-name x",
    "kafka_configs --alter --entity-type groups --entity-name hidden --add-config consumer.session.timeout.ms=50000",
    "kafka_consumer_groups --list",
    "kafka_consumer_groups --list --state",
    "kafka_consumer_groups --describe --group hidden",
    "kafka_consumer_groups --describe --group hidden --members",
    "kafka_consumer_groups --describe --group hidden --state",
    "kafka_consumer_groups --describe --group open",
    "kafka_consumer_groups --describe --all-groups",
    "kafka_consumer_groups --delete --group hidden",
    "kafka_consumer_groups --delete --group hidden --group nobody",
    "kafka_consumer_groups --delete-offsets --group hidden --topic free",
    "kafka_consumer_groups --delete-offsets --group open --topic secret",
    "kafka_consumer_groups --delete-offsets --group open --topic seen",
    "kafka_consumer_groups --delete-offsets --group open --topic seen:0 --topic secret:0",
    "kafka_consumer_groups --reset-offsets --group hidden --topic free --to-earliest --execute",
    "kafka_consumer_groups --reset-offsets --group open --topic secret --to-earliest --dry-run",
    "kafka_consumer_groups --reset-offsets --group open --topic secret:0 --to-earliest --dry-run",
    "kafka_consumer_groups --reset-offsets --group open --topic seen --to-earliest --dry-run",
    "kafka_consumer_groups --reset-offsets --group open --topic seen --to-earliest --execute",
    "kafka_consumer_groups --reset-offsets --group open --all-topics --to-latest --dry-run",
    "kafka_consumer_groups --reset-offsets --group open --from-file {plan} --execute",
    "kafka_consumer_groups --reset-offsets --group hidden --all-topics --shift-by 1 --dry-run",
    "kafka_get_offsets",
    "kafka_get_offsets --topic seen",
    "kafka_get_offsets --topic secret",
    "kafka_get_offsets --topic-partitions secret:0",
    "kafka_delete_records --offset-json-file {records}",
    "kafka_log_dirs --describe",
    "kafka_log_dirs --describe --topic-list seen",
    "kafka_acls --list",
    "kafka_acls --add --allow-principal User:a --topic t",
    "kafka_acls --remove --topic t --force",
    "kafka_cluster cluster-id",
    "kafka_cluster list-endpoints",
    "kafka_cluster unregister --id 7",
    "kafka_features upgrade --feature group.version=1",
    "kafka_features downgrade --feature group.version=0",
    "kafka_metadata_quorum describe --status",
    "kafka_metadata_quorum describe --replication",
    "kafka_metadata_quorum remove-controller --controller-id 1 --controller-directory-id AAAAAAAAAAAAAAAAAAAAAQ",
    "kafka_groups --list",
    "kafka_leader_election --election-type preferred --all-topic-partitions",
    "kafka_leader_election --election-type preferred --topic seen --partition 0",
    "kafka_leader_election --election-type preferred --path-to-json-file {elections}",
    "kafka_reassign_partitions --list",
    "kafka_reassign_partitions --execute --reassignment-json-file {moves}",
    "kafka_reassign_partitions --verify --reassignment-json-file {moves}",
    "kafka_reassign_partitions --cancel --reassignment-json-file {moves}",
    "kafka_transactions list",
    "kafka_transactions describe --transactional-id hidden",
    "kafka_transactions describe-producers --topic seen --partition 0",
    "kafka_transactions abort --topic seen --partition 0 --producer-id 5 --producer-epoch 1 --coordinator-epoch 1",
    "kafka_transactions force-terminate --transactional-id hidden",
    "kafka_client_metrics --list",
    "kafka_client_metrics --describe --name x",
    "kafka_client_metrics --alter --name x --metrics a",
    "kafka_client_metrics --delete --name x",
    "kafka_share_groups --list",
    "kafka_share_groups --describe --group hidden",
    "kafka_share_groups --delete --group hidden",
    "kafka_share_groups --reset-offsets --group hidden --topic seen --to-earliest --execute",
    "kafka_streams_groups --list",
    "kafka_streams_groups --describe --group hidden",
    "kafka_streams_groups --delete --group hidden",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_refusal_is_told_as_apache_kafkas_tool_tells_it(
    command: str, guarded: ApacheKafka, java_tools: JavaTools, files: dict[str, Path]
) -> None:
    module, *words = command.format(**files).split()
    servers = guarded.bootstrap_servers
    first = words[:1] if module == "kafka_cluster" else []
    arguments = [*first, "--bootstrap-server", servers, *words[len(first) :]]
    theirs = comparable(java_tools.run(module, *arguments), servers)
    assert comparable(run_ours(module, *arguments), servers) == theirs
