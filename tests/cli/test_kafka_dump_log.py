"""kafka-dump-log: what it shows of real and of damaged files is what Apache Kafka's tool shows.

Under tests/golden/dump_log stand the files: `written_by_apache_kafka` by Apache Kafka 4.4.0, `made` by our own builders
(formats 0 and 1, damage, indexes that lie). `expected` holds what DumpLogSegments of Apache Kafka 4.3.1 says of them,
one file for each case: exit code, stdout, stderr without stack traces. The oracle test compares those again; with
REWRITE_GOLDEN set it writes them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from java_tools import JavaTools
from kafkalite.cli import kafka_dump_log

GOLDEN = Path(__file__).parent.parent / "golden" / "dump_log"
REAL = "written_by_apache_kafka"
SEGMENT = "00000000000000000000"
API = "org.apache.kafka.tools.api."

CASES: dict[str, tuple[list[str], list[str]]] = {
    "batches": ([], [f"{REAL}/codecs-0/{SEGMENT}.log", f"{REAL}/txn-0/{SEGMENT}.log"]),
    "records": (["--deep-iteration"], [f"{REAL}/stamped-0/{SEGMENT}.log", f"{REAL}/codecs-0/{SEGMENT[:-2]}48.log"]),
    "contents": (
        ["--print-data-log"],
        [f"{REAL}/txn-0/{SEGMENT[:-1]}3.log", f"{REAL}/stamped-0/{SEGMENT}.log"],
    ),
    "contents_alone": (["--print-data-log", "--skip-record-metadata"], [f"{REAL}/codecs-0/{SEGMENT}.log"]),
    "first_bytes": (["--print-data-log", "--max-bytes", "1000"], [f"{REAL}/plain-0/{SEGMENT}.log"]),
    "decoder_classes": (
        [
            "--value-decoder-class",
            f"{API}LongDecoder",
            "--key-decoder-class",
            f"{API}IntegerDecoder",
            "--max-bytes=500",
        ],
        [f"{REAL}/plain-0/{SEGMENT}.log"],
    ),
    "decoder_class_left_out": (["--value-decoder-class", "--max-bytes=500"], [f"{REAL}/plain-0/{SEGMENT}.log"]),
    "unknown_decoder_class": (["--value-decoder-class", "a.b.C"], [f"{REAL}/plain-0/{SEGMENT}.log"]),
    "consumer_offsets": (["--offsets-decoder"], [f"{REAL}/__consumer_offsets-0/{SEGMENT}.log"]),
    "transaction_state": (
        ["--transaction-log-decoder", "--max-bytes", "1200"],
        [f"{REAL}/__transaction_state-0/{SEGMENT}.log"],
    ),
    "share_group_state": (["--share-group-state-decoder"], [f"{REAL}/__share_group_state-0/{SEGMENT}.log"]),
    "cluster_metadata": (
        ["--cluster-metadata-decoder", "--skip-record-metadata"],
        [f"{REAL}/__cluster_metadata-0/{SEGMENT}.log"],
    ),
    "metadata_snapshot": (
        ["--cluster-metadata-decoder"],
        [f"{REAL}/__cluster_metadata-0/{SEGMENT}-0000000000.checkpoint"],
    ),
    "wrong_decoder": (["--cluster-metadata-decoder", "--max-bytes=500"], [f"{REAL}/plain-0/{SEGMENT}.log"]),
    "indexes": (
        [],
        [
            f"{REAL}/{name}"
            for name in (
                f"plain-0/{SEGMENT}.index",
                f"plain-0/{SEGMENT}.timeindex",
                f"plain-0/{SEGMENT[:-2]}65.snapshot",
                f"codecs-0/{SEGMENT}.index",
                f"codecs-0/{SEGMENT}.timeindex",
                f"codecs-0/{SEGMENT[:-2]}48.index",
                f"txn-0/{SEGMENT[:-1]}3.index",
                f"txn-0/{SEGMENT[:-1]}3.timeindex",
                f"txn-0/{SEGMENT[:-1]}3.txnindex",
                f"txn-0/{SEGMENT[:-1]}3.snapshot",
                f"txn-0/{SEGMENT[:-2]}24.snapshot",
            )
        ],
    ),
    "index_sanity": (
        ["--index-sanity-check"],
        [f"{REAL}/plain-0/{SEGMENT}.index", f"{REAL}/plain-0/{SEGMENT}.timeindex"],
    ),
    "verified_indexes": (
        ["--verify-index-only"],
        [f"{REAL}/plain-0/{SEGMENT}.index", f"{REAL}/plain-0/{SEGMENT}.timeindex"],
    ),
    "legacy_formats": (["--print-data-log"], ["made/legacy-0/00000000000000000100.log"]),
    "legacy_batches": ([], ["made/legacy-0/00000000000000000100.log", "made/damaged-0/00000000000000000100.log"]),
    "compacted_and_control": (["--deep-iteration"], ["made/horizon-0/00000000000000000100.log"]),
    "control_messages": (
        ["--deep-iteration"],
        [
            "made/__cluster_metadata-0/00000000000000000042-0000000003.checkpoint",
            "made/x-0/bootstrap.checkpoint",
            "made/x-0/foo.bar",
            "nothing",
        ],
    ),
    **{
        f"damage_{kind}": (["--print-data-log"], [f"made/{kind}-0/00000000000000000100.log"])
        for kind in ("damaged", "zeros", "fewer", "badgzip", "magic")
    },
    **{
        f"index_{kind}_{suffix}{flag and '_sanity'}": (
            [flag] if flag else [],
            [f"made/{kind}-0/00000000000000000100.{suffix}"],
        )
        for kind in ("idx", "odd", "neg", "neg2")
        for suffix in ("index", "timeindex")
        for flag in ("", "--index-sanity-check")
    },
    "several_wrong_indexes": (
        ["--verify-index-only"],
        [
            f"made/{kind}-0/00000000000000000100.{suffix}"
            for kind in ("neg", "idx")
            for suffix in ("index", "timeindex")
        ],
    ),
    "aborted_transactions_and_bad_snapshots": (
        [],
        [
            "made/idx-0/00000000000000000100.txnindex",
            "made/idx-0/00000000000000000100.snapshot",
            "made/idx-0/00000000000000000200.snapshot",
        ],
    ),
    "message_larger_than_allowed": (["--max-message-size", "50"], [f"{REAL}/plain-0/{SEGMENT}.index"]),
    "missing_file": ([], ["made/legacy-0/00000000000000000999.log"]),
    "no_files": (["--print-data-log"], []),
    "remote_log_metadata": (
        ["--remote-log-metadata-decoder"],
        [f"made/__remote_log_metadata-0/{SEGMENT}.log"],
    ),
    "remote_log_metadata_that_is_none": (
        ["--remote-log-metadata-decoder", "--skip-record-metadata", "--max-bytes=1000"],
        [f"{REAL}/__transaction_state-0/{SEGMENT}.log"],
    ),
    "records_that_a_coordinator_never_wrote": (["--offsets-decoder"], [f"{REAL}/plain-0/{SEGMENT}.log"]),
    "torn_snapshots_and_transaction_indexes": (
        [],
        [
            *(f"made/torn-0/{number:020d}.snapshot" for number in (0, 1, 5, 8, 30, 100, 200, 300, 400)),
            "made/torn-0/00000000000000000003.txnindex",
            "made/torn-0/00000000000000000100.txnindex",
            "made/torn-0/00000000000000000200.txnindex",
        ],
    ),
    "no_bytes": (["--max-bytes", "0", "--print-data-log"], [f"{REAL}/plain-0/{SEGMENT}.log"]),
    "less_than_no_bytes": (["--max-bytes", "-1"], [f"{REAL}/plain-0/{SEGMENT}.log"]),
    "less_than_no_bytes_for_a_message": (["--max-message-size", "-1"], [f"{REAL}/plain-0/{SEGMENT}.index"]),
    "a_flag_of_logs_for_an_index": (["--offsets-decoder"], [f"{REAL}/plain-0/{SEGMENT}.index"]),
}

_STACK = re.compile(r"^(\tat |Caused by: |\t\.\.\. )")
_FAULT_OF_A_FILE = re.compile(r"^(?=Mismatches in |Found timestamp |The following indexed )", re.MULTILINE)


def arguments(case: str) -> list[str]:
    flags, files = CASES[case]
    return [*flags, "--files", ",".join(str(GOLDEN / file) for file in files)] if files else flags


def transcript(exit_code: int, stdout: str, stderr: str) -> str:
    """What a run left behind, as it stands in the golden files: without stack traces and what differs on purpose."""
    errors = "".join(line for line in stderr.splitlines(keepends=True) if not _STACK.match(line))
    errors = re.sub("(Failed to decompress record stream): .*", r"\1", errors)  # we tell what the codec says
    errors = re.sub(r"^Option {2}.*", "(usage)\n", errors, flags=re.MULTILINE | re.DOTALL)  # the words are ours
    text = f"exit code {exit_code}\n--- stdout\n{stdout}--- stderr\n{errors}"
    return text.replace(str(GOLDEN), "{golden}")


def in_one_order(text: str) -> str:
    """A transcript with the faults of indexes sorted: their order is that of a hash map of absolute paths, and so
    another one where the repository stands somewhere else."""
    begin, *faults = _FAULT_OF_A_FILE.split(text)
    return begin + "".join(sorted(faults))


def golden_file(case: str) -> Path:
    return GOLDEN / "expected" / f"{case}.txt"


@pytest.mark.parametrize("case", sorted(CASES))
def test_files_are_shown_as_apache_kafkas_tool_shows_them(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    exit_code = kafka_dump_log.main(arguments(case))
    output = capsys.readouterr()
    found = transcript(exit_code, output.out, output.err)
    assert in_one_order(found) == golden_file(case).read_text()


@pytest.mark.oracle
def test_apache_kafkas_tool_still_shows_them_so(java_tools: JavaTools, capsys: pytest.CaptureFixture[str]) -> None:
    for case in sorted(CASES):
        found = transcript(*java_tools.run("kafka_dump_log", *arguments(case)))
        if os.environ.get("REWRITE_GOLDEN"):
            golden_file(case).parent.mkdir(exist_ok=True)
            golden_file(case).write_text(in_one_order(found))
        assert (case, in_one_order(found)) == (case, golden_file(case).read_text())
        exit_code = kafka_dump_log.main(arguments(case))
        output = capsys.readouterr()
        shown = transcript(exit_code, output.out, output.err)
        assert (case, in_one_order(shown)) == (case, in_one_order(found))


def test_every_expectation_belongs_to_a_case() -> None:
    assert sorted(file.stem for file in (GOLDEN / "expected").iterdir()) == sorted(CASES)


def test_an_index_that_was_preallocated_is_shown_up_to_its_zeros(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for suffix in ("log", "index", "timeindex"):
        content = (GOLDEN / REAL / "plain-0" / f"{SEGMENT}.{suffix}").read_bytes()
        (tmp_path / f"{SEGMENT}.{suffix}").write_bytes(content + (b"" if suffix == "log" else bytes(1_200_000)))
    shown = []
    for directory in (GOLDEN / REAL / "plain-0", tmp_path):
        files = ",".join(str(directory / f"{SEGMENT}.{suffix}") for suffix in ("index", "timeindex"))
        assert kafka_dump_log.main(["--files", files]) == 0
        output = capsys.readouterr()
        assert output.err == ""
        shown.append(output.out.replace(str(directory), ""))
    assert shown[0] == shown[1]
    assert shown[0].count("offset: ") > 5


def test_a_relative_name_is_shown_as_it_was_given_and_found_faults_with_the_whole_path(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(GOLDEN / "made")
    assert kafka_dump_log.main(["--files", "idx-0/00000000000000000100.index", "--verify-index-only"]) == 0
    output = capsys.readouterr()
    assert output.out == "Dumping idx-0/00000000000000000100.index\n"
    assert output.err.splitlines()[0] == f"Mismatches in :{GOLDEN}/made/idx-0/00000000000000000100.index"


def test_what_is_missing_of_an_index_pair_counts_as_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = (GOLDEN / REAL / "stamped-0" / f"{SEGMENT}.log").read_bytes()
    (tmp_path / f"{SEGMENT}.log").write_bytes(log)
    assert kafka_dump_log.main(["--files", str(tmp_path / f"{SEGMENT}.index")]) == 0
    assert capsys.readouterr().out.endswith(" is empty.\n")
    assert [file.name for file in tmp_path.iterdir()] == [f"{SEGMENT}.log"]


@pytest.mark.oracle
def test_help_names_the_options_that_apache_kafkas_names(
    java_tools: JavaTools, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = java_tools.run("kafka_dump_log", "--help")
    assert kafka_dump_log.main(["--help"]) == expected.exit_code == 1

    def options(text: str) -> list[str]:
        return re.findall(r"^--[-\w]+(?: \S.*?(?=  |$))?", text, re.MULTILINE)

    assert options(capsys.readouterr().err) == options(expected.stderr) != []


@pytest.mark.parametrize("name", ["x.log", "x.index", "x.timeindex", "x.txnindex", "x-1.checkpoint", "1_0.log"])
def test_a_name_without_an_offset_is_no_segments(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_bytes(bytes(100))
    assert kafka_dump_log.main(["--files", str(tmp_path / name)]) == 1
    stem = name.partition(".")[0].partition("-")[0]
    assert capsys.readouterr().err == (
        f'Exception in thread "main" java.lang.NumberFormatException: For input string: "{stem}"\n'
    )
