"""kafka-storage beside Apache Kafka 4.3.1's: the same command lines, the same output, exit code and files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from apache_kafka import RunJavaTool
from kafkalite.broker.metadata_snapshot import read_snapshot
from kafkalite.cli.kafka_storage import main
from kafkalite.storage.filesystem import LocalFileSystem

pytestmark = pytest.mark.oracle

CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qk"
_ID = re.compile(r"[\w-]{22}(?=[,}\n])")


@pytest.fixture
def compare(tmp_path: Path, run_java_tool: RunJavaTool, capsys: pytest.CaptureFixture[str]):
    """`compare(*arguments)` runs both on directories and configuration files of their own; "CONFIG" is the file."""
    roots = {name: tmp_path / name for name in ("theirs", "ours")}
    for root in roots.values():
        root.mkdir()

    def configure(text: str) -> None:
        for root in roots.values():
            (root / "server.properties").write_text(text.replace("ROOT", str(root)))

    def run(*arguments: str) -> str:
        words = {
            name: [str(root / "server.properties") if word == "CONFIG" else word for word in arguments]
            for name, root in roots.items()
        }
        theirs = run_java_tool("kafka.tools.StorageTool", *words["theirs"])
        code = main(words["ours"])
        ours = capsys.readouterr()

        def normal(text: str, root: Path) -> list[str]:
            """Without what is each side's own, nor the order of a hash map of directories."""
            text = _ID.sub("<id>", text.replace(str(root), "ROOT")).replace("ROOT/b is already", "ROOT/a is already")
            return sorted(text.splitlines())

        assert code == theirs.returncode
        assert normal(ours.out, roots["ours"]) == normal(theirs.stdout, roots["theirs"])
        if "Exception" not in theirs.stderr:  # Apache Kafka shows a stack where a line would do
            assert normal(ours.err, roots["ours"]) == normal(theirs.stderr, roots["theirs"])
        else:
            assert ours.err.strip() in theirs.stderr.replace(str(roots["theirs"]), str(roots["ours"]))
        return ours.out

    run.configure = configure  # type: ignore[attr-defined]
    run.roots = roots  # type: ignore[attr-defined]
    return run


DYNAMIC = (
    "process.roles=broker,controller\nnode.id=3\nlisteners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n"
    "controller.listener.names=CONTROLLER\ncontroller.quorum.bootstrap.servers=localhost:9093\n"
    "log.dirs=ROOT/a,ROOT/b\n"
)
STATIC = DYNAMIC.replace("bootstrap.servers=localhost:9093", "voters=3@localhost:9093")


def test_a_dynamic_quorum_is_formatted_alike(compare) -> None:
    compare.configure(DYNAMIC + "metadata.log.dir=ROOT/a\n")
    compare("info", "-c", "CONFIG")
    compare("format", "-t", CLUSTER_ID, "-c", "CONFIG")
    compare("format", "-t", CLUSTER_ID, "-c", "CONFIG", "-s", "-r", "4.2", "-f", "group.version=0")
    compare("info", "-c", "CONFIG")
    compare("format", "-t", CLUSTER_ID, "-c", "CONFIG", "-s")
    compare("format", "-t", CLUSTER_ID, "-c", "CONFIG", "-s", "-g")
    snapshots = [read_snapshot(LocalFileSystem(), f"{root}/a/bootstrap.checkpoint") for root in compare.roots.values()]
    assert snapshots[0].records == snapshots[1].records
    zero = "a/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint"
    theirs, ours = (read_snapshot(LocalFileSystem(), f"{root}/{zero}") for root in compare.roots.values())
    assert ours.kraft_version == theirs.kraft_version == 1
    assert ours.voters is not None and theirs.voters is not None
    assert ours.voters.voters[0].endpoints == theirs.voters.voters[0].endpoints
    assert ours.records == theirs.records == []


def test_a_static_quorum_is_formatted_alike(compare) -> None:
    compare.configure(STATIC + "metadata.log.dir=ROOT/b\n")
    compare("format", "-t", CLUSTER_ID, "-c", "CONFIG", "-s")
    compare("format", "-t", CLUSTER_ID, "-c", "CONFIG", "-f", "kraft.version=1")
    compare("format", "-t", CLUSTER_ID, "-c", "CONFIG", "-S", "SCRAM-SHA-512")
    compare("format", "-t", CLUSTER_ID, "-c", "CONFIG", "-f", "transaction.version=7")
    compare("format", "-t", CLUSTER_ID, "-c", "CONFIG")
    compare("info", "-c", "CONFIG")


def test_look_ups_are_answered_alike(compare) -> None:
    compare("version-mapping")
    compare("version-mapping", "-r", "4.0-IV1")
    compare("feature-dependencies", "-f", "eligible.leader.replicas.version=1", "-f", "metadata.version=30")
    compare("feature-dependencies", "-f", "share.version=9")
    compare("feature-dependencies", "-f", "share.version")
