"""kafka-console-producer: sends the lines of its input to a topic."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from types import FrameType
from typing import Any, BinaryIO, Final, Protocol

from kafkalite.cli.admin_options import load_properties
from kafkalite.cli.bootstrap_servers import BootstrapServers
from kafkalite.cli.command_line import (
    Option,
    OptionError,
    OptionParser,
    OptionSet,
    check_required,
    exit_with_error,
    exit_with_usage,
    parse_key_value_arguments,
    print_help_or_version,
    run_command,
)
from kafkalite.cli.console_log import log
from kafkalite.cli.java_exceptions import ToolError
from kafkalite.cli.librdkafka_properties import ClientErrorLog, confluent_kafka, new_client, producer_properties
from kafkalite.cli.line_message_reader import LineMessageReader, ProducerRecord, ReaderError

_LINE_MESSAGE_READER: Final = "org.apache.kafka.tools.LineMessageReader"
_REPORT_INTERVAL_S: Final = 0.05
_CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
_READER_PROPERTIES: Final = """The record reader's properties, as key=value:
 parse.key=false
 parse.headers=false
 ignore.error=false
 key.separator=\\t
 headers.delimiter=\\t
 headers.separator=,
 headers.key.separator=:
 null.marker=   (a key, value or header equal to it is null)
A line then looks like this:
 parse.headers and parse.key:
  "h1:v1,h2:v2...\\tkey\\tvalue"
 parse.key: "key\\tvalue"
 parse.headers:
  "h1:v1,h2:v2...\\tvalue\""""


class RecordReader(Protocol):
    """What --line-reader names: a class made with its properties (and the topic among them)."""

    def read_records(self, stream: BinaryIO) -> Iterator[ProducerRecord]: ...


class ConsoleProducerOptions:
    """The command line of kafka-console-producer."""

    def __init__(self) -> None:
        parser = self.parser = OptionParser()
        self.topic = parser.option("topic", "REQUIRED: The topic to send to.", "topic")
        self.bootstrap = BootstrapServers(parser, "REQUIRED: The servers to connect to, as HOST1:PORT1,HOST2:PORT2.")
        self.sync = parser.flag("sync", "Send one record at a time and wait for its acknowledgement.")
        self.compression_codec = parser.option(
            "compression-codec",
            "The compression: none, gzip, snappy, lz4 or zstd; gzip when no value is given.",
            "compression-codec",
            is_value_optional=True,
        )
        self.line_reader = parser.option(
            "line-reader",
            "The class that reads records from the input; by default each line is one.",
            "reader_class",
            default=_LINE_MESSAGE_READER,
        )
        self.reader_property = parser.option("reader-property", _READER_PROPERTIES, "prop")
        self.property = parser.option("property", "(DEPRECATED) Use --reader-property instead.", "prop")
        self.reader_config = parser.option(
            "reader-config", "A file of the reader's properties; --reader-property overrides them.", "config file"
        )
        self.command_property = parser.option(
            "command-property", "A property of the producer, as key=value.", "producer_prop"
        )
        self.producer_property = parser.option(
            "producer-property", "(DEPRECATED) Use --command-property instead.", "producer_prop"
        )
        self.command_config = parser.option(
            "command-config", "A file of the producer's properties; --command-property overrides them.", "config file"
        )
        self.producer_config = parser.option(
            "producer.config", "(DEPRECATED) Use --command-config instead.", "config file"
        )
        self._declare_producer_settings()
        self.options = OptionSet()

    def _declare_producer_settings(self) -> None:
        """Options that stand for one property of the producer each."""

        def setting(
            name: str, text: str, property_name: str, type_name: str, default: Any, argument: str = ""
        ) -> Option:
            description = f"{text} ({property_name} of the producer)."
            option = self.parser.option(name, description, argument, type_name=type_name, default=default)
            self._settings.append((property_name, option))
            return option

        self._settings: list[tuple[str, Option]] = []
        setting(
            "timeout",
            "How long a record waits for others to be sent with, in ms",
            "linger.ms",
            "Long",
            1000,
            "timeout_ms",
        )
        setting(
            "request-required-acks",
            "The acknowledgements that a request needs",
            "acks",
            "String",
            "-1",
            "request required acks",
        )
        setting(
            "request-timeout-ms",
            "How long a request waits for its answer",
            "request.timeout.ms",
            "Integer",
            1500,
            "request timeout ms",
        )
        setting("message-send-max-retries", "How often sending is tried again", "retries", "Integer", 3)
        setting("retry-backoff-ms", "How long to wait before trying again", "retry.backoff.ms", "Long", 100)
        setting("socket-buffer-size", "The size of the socket's buffer", "send.buffer.bytes", "Integer", 102400, "size")
        setting(
            "max-memory-bytes",
            "The memory for records that wait to be sent",
            "buffer.memory",
            "Long",
            33554432,
            "total memory in bytes",
        )
        setting(
            "batch-size",
            "The bytes of records to one partition that are sent together",
            "batch.size",
            "Integer",
            16384,
            "size",
        )
        self.max_partition_memory_bytes = setting(
            "max-partition-memory-bytes",
            "(DEPRECATED) Use --batch-size instead",
            "batch.size",
            "Integer",
            16384,
            "memory in bytes per partition",
        )
        setting(
            "metadata-expiry-ms",
            "How old metadata may get",
            "metadata.max.age.ms",
            "Long",
            300000,
            "metadata expiration interval",
        )
        setting(
            "max-block-ms",
            "How long to wait for the broker or for free memory",
            "max.block.ms",
            "Long",
            60000,
            "max block on send",
        )

    def parse(self, arguments: list[str]) -> None:
        """Reads the command line and checks it as Apache Kafka's tool does."""
        try:
            options = self.options = self.parser.parse(arguments)
        except OptionError as error:
            exit_with_usage(self.parser, str(error))
        print_help_or_version(
            self.parser, options, "Reads records from standard input and sends them to a topic.", is_empty=not arguments
        )
        check_required(self.parser, options, self.topic)
        for new, old in (
            (self.command_config, self.producer_config),
            (self.command_property, self.producer_property),
            (self.reader_property, self.property),
        ):
            if options.has(new) and options.has(old):
                message = f"Options --{new.names[0]} and --{old.names[0]} cannot be specified together."
                exit_with_usage(self.parser, message)
            if options.has(old):
                _warn_deprecated(old, new.names[0])
        if options.has(self.max_partition_memory_bytes):
            _warn_deprecated(self.max_partition_memory_bytes, "batch-size")
        self.bootstrap_servers = self.bootstrap.of(options)

    def _of(self, option: Option, deprecated: Option) -> Option:
        return deprecated if self.options.has(deprecated) else option

    def codec(self) -> str:
        if not self.options.has(self.compression_codec):
            return "none"
        return self.options.value(self.compression_codec) or "gzip"

    def reader_properties(self) -> dict[str, str]:
        properties = _load(self.options.value(self.reader_config))
        properties["topic"] = self.options.value(self.topic)
        given = self.options.values(self._of(self.reader_property, self.property))
        return properties | parse_key_value_arguments(given)

    def producer_properties(self) -> dict[str, str]:
        """Java's names: of a property's sources the last one counts that has it, defaults excepted."""
        properties = _load(self.options.value(self._of(self.command_config, self.producer_config)))
        given = self.options.values(self._of(self.command_property, self.producer_property))
        properties |= parse_key_value_arguments(given)
        properties["bootstrap.servers"] = self.bootstrap_servers
        properties["compression.type"] = self.codec()
        properties.setdefault("client.id", "console-producer")
        for name, option in self._settings:
            if self.options.has(option) or name not in properties:
                properties[name] = str(self.options.value(option))
        return properties


def _warn_deprecated(option: Option, replacement: str) -> None:
    print(
        f"Warning: --{option.names[0]} is deprecated and will be removed in a future version. "
        f"Use --{replacement} instead.",
        file=sys.stderr,
    )


def _load(path: str | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        return load_properties(path)
    except ToolError as error:
        exit_with_error(str(error))


def new_reader(class_name: str, properties: dict[str, str]) -> RecordReader:
    """The reader of that name: Apache Kafka's, or a Python class as package.module.Class."""
    if class_name == _LINE_MESSAGE_READER:
        return LineMessageReader(properties)
    module, _, name = class_name.rpartition(".")
    try:
        reader: RecordReader = getattr(import_module(module), name)(properties)
    except (ImportError, AttributeError, ValueError):
        exit_with_error(f"The line reader {class_name} cannot be found: a Python class package.module.Class is needed.")
    return reader


class _PromptedInput:
    """Standard input with a `>` before each line, for a person at a terminal."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readline(self) -> bytes:
        sys.stdout.write(">")
        sys.stdout.flush()
        return self._stream.readline()


class ConsoleProducer:
    """Sends records; what becomes of them is reported by a thread, so that it is said while input is waited for."""

    def __init__(self, topic: str, properties: dict[str, str], *, is_synchronous: bool) -> None:
        self._topic = topic
        self._is_synchronous = is_synchronous
        self._kafka = confluent_kafka()
        quiet = {"log_level": "0"}
        self._producer = new_client(
            self._kafka.Producer,
            {**quiet, **producer_properties(properties)},
            error_cb=ClientErrorLog("kafka-console-producer"),
        )
        self._is_closing = threading.Event()
        self._reports = threading.Thread(target=self._report, daemon=True)
        if not is_synchronous:
            self._reports.start()

    def _report(self) -> None:
        while not self._is_closing.is_set():
            self._producer.poll(_REPORT_INTERVAL_S)

    def send(self, record: ProducerRecord) -> None:
        """Hands a record over; waits while the buffer is full. Raises KafkaException when sent synchronously."""
        outcome: list[Any] = []
        callback: Callable[[Any, Any], None] = self._on_delivery
        if self._is_synchronous:

            def callback(error: Any, _message: Any) -> None:
                outcome.append(error)

        while True:
            try:
                self._producer.produce(
                    self._topic, record.value, record.key, headers=record.headers or None, on_delivery=callback
                )
                break
            except BufferError:
                self._producer.poll(0.1)
        while self._is_synchronous and not outcome:
            self._producer.poll(0.1)
        if outcome and outcome[0] is not None:
            raise self._kafka.KafkaException(outcome[0])

    def _on_delivery(self, error: Any, message: Any) -> None:
        if error is None:
            return
        key, value = message.key(), message.value()
        log(
            "ERROR",
            f"Error when sending message to topic {message.topic()} with key: {_length(key)}, "
            f"value: {_length(value)} with error: {error.str()}",
            "kafka-console-producer",
        )

    def close(self) -> None:
        """Returns when every record has been acknowledged or has failed."""
        self._producer.flush()
        self._is_closing.set()
        if self._reports.is_alive():
            self._reports.join()


def _length(field: bytes | None) -> str:
    return "null" if field is None else f"{len(field)} bytes"


def _on_terminate(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def execute(arguments: list[str]) -> int:
    command_line = ConsoleProducerOptions()
    command_line.parse(arguments)
    options = command_line.options
    codec = command_line.codec()
    if codec not in _CODECS:
        exit_with_error(f"Unknown compression codec {codec}: one of {', '.join(_CODECS)} is needed.")
    kafka = confluent_kafka()
    try:
        reader = new_reader(options.value(command_line.line_reader), command_line.reader_properties())
    except ReaderError as error:
        exit_with_error(str(error))
    producer = ConsoleProducer(
        options.value(command_line.topic),
        command_line.producer_properties(),
        is_synchronous=options.has(command_line.sync),
    )
    signal.signal(signal.SIGTERM, _on_terminate)
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    source: Any = _PromptedInput(sys.stdin.buffer) if is_terminal else sys.stdin.buffer
    try:
        for record in reader.read_records(source):
            producer.send(record)
    except (ReaderError, kafka.KafkaException) as error:
        reason = error.args[0].str() if isinstance(error, kafka.KafkaException) else str(error)
        print(f"{type(error).__name__}: {reason}", file=sys.stderr)
        return 1
    finally:
        producer.close()
    return 0


def main(argv: list[str] | None = None) -> int:
    code = run_command(execute, argv)
    if code == 128 + signal.SIGINT:
        # Readers of the input may still wait for it in C; everything has been sent.
        sys.stdout.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
