"""What the tools say where no broker answers, beside Apache Kafka's."""

from __future__ import annotations

from pathlib import Path

import pytest

from comparable_error import comparable_error
from java_tools import JavaTools, Output
from tool_comparison import run_ours

pytestmark = pytest.mark.oracle

NOBODY = "127.0.0.1:1"
COMMANDS = (
    "kafka_topics --list",
    "kafka_topics --describe --topic t",
    "kafka_topics --create --topic t",
    "kafka_configs --describe --entity-type topics --entity-name t",
    "kafka_configs --alter --entity-type topics --entity-name t --add-config retention.ms=1",
    "kafka_consumer_groups --list --timeout 400",
    "kafka_consumer_groups --list --state --timeout 400",
    "kafka_consumer_groups --describe --group g --timeout 400",
    "kafka_consumer_groups --describe --all-groups --timeout 400",
    "kafka_consumer_groups --delete --group g --timeout 400",
    "kafka_consumer_groups --delete --all-groups --timeout 400",
    "kafka_consumer_groups --delete-offsets --group g --topic t --timeout 400",
    "kafka_consumer_groups --delete-offsets --group g --topic t:0,1 --timeout 400",
    "kafka_consumer_groups --delete-offsets --group g --topic t:0 --topic u --timeout 400",
    "kafka_consumer_groups --reset-offsets --group g --topic t --to-earliest --execute --timeout 400",
    "kafka_consumer_groups --reset-offsets --all-groups --all-topics --to-latest --dry-run --timeout 400",
    "kafka_share_groups --describe --group g --timeout 400",
    "kafka_streams_groups --list --timeout 400",
    "kafka_streams_groups --describe --group g --timeout 400",
    "kafka_streams_groups --delete --group g --timeout 400",
    "kafka_streams_groups --delete-offsets --group g --input-topic t --timeout 400",
    "kafka_get_offsets --topic t",
    "kafka_log_dirs --describe",
    "kafka_groups --list",
    "kafka_leader_election --election-type preferred --all-topic-partitions",
    "kafka_client_metrics --list",
    "kafka_delegation_tokens --describe",
    "kafka_delete_records --offset-json-file {records}",
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files that command lines name as {name}."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "hurry").write_text("default.api.timeout.ms=400\nrequest.timeout.ms=300\n")
    (folder / "records").write_text('{"partitions": [{"topic": "t", "partition": 0, "offset": 1}], "version": 1}')
    return {path.name: path for path in folder.iterdir()}


def comparable(output: Output) -> tuple[int, str, str]:
    return output.exit_code, output.stdout, comparable_error(output.stderr)


@pytest.mark.parametrize("command", COMMANDS)
def test_it_is_told_as_apache_kafkas_tool_tells_it(command: str, java_tools: JavaTools, files: dict[str, Path]) -> None:
    module, *words = command.format(**files).split()
    arguments = ("--bootstrap-server", NOBODY, "--command-config", str(files["hurry"]), *words)
    assert comparable(run_ours(module, *arguments)) == comparable(java_tools.run(module, *arguments))


@pytest.mark.parametrize(("path", "reason"), [("", "Is a directory"), ("/no/such/file", "/no/such/file")])
@pytest.mark.parametrize(
    "command",
    [
        "kafka_topics --list",
        "kafka_get_offsets",
        "kafka_consumer_groups --list",
        "kafka_share_groups --list",
        "kafka_streams_groups --list",
        "kafka_transactions list",
    ],
)
def test_a_command_config_that_cannot_be_read_is_told_alike(
    command: str, path: str, reason: str, java_tools: JavaTools
) -> None:
    module, *words = command.split()
    arguments = ("--bootstrap-server", NOBODY, "--command-config", path, *words)
    ours = comparable(run_ours(module, *arguments))
    assert ours == comparable(java_tools.run(module, *arguments))
    assert reason in ours[1] + ours[2]
