"""kafka-consumer-perf-test: reads records as fast as they come and says how many they were in which time."""

from __future__ import annotations

import random
import re
import sys
import time
from datetime import datetime
from typing import Any, Final

from kafkalite.cli.admin_options import load_properties
from kafkalite.cli.bootstrap_servers import BootstrapServers
from kafkalite.cli.client_metrics import ClientMetrics
from kafkalite.cli.command_line import (
    OptionParser,
    OptionSet,
    check_invalid,
    check_one_of,
    exit_with_error,
    parse_key_value_arguments,
    print_help_or_version,
    run_command,
)
from kafkalite.cli.console_log import log
from kafkalite.cli.java_exceptions import ToolError
from kafkalite.cli.librdkafka_properties import ClientErrorLog, confluent_kafka, consumer_properties, new_client
from kafkalite.cli.perf_stats import decimal, ratio

_LOGGER: Final = "kafka-consumer-perf-test"
_BYTES_PER_MB: Final = 1024 * 1024
_POLL_S: Final = 0.1
_RECORDS_A_POLL: Final = 500
_COLUMNS: Final = (
    "data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, "
    "rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec"
)
_DATE_LETTERS: Final = re.compile(r"'((?:[^']|'')*)'|([a-zA-Z])\2*")
_DATE_FORMATS: Final = {
    "y": "%Y",
    "M": "%m",
    "d": "%d",
    "H": "%H",
    "h": "%I",
    "m": "%M",
    "s": "%S",
    "a": "%p",
    "E": "%a",
    "D": "%j",
    "z": "%Z",
    "Z": "%z",
}


class ConsumerPerfOptions:
    """The command line of kafka-consumer-perf-test."""

    def __init__(self) -> None:
        parser = self.parser = OptionParser()
        self.bootstrap = BootstrapServers(parser, "REQUIRED: The servers to connect to.")
        self.topic = parser.option("topic", "The topic to read.", "topic")
        self.include = parser.option("include", "A regular expression of the topics to read.", "regular expression")
        self.group = parser.option(
            "group", "The consumer group to be a member of. Default: one that nobody else is in.", "gid"
        )
        self.num_records = parser.option(
            "num-records", "REQUIRED: How many records to read.", "count", type_name="Long"
        )
        self.messages = parser.option("messages", "(DEPRECATED) Use --num-records instead.", "count", type_name="Long")
        self.fetch_size = parser.option(
            "fetch-size",
            "How many bytes of a partition to ask for in one request.",
            "size",
            type_name="Integer",
            default=_BYTES_PER_MB,
        )
        self.socket_buffer_size = parser.option(
            "socket-buffer-size",
            "The size of the socket's buffer.",
            "size",
            type_name="Integer",
            default=2 * _BYTES_PER_MB,
        )
        self.from_latest = parser.flag(
            "from-latest", "Where there is no committed offset, start with the latest record, not with the earliest."
        )
        self.timeout = parser.option(
            "timeout",
            "End when no record has come for so long.",
            "milliseconds",
            type_name="Long",
            default=10_000,
            is_value_optional=True,
        )
        self.reporting_interval = parser.option(
            "reporting-interval",
            "The time between two lines of progress.",
            "interval_ms",
            type_name="Long",
            default=5000,
        )
        self.show_detailed_stats = parser.flag("show-detailed-stats", "Print a line of progress at each interval.")
        self.hide_header = parser.flag("hide-header", "Leave out the line that names the columns.")
        self.date_format = parser.option(
            "date-format",
            "How to write times, in the letters of java.text.SimpleDateFormat.",
            "date format",
            default="yyyy-MM-dd HH:mm:ss:SSS",
        )
        self.print_metrics = parser.flag("print-metrics", "Print the client's metrics at the end.")
        self.command_property = parser.option(
            "command-property", "A property of the consumer, as key=value.", "prop1=val1"
        )
        self.command_config = parser.option(
            "command-config", "A file of the consumer's properties; --command-property overrides them.", "config file"
        )
        self.consumer_config = parser.option("consumer.config", "(DEPRECATED) Use --command-config.", "config file")
        self.options = OptionSet()
        self.bootstrap_servers = ""

    def parse(self, arguments: list[str]) -> None:
        """Reads the command line and checks it as Apache Kafka's tool does."""
        parser = self.parser
        options = self.options = parser.parse(arguments)
        print_help_or_version(parser, options, "Measures a consumer.", is_empty=not arguments)
        self.bootstrap_servers = self.bootstrap.of(options)
        check_one_of(parser, options, self.topic, self.include)
        check_one_of(parser, options, self.messages, self.num_records)
        check_invalid(parser, options, self.consumer_config, [self.command_config])
        if options.has(self.messages):
            print("Warning: --messages is deprecated. Use --num-records instead.", file=sys.stderr)
        if options.has(self.consumer_config):
            print("Warning: --consumer.config is deprecated. Use --command-config instead.", file=sys.stderr)

    def records(self) -> int:
        return int(self.options.value(self.messages if self.options.has(self.messages) else self.num_records))

    def properties(self) -> dict[str, str]:
        """Java's names."""
        options = self.options
        path = options.value(self.consumer_config if options.has(self.consumer_config) else self.command_config)
        try:
            properties = load_properties(path)
        except ToolError as error:
            exit_with_error(str(error))
        properties |= parse_key_value_arguments(options.values(self.command_property))
        properties.setdefault("client.id", "perf-consumer-client")
        return properties | {
            "bootstrap.servers": self.bootstrap_servers,
            "group.id": options.value(self.group) or f"perf-consumer-{random.randrange(100_000)}",
            "receive.buffer.bytes": str(options.value(self.socket_buffer_size)),
            "max.partition.fetch.bytes": str(options.value(self.fetch_size)),
            "auto.offset.reset": "latest" if options.has(self.from_latest) else "earliest",
            "check.crcs": "false",
        }


def format_date(moment_s: float, pattern: str) -> str:
    """A local time in the letters of java.text.SimpleDateFormat."""
    moment = datetime.fromtimestamp(moment_s).astimezone()

    def replace(match: re.Match[str]) -> str:
        if match[1] is not None:
            return match[1].replace("''", "'") or "'"
        letter, width = match[2], len(match[0])
        if letter == "S":
            return str(moment.microsecond // 1000).zfill(width)
        if letter == "y" and width == 2:
            return moment.strftime("%y")
        if letter == "M" and width > 2:
            return moment.strftime("%b" if width == 3 else "%B")
        text = moment.strftime(_DATE_FORMATS.get(letter, ""))
        return text.lstrip("0").zfill(width) if text.isdigit() and letter != "y" else text

    return _DATE_LETTERS.sub(replace, pattern)


def check_date_format(pattern: str) -> None:
    """Ends the tool where a letter means nothing to java.text.SimpleDateFormat."""
    for match in _DATE_LETTERS.finditer(pattern):
        if match[2] is not None and match[2] not in "GyYMLwWDdFEuaHkKhmsSzZX":
            exit_with_error(f"Illegal pattern character '{match[2]}'")


class _Progress:
    """What has been read, and how much of the time went into rebalances."""

    def __init__(self) -> None:
        self.started_s = time.time()
        self.bytes_read = self.records_read = 0
        self.join_ms = self.join_in_round_ms = 0
        self._join_started_s = self.started_s
        self._assigned: set[tuple[str, int]] = set()
        self._reported_s = self.started_s
        self._reported_bytes = self._reported_records = 0

    def on_assign(self, _consumer: Any, partitions: list[Any]) -> None:
        if not self._assigned:
            elapsed_ms = int((time.time() - self._join_started_s) * 1000)
            self.join_ms += elapsed_ms
            self.join_in_round_ms += elapsed_ms
        self._assigned |= {(partition.topic, partition.partition) for partition in partitions}

    def on_revoke(self, _consumer: Any, partitions: list[Any]) -> None:
        self._assigned -= {(partition.topic, partition.partition) for partition in partitions}
        if not self._assigned:
            self._join_started_s = time.time()

    def report(self, now_s: float, interval_ms: int, date_format: str | None) -> None:
        """Begins a new round when one is due, and with a date format prints the one that ends."""
        elapsed_ms = int(now_s * 1000) - int(self._reported_s * 1000)
        if elapsed_ms < interval_ms:
            return
        if date_format is not None:
            megabytes = (self.bytes_read - self._reported_bytes) / _BYTES_PER_MB
            records = self.records_read - self._reported_records
            fetch_ms = elapsed_ms - self.join_in_round_ms
            print(
                f"{format_date(now_s, date_format)}, 0, {self.bytes_read / _BYTES_PER_MB:.4f}, "
                f"{decimal(1000 * ratio(megabytes, elapsed_ms), 4)}, {self.records_read}, "
                f"{decimal(1000 * ratio(records, elapsed_ms), 4)}, {self.join_in_round_ms}, {fetch_ms}, "
                f"{1000 * megabytes / fetch_ms if fetch_ms > 0 else 0:.4f}, "
                f"{1000 * records / fetch_ms if fetch_ms > 0 else 0:.4f}",
                flush=True,
            )
        self.join_in_round_ms = 0
        self._reported_s, self._reported_bytes, self._reported_records = now_s, self.bytes_read, self.records_read

    def print_total(self, ended_s: float, date_format: str) -> None:
        started_ms, ended_ms = int(self.started_s * 1000), int(ended_s * 1000)
        elapsed_s = (ended_ms - started_ms) / 1000
        fetch_ms = ended_ms - started_ms - self.join_ms
        megabytes = self.bytes_read / _BYTES_PER_MB
        print(
            f"{format_date(self.started_s, date_format)}, {format_date(ended_s, date_format)}, {megabytes:.4f}, "
            f"{decimal(ratio(megabytes, elapsed_s), 4)}, {self.records_read}, "
            f"{decimal(ratio(self.records_read, elapsed_s), 4)}, {self.join_ms}, {fetch_ms}, "
            f"{decimal(ratio(megabytes, fetch_ms / 1000), 4)}, {decimal(ratio(self.records_read, fetch_ms / 1000), 4)}"
        )


def _consume(command_line: ConsumerPerfOptions, records_a_poll: int, consumer: Any, progress: _Progress) -> None:
    """Reads until the records asked for have come, or none has come for the time allowed. Raises KafkaException."""
    options = command_line.options
    wanted = command_line.records()
    timeout_ms = options.value(command_line.timeout)
    interval_ms = options.value(command_line.reporting_interval)
    date_format = options.value(command_line.date_format) if options.has(command_line.show_detailed_stats) else None
    topic = options.value(command_line.topic)
    topics = [topic] if topic is not None else [f"^({options.value(command_line.include)})$"]
    consumer.subscribe(topics, on_assign=progress.on_assign, on_revoke=progress.on_revoke)
    consumed_s = now_s = time.time()
    while progress.records_read < wanted and (now_s - consumed_s) * 1000 <= timeout_ms:
        missing = wanted - progress.records_read
        messages = consumer.consume(min(records_a_poll, missing), _POLL_S)
        now_s = time.time()
        if (
            missing < records_a_poll and len(messages) == missing
        ):  # what a poll brings counts as a whole, if it is there
            messages += consumer.consume(records_a_poll - missing, 0)
        for message in messages:
            error = message.error()
            if error is not None:
                log("WARN", error.str(), _LOGGER)
                continue
            consumed_s = now_s
            progress.records_read += 1
            progress.bytes_read += len(message.key() or b"") + len(message)
            progress.report(now_s, interval_ms, date_format)
    if progress.records_read < wanted:
        print(
            f"WARNING: Exiting before consuming the expected number of records: timeout ({timeout_ms} ms) exceeded. "
            "You can use the --timeout option to increase the timeout."
        )


def execute(arguments: list[str]) -> int:
    command_line = ConsumerPerfOptions()
    command_line.parse(arguments)
    options = command_line.options
    kafka = confluent_kafka()
    is_detailed = options.has(command_line.show_detailed_stats)
    if not options.has(command_line.hide_header):
        print(f"{'time, threadId' if is_detailed else 'start.time, end.time'}, {_COLUMNS}", flush=True)
    if options.value(command_line.reporting_interval) <= 0:
        exit_with_error("Reporting interval must be greater than 0.")
    check_date_format(options.value(command_line.date_format))
    metrics = ClientMetrics()
    extra: dict[str, Any] = {"log_level": "0"}
    if options.has(command_line.print_metrics):
        extra |= {"stats_cb": metrics.take, "statistics.interval.ms": 200}
    properties = command_line.properties()
    configuration = consumer_properties(properties)
    records_a_poll = int(properties.get("max.poll.records", _RECORDS_A_POLL))
    consumer = new_client(kafka.Consumer, configuration, error_cb=ClientErrorLog(_LOGGER), **extra)
    try:
        progress = _Progress()
        _consume(command_line, records_a_poll, consumer, progress)
        if not is_detailed:
            progress.print_total(time.time(), options.value(command_line.date_format))
        if options.has(command_line.print_metrics):
            metrics.wait_for_one_more(consumer.poll)
            metrics.print()
    except kafka.KafkaException as error:
        exit_with_error(f"KafkaException: {error.args[0].str()}")
    finally:
        consumer.close()
    return 0


def main(argv: list[str] | None = None) -> int:
    return run_command(execute, argv)


if __name__ == "__main__":
    sys.exit(main())
