"""The command line of kafka-console-share-consumer, and the properties that it comes to."""

from __future__ import annotations

from kafkalite.cli.command_line import (
    OptionParser,
    OptionSet,
    check_required,
    exit_with_usage,
    print_help_or_version,
)
from kafkalite.cli.console_consumption import ConsumptionOptions
from kafkalite.cli.consumer_property_options import ConsumerPropertyOptions
from kafkalite.cli.java_exceptions import ToolError
from kafkalite.cli.message_formatter import MessageFormatter
from kafkalite.cli.message_formatter_options import MessageFormatterOptions
from kafkalite.client.share_session import AcknowledgeType, ShareFetchLimits

_DEFAULT_NAME = "console-share-consumer"
_CONFIG_EXCEPTION = "org.apache.kafka.common.config.ConfigException"
# What a share group's members do not decide; ShareConsumerConfig of Apache Kafka refuses them in this order.
_UNSUPPORTED = (
    "auto.offset.reset",
    "enable.auto.commit",
    "group.instance.id",
    "isolation.level",
    "partition.assignment.strategy",
    "interceptor.classes",
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "group.protocol",
    "group.remote.assignor",
)
_ACQUIRE_MODES = {"batch_optimized": 0, "record_limit": 1}


class ConsoleShareConsumerOptions:
    """The command line of kafka-console-share-consumer."""

    def __init__(self) -> None:
        parser = self.parser = OptionParser()
        self.topic = parser.option("topic", "REQUIRED: The topic to read.", "topic")
        self._client = ConsumerPropertyOptions(
            parser,
            group=("The share group to be a member of. Default: console-share-consumer.", "share group id"),
            old_config="consumer-config",
        )
        self._formatter = MessageFormatterOptions(parser, columns=("delivery",))
        self.consumption = ConsumptionOptions(parser, timeout_type="Integer")
        self.reject = parser.flag("reject", "Reject the records that were read: nobody gets them again.")
        self.release = parser.flag("release", "Release the records that were read: somebody gets them again.")
        self.reject_message_on_error = parser.flag(
            "reject-message-on-error", "Reject a record that cannot be formatted instead of ending."
        )
        self.bootstrap_server = parser.option(
            "bootstrap-server", "REQUIRED: The servers to connect to.", "server to connect to"
        )
        self.options = OptionSet()
        self.properties: dict[str, str] = {}

    def parse(self, arguments: list[str]) -> MessageFormatter:
        """Reads and checks the command line in the original's order; what is left of it is how to show records."""
        parser = self.parser
        options = self.options = parser.parse(arguments)
        print_help_or_version(
            parser,
            options,
            "This tool helps to read data from Kafka topics using share groups and outputs it to standard output.",
            is_empty=not arguments,
        )
        if not options.has(self.topic):
            exit_with_usage(parser, "--topic is a required argument")
        check_required(parser, options, self.bootstrap_server)
        if options.has(self.reject) and options.has(self.release):
            exit_with_usage(parser, "At most one of --reject and --release may be specified.")
        self._client.settle(options)
        properties, group_ids = self._client.read(options)
        properties["bootstrap.servers"] = options.value(self.bootstrap_server)
        properties.setdefault("client.id", _DEFAULT_NAME)
        properties["group.id"] = group_ids[0] if group_ids else _DEFAULT_NAME
        self.properties = properties
        self._formatter.settle(options)
        return self._formatter.formatter(options)

    @property
    def acknowledge_type(self) -> AcknowledgeType:
        if self.options.has(self.reject):
            return AcknowledgeType.REJECT
        return AcknowledgeType.RELEASE if self.options.has(self.release) else AcknowledgeType.ACCEPT

    def limits(self) -> ShareFetchLimits:
        """The properties that go into each fetch; raises ToolError, also for what a share consumer does not take."""
        refused = [name for name in _UNSUPPORTED if name in self.properties]
        if refused:
            raise ToolError(f"{', '.join(refused)} cannot be set when using a share group.", _CONFIG_EXCEPTION)
        mode = self.properties.get("share.acquire.mode", "batch_optimized")
        if mode.lower() not in _ACQUIRE_MODES:
            raise ToolError(
                f"Invalid value {mode} for configuration share.acquire.mode: Invalid value `{mode}` for configuration"
                f" share.acquire.mode. The value must either be 'batch_optimized' or 'record_limit'.",
                _CONFIG_EXCEPTION,
            )
        return ShareFetchLimits(
            self._number("fetch.max.wait.ms", 500),
            self._number("fetch.min.bytes", 1),
            self._number("fetch.max.bytes", 50 * 1024 * 1024),
            self._number("max.poll.records", 500, least=1),
            _ACQUIRE_MODES[mode.lower()],
        )

    def _number(self, name: str, default: int, *, least: int = 0) -> int:
        text = self.properties.get(name, str(default)).strip()
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit()) or int(text) not in range(-(2**31), 2**31):
            raise ToolError(
                f"Invalid value {text} for configuration {name}: Not a number of type INT", _CONFIG_EXCEPTION
            )
        if int(text) < least:
            raise ToolError(
                f"Invalid value {text} for configuration {name}: Value must be at least {least}", _CONFIG_EXCEPTION
            )
        return int(text)
