"""The tools that produce and consume beside Apache Kafka's: the same records, output and exit codes."""

from __future__ import annotations

import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.oracle

PRODUCERS = ("org.apache.kafka.tools.ConsoleProducer", "kafka_console_producer")
EVERYTHING = [
    word
    for name in ("print.partition", "print.offset", "print.epoch", "print.headers", "print.key")
    for word in ("--formatter-property", f"{name}=true")
]
END = ("--timeout-ms", "1500")
ALL = ("--from-beginning", "--max-messages", "4", "--timeout-ms", "10000")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def run_ours(module: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", f"kafkalite.cli.{module}", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)


@pytest.fixture
def new_topic(tools_kafka: Any) -> Callable[..., str]:
    def create(partitions: int = 1) -> str:
        name = f"console-{uuid.uuid4().hex[:8]}"
        servers = ("--bootstrap-server", tools_kafka.bootstrap_servers)
        created = run_ours("kafka_topics", *servers, "--create", "--topic", name, "--partitions", str(partitions))
        assert created.returncode == 0, created.stderr
        return name

    return create


def sent_by(run: Run, tool: str, broker: Any, topic: str, *options: str, stdin: str, records: int) -> tuple[int, str]:
    """What a producer makes of its input, as our consumer shows it; and the exit code."""
    limits = ("--max-messages", str(records), "--timeout-ms", "10000")
    servers = ("--bootstrap-server", broker.bootstrap_servers)
    produced = run(tool, *servers, "--topic", topic, *options, stdin=stdin)
    read = run_ours("kafka_console_consumer", *servers, "--topic", topic, "--from-beginning", *EVERYTHING, *limits)
    return produced.returncode, "".join(sorted(read.stdout.splitlines(keepends=True)))


KEYS_AND_HEADERS = ["--reader-property=parse.key=true", "--reader-property=parse.headers=true"]


@pytest.mark.parametrize(
    ("options", "text", "records", "partitions"),
    [
        ([], "one\n\ntwo\r\nthree", 4, 1),
        (["--reader-property", "parse.key=true"], "".join(f"key-{n}\tvalue {n}\n" for n in range(30)), 30, 4),
        (
            [*KEYS_AND_HEADERS, "--reader-property=null.marker=NULL", "--compression-codec"],
            "h1:v1,h2:NULL\tk\tv\nNULL\tNULL\tNULL\nh:\tä\tö\n",
            3,
            1,
        ),
        (["--sync", "--property", "parse.key=true", "--property", "key.separator=::"], "a::b::c\nno key\n", 1, 1),
        (["--request-required-acks", "0", "--compression-codec", "zstd", "--batch-size", "100"], "a\nb\n" * 50, 100, 1),
        (["--command-property", "acks=1", "--producer-property", "linger.ms=1"], "refused\n", 0, 1),
        (["--max-memory-bytes", "70000", "--message-send-max-retries", "0"], "x" * 1000 + "\n", 1, 1),
    ],
)
def test_both_producers_send_the_same_records(
    options: list[str],
    text: str,
    records: int,
    partitions: int,
    tools_kafka: Any,
    run_java_tool: Run,
    new_topic: Callable[..., str],
) -> None:
    theirs, ours = (
        sent_by(run, tool, tools_kafka, new_topic(partitions), *options, stdin=text, records=records)
        for run, tool in zip((run_java_tool, run_ours), PRODUCERS, strict=True)
    )
    assert ours == theirs
    assert ours[1].count("\n") == records


UNSENT = re.compile(
    r"Error when sending message to topic .* with error:|(?:[\w.]+Exception: )+(Topic|Invalid topics:) [^(]*\b"
)


def what_was_not_sent(stderr: str) -> list[str]:
    """What is said about records that could not be sent, each with its reason."""
    return [found[0] for line in stderr.splitlines() if "Caused by" not in line for found in UNSENT.finditer(line)]


@pytest.mark.parametrize("mode", [[], ["--sync"]], ids=["asynchronous", "synchronous"])
@pytest.mark.parametrize(
    ("topic", "max_block_ms", "text"),
    [
        ("there", "0", "bb\n"),  # of later ones some may be sent
        ("there", "20000", "a\nbb\n"),
        ("not/valid", "20000", "a\n"),
    ],
)
def test_both_producers_block_as_long_for_a_topic_to_be_known(
    mode: list[str],
    topic: str,
    max_block_ms: str,
    text: str,
    tools_kafka: Any,
    run_java_tool: Run,
    new_topic: Callable[..., str],
) -> None:
    name = new_topic() if topic == "there" else topic
    options = ("--bootstrap-server", tools_kafka.bootstrap_servers, "--topic", name, "--max-block-ms", max_block_ms)
    theirs, ours = (
        run(tool, *options, *mode, stdin=text) for run, tool in zip((run_java_tool, run_ours), PRODUCERS, strict=True)
    )
    assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout)
    assert what_was_not_sent(ours.stderr) == what_was_not_sent(theirs.stderr)
    is_refused = max_block_ms == "0" or topic != "there"
    lines = 1 if mode else 2 * text.count("\n")
    assert len(what_was_not_sent(ours.stderr)) == (lines if is_refused else 0)


@pytest.fixture(scope="module")
def topic_of_all_sorts(tools_kafka: Any) -> str:
    """Two partitions with records of all sorts, and a group that has read one of them."""
    topic = f"sorts-{uuid.uuid4().hex[:8]}"
    servers = ("--bootstrap-server", tools_kafka.bootstrap_servers)
    run_ours("kafka_topics", *servers, "--create", "--topic", topic, "--partitions", "2")
    reader = ["--reader-property=parse.key=true", "--reader-property=parse.headers=true"]
    reader += ["--reader-property=null.marker=NULL"]
    text = "h1:v1,h2:NULL\tkey\tvalue\nNULL\tkey\tNULL\na:ä\tkey\t\nNULL\tkey\t12345678\n"
    produced = run_ours("kafka_console_producer", *servers, "--topic", topic, *reader, stdin=text)
    assert produced.returncode == 0, produced.stderr
    return topic


SERIALIZATION = "org.apache.kafka.common.serialization"


@pytest.mark.parametrize(
    "options",
    [
        [*ALL],
        [*ALL, "--formatter-property=print.timestamp=true", *EVERYTHING],
        ["--from-beginning", *END],
        ["--from-beginning", "--max-messages", "2"],
        ["--max-messages", "0"],
        ["--partition", "0", "--offset", "1", *EVERYTHING, *END],
        ["--partition", "1", "--offset", "1", *EVERYTHING, *END],
        ["--partition", "0", "--offset", "earliest", *END],
        ["--partition", "1", "--from-beginning", *END],
        ["--partition", "0", "--timeout-ms", "500"],
        [*ALL, "--property", "print.value=false", "--property", "print.key=true"],
        [*ALL, *EVERYTHING, "--formatter-property=null.literal=<null>",
         "--formatter-property=key.separator= | ", "--formatter-property=headers.separator=;",
         "--formatter-property=line.separator=#"],
        [*ALL, "--formatter", "org.apache.kafka.tools.consumer.NoOpMessageFormatter"],
        [*ALL, "--value-deserializer", f"{SERIALIZATION}.LongDeserializer"],
        [*ALL, "--value-deserializer", f"{SERIALIZATION}.LongDeserializer", "--skip-message-on-error"],
        [*ALL, "--key-deserializer", f"{SERIALIZATION}.StringDeserializer", *EVERYTHING],
        ["--command-property", "auto.offset.reset=earliest", "--isolation-level", "read_committed", "--max-messages=4"],
        ["--from-beginning", "--enable-systest-events", "--max-messages", "1"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_both_consumers_print_the_same(
    options: list[str], tools_kafka: Any, java_tools: Any, topic_of_all_sorts: str
) -> None:
    arguments = ["--bootstrap-server", tools_kafka.bootstrap_servers, "--topic", topic_of_all_sorts, *options]
    theirs = java_tools.run("kafka_console_consumer", *arguments)
    ours = run_ours("kafka_console_consumer", *arguments)
    # The event is printed by a hook that runs when a JVM ends; warnings are for stderr.
    expected = [line for line in theirs.stdout.splitlines() if not line.startswith("Option --property is deprecated")]
    printed = [line for line in ours.stdout.splitlines() if line != "shutdown_complete"]
    assert (printed, ours.returncode) == (expected, theirs.exit_code)
    if theirs.exit_code == 0:
        assert [line for line in ours.stderr.splitlines() if line.startswith("Processed")] == [
            line for line in theirs.stderr.splitlines() if line.startswith("Processed")
        ]


def test_both_consumers_read_what_is_committed(tools_kafka: Any, java_tools: Any, topic_of_all_sorts: str) -> None:
    def read(run: Callable[..., Any], group: str) -> list[str]:
        servers = ("--bootstrap-server", tools_kafka.bootstrap_servers, "--topic", topic_of_all_sorts)
        options = (*servers, "--group", group, "--from-beginning", *END)
        return [run("kafka_console_consumer", *options, *more).stdout for more in (["--max-messages", "3"], [], [])]

    theirs, ours = read(java_tools.run, "java-group"), read(run_ours, "our-group")
    assert ours == theirs
    assert "".join(ours).count("\n") == 4, "the limit ends the first run, the second goes on behind it"


@pytest.mark.parametrize("formatter", ["OffsetsMessageFormatter", "GroupMetadataMessageFormatter"])
def test_both_consumers_print_the_coordinators_records_alike(
    formatter: str, tools_kafka: Any, java_tools: Any, topic_of_all_sorts: str
) -> None:
    servers = ("--bootstrap-server", tools_kafka.bootstrap_servers)
    group = ("--group", f"group-of-{formatter}", "--from-beginning")
    run_ours("kafka_console_consumer", *servers, "--topic", topic_of_all_sorts, *group, "--max-messages", "4")
    arguments = [*servers, "--topic", "__consumer_offsets", "--from-beginning", *END]
    arguments += ["--formatter", f"org.apache.kafka.tools.consumer.{formatter}"]

    def documents(text: str) -> list[str]:
        return sorted(part for part in text.replace('{"key":', '\n{"key":').splitlines() if "group-of-" in part)

    ours = documents(run_ours("kafka_console_consumer", *arguments).stdout)
    assert ours == documents(java_tools.run("kafka_console_consumer", *arguments).stdout)
    assert f"group-of-{formatter}" in ours[0]


def test_both_consumers_print_transactions_alike(
    tools_kafka: Any, java_tools: Any, new_topic: Callable[..., str]
) -> None:
    servers = ("--bootstrap-server", tools_kafka.bootstrap_servers)
    size = ("--num-records", "10", "--record-size", "10", "--throughput", "-1")
    sent = run_ours(
        "kafka_producer_perf_test", *servers, "--topic", new_topic(), *size, "--transactional-id", "printed"
    )
    assert sent.stdout.startswith("10 records sent")
    arguments = [*servers, "--topic", "__transaction_state", "--from-beginning", *END]
    arguments += ["--formatter", "org.apache.kafka.tools.consumer.TransactionLogMessageFormatter"]

    def documents(text: str) -> list[str]:
        return sorted(part for part in text.replace('{"key":', '\n{"key":').splitlines() if '"printed"' in part)

    ours = documents(run_ours("kafka_console_consumer", *arguments).stdout)
    assert ours == documents(java_tools.run("kafka_console_consumer", *arguments).stdout)
    assert ours


PROPERTY_TWICE = ["--topic", "t", "--bootstrap-server", "h:1", "--command-property", "a=b"]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("kafka_console_producer", []),
        ("kafka_console_producer", ["--bootstrap-server", "h:1"]),
        ("kafka_console_producer", ["--topic", "t", "--bootstrap-server", "h"]),
        ("kafka_console_producer", ["--topic", "t", "--bootstrap-server", "h:1", "--unknown"]),
        ("kafka_console_producer", ["--topic"]),
        ("kafka_console_producer", [*PROPERTY_TWICE, "--producer-property", "a=b"]),
        ("kafka_console_producer", ["--topic", "t", "--bootstrap-server=h:1", "--property=a=b", "--reader-property=a=b"]),  # noqa: E501
        ("kafka_console_consumer", []),
        ("kafka_console_consumer", ["--bootstrap-server", "h:1"]),
        ("kafka_console_consumer", ["--bootstrap-server", "h:1", "--topic", "t", "--include", "t"]),
        ("kafka_console_consumer", ["--topic", "t"]),
        ("kafka_console_consumer", ["--topic", "t", "--offset", "3"]),
        ("kafka_console_consumer", ["--include", "t", "--partition", "3", "--bootstrap-server", "h:1"]),
        ("kafka_console_consumer", ["--topic=t", "--partition=0", "--offset=x", "--bootstrap-server", "h:1"]),
        ("kafka_console_consumer", ["--topic=t", "--partition=0", "--offset=-3", "--bootstrap-server", "h:1"]),
        ("kafka_console_consumer", ["--topic=t", "--partition=0", "--group=g", "--bootstrap-server", "h:1"]),
        ("kafka_console_consumer", ["--topic=t", "--partition=0", "--offset=1", "--from-beginning"]),
        ("kafka_console_consumer", [*PROPERTY_TWICE, "--consumer-property", "a=b"]),
        ("kafka_console_consumer", [*PROPERTY_TWICE, "--formatter", "no.such.Formatter"]),
        ("kafka_console_consumer", [*PROPERTY_TWICE, "--group", "a", "--command-property", "group.id=b"]),
        ("kafka_console_consumer", [*PROPERTY_TWICE, "--from-beginning", "--command-property=auto.offset.reset=latest"]),  # noqa: E501
        ("kafka_consumer_perf_test", []),
        ("kafka_consumer_perf_test", ["--bootstrap-server", "h:1", "--num-records", "5"]),
        ("kafka_consumer_perf_test", ["--bootstrap-server", "h:1", "--topic", "t"]),
        ("kafka_producer_perf_test", ["--topic", "t", "--record-size=5", "--throughput=-1", "--num-records=0"]),
        ("kafka_producer_perf_test", ["--topic", "t", "--record-size=5", "--throughput=-1", "--num-records=9"]),
        ("kafka_producer_perf_test", ["--topic", "t", "--record-size=0", "--throughput=-1", "--num-records=9"]),
        ("kafka_producer_perf_test", ["--topic=t", "--record-size=5", "--throughput=-1", "--num-records=9",
                                      "--warmup-records=9"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)  # fmt: skip
def test_wrong_command_lines_are_answered_alike(tool: str, arguments: list[str], java_tools: Any) -> None:
    def complaint(text: str) -> str:
        if tool == "kafka_producer_perf_test":  # whose Java parser spreads words over lines
            return " ".join(text.split()).partition(" error: ")[2].replace("-- ", "--")
        return next((line for line in text.splitlines() if not line.startswith(("Warning", "["))), "")

    theirs = java_tools.run(tool, *arguments)
    ours = run_ours(tool, *arguments)
    assert ours.returncode == theirs.exit_code
    if arguments:
        assert complaint(ours.stderr) == complaint(theirs.stderr)


def shape(text: str) -> list[str]:
    """Lines without their numbers and dates."""
    return [re.sub(r"\d+", "0", line) for line in text.splitlines()]


def records_read(text: str) -> list[str]:
    """How many records the totals of kafka-consumer-perf-test name."""
    columns = [line.split(", ") for line in text.splitlines()]
    return [line[4] for line in columns if len(line) == 10]


def test_performance_tools_print_lines_of_the_same_form(
    tools_kafka: Any, java_tools: Any, new_topic: Callable[..., str], tmp_path: Path
) -> None:
    topic = new_topic()
    payloads = tmp_path / "payloads"
    payloads.write_text("a|bb|ccc|")
    servers = ["--bootstrap-server", tools_kafka.bootstrap_servers, "--topic", topic]
    rate = ["--throughput", "2000", "--num-records", "1000"]
    for tool, *options in (
        ["kafka_producer_perf_test", *rate, "--record-size", "100", "--warmup-records", "500"],
        *(
            ["kafka_producer_perf_test", *rate, "--payload-file", str(payloads), "--payload-delimiter", delimiter]
            for delimiter in ("|", r"\|", "b*", "a")
        ),
        ["kafka_producer_perf_test", "--throughput=-1", "--num-records=3", "--record-size=2000000"],
        ["kafka_producer_perf_test", "--throughput=-1", "--num-records=3", "--record-size=1048000"],
        ["kafka_consumer_perf_test", "--num-records", "1", "--date-format", "bogus"],
        ["kafka_consumer_perf_test", "--num-records", "1", "--reporting-interval", "0"],
        ["kafka_producer_perf_test", *rate, "--payload-monotonic", "--command-property", "acks=1", "linger.ms=0"],
        ["kafka_consumer_perf_test", "--num-records", "3000"],
        ["kafka_consumer_perf_test", "--num-records", "750", "--hide-header"],
        ["kafka_consumer_perf_test", "--num-records", "11", "--command-property", "max.poll.records=10"],
        ["kafka_consumer_perf_test", "--num-records", "3000", "--hide-header", "--date-format", "HH.mm"],
        ["kafka_consumer_perf_test", "--num-records", "100000", "--timeout", "1000", "--group", topic],
    ):
        theirs, ours = java_tools.run(tool, *servers, *options), run_ours(tool, *servers, *options)
        assert shape(ours.stdout) == shape(theirs.stdout)
        counted = [re.findall(r"Number of records read: \d+", out) for out in (ours.stdout, theirs.stdout)]
        assert counted[0] == counted[1]
        if "--group" not in options:  # where the second one would go on behind the first
            assert records_read(ours.stdout) == records_read(theirs.stdout)
        assert ours.returncode == theirs.exit_code
