"""kafka-e2e-latency: sends one record after the other and measures how long each takes until it has been read."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from kafkalite.cli.admin_options import load_or_exit
from kafkalite.cli.command_line import (
    OptionParser,
    OptionSet,
    check_required,
    exit_with_error,
    exit_with_usage,
    print_help_or_version,
    run_command,
)
from kafkalite.cli.librdkafka_properties import (
    ClientErrorLog,
    confluent_kafka,
    consumer_properties,
    new_client,
    producer_properties,
)

_LOGGER: Final = "org.apache.kafka.tools.EndToEndLatency"
_ABOUT: Final = "This tool measures end-to-end latency in Kafka by sending messages and timing their reception."
_POSITIONAL: Final = (
    "--bootstrap-server",
    "--topic",
    "--num-records",
    "--producer-acks",
    "--record-size",
    "--command-config",
)
_REQUIRED: Final = _POSITIONAL[:5]
_TIMEOUT_MS: Final = 60_000
_POLL_S: Final = 0.1

Headers = list[tuple[str, bytes | None]]


class Payload(NamedTuple):
    """What is sent, and must come back."""

    key: bytes
    value: bytes
    headers: Headers


class EndToEndLatencyOptions:
    """The command line of kafka-e2e-latency."""

    def __init__(self) -> None:
        parser = self.parser = OptionParser()
        self.bootstrap_server = parser.option(
            "bootstrap-server", "REQUIRED: The brokers to connect to, as HOST1:PORT1,HOST2:PORT2.", "bootstrap-server"
        )
        self.topic = parser.option("topic", "REQUIRED: The topic to write to and read from.", "topic-name")
        self.num_records = parser.option(
            "num-records", "REQUIRED: How many records to send.", "count", type_name="Integer"
        )
        self.producer_acks = parser.option(
            "producer-acks", "REQUIRED: What the producer waits for: 1 or all.", "producer-acks"
        )
        self.record_size = parser.option(
            "record-size", "REQUIRED: The size of each record's value in bytes.", "bytes", type_name="Integer"
        )

        def size(name: str, description: str, argument: str = "bytes") -> Any:
            return parser.option(name, description, argument, type_name="Integer", default=0, is_value_optional=True)

        self.record_key_size = size("record-key-size", "The size of each record's key in bytes.")
        self.record_header_key_size = size("record-header-key-size", "The size of each header's name in bytes.")
        self.record_header_size = size("record-header-size", "The size of each header's value in bytes; -1 for null.")
        self.num_headers = size("num-headers", "How many headers each record has.", "count")
        self.command_config = parser.option(
            "command-config", "A file of the clients' properties.", "config-file", is_value_optional=True
        )
        self.options = OptionSet()

    def parse(self, arguments: list[str]) -> None:
        """Reads the command line and checks it in the original's order."""
        parser = self.parser
        options = self.options = parser.parse(as_named(arguments))
        print_help_or_version(parser, options, _ABOUT, is_empty=not arguments)
        check_required(
            parser,
            options,
            self.bootstrap_server,
            self.topic,
            self.num_records,
            self.producer_acks,
            self.record_size,
        )
        if options.value(self.producer_acks) not in ("1", "all"):
            exit_with_usage(
                parser,
                "Invalid value for --producer-acks. Latency testing requires synchronous acknowledgement. "
                "Please use '1' or 'all'.",
            )
        if options.value(self.num_records) <= 0:
            exit_with_usage(parser, "Value for --num-records must be a positive integer.")
        for option in (self.record_size, self.record_key_size, self.record_header_key_size):
            if options.value(option) < 0:
                exit_with_usage(parser, f"Value for --{option.names[0]} must be a non-negative integer.")
        if options.value(self.record_header_size) < -1:
            exit_with_usage(
                parser, "Value for --record-header-size must be a non-negative integer or -1 for null header value."
            )
        if options.value(self.num_headers) < 0:
            exit_with_usage(parser, "Value for --num-headers must be a non-negative integer.")

    def properties(self) -> dict[str, str]:
        """What both clients have in common, under the Java clients' names."""
        properties = load_or_exit(self.options.value(self.command_config))
        return properties | {"bootstrap.servers": self.options.value(self.bootstrap_server)}

    def payload(self, chance: random.Random) -> Payload:
        options = self.options
        header_size = options.value(self.record_header_size)

        def text(size: int) -> bytes:
            return bytes([65 + chance.randrange(26)]) * size

        return Payload(
            text(options.value(self.record_key_size)),
            text(options.value(self.record_size)),
            [
                (
                    text(options.value(self.record_header_key_size)).decode(),
                    None if header_size == -1 else text(header_size),
                )
                for _ in range(options.value(self.num_headers))
            ],
        )


def as_named(arguments: list[str]) -> list[str]:
    """The command line with its options named; five or six words without any of the names stand in a fixed order."""
    if not arguments or any(word in (*_REQUIRED, "--help", "--version") for word in arguments):
        return arguments
    if len(arguments) not in (5, 6):
        exit_with_error(
            f"Invalid number of arguments. Expected 5 or 6 positional arguments, but got {len(arguments)}. "
            "Usage: bootstrap-server topic num-records producer-acks record-size [optional] command-config"
        )
    print(
        "WARNING: Positional argument usage is deprecated and will be removed in Apache Kafka 5.0. "
        f"Please use named arguments instead: {', '.join(_POSITIONAL)}",
        file=sys.stderr,
    )
    return [word for pair in zip(_POSITIONAL, arguments, strict=False) for word in pair]


class LatencyFailure(Exception):
    """What was sent did not come back as it was."""


def check_received(sent: Payload, messages: Sequence[Any]) -> None:
    """Raises LatencyFailure unless exactly what was sent has been read."""
    if not messages:
        raise LatencyFailure(f"poll() timed out before finding a result (timeout:[{_TIMEOUT_MS}ms])")
    message = messages[0]
    key, value, headers = message.key() or b"", message.value() or b"", message.headers() or []
    if value != sent.value:
        raise LatencyFailure(
            f"The message value read [{_text(value)}] did not match the message value sent [{_text(sent.value)}]"
        )
    if key != sent.key:
        raise LatencyFailure(
            f"The message key read [{_text(key)}] did not match the message key sent [{_text(sent.key)}]"
        )
    if sent.headers and not headers:
        raise LatencyFailure("Expected message headers but received none")
    for read, expected in zip(headers, sent.headers, strict=False):
        if read != expected:
            raise LatencyFailure(
                f"The message header read [{_shown(read)}] did not match the message header sent [{_shown(expected)}]"
            )
    if sent.headers and len(headers) != len(sent.headers):
        raise LatencyFailure("Header count mismatch between sent and received messages")
    if len(messages) != 1:
        raise LatencyFailure(f"Only one result was expected during this test. We found [{len(messages)}]")


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _shown(header: tuple[str, bytes | None]) -> str:
    name, value = header
    # Java's bytes have a sign.
    return f"{name}:{'null' if value is None else [byte - 256 if byte > 127 else byte for byte in value]}"


class EndToEndLatency:
    """A producer and a consumer of one topic."""

    def __init__(self, command_line: EndToEndLatencyOptions) -> None:
        self._kafka = confluent_kafka()
        self._topic: str = command_line.options.value(command_line.topic)
        self._properties = command_line.properties()
        log_error = ClientErrorLog(_LOGGER)
        consumer = {
            **self._properties,
            "group.id": f"test-group-{int(time.time() * 1000)}",
            "enable.auto.commit": "false",
            "auto.offset.reset": "latest",
            "fetch.max.wait.ms": "0",
        }
        producer = {
            # One record at a time needs none, and it would put half a second into the first latency.
            "enable.idempotence": "false",
            **self._properties,
            "linger.ms": "0",
            "acks": command_line.options.value(command_line.producer_acks),
        }
        quiet = {"log_level": "0", "error_cb": log_error}
        self._consumer = new_client(self._kafka.Consumer, consumer_properties(consumer), **quiet)
        self._producer = new_client(self._kafka.Producer, producer_properties(producer), **quiet)

    def prepare(self) -> None:
        """Creates the topic if need be, and reads it from its end on."""
        topics = self._list_topics().topics
        if self._topic not in topics:
            print(
                f'Topic "{self._topic}" does not exist. '
                "Will create topic with 1 partition(s) and replication factor = 1"
            )
            self._create_topic()
        deadline_s = time.monotonic() + _TIMEOUT_MS / 1000
        while not (partitions := self._led_partitions()):
            if time.monotonic() > deadline_s:
                exit_with_error("Timeout expired while fetching topic metadata")
            time.sleep(0.02)
        positions = [self._kafka.TopicPartition(self._topic, index) for index in partitions]
        for position in positions:
            position.offset = self._consumer.get_watermark_offsets(position, _TIMEOUT_MS / 1000)[1]
        self._consumer.assign(positions)
        self._producer.list_topics(self._topic, _TIMEOUT_MS / 1000)

    def _list_topics(self, topic: str | None = None) -> Any:
        try:
            return self._consumer.list_topics(topic, _TIMEOUT_MS / 1000)
        except self._kafka.KafkaException:
            exit_with_error("Timeout expired while fetching topic metadata")

    def _led_partitions(self) -> list[int]:
        partitions = self._list_topics(self._topic).topics[self._topic].partitions.values()
        return [each.id for each in partitions] if all(each.leader >= 0 for each in partitions) else []

    def _create_topic(self) -> None:
        from confluent_kafka.admin import AdminClient, NewTopic

        admin = new_client(AdminClient, consumer_properties(self._properties), log_level="0")
        (created,) = admin.create_topics([NewTopic(self._topic, 1, 1)]).values()
        try:
            created.result()
        except self._kafka.KafkaException as error:
            print(f"Creation of topic {self._topic} failed")
            exit_with_error(error.args[0].str())

    def measure(self, payload: Payload) -> float:
        """Sends a record and reads it; milliseconds. Raises LatencyFailure, KafkaException."""
        delivered: list[Any] = []
        began_ns = time.perf_counter_ns()
        self._producer.produce(
            self._topic,
            key=payload.key,
            value=payload.value,
            headers=payload.headers,
            on_delivery=lambda error, _message: delivered.append(error),
        )
        while not delivered:
            self._producer.poll(_POLL_S)
        if delivered[0] is not None:
            raise self._kafka.KafkaException(delivered[0])
        messages = self._read()
        elapsed_ms = (time.perf_counter_ns() - began_ns) / 1e6
        messages += self._consumer.consume(500, 0)
        check_received(payload, messages)
        return elapsed_ms

    def _read(self) -> list[Any]:
        deadline_s = time.monotonic() + _TIMEOUT_MS / 1000
        while time.monotonic() < deadline_s:
            message = self._consumer.poll(_POLL_S)
            if message is not None and message.error() is None:
                return [message]
            if message is not None and not message.error().retriable():
                raise self._kafka.KafkaException(message.error())
        return []

    def close(self) -> None:
        """Commits what was read."""
        try:
            self._consumer.commit(asynchronous=False)
        except self._kafka.KafkaException:
            pass  # nothing was read
        self._consumer.close()


def print_results(latencies_ms: Sequence[float]) -> None:
    """The average, and percentiles in whole milliseconds."""
    print(f"Avg latency: {sum(latencies_ms) / len(latencies_ms):.4f} ms")
    whole = sorted(int(latency) for latency in latencies_ms)
    p50, p99, p999 = (whole[int(len(whole) * share)] for share in (0.5, 0.99, 0.999))
    print(f"Percentiles: 50th = {p50}, 99th = {p99}, 99.9th = {p999}")


def execute(arguments: list[str]) -> None:
    command_line = EndToEndLatencyOptions()
    command_line.parse(arguments)
    tool = EndToEndLatency(command_line)
    chance = random.Random(0)
    latencies_ms: list[float] = []
    try:
        tool.prepare()
        for number in range(command_line.options.value(command_line.num_records)):
            latencies_ms.append(tool.measure(command_line.payload(chance)))
            if number % 1000 == 0:
                print(f"{number}\t{latencies_ms[-1]}", flush=True)
        print_results(latencies_ms)
    except LatencyFailure as failure:
        exit_with_error(str(failure))
    except confluent_kafka().KafkaException as error:
        exit_with_error(error.args[0].str())
    finally:
        tool.close()


def main(argv: list[str] | None = None) -> int:
    return run_command(execute, argv)


if __name__ == "__main__":
    sys.exit(main())
