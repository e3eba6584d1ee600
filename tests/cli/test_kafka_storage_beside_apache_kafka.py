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


class BothTools:
    """Called with arguments it runs both tools, each on directories and a configuration of its own."""

    def __init__(self, roots: dict[str, Path], run_java_tool: RunJavaTool, capsys: pytest.CaptureFixture[str]) -> None:
        self.roots = roots
        self._run_java_tool = run_java_tool
        self._capsys = capsys

    def configure(self, text: str) -> None:
        """What the configuration says; ROOT is each side's own directory."""
        for root in self.roots.values():
            (root / "server.properties").write_text(text.replace("ROOT", str(root)))

    def __call__(self, *arguments: str) -> str:
        """Compares what they say; "CONFIG" is the configuration. Gives our output."""
        words = {
            name: [str(root / "server.properties") if word == "CONFIG" else word for word in arguments]
            for name, root in self.roots.items()
        }
        theirs = self._run_java_tool("kafka.tools.StorageTool", *words["theirs"])
        code = main(words["ours"])
        ours = self._capsys.readouterr()
        their_root, our_root = self.roots["theirs"], self.roots["ours"]
        assert code == theirs.returncode
        assert normal(ours.out, our_root) == normal(theirs.stdout, their_root)
        if "Exception" not in theirs.stderr:  # Apache Kafka shows a stack where a line would do
            assert normal(ours.err, our_root) == normal(theirs.stderr, their_root)
        else:
            assert ours.err.strip() in theirs.stderr.replace(str(their_root), str(our_root))
        return ours.out


def normal(text: str, root: Path) -> list[str]:
    """The lines without what is each side's own, nor the order of a hash map of directories."""
    text = _ID.sub("<id>", text.replace(str(root), "ROOT")).replace("ROOT/b is already", "ROOT/a is already")
    return sorted(text.splitlines())


@pytest.fixture
def compare(tmp_path: Path, run_java_tool: RunJavaTool, capsys: pytest.CaptureFixture[str]) -> BothTools:
    roots = {name: tmp_path / name for name in ("theirs", "ours")}
    for root in roots.values():
        root.mkdir()
    return BothTools(roots, run_java_tool, capsys)


DYNAMIC = (
    "process.roles=broker,controller\nnode.id=3\nlisteners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n"
    "controller.listener.names=CONTROLLER\ncontroller.quorum.bootstrap.servers=localhost:9093\n"
    "log.dirs=ROOT/a,ROOT/b\n"
)
STATIC = DYNAMIC.replace("bootstrap.servers=localhost:9093", "voters=3@localhost:9093")


def test_a_dynamic_quorum_is_formatted_alike(compare: BothTools) -> None:
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


def test_a_static_quorum_is_formatted_alike(compare: BothTools) -> None:
    compare.configure(STATIC + "metadata.log.dir=ROOT/b\n")
    compare("format", "-t", CLUSTER_ID, "-c", "CONFIG", "-s")
    compare("format", "-t", CLUSTER_ID, "-c", "CONFIG", "-f", "kraft.version=1")
    compare("format", "-t", CLUSTER_ID, "-c", "CONFIG", "-S", "SCRAM-SHA-512")
    compare("format", "-t", CLUSTER_ID, "-c", "CONFIG", "-f", "transaction.version=7")
    compare("format", "-t", CLUSTER_ID, "-c", "CONFIG")
    compare("info", "-c", "CONFIG")


def test_look_ups_are_answered_alike(compare: BothTools) -> None:
    compare("version-mapping")
    compare("version-mapping", "-r", "4.0-IV1")
    compare("feature-dependencies", "-f", "eligible.leader.replicas.version=1", "-f", "metadata.version=30")
    compare("feature-dependencies", "-f", "share.version=9")
    compare("feature-dependencies", "-f", "share.version")
