"""The options that choose how a console consumer shows records."""

from __future__ import annotations

from typing import Final

from kafkalite.cli.admin_options import load_properties
from kafkalite.cli.command_line import (
    OptionParser,
    OptionSet,
    exit_with_usage,
    parse_key_value_arguments,
)
from kafkalite.cli.deprecated_options import settle
from kafkalite.cli.java_exceptions import ToolError
from kafkalite.cli.message_formatter import MessageFormatter, new_formatter

_COLUMNS: Final = ("timestamp", "key", "offset", "epoch", "partition", "headers", "value")
_TEXTS: Final = ("key.separator", "line.separator", "headers.separator", "null.literal")


class MessageFormatterOptions:
    """--formatter and what sets it up; `columns` are what this consumer can print besides the usual."""

    def __init__(self, parser: OptionParser, *, columns: tuple[str, ...] = ()) -> None:
        self._parser = parser
        lines = [f"print.{column}=true|false" for column in (*_COLUMNS, *columns)]
        lines += [f"{text}=<text>" for text in _TEXTS]
        lines += [f"{field}.deserializer=<class>" for field in ("key", "value", "headers")]
        self._class = parser.option(
            "formatter",
            "The class that formats records.",
            "class",
            default="org.apache.kafka.tools.consumer.DefaultMessageFormatter",
        )
        self._property = parser.option(
            "formatter-property", "\n ".join(["The formatter's properties, as key=value:", *lines]), "prop"
        )
        self._old_property = parser.option("property", "(DEPRECATED) Use --formatter-property instead.", "prop")
        self._config = parser.option(
            "formatter-config",
            "A file of the formatter's properties; --formatter-property overrides them.",
            "config file",
        )
        self._key_deserializer = parser.option(
            "key-deserializer", "The class that makes text of keys.", "deserializer for keys"
        )
        self._value_deserializer = parser.option(
            "value-deserializer", "The class that makes text of values.", "deserializer for values"
        )

    def settle(self, options: OptionSet) -> None:
        """Warns of an old name; ends the tool where an option was given under both."""
        self._property = settle(self._parser, options, self._property, self._old_property)

    def formatter(self, options: OptionSet) -> MessageFormatter:
        """The formatter; ends the tool where there is none of that name."""
        path = options.value(self._config)
        try:
            properties = load_properties(path)
        except ToolError as error:
            exit_with_usage(self._parser, str(error))
        for option, name in ((self._key_deserializer, "key"), (self._value_deserializer, "value")):
            if options.value(option):
                properties[f"{name}.deserializer"] = options.value(option)
        properties |= parse_key_value_arguments(options.values(self._property))
        try:
            return new_formatter(options.value(self._class), properties)
        except LookupError as error:
            exit_with_usage(self._parser, str(error.args[0]))
