"""kafka-console-consumer: writes the records of topics to its output."""

from __future__ import annotations

import contextlib
import re
import signal
import sys
import time
from types import FrameType
from typing import Any, BinaryIO, Final

from kafkalite.cli.command_line import exit_with_error, run_command
from kafkalite.cli.console_consumer_options import EARLIEST, LATEST, ConsoleConsumerOptions
from kafkalite.cli.console_consumption import consume
from kafkalite.cli.console_log import log
from kafkalite.cli.librdkafka_properties import ClientErrorLog, confluent_kafka, consumer_properties, new_client
from kafkalite.cli.message_formatter import ConsumerRecord, MessageFormatter

_LOGGER: Final = "org.apache.kafka.tools.consumer.ConsoleConsumer"
_INTERNAL_TOPICS: Final = "^__consumer_offsets$,^__transaction_state$,^__share_group_state$"
_POLL_S: Final = 0.1
_LOOK_UP_S: Final = 1.0
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class _Interrupted(Exception):
    """A signal asks the consumer to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class ConsoleConsumer:
    """A consumer of a group, or of one partition, whose records go to a formatter."""

    def __init__(self, command_line: ConsoleConsumerOptions, formatter: MessageFormatter) -> None:
        self._options = command_line.options
        self._command_line = command_line
        self._kafka = confluent_kafka()
        self._fatal_error: Any = None
        self._log_client_error = ClientErrorLog(_LOGGER)
        options = self._options
        self._timeout_s = command_line.consumption.timeout_s(options)
        self._formatter = formatter
        self.message_count = 0
        configuration = {"log_level": "0", **consumer_properties(command_line.properties)}
        if options.has(command_line.include) and command_line.properties.get("exclude.internal.topics") != "false":
            configuration.setdefault("topic.blacklist", _INTERNAL_TOPICS)
        self._consumer = new_client(self._kafka.Consumer, configuration, error_cb=self._on_client_error)
        self._start_reading()

    def _start_reading(self) -> None:
        options, command_line = self._options, self._command_line
        topic = options.value(command_line.topic)
        if topic is not None and not topic.strip():
            exit_with_error(
                "java.lang.IllegalArgumentException: "
                "Topic collection to subscribe to cannot contain null or empty topic"
            )
        if options.has(command_line.partition):
            offset = command_line.start_offset()
            special = {EARLIEST: self._kafka.OFFSET_BEGINNING, LATEST: self._kafka.OFFSET_END}
            partition = self._kafka.TopicPartition(
                topic, options.value(command_line.partition), special.get(offset, offset)
            )
            # Whoever does not know a partition's leader yet asks for its first or last offset half a second later.
            with contextlib.suppress(self._kafka.KafkaException):
                self._consumer.list_topics(topic, timeout=min(_LOOK_UP_S, self._timeout_s))
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

    def run(self, output: BinaryIO) -> int:
        """Reads until the records asked for have come, none comes any more, or a signal asks for the end."""
        for number in _SIGNALS:
            signal.signal(number, _on_signal)
        try:
            self._read(output)
            output.flush()
            return 0
        except _Interrupted as signalled:
            return 128 + signalled.number
        finally:
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN)

    def _read(self, output: BinaryIO) -> None:
        max_messages = self._command_line.consumption.max_messages(self._options)
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
                self._formatter.write_to(record, output)
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
    consumer = ConsoleConsumer(command_line, command_line.message_formatter())
    code = consume(consumer, _LOGGER)
    command_line.consumption.tell_end(options)
    return code


def main(argv: list[str] | None = None) -> int:
    return run_command(execute, argv)


if __name__ == "__main__":
    sys.exit(main())
