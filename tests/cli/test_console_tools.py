"""The tools that produce and consume, each a process of its own, on kafkalite."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kafkalite.testing import KafkaliteServer

PYTHON = [sys.executable, "-P", "-m"]


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaliteServer]:
    with KafkaliteServer(config={"group.initial.rebalance.delay.ms": 0}) as server:
        yield server


def command(tool: str, broker: KafkaliteServer, *arguments: str) -> list[str]:
    return [*PYTHON, f"kafkalite.cli.{tool}", "--bootstrap-server", broker.bootstrap_servers, *arguments]


def run(tool: str, broker: KafkaliteServer, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command(tool, broker, *arguments), input=stdin, capture_output=True, timeout=60)


def read_all(broker: KafkaliteServer, topic: str, records: int, *arguments: str) -> bytes:
    limits = ("--from-beginning", "--max-messages", str(records), "--timeout-ms", "20000")
    return run("kafka_console_consumer", broker, "--topic", topic, *limits, *arguments).stdout


def read_all_there(broker: KafkaliteServer, topic: str) -> bytes:
    limits = ("--from-beginning", "--timeout-ms", "500")
    return run("kafka_console_consumer", broker, "--topic", topic, *limits).stdout


def test_lines_go_in_and_come_out(broker: KafkaliteServer) -> None:
    produced = run("kafka_console_producer", broker, "--topic", "lines", stdin=b"one\ntwo\n\xff\x00\n")
    assert (produced.returncode, produced.stdout, produced.stderr) == (0, b"", b"")
    consumed = run("kafka_console_consumer", broker, "--topic", "lines", "--from-beginning", "--max-messages", "3")
    assert (consumed.returncode, consumed.stdout) == (0, b"one\ntwo\n\xff\x00\n")
    assert consumed.stderr == b"Processed a total of 3 messages\n"


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_compression_can_be_read_back(codec: str, broker: KafkaliteServer) -> None:
    text = b"".join(b"line %d of many\n" % number for number in range(500))
    produced = run(
        "kafka_console_producer", broker, "--topic", f"with-{codec}", "--compression-codec", codec, stdin=text
    )
    assert produced.stderr == b""
    assert read_all(broker, f"with-{codec}", 500) == text


def test_an_unknown_compression_is_refused(broker: KafkaliteServer) -> None:
    produced = run("kafka_console_producer", broker, "--topic", "t", "--compression-codec", "zip")
    assert produced.returncode == 1
    assert produced.stderr == b"Unknown compression codec zip: one of none, gzip, snappy, lz4, zstd is needed.\n"


def test_properties_come_from_files_and_words_override_them(broker: KafkaliteServer, tmp_path: Path) -> None:
    reader = tmp_path / "reader.properties"
    reader.write_text("parse.key=true\nkey.separator=:\n")
    producer = tmp_path / "producer.properties"
    producer.write_text("client.id=from-file\nacks=0\n")
    options = ["--reader-config", str(reader), "--command-config", str(producer), "--reader-property=key.separator=="]
    produced = run("kafka_console_producer", broker, "--topic", "configured", *options, stdin=b"k=v\n")
    assert (produced.returncode, produced.stderr) == (0, b"")
    formatter = tmp_path / "formatter.properties"
    formatter.write_text("print.key=true\nkey.separator=<\n")
    printed = read_all(broker, "configured", 1, "--formatter-config", str(formatter), "--property=key.separator=>")
    assert printed == b"k>v\n"


def test_a_file_that_is_not_there_is_named(broker: KafkaliteServer) -> None:
    for tool in ("kafka_console_producer", "kafka_console_consumer", "kafka_consumer_perf_test"):
        number = ("--num-records", "1") if "perf" in tool else ()
        result = run(tool, broker, "--topic", "t", "--command-config", "/no/such/file", *number)
        assert result.returncode == 1
        assert b"/no/such/file" in result.stderr
        assert b"Traceback" not in result.stderr


def test_a_line_without_its_key_ends_the_producer_behind_what_came_before(broker: KafkaliteServer) -> None:
    options = ("--topic", "broken", "--reader-property", "parse.key=true")
    produced = run("kafka_console_producer", broker, *options, stdin=b"k\tv\nno key\nk\tw\n")
    assert produced.returncode == 1
    assert (
        produced.stderr
        == b"org.apache.kafka.common.KafkaException: No key separator found on line number 2: 'no key'\n"
    )
    assert read_all(broker, "broken", 1) == b"v\n"


def test_a_record_that_is_refused_is_logged_and_the_others_are_sent(broker: KafkaliteServer) -> None:
    big = b"x" * 2000
    run("kafka_topics", broker, "--create", "--topic", "small", "--config", "max.message.bytes=1000")
    produced = run("kafka_console_producer", broker, "--topic", "small", stdin=big + b"\n")
    assert produced.returncode == 0
    assert re.search(
        rb"ERROR Error when sending message to topic small with key: null, value: 2000 bytes with error: ",
        produced.stderr,
    )
    synchronous = run("kafka_console_producer", broker, "--topic", "small", "--sync", stdin=b"ok\n" + big + b"\nno\n")
    assert synchronous.returncode == 1
    assert synchronous.stderr.startswith(b"org.apache.kafka.common.KafkaException: ")
    assert read_all(broker, "small", 1) == b"ok\n"


def test_a_record_too_large_for_the_producer_is_logged_and_the_others_are_sent(broker: KafkaliteServer) -> None:
    text = b"one\n" + b"x" * 1_100_000 + b"\ntwo\n"
    produced = run("kafka_console_producer", broker, "--topic", "oversize", stdin=text)
    assert produced.returncode == 0
    assert b"ERROR Error when sending message to topic oversize with key: null, value: 1100000 bytes" in produced.stderr
    assert read_all(broker, "oversize", 2) == b"one\ntwo\n"


def test_a_partition_is_read_without_waiting_for_its_leader_to_be_known(broker: KafkaliteServer) -> None:
    run("kafka_console_producer", broker, "--topic", "at-once", stdin=b"one\n")
    # librdkafka looks for an offset again after 500 ms.
    options = ("--partition", "0", "--offset", "earliest", "--max-messages", "1", "--timeout-ms", "450")
    assert run("kafka_console_consumer", broker, "--topic", "at-once", *options).stdout == b"one\n"


@pytest.mark.parametrize(
    ("tool", "arguments", "complaint"),
    [
        ("consumer", ["--topic", ""], "Topic collection to subscribe to cannot contain null or empty topic"),
        ("consumer", ["--topic", "t", "--group", " "], "The configured group.id should not be an empty string"),
        ("consumer", ["--topic", "t", "--isolation-level", "READ_COMMITTED"], "String must be one of: read_committed"),
        ("producer", ["--topic", "t", "--request-required-acks", "2"], "Invalid value 2 for configuration acks"),
        ("producer", ["--topic", "t", "--max-memory-bytes", "-1"], "buffer.memory: Value must be at least 0"),
        ("producer", ["--topic", "t", "--command-property", "retries=x"], "retries: Not a number of type INT"),
        ("producer", ["--topic", "t", "--command-property", "linger.ms=x"], "linger.ms: Not a number of type LONG"),
    ],
)
def test_what_the_java_clients_refuse_is_refused_in_a_line(
    tool: str, arguments: list[str], complaint: str, broker: KafkaliteServer
) -> None:
    ended = run(f"kafka_console_{tool}", broker, *arguments)
    assert (ended.returncode, ended.stdout, ended.stderr.count(b"\n")) == (1, b"", 1)
    assert complaint in ended.stderr.decode()


def test_each_record_goes_alone_without_a_batch_size(broker: KafkaliteServer) -> None:
    produced = run("kafka_console_producer", broker, "--topic", "alone", "--batch-size", "0", stdin=b"one\ntwo\n")
    assert (produced.returncode, produced.stderr) == (0, b"")
    assert read_all(broker, "alone", 2) == b"one\ntwo\n"


def test_a_group_goes_on_where_it_was(broker: KafkaliteServer) -> None:
    run("kafka_console_producer", broker, "--topic", "resumed", stdin=b"1\n2\n3\n4\n5\n")
    group = ("--group", "readers")
    assert read_all(broker, "resumed", 2, *group) == b"1\n2\n"
    assert read_all(broker, "resumed", 3, *group) == b"3\n4\n5\n"
    rest = run("kafka_console_consumer", broker, "--topic", "resumed", *group, "--timeout-ms", "500")
    assert (rest.stdout, rest.returncode) == (b"", 0)
    assert b"Processed a total of 0 messages" in rest.stderr


def test_a_regular_expression_names_topics_and_leaves_internal_ones_out(broker: KafkaliteServer) -> None:
    for topic in ("include-a", "include-b", "not-include-c"):
        run("kafka_console_producer", broker, "--topic", topic, stdin=topic.encode() + b"\n")
    limits = ("--from-beginning", "--max-messages", "2", "--timeout-ms", "20000")
    consumed = run("kafka_console_consumer", broker, "--include", "include-.*", *limits)
    assert sorted(consumed.stdout.split()) == [b"include-a", b"include-b"]


def test_the_output_closed_ends_the_consumer(broker: KafkaliteServer) -> None:
    run("kafka_console_producer", broker, "--topic", "closed", stdin=b"x" * 1000 + b"\n")
    options = ("--topic", "closed", "--from-beginning")
    consumer = subprocess.Popen(
        command("kafka_console_consumer", broker, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert consumer.stdout is not None and consumer.stderr is not None
    assert consumer.stdout.readline() == b"x" * 1000 + b"\n"
    consumer.stdout.close()
    run("kafka_console_producer", broker, "--topic", "closed", stdin=b"y\n" * 100)
    errors = consumer.stderr.read()
    consumer.stderr.close()
    assert consumer.wait(30) == 0
    assert errors.startswith(b"Unable to write to standard out, closing consumer.\nProcessed a total of ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_consumer_with_its_count(number: signal.Signals, broker: KafkaliteServer) -> None:
    run("kafka_console_producer", broker, "--topic", "signalled", stdin=b"one\n")
    options = ("--topic", "signalled", "--from-beginning", "--max-messages", "1000")
    consumer = subprocess.Popen(
        command("kafka_console_consumer", broker, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert consumer.stdout is not None
    assert consumer.stdout.readline() == b"one\n", "records are shown when they come, not when a buffer is full"
    consumer.send_signal(number)
    _, errors = consumer.communicate(timeout=30)
    assert re.fullmatch(rb"Processed a total of \d+ messages\n", errors)
    assert consumer.returncode == 128 + number


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_producer_when_everything_is_sent(number: signal.Signals, broker: KafkaliteServer) -> None:
    topic = f"interrupted-{number}"
    producer = subprocess.Popen(
        command("kafka_console_producer", broker, "--topic", topic, "--timeout", "0"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert producer.stdin is not None
    producer.stdin.write(b"typed\n")
    producer.stdin.flush()
    assert read_all(broker, topic, 1) == b"typed\n"
    producer.send_signal(number)
    assert producer.wait(30) == 128 + number
    assert producer.stderr is not None and producer.stdout is not None
    assert (producer.stdout.read(), producer.stderr.read()) == (b"", b"")
    for pipe in (producer.stdin, producer.stdout, producer.stderr):
        pipe.close()


def test_a_broker_that_is_not_there_is_said_and_records_are_given_up() -> None:
    absent = ["--bootstrap-server", "127.0.0.1:1", "--topic", "t"]
    producer = [*PYTHON, "kafkalite.cli.kafka_console_producer", *absent, "--max-block-ms", "1500"]
    produced = subprocess.run(producer, input=b"x\n", capture_output=True, timeout=60)
    assert produced.returncode == 0
    assert produced.stderr.count(b"Connection refused") == 1
    assert produced.stderr.count(b"ERROR Error when sending message to topic t") == 1
    consumer = [*PYTHON, "kafkalite.cli.kafka_console_consumer", *absent, "--timeout-ms", "1000"]
    consumed = subprocess.run(consumer, capture_output=True, timeout=60)
    assert (consumed.returncode, consumed.stdout) == (0, b"")
    assert b"TimeoutException\nProcessed a total of 0 messages\n" in consumed.stderr


@pytest.mark.parametrize("max_block_ms", ["0", "1500"])
def test_a_record_waits_for_the_topics_metadata_no_longer_than_it_may_block(
    max_block_ms: str, broker: KafkaliteServer
) -> None:
    topic = f"blocked-{max_block_ms}"
    run("kafka_topics", broker, "--create", "--topic", topic)
    words = command("kafka_console_producer", broker, "--topic", topic, "--max-block-ms", max_block_ms, "--timeout=0")
    with subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as producer:
        assert producer.stdin is not None and producer.stderr is not None
        producer.stdin.write(b"first\n")
        producer.stdin.flush()
        if max_block_ms == "0":
            said = producer.stderr.readline()
            assert b"TimeoutException: Topic blocked-0 not present in metadata after 0 ms." in said
            # What is asked for in the background comes by and by, and later records are sent.
            while read_all_there(broker, topic) == b"":
                producer.stdin.write(b"later\n")
                producer.stdin.flush()
            assert b"first" not in read_all_there(broker, topic)
        else:
            assert read_all(broker, topic, 1) == b"first\n"
        producer.stdin.close()
        assert producer.wait(30) == 0


def test_a_topic_that_is_not_made_is_waited_for_in_vain() -> None:
    with KafkaliteServer(config={"auto.create.topics.enable": False}) as broker:
        options = ("--topic", "absent", "--max-block-ms", "300")
        produced = run("kafka_console_producer", broker, *options, stdin=b"x\n")
        assert (produced.returncode, produced.stderr.count(b"\n")) == (0, 1)
        assert b"TimeoutException: Topic absent not present in metadata after 300 ms." in produced.stderr


def test_what_does_not_fit_the_memory_in_time_is_logged_and_the_others_are_sent(broker: KafkaliteServer) -> None:
    options = ("--topic", "cramped", "--max-memory-bytes", "1024", "--timeout", "3000", "--batch-size", "1000000")
    run("kafka_topics", broker, "--create", "--topic", "cramped")
    big = b"x" * 900
    produced = run("kafka_console_producer", broker, *options, "--max-block-ms", "2000", stdin=b"%b\n%b\n" % (big, big))
    assert (produced.returncode, produced.stderr.count(b"\n")) == (0, 1)
    assert b"BufferExhaustedException: Failed to allocate memory within the configured max" in produced.stderr
    assert read_all(broker, "cramped", 1) == big + b"\n"


class Terminal:
    """A tool at a terminal of its own."""

    def __init__(self, words: list[str]) -> None:
        import pty

        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(words[0], words)
        self.shown = b""

    def wait_for(self, text: bytes, *, behind: bytes = b"", timeout_s: float = 30) -> None:
        import select

        deadline = time.monotonic() + timeout_s
        while text not in self.shown.partition(behind)[2] if behind else text not in self.shown:
            assert time.monotonic() < deadline, f"{text!r} is not in {self.shown!r}"
            if select.select([self.fd], [], [], 0.1)[0]:
                self.shown += os.read(self.fd, 4096)

    def type(self, keys: bytes) -> None:
        os.write(self.fd, keys)

    def end(self, timeout_s: float = 30) -> int:
        import select

        deadline = time.monotonic() + timeout_s
        try:
            while True:
                assert time.monotonic() < deadline, f"it goes on and has shown {self.shown!r}"
                if select.select([self.fd], [], [], 0.1)[0]:
                    part = os.read(self.fd, 4096)
                    if not part:
                        break
                    self.shown += part
        except OSError:  # the terminal's other end is closed
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_at_a_terminal_the_producer_prompts(broker: KafkaliteServer) -> None:
    terminal = Terminal(command("kafka_console_producer", broker, "--topic", "prompted"))
    terminal.wait_for(b">")
    terminal.type(b"hello\n")
    terminal.wait_for(b"hello\r\n>")
    terminal.type(b"\x04")
    assert terminal.end() == 0
    assert terminal.shown == b">hello\r\n>"
    assert read_all(broker, "prompted", 1) == b"hello\n"


def test_a_second_ctrl_c_gives_up_what_cannot_be_sent() -> None:
    with KafkaliteServer() as gone:
        terminal = Terminal(command("kafka_console_producer", gone, "--topic", "t", "--timeout", "0"))
        terminal.wait_for(b">")
        terminal.type(b"sent\n")
        assert read_all(gone, "t", 1) == b"sent\n"
    terminal.type(b"never sent\n")
    terminal.wait_for(b"never sent\r\n")
    terminal.wait_for(b">", behind=b"never sent\r\n")
    terminal.type(b"\x03")
    terminal.wait_for(b"Waiting for what was typed to be acknowledged; once more gives it up.\r\n")
    terminal.type(b"\x03")
    assert terminal.end() == 130


def test_ctrl_c_at_a_terminal_ends_the_consumer(broker: KafkaliteServer) -> None:
    run("kafka_console_producer", broker, "--topic", "watched", stdin=b"one\n")
    terminal = Terminal(command("kafka_console_consumer", broker, "--topic", "watched", "--from-beginning"))
    terminal.wait_for(b"one\r\n")
    terminal.type(b"\x03")
    assert terminal.end() == 130
    assert terminal.shown == b"one\r\n^CProcessed a total of 1 messages\r\n"


def test_the_performance_tools_count_what_went_through(broker: KafkaliteServer) -> None:
    size = ("--num-records", "2000", "--record-size", "100", "--throughput", "-1")
    sent = run("kafka_producer_perf_test", broker, "--topic", "perf", *size)
    assert re.match(rb"2000 records sent, [\d.]+ records/sec ", sent.stdout), sent
    read = run("kafka_consumer_perf_test", broker, "--topic", "perf", "--num-records", "2000", "--hide-header")
    columns = read.stdout.decode().split(", ")
    assert (columns[2], columns[4]) == (f"{2000 * 100 / 2**20:.4f}", "2000")


def test_a_record_as_large_as_the_java_producer_sends_is_sent(broker: KafkaliteServer) -> None:
    text = b"x" * 1_048_000 + b"\n"
    produced = run("kafka_console_producer", broker, "--topic", "nearly-oversize", stdin=text)
    assert (produced.returncode, produced.stderr) == (0, b"")
    assert read_all(broker, "nearly-oversize", 1) == text


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--reporting-interval", "0"], b"Reporting interval must be greater than 0.\n"),
        (["--date-format", "bogus"], b"Illegal pattern character 'b'\n"),
    ],
)
def test_the_consumers_performance_tool_refuses_bad_values_behind_its_header(
    words: list[str], complaint: bytes, broker: KafkaliteServer
) -> None:
    read = run("kafka_consumer_perf_test", broker, "--topic", "perf", "--num-records", "1", *words)
    assert (read.returncode, read.stderr) == (1, complaint)
    assert read.stdout.startswith(b"start.time, end.time, ")


def test_the_performance_tool_goes_on_behind_records_that_are_too_large(broker: KafkaliteServer) -> None:
    sizes = ("--num-records", "2", "--record-size", "2000000", "--throughput", "-1")
    sent = run("kafka_producer_perf_test", broker, "--topic", "perf-large", *sizes)
    assert sent.returncode == 0
    assert sent.stdout.startswith(b"0 records sent, 0.000000 records/sec (0.00 MB/sec), NaN ms avg latency")
    assert sent.stderr.count(b"Error when sending a record to topic perf-large: ") == 2


def test_a_rate_is_kept(broker: KafkaliteServer) -> None:
    rate = ("--num-records", "100", "--payload-monotonic", "--throughput", "200")
    started = time.monotonic()
    sent = run("kafka_producer_perf_test", broker, "--topic", "rate", *rate, "--print-metrics")
    assert time.monotonic() - started >= 0.49
    assert b"100 records sent" in sent.stdout
    assert re.search(rb"\nMetric Name +Value\n", sent.stdout)
    assert re.search(rb"\ntxmsgs +: 100\n", sent.stdout)
    assert read_all(broker, "rate", 3) == b"0\n1\n2\n"
