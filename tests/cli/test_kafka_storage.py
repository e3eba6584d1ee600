"""kafka-storage: formats, says what is there, looks levels up; outputs and exit codes are Apache Kafka's."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from kafkalite.broker.metadata_snapshot import read_snapshot
from kafkalite.cli.kafka_storage import main
from kafkalite.identifiers import Uuid
from kafkalite.protocol.metadata_records.security import UserScramCredentialRecord
from kafkalite.protocol.metadata_records.settings import FeatureLevelRecord
from kafkalite.storage.filesystem import LocalFileSystem
from kafkalite.storage.meta_properties import read_meta_properties

CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qk"
ZERO_CHECKPOINT = "__cluster_metadata-0/00000000000000000000-0000000000.checkpoint"
LISTENERS = "listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093"


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    path = tmp_path / "server.properties"
    path.write_text(f"node.id=3\n{LISTENERS}\nlog.dirs={tmp_path}/one,{tmp_path}/two\n")
    return path


def features_of(directory: Path) -> dict[str, int]:
    records = read_snapshot(LocalFileSystem(), f"{directory}/bootstrap.checkpoint").records
    return {record.name: record.feature_level for record in records if isinstance(record, FeatureLevelRecord)}


def test_a_random_uuid_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["random-uuid"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert len(Uuid.parse(line)) == 16
    assert len(line) == 22


def test_standalone_formats_every_directory_for_a_quorum_of_one(
    configuration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["format", "-t", CLUSTER_ID, "-c", str(configuration), "--standalone"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(
        "Bootstrap metadata: BootstrapMetadata(records=[ApiMessageAndVersion(FeatureLevelRecord("
    )
    assert lines[0].endswith("metadataVersionLevel=30, source=format command)")
    assert lines[1:] == [
        f"Formatting dynamic metadata voter directory {tmp_path}/one with metadata.version 4.3-IV0.",
        f"Formatting data directory {tmp_path}/two with metadata.version 4.3-IV0.",
    ]
    properties = [read_meta_properties(LocalFileSystem(), f"{tmp_path}/{name}") for name in ("one", "two")]
    assert [(p.cluster_id, p.node_id) for p in properties if p] == [(CLUSTER_ID, 3)] * 2
    ids = [p.directory_id for p in properties if p]
    assert len(set(ids)) == 2
    snapshot = read_snapshot(LocalFileSystem(), f"{tmp_path}/one/{ZERO_CHECKPOINT}")
    assert snapshot.kraft_version == 1
    assert snapshot.voters is not None
    [voter] = snapshot.voters.voters
    [endpoint] = voter.endpoints
    assert (voter.voter_id, voter.voter_directory_id) == (3, ids[0])
    assert (endpoint.name, endpoint.host, endpoint.port) == ("CONTROLLER", "localhost", 9093)
    assert features_of(tmp_path / "one") == {
        "metadata.version": 30,
        "eligible.leader.replicas.version": 1,
        "group.version": 1,
        "share.version": 1,
        "streams.version": 1,
        "transaction.version": 2,
    }
    assert not (tmp_path / "two" / "__cluster_metadata-0").exists()


def test_a_formatted_directory_is_left_alone(
    configuration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    format_it = ["format", "-t", CLUSTER_ID, "-c", str(configuration), "--standalone"]
    assert main(format_it) == 0
    before = (tmp_path / "one" / "meta.properties").read_bytes()
    capsys.readouterr()
    assert main(format_it) == 1
    assert capsys.readouterr().err == (
        f"Log directory {tmp_path}/one is already formatted. Use --ignore-formatted to ignore this directory and "
        "format the others.\n"
    )
    assert main([*format_it, "--ignore-formatted"]) == 0
    assert capsys.readouterr().out == "All of the log directories are already formatted.\n"
    (tmp_path / "two" / "meta.properties").unlink()
    assert main([*format_it, "-g"]) == 0
    assert f"Formatting data directory {tmp_path}/two" in capsys.readouterr().out
    assert (tmp_path / "one" / "meta.properties").read_bytes() == before


def test_another_cluster_id_is_refused(configuration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["format", "-t", CLUSTER_ID, "-c", str(configuration), "--standalone"]) == 0
    capsys.readouterr()
    for more in ([], ["-g"]):
        assert main(["format", "-t", "another", "-c", str(configuration), "--standalone", *more]) == 1
        assert capsys.readouterr() == (
            "",
            f"Invalid cluster.id in: {tmp_path}/one/meta.properties. Expected another, but read {CLUSTER_ID}\n",
        )


def test_static_voters_make_the_static_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configuration = tmp_path / "server.properties"
    configuration.write_text(
        f"node.id=3\n{LISTENERS}\nlog.dirs={tmp_path}/one\ncontroller.quorum.voters=3@localhost:9093\n"
    )
    assert main(["format", "-t", CLUSTER_ID, "-c", str(configuration), "--standalone"]) == 1
    assert "You cannot specify controller.quorum.voters and format the node with" in capsys.readouterr().err
    assert main(["format", "-t", CLUSTER_ID, "-c", str(configuration), "-f", "kraft.version=1"]) == 1
    assert "Cannot set kraft.version to 1 unless controller.quorum.voters is empty" in capsys.readouterr().err
    assert main(["format", "-t", CLUSTER_ID, "-c", str(configuration)]) == 0
    assert f"Formatting metadata directory {tmp_path}/one with" in capsys.readouterr().out
    assert not (tmp_path / "one" / ZERO_CHECKPOINT).exists()


def test_initial_controllers_give_the_metadata_directory_its_id(configuration: Path, tmp_path: Path) -> None:
    ours, theirs = "JEXY6aqzQY-32P5TStzaFg", "MvDxzVmcRsaTz33bUuRU6A"
    quorum = f"3@localhost:9093:{ours},4@[::1]:9094:{theirs}"
    assert main(["format", "-t", CLUSTER_ID, "-c", str(configuration), "-I", quorum]) == 0
    properties = read_meta_properties(LocalFileSystem(), f"{tmp_path}/one")
    assert properties is not None
    assert str(properties.directory_id) == ours
    voters = read_snapshot(LocalFileSystem(), f"{tmp_path}/one/{ZERO_CHECKPOINT}").voters
    assert voters is not None
    assert [(v.voter_id, str(v.voter_directory_id), v.endpoints[0].host) for v in voters.voters] == [
        (3, ours, "localhost"),
        (4, theirs, "::1"),
    ]


@pytest.mark.parametrize(
    ("quorum", "message"),
    [
        ("", "No voters given."),
        ("3@localhost:9093", "Failed to parse dynamic voter string 3@localhost:9093"),
        ("-1@localhost:9093:JEXY6aqzQY-32P5TStzaFg", "Invalid negative node id -1 in dynamic voter string."),
        ("1@localhost:70000:JEXY6aqzQY-32P5TStzaFg", "Invalid port 70000 in dynamic voter string."),
        ("1@localhost:9093:short", "Failed to parse directory ID in dynamic voter string."),
        (",".join(["1@a:1:JEXY6aqzQY-32P5TStzaFg"] * 2), "Node id 1 was specified more than once."),
    ],
)
def test_malformed_controllers_are_refused(
    configuration: Path, capsys: pytest.CaptureFixture[str], quorum: str, message: str
) -> None:
    assert main(["format", "-t", CLUSTER_ID, "-c", str(configuration), f"--initial-controllers={quorum}"]) == 1
    assert capsys.readouterr().err.startswith(message)


def test_release_and_features_decide_the_levels(configuration: Path, tmp_path: Path) -> None:
    arguments = ["format", "-t", CLUSTER_ID, "-c", str(configuration), "-s", "-r", "4.0", "-f", "group.version=0"]
    assert main(arguments) == 0
    assert features_of(tmp_path / "one") == {"metadata.version": 25, "transaction.version": 2}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["-f", "x=1"],
            "Unsupported feature: x. Supported features are: eligible.leader.replicas.version, group.version",
        ),
        (["-f", "group.version"], "Can't parse feature=level string group.version: equals sign not found."),
        (["-f", "group.version=x"], "Can't parse feature=level string group.version=x: unable to parse x as a short."),
        (["-f", "group.version=9"], "No feature:group.version with feature level 9"),
        (["-r", "9.9"], "Unknown metadata.version '9.9'. Supported metadata.version are: 3.3-IV3, 3.4-IV0"),
        (["-r", "4.0", "-f", "metadata.version=25"], "Use --release-version instead of --feature metadata.version=X"),
        (["-f", "kraft.version=0"], "Cannot set kraft.version to 0 if controller.quorum.voters is empty"),
        (
            ["-r", "3.9", "-f", "eligible.leader.replicas.version=1"],
            "eligible.leader.replicas.version could not be set to 1 because it depends on metadata.version level 23",
        ),
        (["-S", "SCRAM-SHA-1=[name=a]"], "The add-scram mechanism SCRAM-SHA-1 is not supported."),
        (["-S", "SCRAM-SHA-256=[password=a]"], "You must supply 'name' to add-scram"),
        (["-S", "SCRAM-SHA-256=[name=a]"], "You must supply one of 'password' or 'saltedpassword' to add-scram"),
        (
            ["-S", "SCRAM-SHA-256=[name=a,password=b,iterations=5]"],
            "The 'iterations' value must be >= 4096 for add-scram using SCRAM_SHA_256",
        ),
        (["-S", "SCRAM-SHA-256=[name=a,password=b,x=y]"], "Unknown SCRAM configurations: x"),
    ],
)
def test_what_cannot_be_formatted_is_refused(
    configuration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["format", "-t", CLUSTER_ID, "-c", str(configuration), "-s", *arguments]) == 1
    assert capsys.readouterr().err.startswith(message)
    assert not (tmp_path / "one").exists()


def test_scram_credentials_stand_in_the_bootstrap_records(
    configuration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    credential = 'SCRAM-SHA-256=[name=alice,salt="bWFnaWM=",password=alice-secret,iterations=8192]'
    assert main(["format", "-t", CLUSTER_ID, "-c", str(configuration), "-s", "-S", credential]) == 0
    assert "alice" not in capsys.readouterr().out
    records = read_snapshot(LocalFileSystem(), f"{tmp_path}/one/bootstrap.checkpoint").records
    [scram] = [record for record in records if isinstance(record, UserScramCredentialRecord)]
    assert (scram.name, scram.mechanism, bytes(scram.salt), scram.iterations) == ("alice", 1, b"magic", 8192)
    # RFC 5802: the stored key is the hash of the client key, which a proof reveals.
    import hmac

    salted = hashlib.pbkdf2_hmac("sha256", b"alice-secret", b"magic", 8192)
    assert bytes(scram.stored_key) == hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    assert bytes(scram.server_key) == hmac.digest(salted, b"Server Key", "sha256")


def test_a_controller_needs_to_be_told_of_its_quorum(configuration: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["format", "-t", CLUSTER_ID, "-c", str(configuration)]) == 1
    assert capsys.readouterr().err == (
        "Because controller.quorum.voters is not set on this controller, you must specify one of the following: "
        "--standalone, --initial-controllers, or --no-initial-controllers.\n"
    )
    assert main(["format", "-t", CLUSTER_ID, "-c", str(configuration), "-N"]) == 0


def test_info_says_what_is_there_and_what_is_wrong(
    configuration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", "-c", str(configuration)]) == 1
    assert capsys.readouterr().out == (
        f"Found problems:\n  {tmp_path}/one does not exist\n  {tmp_path}/two does not exist\n\n"
    )
    main(["format", "-t", CLUSTER_ID, "-c", str(configuration), "-s"])
    capsys.readouterr()
    assert main(["info", "-c", str(configuration)]) == 0
    found = re.sub(r"directory\.id=[\w-]{22}", "directory.id=X", capsys.readouterr().out)
    assert found == (
        f"Found log directories:\n  {tmp_path}/one\n  {tmp_path}/two\n\n"
        f"Found metadata: {{cluster.id={CLUSTER_ID}, directory.id=X, node.id=3, version=1}}\n\n"
    )
    (tmp_path / "two" / "meta.properties").write_text("version=1\ncluster.id=another\nnode.id=3\n")
    assert main(["info", "-c", str(configuration)]) == 1
    assert "Found problem:\n  Mismatched cluster IDs between storage directories.\n" in capsys.readouterr().out
    (tmp_path / "two" / "meta.properties").unlink()
    assert main(["info", "-c", str(configuration)]) == 1
    assert f"Found problem:\n  {tmp_path}/two is not formatted.\n" in capsys.readouterr().out


def test_levels_are_looked_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version-mapping", "-r", "3.9"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "metadata.version=21 (3.9)",
        "kraft.version=1",
        "transaction.version=0",
        "group.version=0",
        "eligible.leader.replicas.version=0",
        "share.version=0",
        "streams.version=0",
    ]
    assert main(["feature-dependencies", "-f", "eligible.leader.replicas.version=1", "-f", "metadata.version=25"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "eligible.leader.replicas.version=1 requires:",
        "    metadata.version=23 (4.0-IV1)",
        "metadata.version=25 (4.0-IV3) has no dependencies.",
    ]
    assert main(["feature-dependencies", "-f", "foo=1"]) == 1
    assert capsys.readouterr().err == "Unknown feature: foo\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "too few arguments"),
        (["format", "-t", "x"], "argument --config/-c is required"),
        (["format", "-c", "x"], "argument --cluster-id/-t is required"),
        (["random-uuid", "extra"], "unrecognized arguments: 'extra'"),
        (["feature-dependencies"], "argument --feature/-f is required"),
        (
            ["format", "-t", "x", "-c", "x", "-s", "-N"],
            "argument --no-initial-controllers/-N: not allowed with argument --standalone/-s",
        ),
    ],
)
def test_a_wrong_command_line_shows_the_usage(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(arguments) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("usage: kafka-storage")
    assert lines[-1] == f"kafka-storage: error: {message}"


def test_a_missing_configuration_file_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "-c", "/no/such/file"]) == 1
    assert capsys.readouterr().err == "/no/such/file: No such file or directory\n"
