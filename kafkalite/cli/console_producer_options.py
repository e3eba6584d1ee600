"""The command line of kafka-console-producer, and the properties that it comes to."""

from __future__ import annotations

import sys
from typing import Any, Final

from kafkalite.cli.admin_options import load_or_exit
from kafkalite.cli.bootstrap_servers import BootstrapServers
from kafkalite.cli.command_line import (
    Option,
    OptionError,
    OptionParser,
    OptionSet,
    check_required,
    exit_with_usage,
    parse_key_value_arguments,
    print_help_or_version,
)

LINE_MESSAGE_READER: Final = "org.apache.kafka.tools.LineMessageReader"
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
            default=LINE_MESSAGE_READER,
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
        properties = load_or_exit(self.options.value(self.reader_config))
        properties["topic"] = self.options.value(self.topic)
        given = self.options.values(self._of(self.reader_property, self.property))
        return properties | parse_key_value_arguments(given)

    def producer_properties(self) -> dict[str, str]:
        """Java's names: of a property's sources the last one counts that has it, defaults excepted."""
        properties = load_or_exit(self.options.value(self._of(self.command_config, self.producer_config)))
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
