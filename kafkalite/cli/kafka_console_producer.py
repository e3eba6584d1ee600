"""kafka-console-producer: sends the lines of its input to a topic."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from types import FrameType
from typing import Any, BinaryIO, Final, Protocol

from kafkalite.cli.command_line import exit_with_error, run_command
from kafkalite.cli.console_log import log
from kafkalite.cli.console_producer_options import LINE_MESSAGE_READER, ConsoleProducerOptions
from kafkalite.cli.java_exceptions import ToolError, described
from kafkalite.cli.librdkafka_properties import (
    ClientErrorLog,
    confluent_kafka,
    least_delivery_timeout_ms,
    new_client,
    producer_properties,
)
from kafkalite.cli.line_message_reader import LineMessageReader, ProducerRecord, ReaderError
from kafkalite.cli.topic_metadata import TopicMetadata

_REPORT_INTERVAL_S: Final = 0.05
_FLUSH_INTERVAL_S: Final = 0.5
_DELIVERY_TIMEOUT_MS: Final = 120_000  # the Java producer's
_CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")


class RecordReader(Protocol):
    """What --line-reader names: a class made with its properties (and the topic among them)."""

    def read_records(self, stream: BinaryIO) -> Iterator[ProducerRecord]: ...


def new_reader(class_name: str, properties: dict[str, str]) -> RecordReader:
    """The reader of that name: Apache Kafka's, or a Python class as package.module.Class."""
    if class_name == LINE_MESSAGE_READER:
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
        configuration = {"log_level": "0", **producer_properties(properties)}
        if "delivery.timeout.ms" not in configuration:
            delivery_timeout_ms = max(_DELIVERY_TIMEOUT_MS, least_delivery_timeout_ms(properties))
            configuration["message.timeout.ms"] = str(delivery_timeout_ms)
        self._producer = new_client(
            self._kafka.Producer, configuration, error_cb=ClientErrorLog("kafka-console-producer")
        )
        self._max_block_ms = int(properties["max.block.ms"])
        self._metadata = TopicMetadata(self._producer, topic, retry_backoff_ms=int(properties["retry.backoff.ms"]))
        self._is_closing = threading.Event()
        self._reports = threading.Thread(target=self._report, daemon=True)
        self._reports.start()

    def _report(self) -> None:
        while not self._is_closing.is_set():
            self._producer.poll(_REPORT_INTERVAL_S)

    def send(self, record: ProducerRecord) -> None:
        """Hands a record over; blocks for max.block.ms at most while the topic is not known or the buffer is full.

        When sent synchronously, returns when it is acknowledged, and raises KafkaException or ToolError when it fails.
        """
        if self._is_synchronous:
            self._send_synchronously(record)
            return
        try:
            self._hand_over(record, self._on_delivery)
        except ToolError as error:
            self._log_failure(record.key, record.value, described(error))
        except self._kafka.KafkaException as error:
            # Refused before it was sent, for its size: as bad as refused by the broker, and no worse.
            if error.args[0].code() != self._kafka.KafkaError.MSG_SIZE_TOO_LARGE:
                raise
            self._log_failure(record.key, record.value, error.args[0].str())

    def _send_synchronously(self, record: ProducerRecord) -> None:
        outcome: Any = None
        is_done = threading.Event()

        def on_delivery(error: Any, _message: Any) -> None:
            nonlocal outcome
            outcome = error
            is_done.set()

        try:
            self._hand_over(record, on_delivery)
        except ToolError as error:
            raise ToolError(described(error), "java.util.concurrent.ExecutionException") from None
        is_done.wait()
        if outcome is not None:
            raise self._kafka.KafkaException(outcome)

    def _hand_over(self, record: ProducerRecord, on_delivery: Callable[[Any, Any], None]) -> None:
        deadline_s = time.monotonic() + self._max_block_ms / 1000
        self._metadata.wait(self._max_block_ms)
        while True:
            try:
                self._producer.produce(
                    self._topic, record.value, record.key, headers=record.headers or None, on_delivery=on_delivery
                )
                return
            except BufferError:
                remaining_s = deadline_s - time.monotonic()
                if remaining_s <= 0:
                    text = f"Failed to allocate memory within the configured max blocking time {self._max_block_ms} ms."
                    raise ToolError(text, "org.apache.kafka.clients.producer.BufferExhaustedException") from None
                self._producer.poll(min(remaining_s, 0.1))

    def _on_delivery(self, error: Any, message: Any) -> None:
        if error is None:
            return
        self._log_failure(message.key(), message.value(), error.str())

    def _log_failure(self, key: bytes | None, value: bytes | None, reason: str) -> None:
        log(
            "ERROR",
            f"Error when sending message to topic {self._topic} with key: {_length(key)}, "
            f"value: {_length(value)} with error: {reason}",
            "kafka-console-producer",
        )

    def close(self, *, is_interrupted: bool = False) -> None:
        """Returns when every record has been acknowledged or has failed; another interrupt does not wait for that."""
        has_told = not is_interrupted
        # A signal's handler runs between two calls.
        while self._producer.flush(_FLUSH_INTERVAL_S):
            if not has_told:
                print("Waiting for what was typed to be acknowledged; once more gives it up.", file=sys.stderr)
                has_told = True
        self._is_closing.set()
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
        exit_with_error(f"org.apache.kafka.common.KafkaException: {error}")
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
        print(f"org.apache.kafka.common.KafkaException: {reason}", file=sys.stderr)
        producer.close()
        return 1
    except ToolError as error:
        print(described(error), file=sys.stderr)
        producer.close()
        return 1
    except (KeyboardInterrupt, SystemExit):
        producer.close(is_interrupted=True)
        raise
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
