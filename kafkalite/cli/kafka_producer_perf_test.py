"""kafka-producer-perf-test: sends records as fast as asked and says how many went through and how long they took."""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

from kafkalite.cli.admin_options import load_properties
from kafkalite.cli.client_metrics import ClientMetrics
from kafkalite.cli.command_line import exit_with_error, run_command
from kafkalite.cli.console_log import log
from kafkalite.cli.java_exceptions import ToolError
from kafkalite.cli.librdkafka_properties import ClientErrorLog, confluent_kafka, new_client, producer_properties
from kafkalite.cli.perf_stats import ProducerStats

_LOGGER: Final = "kafka-producer-perf-test"
_DEFAULT_TRANSACTION_DURATION_MS: Final = 3000
_LETTERS: Final = bytes(65 + byte % 26 for byte in range(256))
_DEPRECATED: Final = (
    "Option {} has been deprecated and will be removed in a future version. Use {} instead."  # said on stderr
)


class _ArgumentParser(argparse.ArgumentParser):
    """argparse with the exit codes of Apache Kafka's tool: 1 for --help as for errors, 0 for no arguments at all."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: error: {message}\n")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        super().exit(1, message)


def _argument_parser() -> _ArgumentParser:
    parser = _ArgumentParser(
        "kafka-producer-perf-test",
        description="Measures a producer. It is transactional when it has a transactional id (--transactional-id, or "
        "transactional.id in --command-property or --command-config) or --transaction-duration-ms.",
        allow_abbrev=False,
        formatter_class=lambda prog: argparse.HelpFormatter(prog, width=80),
    )
    add = parser.add_argument
    add(
        "--bootstrap-server", metavar="BOOTSTRAP-SERVER", help="The servers to connect to; overrides bootstrap.servers."
    )
    add("--topic", required=True, metavar="TOPIC", help="The topic to send to.")
    add("--num-records", type=int, required=True, metavar="NUM-RECORDS", help="How many records to send.")
    add(
        "--payload-delimiter",
        default="\\n",
        metavar="PAYLOAD-DELIMITER",
        help="A regular expression of what lies between the payloads in --payload-file. (default: \\n)",
    )
    add(
        "--throughput",
        type=float,
        required=True,
        metavar="THROUGHPUT",
        help="About how many records to send in a second; -1 for as many as possible.",
    )
    properties: dict[str, Any] = {"nargs": "+", "metavar": "PROP-NAME=PROP-VALUE"}
    add("--producer-props", **properties, help="(DEPRECATED) Use --command-property instead.")
    add(
        "--command-property",
        **properties,
        help="Properties of the producer, for example linger.ms=10 batch.size=32768.",
    )
    add("--producer.config", dest="producer_config", metavar="CONFIG-FILE", help="(DEPRECATED) Use --command-config.")
    add(
        "--command-config",
        metavar="CONFIG-FILE",
        help="A file of the producer's properties; --command-property overrides them.",
    )
    add("--print-metrics", action="store_true", help="Print the client's metrics at the end.")
    add("--transactional-id", metavar="TRANSACTIONAL-ID", help="The transactional id; overrides transactional.id.")
    add(
        "--transaction-duration-ms",
        type=int,
        metavar="TRANSACTION-DURATION",
        help="After how many milliseconds a transaction is committed and the next one begun. (default: 3000)",
    )
    add(
        "--warmup-records",
        type=int,
        default=0,
        metavar="WARMUP-RECORDS",
        help="How many records at the beginning are left out of a second summary, of the steady state. (default: 0)",
    )
    add(
        "--reporting-interval",
        type=int,
        default=5000,
        metavar="INTERVAL-MS",
        help="The time between two lines of progress, in ms. (default: 5000)",
    )
    payload = parser.add_mutually_exclusive_group(required=True)
    payload.add_argument(
        "--record-size", type=int, metavar="RECORD-SIZE", help="The size of a record's value in bytes."
    )
    payload.add_argument(
        "--payload-file",
        metavar="PAYLOAD-FILE",
        help="A text file (UTF-8) of payloads, from which one is drawn each time.",
    )
    payload.add_argument("--payload-monotonic", action="store_true", help="The payload is the record's number.")
    return parser


def _parse(arguments: list[str]) -> argparse.Namespace:
    """Reads the command line and checks it as Apache Kafka's tool does."""
    parser = _argument_parser()
    given = parser.parse_args(arguments)
    if given.num_records <= 0:
        parser.error("--num-records should be greater than zero.")
    given.warmup_records = max(given.warmup_records, 0)
    if given.warmup_records >= given.num_records:
        parser.error(
            "The value for --warmup-records must be strictly fewer than the number of records in the test, "
            "--num-records."
        )
    if given.record_size is not None and given.record_size <= 0:
        parser.error("--record-size should be greater than zero.")
    sources = (given.command_property, given.producer_props, given.producer_config, given.command_config)
    if given.bootstrap_server is None and not any(source is not None for source in sources):
        parser.error(
            "At least one of --bootstrap-server, --command-property, --producer-props, --producer.config or "
            "--command-config must be specified."
        )
    if given.command_property is not None and given.producer_props is not None:
        parser.error("--command-property and --producer-props cannot be specified together.")
    if given.command_config is not None and given.producer_config is not None:
        parser.error("--command-config and --producer.config cannot be specified together.")
    if given.transaction_duration_ms is not None and given.transaction_duration_ms <= 0:
        parser.error("--transaction-duration-ms should be greater than zero.")
    if given.reporting_interval <= 0:
        parser.error("--reporting-interval should be greater than zero.")
    return given


def _client_properties(given: argparse.Namespace) -> dict[str, str]:
    if given.producer_props is not None:
        print(_DEPRECATED.format("--producer-props", "--command-property"), file=sys.stderr)
    if given.producer_config is not None:
        print(_DEPRECATED.format("--producer.config", "--command-config"), file=sys.stderr)
    path = given.command_config or given.producer_config
    try:
        properties = load_properties(path)
    except ToolError as error:
        exit_with_error(str(error))
    for pair in given.command_property or given.producer_props or []:
        name, equals, value = pair.partition("=")
        if not equals or not value:
            exit_with_error(f"Invalid property: {pair}")
        properties[name] = value
    properties.setdefault("client.id", "perf-producer-client")
    if given.bootstrap_server is not None:
        properties["bootstrap.servers"] = given.bootstrap_server
    if given.transactional_id is not None:
        properties["transactional.id"] = given.transactional_id
    elif given.transaction_duration_ms is not None and "transactional.id" not in properties:
        from kafkalite.identifiers import Uuid

        properties["transactional.id"] = f"performance-producer-{Uuid(random.randbytes(16))}"
    if "transactional.id" in properties and given.transaction_duration_ms is None:
        given.transaction_duration_ms = _DEFAULT_TRANSACTION_DURATION_MS
    return properties


def payloads(given: argparse.Namespace) -> Iterator[bytes]:
    """The records' values, without end: random letters, lines of a file drawn at random, or numbers."""
    chance = random.Random(0)
    if given.payload_file is not None:
        choices = _payloads_of_file(given.payload_file, given.payload_delimiter)
        while True:
            yield chance.choice(choices)
    if given.record_size is not None:
        while True:
            yield chance.randbytes(given.record_size).translate(_LETTERS)
    number = 0
    while True:
        yield str(number).encode()
        number += 1


def _payloads_of_file(path: str, delimiter: str) -> list[bytes]:
    from pathlib import Path

    print(f"Reading payloads from: {Path(path).absolute()}")
    try:
        content = Path(path).read_bytes()
    except OSError:
        content = b""
    if not content:
        exit_with_error("File does not exist or empty file provided.")
    try:
        pattern = re.compile(delimiter)
    except re.error as error:
        exit_with_error(f"{delimiter} is no regular expression: {error}")
    choices = [token.encode() for token in tokens(content.decode("utf-8", "replace"), pattern)]
    print(f"Number of records read: {len(choices)}")
    return choices


def tokens(text: str, delimiter: re.Pattern[str]) -> Iterator[str]:
    """What lies between delimiters, as Java's Scanner sees it: none before a first one or behind a last one."""
    position = 0
    while True:
        if match := delimiter.match(text, position):
            position = match.end()
        if position >= len(text):
            return
        match = delimiter.search(text, position)
        if match is not None and match.end() == position:
            match = delimiter.search(text, position + 1)
        end = len(text) if match is None else match.start()
        yield text[position:end]
        position = end


class ProducerPerformance:
    """One run: its producer, and what came of the records so far."""

    def __init__(self, given: argparse.Namespace, properties: dict[str, str]) -> None:
        self._given = given
        self._kafka = confluent_kafka()
        self._stats = ProducerStats(given.num_records, given.reporting_interval)
        self._steady_state_stats: ProducerStats | None = None
        self._metrics = ClientMetrics()
        extra: dict[str, Any] = {"log_level": "0"}
        if given.print_metrics:
            extra |= {"stats_cb": self._metrics.take, "statistics.interval.ms": 200}
        configuration = producer_properties(properties)
        self._producer = new_client(self._kafka.Producer, configuration, error_cb=ClientErrorLog(_LOGGER), **extra)

    def run(self) -> None:
        """Sends all records, waits for their acknowledgement and prints the results. Raises KafkaException."""
        given, producer = self._given, self._producer
        if given.warmup_records > 0:
            print(
                f"Warmup first {given.warmup_records} records. "
                "Steady state results will print after the complete test summary."
            )
        is_transactional = given.transaction_duration_ms is not None
        if is_transactional:
            producer.init_transactions(60.0)
        self._stats.start()
        throttle = _Throttle(given.throughput, producer.poll)
        transaction_began = 0.0
        is_in_transaction = False
        on_delivery: Callable[[Any, Any], None] = self._on_delivery
        produce, poll, topic = producer.produce, producer.poll, given.topic
        for number, payload in zip(range(given.num_records), payloads(given), strict=False):
            if is_transactional and not is_in_transaction:
                producer.begin_transaction()
                transaction_began = time.monotonic()
                is_in_transaction = True
            if number == given.warmup_records > 0:
                left = given.num_records - given.warmup_records
                self._steady_state_stats = ProducerStats(left, given.reporting_interval, is_steady_state=True)
                self._steady_state_stats.start()
                self._stats.is_silent = True
                on_delivery = self._on_steady_state_delivery
            while True:
                try:
                    produce(topic, payload, on_delivery=on_delivery)
                    break
                except BufferError:
                    poll(0.05)
                except self._kafka.KafkaException as error:
                    # Refused before it was sent, for its size: counted as little as what the broker refuses.
                    if error.args[0].code() != self._kafka.KafkaError.MSG_SIZE_TOO_LARGE:
                        raise
                    self._log_failure(topic, error.args[0])
                    break
            poll(0)
            if is_in_transaction and (time.monotonic() - transaction_began) * 1000 >= given.transaction_duration_ms:
                producer.commit_transaction()
                is_in_transaction = False
            throttle.wait(number)
        if is_in_transaction:
            producer.commit_transaction()
        producer.flush()
        self._stats.print_total()
        if self._steady_state_stats is not None:
            self._steady_state_stats.print_total()
        if given.print_metrics:
            self._metrics.wait_for_one_more(producer.poll)
            self._metrics.print()

    def _on_delivery(self, error: Any, message: Any) -> None:
        if error is not None:
            self._log_failure(message.topic(), error)
            return
        self._stats.record(message.latency() * 1000, len(message))

    def _log_failure(self, topic: str, error: Any) -> None:
        log("ERROR", f"Error when sending a record to topic {topic}: {error.str()}", _LOGGER)

    def _on_steady_state_delivery(self, error: Any, message: Any) -> None:
        self._on_delivery(error, message)
        if error is None and self._steady_state_stats is not None:
            self._steady_state_stats.record(message.latency() * 1000, len(message))


class _Throttle:
    """Holds the sender back to a rate; while it waits, acknowledgements are taken in."""

    def __init__(self, records_per_second: float, poll: Callable[[float], Any]) -> None:
        self._interval_s = 1 / records_per_second if records_per_second > 0 else 0.0
        self._poll = poll
        self._started = time.monotonic()

    def wait(self, number: int) -> None:
        """Returns when the record after `number` is due."""
        if not self._interval_s:
            return
        due = self._started + (number + 1) * self._interval_s
        while (early_s := due - time.monotonic()) > 0.001:
            # A poll ends with the first event that it takes in.
            self._poll(early_s)


def execute(arguments: list[str]) -> int:
    if not arguments:
        _argument_parser().print_help()
        return 0
    given = _parse(arguments)
    kafka = confluent_kafka()
    try:
        ProducerPerformance(given, _client_properties(given)).run()
    except kafka.KafkaException as error:
        exit_with_error(f"KafkaException: {error.args[0].str()}")
    return 0


def main(argv: list[str] | None = None) -> int:
    return run_command(execute, argv)


if __name__ == "__main__":
    sys.exit(main())
