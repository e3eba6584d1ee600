"""kafka-console-consumer: writes the records of topics to its output."""

from __future__ import annotations

import os
import random
import re
import signal
import sys
import time
from types import FrameType
from typing import Any, BinaryIO, Final

from kafkalite.cli.admin_options import load_properties
from kafkalite.cli.bootstrap_servers import BootstrapServers
from kafkalite.cli.command_line import (
    Option,
    OptionError,
    OptionParser,
    OptionSet,
    check_one_of,
    exit_with_error,
    exit_with_usage,
    parse_key_value_arguments,
    print_help_or_version,
    run_command,
)
from kafkalite.cli.console_log import log
from kafkalite.cli.java_exceptions import ToolError
from kafkalite.cli.librdkafka_properties import ClientErrorLog, confluent_kafka, consumer_properties, new_client
from kafkalite.cli.message_formatter import ConsumerRecord, MessageFormatter, new_formatter

_LOGGER: Final = "org.apache.kafka.tools.consumer.ConsoleConsumer"
_EARLIEST: Final = -2
_LATEST: Final = -1
_INTERNAL_TOPICS: Final = "^__consumer_offsets$,^__transaction_state$,^__share_group_state$"
_POLL_S: Final = 0.1
_MAX_OFFSET: Final = 2**63 - 1
_FORMATTER_PROPERTIES: Final = """The formatter's properties, as key=value:
 print.timestamp=true|false
 print.key=true|false
 print.offset=true|false
 print.epoch=true|false
 print.partition=true|false
 print.headers=true|false
 print.value=true|false
 key.separator=<text>
 line.separator=<text>
 headers.separator=<text>
 null.literal=<text>
 key.deserializer=<class>
 value.deserializer=<class>
 headers.deserializer=<class>"""


class ConsoleConsumerOptions:
    """The command line of kafka-console-consumer."""

    def __init__(self) -> None:
        parser = self.parser = OptionParser()
        self.topic = parser.option("topic", "The topic to read.", "topic")
        self.include = parser.option("include", "A regular expression of the topics to read.", "regular expression")
        self.whitelist = parser.option("whitelist", "(DEPRECATED) Use --include instead.", "regular expression")
        self.partition = parser.option(
            "partition",
            "The partition to read, from its end unless --offset says otherwise.",
            "partition",
            type_name="Integer",
        )
        self.offset = parser.option(
            "offset",
            "The offset to read from: a number that is not negative, earliest or latest.",
            "consume offset",
            default="latest",
        )
        self.group = parser.option("group", "The consumer group to be a member of.", "consumer group id")
        self.from_beginning = parser.flag(
            "from-beginning", "Where there is no committed offset, start with the earliest record, not with the latest."
        )
        self.max_messages = parser.option(
            "max-messages",
            "How many records to read before ending. Default: no end.",
            "num_messages",
            type_name="Integer",
        )
        self.timeout_ms = parser.option(
            "timeout-ms", "End when no record has come for so long.", "timeout_ms", type_name="Long"
        )
        self.skip_message_on_error = parser.flag(
            "skip-message-on-error", "Skip a record that cannot be formatted instead of ending."
        )
        self.bootstrap = BootstrapServers(parser, "REQUIRED: The servers to connect to.")
        self.isolation_level = parser.option(
            "isolation-level",
            "read_committed leaves out the records of transactions that are not committed.",
            default="read_uncommitted",
        )
        self.formatter = parser.option(
            "formatter",
            "The class that formats records.",
            "class",
            default="org.apache.kafka.tools.consumer.DefaultMessageFormatter",
        )
        self.formatter_property = parser.option("formatter-property", _FORMATTER_PROPERTIES, "prop")
        self.property = parser.option("property", "(DEPRECATED) Use --formatter-property instead.", "prop")
        self.formatter_config = parser.option(
            "formatter-config",
            "A file of the formatter's properties; --formatter-property overrides them.",
            "config file",
        )
        self.key_deserializer = parser.option(
            "key-deserializer", "The class that makes text of keys.", "deserializer for keys"
        )
        self.value_deserializer = parser.option(
            "value-deserializer", "The class that makes text of values.", "deserializer for values"
        )
        self.command_property = parser.option(
            "command-property", "A property of the consumer, as key=value.", "consumer_prop"
        )
        self.consumer_property = parser.option(
            "consumer-property", "(DEPRECATED) Use --command-property instead.", "consumer_prop"
        )
        self.command_config = parser.option(
            "command-config", "A file of the consumer's properties; --command-property overrides them.", "config file"
        )
        self.consumer_config = parser.option(
            "consumer.config", "(DEPRECATED) Use --command-config instead.", "config file"
        )
        self.enable_systest_events = parser.flag("enable-systest-events", "Say shutdown_complete at the end.")
        self.options = OptionSet()
        self.bootstrap_servers = ""
        self.properties: dict[str, str] = {}

    def parse(self, arguments: list[str]) -> None:
        """Reads the command line and checks it as Apache Kafka's tool does, in its order."""
        parser = self.parser
        try:
            options = self.options = parser.parse(arguments)
        except OptionError as error:
            exit_with_usage(parser, str(error))
        print_help_or_version(
            parser, options, "Reads records from topics and writes them to standard output.", is_empty=not arguments
        )
        if options.has(self.whitelist):
            _warn_deprecated(self.whitelist, "include")
            self.include = self.whitelist
        self._check_topics_and_offsets()
        self.bootstrap_servers = self.bootstrap.of(options)
        for new, old in (
            (self.command_property, self.consumer_property),
            (self.command_config, self.consumer_config),
            (self.formatter_property, self.property),
        ):
            if options.has(new) and options.has(old):
                exit_with_usage(parser, f"Options --{old.names[0]} and --{new.names[0]} cannot be specified together.")
            if options.has(old):
                _warn_deprecated(old, new.names[0])
        self.properties = self._consumer_properties()
        self.start_offset()

    def _check_topics_and_offsets(self) -> None:
        parser, options = self.parser, self.options
        check_one_of(parser, options, self.topic, self.include)
        if options.has(self.partition):
            if not options.has(self.topic):
                exit_with_usage(parser, "The topic is required when partition is specified.")
            if options.has(self.from_beginning) and options.has(self.offset):
                exit_with_usage(parser, "Options from-beginning and offset cannot be specified together.")
        elif options.has(self.offset):
            exit_with_usage(parser, "The partition is required when offset is specified.")

    def _of(self, option: Option, deprecated: Option) -> Option:
        return deprecated if self.options.has(deprecated) else option

    def _consumer_properties(self) -> dict[str, str]:
        options = self.options
        from_file = _load(options.value(self._of(self.command_config, self.consumer_config)))
        given = parse_key_value_arguments(options.values(self._of(self.command_property, self.consumer_property)))
        groups = [options.value(self.group), from_file.get("group.id"), given.get("group.id")]
        group_ids = list(dict.fromkeys(group for group in groups if group is not None))
        if len(group_ids) > 1:
            exit_with_usage(
                self.parser,
                "The group ids provided in different places (directly using '--group', via '--consumer-property', or "
                "via '--consumer.config') do not match. Detected group ids: "
                + ", ".join(f"'{group_id}'" for group_id in group_ids),
            )
        if group_ids and options.has(self.partition):
            exit_with_usage(self.parser, "Options group and partition cannot be specified together.")
        properties = from_file | given
        properties["auto.offset.reset"] = self._auto_offset_reset(properties.get("auto.offset.reset"))
        properties["bootstrap.servers"] = self.bootstrap_servers
        properties.setdefault("client.id", "console-consumer")
        if options.has(self.isolation_level) or "isolation.level" not in properties:
            properties["isolation.level"] = options.value(self.isolation_level)
        if not group_ids:
            # The group is made up and will not be seen again: its offsets are not worth keeping.
            group_ids = [f"console-consumer-{random.randrange(100_000)}"]
            properties.setdefault("enable.auto.commit", "false")
        properties["group.id"] = group_ids[0]
        return properties

    def _auto_offset_reset(self, given: str | None) -> str:
        is_from_beginning = self.options.has(self.from_beginning)
        if given is None:
            return "earliest" if is_from_beginning else "latest"
        if is_from_beginning and given != "earliest":
            exit_with_error(
                f"Can't simultaneously specify --from-beginning and 'auto.offset.reset={given}', "
                "please remove one option"
            )
        return given

    def start_offset(self) -> int:
        """Where --partition is read from: an offset, or -2 for the earliest, -1 for the latest."""
        if not self.options.has(self.offset):
            return _EARLIEST if self.options.has(self.from_beginning) else _LATEST
        text = str(self.options.value(self.offset))
        if text.lower() in ("earliest", "latest"):
            return _EARLIEST if text.lower() == "earliest" else _LATEST
        digits = text.removeprefix("+")
        if not (digits.isascii() and digits.isdigit()) or int(digits) > _MAX_OFFSET:
            exit_with_usage(
                self.parser,
                f"The provided offset value '{text}' is incorrect. "
                "Valid values are 'earliest', 'latest', or a non-negative long.",
            )
        return int(digits)

    def message_formatter(self) -> MessageFormatter:
        options = self.options
        properties = _load(options.value(self.formatter_config))
        for option, name in ((self.key_deserializer, "key"), (self.value_deserializer, "value")):
            if options.value(option):
                properties[f"{name}.deserializer"] = options.value(option)
        given = options.values(self._of(self.formatter_property, self.property))
        try:
            return new_formatter(options.value(self.formatter), properties | parse_key_value_arguments(given))
        except LookupError as error:
            exit_with_usage(self.parser, str(error.args[0]))


def _warn_deprecated(option: Option, replacement: str) -> None:
    print(
        f"Option --{option.names[0]} is deprecated and will be removed in a future version. "
        f"Use --{replacement} instead.",
        file=sys.stderr,
    )


def _load(path: str | None) -> dict[str, str]:
    try:
        return {} if path is None else load_properties(path)
    except ToolError as error:
        exit_with_error(str(error))


class _Interrupted(Exception):
    """A signal asks the consumer to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class ConsoleConsumer:
    """A consumer of a group, or of one partition, whose records go to a formatter."""

    def __init__(self, command_line: ConsoleConsumerOptions) -> None:
        self._options = command_line.options
        self._command_line = command_line
        self._kafka = confluent_kafka()
        self._fatal_error: Any = None
        self._log_client_error = ClientErrorLog(_LOGGER)
        options = self._options
        timeout_ms = options.value(command_line.timeout_ms)
        self._timeout_s = timeout_ms / 1000 if timeout_ms is not None and timeout_ms >= 0 else float("inf")
        self.message_count = 0
        configuration = {"log_level": "0", **consumer_properties(command_line.properties)}
        if options.has(command_line.include) and command_line.properties.get("exclude.internal.topics") != "false":
            configuration.setdefault("topic.blacklist", _INTERNAL_TOPICS)
        self._consumer = new_client(self._kafka.Consumer, configuration, error_cb=self._on_client_error)
        self._start_reading()

    def _start_reading(self) -> None:
        options, command_line = self._options, self._command_line
        topic = options.value(command_line.topic)
        if options.has(command_line.partition):
            offset = command_line.start_offset()
            special = {_EARLIEST: self._kafka.OFFSET_BEGINNING, _LATEST: self._kafka.OFFSET_END}
            partition = self._kafka.TopicPartition(
                topic, options.value(command_line.partition), special.get(offset, offset)
            )
            self._consumer.assign([partition])
        elif topic is not None:
            self._consumer.subscribe([topic])
        else:
            # librdkafka takes a name that begins with ^ for a regular expression; Java's must match all of a name.
            self._consumer.subscribe([f"^({options.value(command_line.include)})$"])

    def _on_client_error(self, error: Any) -> None:
        if error.name() in ("_AUTHENTICATION", "_SSL") or error.fatal():
            self._fatal_error = error
        self._log_client_error(error)

    def run(self, formatter: MessageFormatter, output: BinaryIO) -> None:
        """Reads until the records asked for have come, none comes any more, or nobody takes the output."""
        max_messages = self._options.value(self._command_line.max_messages)
        max_messages = -1 if max_messages is None else max_messages
        while max_messages == -1 or self.message_count < max_messages:
            try:
                record = self._receive(output)
            except (TimeoutError, self._kafka.KafkaException) as error:
                log("ERROR", "Error processing message, terminating consumer process: ", _LOGGER)
                is_timeout = isinstance(error, TimeoutError)
                reason = "TimeoutException" if is_timeout else f"KafkaException: {error.args[0].str()}"
                print(f"org.apache.kafka.common.errors.{reason}", file=sys.stderr)
                return
            self.message_count += 1
            try:
                formatter.write_to(record, output)
            except ValueError as error:
                if not self._options.has(self._command_line.skip_message_on_error):
                    raise
                log("ERROR", f"Error processing message, skipping this message: {error}", _LOGGER)

    def _receive(self, output: BinaryIO) -> ConsumerRecord:
        """The next record; what has been written is shown before it is waited for. Raises TimeoutError."""
        message = self._consumer.poll(0)
        if message is None:
            output.flush()
        deadline = time.monotonic() + self._timeout_s
        while message is None or message.error() is not None:
            if message is not None:
                self._check(message.error())
            if self._fatal_error is not None:
                raise self._kafka.KafkaException(self._fatal_error)
            remaining_s = deadline - time.monotonic()
            if remaining_s < 0:
                raise TimeoutError
            message = self._consumer.poll(min(_POLL_S, remaining_s))
        kind, timestamp = message.timestamp()
        names = {
            self._kafka.TIMESTAMP_CREATE_TIME: "CreateTime",
            self._kafka.TIMESTAMP_LOG_APPEND_TIME: "LogAppendTime",
        }
        return ConsumerRecord(
            message.topic(),
            message.partition(),
            message.offset(),
            names.get(kind),
            timestamp,
            message.key(),
            message.value(),
            message.headers() or [],
        )

    def _check(self, error: Any) -> None:
        """Waits out what may pass, such as a topic that is not there yet; raises KafkaException for the rest."""
        if error.name() in ("UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION", "LEADER_NOT_AVAILABLE"):
            log("WARN", error.str(), _LOGGER)
        elif not error.retriable() and error.name() != "_MAX_POLL_EXCEEDED":
            raise self._kafka.KafkaException(error)

    def close(self) -> None:
        """Commits what was read, where a group was asked for, and leaves the group."""
        self._consumer.close()


def _on_signal(number: int, _frame: FrameType | None) -> None:
    raise _Interrupted(number)


def execute(arguments: list[str]) -> int:
    command_line = ConsoleConsumerOptions()
    command_line.parse(arguments)
    options = command_line.options
    if options.has(command_line.include):
        try:
            re.compile(options.value(command_line.include))
        except re.error as error:
            exit_with_error(f"--include is no regular expression: {error}")
    formatter = command_line.message_formatter()
    consumer = ConsoleConsumer(command_line)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _on_signal)
    code = 0
    output = sys.stdout.buffer
    try:
        consumer.run(formatter, output)
        output.flush()
    except _Interrupted as signalled:
        code = 128 + signalled.number
    except BrokenPipeError:
        print("Unable to write to standard out, closing consumer.", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except ValueError as error:
        log("ERROR", f"Unknown error when running consumer: {error}", _LOGGER)
        code = 1
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        consumer.close()
        output.flush()
        print(f"Processed a total of {consumer.message_count} messages", file=sys.stderr)
    if options.has(command_line.enable_systest_events):
        print("shutdown_complete")
    return code


def main(argv: list[str] | None = None) -> int:
    return run_command(execute, argv)


if __name__ == "__main__":
    sys.exit(main())
