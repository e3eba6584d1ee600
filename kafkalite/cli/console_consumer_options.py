"""The command line of kafka-console-consumer, and the properties that it comes to."""

from __future__ import annotations

import random
from typing import Final

from kafkalite.cli.bootstrap_servers import BootstrapServers
from kafkalite.cli.command_line import (
    OptionParser,
    OptionSet,
    check_one_of,
    exit_with_error,
    exit_with_usage,
    print_help_or_version,
)
from kafkalite.cli.console_consumption import ConsumptionOptions
from kafkalite.cli.consumer_property_options import ConsumerPropertyOptions
from kafkalite.cli.deprecated_options import warn_deprecated
from kafkalite.cli.message_formatter import MessageFormatter
from kafkalite.cli.message_formatter_options import MessageFormatterOptions

EARLIEST: Final = -2
LATEST: Final = -1
_MAX_OFFSET: Final = 2**63 - 1


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
        self._client = ConsumerPropertyOptions(
            parser, group=("The consumer group to be a member of.", "consumer group id"), old_config="consumer.config"
        )
        self.from_beginning = parser.flag(
            "from-beginning", "Where there is no committed offset, start with the earliest record, not with the latest."
        )
        self.consumption = ConsumptionOptions(parser, timeout_type="Long")
        self.skip_message_on_error = parser.flag(
            "skip-message-on-error", "Skip a record that cannot be formatted instead of ending."
        )
        self.bootstrap = BootstrapServers(parser, "REQUIRED: The servers to connect to.")
        self.isolation_level = parser.option(
            "isolation-level",
            "read_committed leaves out the records of transactions that are not committed.",
            default="read_uncommitted",
        )
        self._formatter = MessageFormatterOptions(parser)
        self.options = OptionSet()
        self.bootstrap_servers = ""
        self.properties: dict[str, str] = {}

    def parse(self, arguments: list[str]) -> None:
        """Reads the command line and checks it as Apache Kafka's tool does, in its order."""
        parser = self.parser
        options = self.options = parser.parse(arguments)
        print_help_or_version(
            parser, options, "Reads records from topics and writes them to standard output.", is_empty=not arguments
        )
        if options.has(self.whitelist):
            warn_deprecated(self.whitelist, "include")
            self.include = self.whitelist
        self._check_topics_and_offsets()
        self.bootstrap_servers = self.bootstrap.of(options)
        self._client.settle(options)
        self._formatter.settle(options)
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

    def _consumer_properties(self) -> dict[str, str]:
        options = self.options
        properties, group_ids = self._client.read(options)
        if group_ids and options.has(self.partition):
            exit_with_usage(self.parser, "Options group and partition cannot be specified together.")
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
            return EARLIEST if self.options.has(self.from_beginning) else LATEST
        text = str(self.options.value(self.offset))
        if text.lower() in ("earliest", "latest"):
            return EARLIEST if text.lower() == "earliest" else LATEST
        digits = text.removeprefix("+")
        if not (digits.isascii() and digits.isdigit()) or int(digits) > _MAX_OFFSET:
            exit_with_usage(
                self.parser,
                f"The provided offset value '{text}' is incorrect. "
                "Valid values are 'earliest', 'latest', or a non-negative long.",
            )
        return int(digits)

    def message_formatter(self) -> MessageFormatter:
        return self._formatter.formatter(self.options)
