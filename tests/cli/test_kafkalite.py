"""kafkalite verify: whole data directories, sound, killed, damaged and mended."""

from __future__ import annotations

import io
import json
import random
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kafkalite import __version__
from kafkalite.cli import kafkalite
from kafkalite.identifiers import Uuid
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch, iter_batches
from kafkalite.storage.filesystem import LocalFileSystem
from kafkalite.storage.meta_properties import MetaProperties, write_meta_properties
from offline_broker import OfflineBroker

NOW_MS = 1_700_000_000_000
METADATA_LOG = "__cluster_metadata-0/00000000000000000000.log"

Verify = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]) -> Verify:
    """`verify(directory, ..., "--repair") -> (exit code, lines)`; nothing may be on stderr."""

    def run(*arguments: str | Path) -> tuple[int, list[str]]:
        capsys.readouterr()
        code = kafkalite.main(["verify", *map(str, arguments)])
        output = capsys.readouterr()
        assert output.err == ""
        return code, output.out.splitlines()

    return run


def append(broker: OfflineBroker, topic: str, *values: bytes, producer_id: int = -1, sequence: int = -1) -> None:
    batch = build_batch(
        [Record(index, NOW_MS, None, value) for index, value in enumerate(values)],
        producer_id=producer_id,
        producer_epoch=0 if producer_id >= 0 else -1,
        base_sequence=sequence,
    )
    broker.broker.leader_log(topic, 0).append(batch, now_ms=NOW_MS)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[OfflineBroker]:
    """A running broker with two log directories on disk and something in them."""
    properties = {"log.dirs": f"{tmp_path}/a,{tmp_path}/b", "log.index.interval.bytes": "100"}
    broker = OfflineBroker(properties, LocalFileSystem())
    broker.create_topic("orders", 2)
    broker.create_topic("payments")
    for number in range(20):
        append(broker, "orders", b"order %d" % number, bytes(90), producer_id=7, sequence=2 * number)
        append(broker, "payments", b"payment")
    yield broker
    broker.broker.logs.release_locks()


@pytest.fixture
def closed(broker: OfflineBroker, tmp_path: Path) -> tuple[Path, Path]:
    """The directories after a clean stop."""
    broker.close()
    return tmp_path / "a", tmp_path / "b"


@pytest.fixture
def killed(broker: OfflineBroker, tmp_path: Path) -> tuple[Path, Path]:
    """The directories as a kill leaves them: a copy of those of a running broker."""
    for name in ("a", "b"):
        shutil.copytree(tmp_path / name, tmp_path / "killed" / name, ignore=shutil.ignore_patterns(".lock"))
    broker.close()
    return tmp_path / "killed" / "a", tmp_path / "killed" / "b"


def home_of(directories: tuple[Path, Path], name: str) -> Path:
    return next(directory / name for directory in directories if (directory / name).exists())


def of_severity(severity: str, lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith(f"{severity}: ")]


def test_a_cleanly_stopped_node_is_sound(verify: Verify, closed: tuple[Path, Path]) -> None:
    code, lines = verify(*closed, "--deep")
    assert (code, len(lines)) == (0, 1)
    assert re.fullmatch(r"4 logs with \d+ batches: all is well", lines[0])


def test_a_node_that_was_restarted_is_sound(verify: Verify, broker: OfflineBroker, tmp_path: Path) -> None:
    broker.restart()
    append(broker, "orders", b"one more")
    broker.restart()
    broker.close()
    assert verify(tmp_path / "a", tmp_path / "b", "--deep")[0] == 0


def test_a_killed_node_has_no_damage(verify: Verify, killed: tuple[Path, Path]) -> None:
    code, lines = verify(*killed)
    assert (code, of_severity("damaged", lines)) == (0, [])
    assert f"note: {killed[0]}: its broker has not stopped cleanly: the next start checks the logs" in lines


def test_checking_changes_nothing(verify: Verify, killed: tuple[Path, Path]) -> None:
    def contents() -> dict[Path, bytes]:
        return {path: path.read_bytes() for root in killed for path in root.rglob("*") if path.is_file()}

    before = contents()
    verify(*killed, "--deep")
    assert contents() == before


def test_one_directory_of_two_is_not_held_against_the_metadata_of_the_other(
    verify: Verify, closed: tuple[Path, Path]
) -> None:
    for directory in closed:
        code, lines = verify(directory)
        assert (code, of_severity("damaged", lines)) == (0, [])
        assert len(of_severity("note", lines)) == 1


def test_a_directory_in_use_is_refused(
    broker: OfflineBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kafkalite.main(["verify", f"{tmp_path}/a"]) == 2
    assert capsys.readouterr().err == f"kafkalite verify: {tmp_path}/a is in use: a broker holds its .lock file\n"
    broker.close()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["verify"], "kafkalite verify: which directories?"),
        (["verify", "--mend", "x"], "kafkalite verify: unknown option --mend"),
        (["verify", "/no/such/directory"], "kafkalite verify: /no/such/directory is no directory"),
        (["check"], "kafkalite: unknown command check"),
        ([], "usage: kafkalite COMMAND [ARGUMENTS]"),
    ],
)
def test_unusable_arguments_are_named(arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert kafkalite.main(arguments) == 2
    assert capsys.readouterr().err.splitlines()[0] == problem


def test_help_and_version_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert kafkalite.main(["--version"]) == 0
    assert capsys.readouterr().out == f"kafkalite {__version__}\n"
    for arguments in (["--help"], ["verify", "--help"]):
        assert kafkalite.main(arguments) == 0
        assert "usage: kafkalite verify DIR [DIR...]" in capsys.readouterr().out


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_how_far_it_is(
    closed: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert kafkalite.main(["verify", *map(str, closed)]) == 0
    assert re.match(r"\r\[[#.]{30}\] +\d+% 0 of 0 MiB", terminal.getvalue())
    assert terminal.getvalue().endswith("\r\x1b[K")
    assert "all is well" in capsys.readouterr().out


def test_an_interruption_ends_it_without_a_traceback(
    closed: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kafkalite.broker.data_directory_verification.DataDirectoryVerification.verify", interrupt)
    assert kafkalite.main(["verify", *map(str, closed)]) == 130
    assert capsys.readouterr().err == "kafkalite verify: interrupted\n"
    assert not any((directory / ".lock").exists() for directory in closed)


# --- damage, and what becomes of it ---


def test_a_flipped_bit_is_reported_at_its_place_and_stays(verify: Verify, closed: tuple[Path, Path]) -> None:
    path = home_of(closed, "orders-0") / "00000000000000000000.log"
    data = bytearray(path.read_bytes())
    position, header = list(iter_batches(bytes(data)))[5]
    data[position + 65] ^= 1
    path.write_bytes(data)
    for arguments in ([], ["--repair"], []):
        code, lines = verify(*closed, *arguments)
        assert code == 1
        damaged = of_severity("damaged", lines)[0]
        assert damaged.startswith(
            f"damaged: {path} at position {position}, offset {header.base_offset}: Record is corr"
        )


def test_a_torn_tail_is_mended(verify: Verify, killed: tuple[Path, Path]) -> None:
    path = home_of(killed, "orders-0") / "00000000000000000000.log"
    position, header = list(iter_batches(path.read_bytes()))[-1]
    path.write_bytes(path.read_bytes()[:-7])
    code, lines = verify(*killed)
    (line,) = [line for line in of_severity("recoverable", lines) if ".log" in line]
    assert code == 0
    assert line.startswith(f"recoverable: {path} at position {position}, offset {header.base_offset}: ")
    code, lines = verify(*killed, "--repair")
    assert code == 0
    assert f"repair: recovered {path.parent}" in lines
    assert any(f"Found invalid messages in log segment {path}" in line for line in lines)
    assert path.stat().st_size == position
    assert of_severity("recoverable", verify(*killed)[1]) == []


@pytest.mark.parametrize("suffix", [".index", ".timeindex"])
def test_a_wrong_index_is_made_again(verify: Verify, closed: tuple[Path, Path], suffix: str) -> None:
    path = home_of(closed, "orders-0") / f"00000000000000000000{suffix}"
    before = path.read_bytes()
    path.write_bytes(before[:6] + b"\x01" + before[7:])
    code, lines = verify(*closed)
    assert code == 1
    assert any(line.startswith(f"damaged: {path}") for line in lines)
    code, lines = verify(*closed, "--repair")
    assert (code, lines[-1].endswith("all is well")) == (0, True)
    assert f"repair: made {path} again" in lines


def test_a_repaired_directory_can_be_started_and_keeps_its_records(
    verify: Verify, closed: tuple[Path, Path], broker: OfflineBroker
) -> None:
    home = home_of(closed, "orders-0")
    for name in ("00000000000000000000.index", "leader-epoch-checkpoint"):
        (home / name).unlink()
    next(home.glob("*.snapshot")).write_bytes(b"nothing")
    assert verify(*closed, "--repair")[0] == 0
    again = OfflineBroker(broker.properties, LocalFileSystem())
    log = again.broker.leader_log("orders", 0)
    assert (log.log_start_offset, log.log_end_offset) == (0, 40)
    producer = log.producer_state.producers[7]
    assert (producer.last_sequence, producer.last_data_offset) == (39, 39)
    again.close()
    assert verify(*closed)[0] == 0


def test_there_may_be_nothing_to_repair(verify: Verify, closed: tuple[Path, Path]) -> None:
    assert verify(*closed, "--repair")[1][-1] == "repair: there is nothing to do"


# --- the metadata ---


def metadata_home(directories: tuple[Path, Path]) -> Path:
    return home_of(directories, "__cluster_metadata-0").parent


def test_a_foreign_topic_id_is_found(verify: Verify, closed: tuple[Path, Path]) -> None:
    path = home_of(closed, "orders-1") / "partition.metadata"
    foreign = Uuid(bytes(range(16)))
    path.write_text(f"version: 0\ntopic_id: {foreign}")
    code, lines = verify(*closed)
    assert code == 1
    (line,) = of_severity("damaged", lines)
    assert line.startswith(f"damaged: {path}: topic id {foreign} is not ")


def test_a_lost_partition_and_an_unknown_one_are_found(verify: Verify, closed: tuple[Path, Path]) -> None:
    home = home_of(closed, "payments-0")
    home.rename(home.parent / "unknown-0")
    code, lines = verify(*closed)
    assert code == 1
    assert [line.partition(": the ")[0] for line in of_severity("damaged", lines)] == [
        f"damaged: {home.parent}/unknown-0",
        f"damaged: {home}",
    ]


def test_a_partition_in_another_directory_than_the_metadata_say_is_found(
    verify: Verify, closed: tuple[Path, Path]
) -> None:
    home = home_of(closed, "orders-0")
    other = closed[1] if home.parent == closed[0] else closed[0]
    home.rename(other / "orders-0")
    code, lines = verify(*closed)
    assert code == 1
    assert of_severity("damaged", lines)[0].startswith(f"damaged: {other}/orders-0: the metadata have it in directory ")


def test_directories_of_different_nodes_are_found(verify: Verify, closed: tuple[Path, Path]) -> None:
    write_meta_properties(LocalFileSystem(), str(closed[1]), MetaProperties("another", 5, Uuid(bytes(range(16)))))
    code, lines = verify(*closed)
    assert code == 1
    assert any("cluster.id another is not " in line for line in lines)
    assert any("node.id 5 is not 1" in line for line in lines)


def test_a_damaged_metadata_record_is_found_at_its_place(verify: Verify, closed: tuple[Path, Path]) -> None:
    path = metadata_home(closed) / METADATA_LOG
    data = bytearray(path.read_bytes())
    position, header = list(iter_batches(bytes(data)))[3]
    data[position + 66] ^= 1
    path.write_bytes(data)
    code, lines = verify(*closed)
    assert code == 1
    assert of_severity("damaged", lines)[0].startswith(
        f"damaged: {path} at position {position}, offset {header.base_offset}: Record is corrupt"
    )


def test_a_metadata_record_of_an_unknown_kind_is_found(verify: Verify, closed: tuple[Path, Path]) -> None:
    path = metadata_home(closed) / METADATA_LOG
    data = path.read_bytes()
    _, header = list(iter_batches(data))[-1]
    strange = build_batch(
        [Record(header.next_offset, NOW_MS, None, b"\x01\xf0\x07\x00")],
        base_offset=header.next_offset,
        partition_leader_epoch=header.partition_leader_epoch,
    )
    path.write_bytes(data + strange)
    code, lines = verify(*closed)
    assert code == 1
    assert of_severity("damaged", lines)[0].startswith(
        f"damaged: {path} at position {len(data)}, offset {header.next_offset}: its records cannot be decoded: "
    )


def test_a_torn_metadata_log_is_mended(verify: Verify, killed: tuple[Path, Path]) -> None:
    path = metadata_home(killed) / METADATA_LOG
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + b"\0" * 100)
    code, lines = verify(*killed)
    assert code == 0
    assert any(line.startswith(f"recoverable: {path} at position {size}") for line in lines)
    assert verify(*killed, "--repair")[0] == 0
    assert path.stat().st_size == size
    assert not any(str(path) in line for line in verify(*killed)[1])


def test_a_damaged_metadata_snapshot_is_found(verify: Verify, broker: OfflineBroker, tmp_path: Path) -> None:
    broker.broker.metadata.write_snapshot()
    broker.close()
    (path,) = [path for path in tmp_path.glob("?/__cluster_metadata-0/*.checkpoint") if path.name[:20].strip("0")]
    directories = tmp_path / "a", tmp_path / "b"
    assert verify(*directories)[0] == 0
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    code, lines = verify(*directories)
    assert code == 1
    assert any(line.startswith(f"damaged: {path}: the snapshot cannot be read: ") for line in lines)


def test_a_wrong_topic_id_of_the_metadata_is_found(verify: Verify, closed: tuple[Path, Path]) -> None:
    path = metadata_home(closed) / "__cluster_metadata-0" / "partition.metadata"
    path.write_text(f"version: 0\ntopic_id: {Uuid(bytes(range(16)))}")
    code, lines = verify(*closed)
    assert code == 1
    assert of_severity("damaged", lines)[0].startswith(f"damaged: {path}: topic id ")


GOLDEN = Path(__file__).parent.parent / "golden" / "metadata" / "apache-kafka-4.3.1-dynamic-killed"


def test_a_metadata_log_of_apache_kafka_is_sound(verify: Verify, tmp_path: Path) -> None:
    directory = shutil.copytree(GOLDEN, tmp_path / "data")
    code, lines = verify(directory, "--deep")
    assert (code, of_severity("damaged", lines)) == (0, [])
    # The golden files are without indexes and partitions.
    assert all("it is missing" in line or "has no log" in line for line in of_severity("recoverable", lines))


def test_a_dynamic_quorum_without_voters_is_found(verify: Verify, tmp_path: Path) -> None:
    directory = shutil.copytree(GOLDEN, tmp_path / "data")
    log = directory / "__cluster_metadata-0"
    for path in [*log.glob("*.checkpoint"), *log.glob("*.log")]:  # they stand in each of them
        path.unlink()
    state = {"leaderId": 1, "leaderEpoch": 1, "votedId": -1, "votedDirectoryId": str(Uuid.ZERO), "data_version": 1}
    (log / "quorum-state").write_text(json.dumps(state))
    code, lines = verify(directory)
    assert code == 1
    message = "the quorum is of the dynamic kind, but no snapshot or record names its voters"
    assert f"damaged: {log}: {message}" in lines


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_damaged_it_answers_and_a_second_repair_has_nothing_new_to_say(
    verify: Verify, closed: tuple[Path, Path], killed: tuple[Path, Path], seed: int
) -> None:
    chance = random.Random(seed)
    directories = closed if seed % 2 else killed
    files = sorted(path for directory in directories for path in directory.rglob("*") if path.stat().st_size > 1)
    for path in chance.sample([path for path in files if path.is_file()], 3):
        data = bytearray(path.read_bytes())
        start = chance.randrange(len(data))
        match chance.randrange(4):
            case 0:
                data[start] ^= 1 << chance.randrange(8)
            case 1:
                del data[start:]
            case 2:
                data[start : start + 64] = bytes(len(data[start : start + 64]))
            case 3:
                data += chance.randbytes(100)
        path.write_bytes(data)
    first, _ = verify(*directories, "--deep")
    repaired, lines = verify(*directories, "--repair")
    assert repaired <= first
    again, lines_again = verify(*directories)
    assert again == repaired
    assert of_severity("damaged", lines_again) == of_severity("damaged", _last_report(lines))


def _last_report(lines: list[str]) -> list[str]:
    """What was found after the repair, or at all where there was none."""
    summaries = [index for index, line in enumerate(lines) if " logs with " in line]
    return lines if len(summaries) == 1 else lines[summaries[0] + 1 :]
