"""The options that say which group a console consumer is in and how its client is set up."""

from __future__ import annotations

from collections.abc import Sequence

from kafkalite.cli.admin_options import load_or_exit
from kafkalite.cli.command_line import OptionParser, OptionSet, exit_with_usage, parse_key_value_arguments
from kafkalite.cli.deprecated_options import settle
from kafkalite.java_hash_map import string_map_order


class ConsumerPropertyOptions:
    """--group, --command-property, --command-config, and the old names of the last two."""

    def __init__(self, parser: OptionParser, *, group: tuple[str, str], old_config: str) -> None:
        """`group` is the description of --group and of its value, `old_config` the old name of --command-config."""
        self._parser = parser
        description, argument = group
        self.group = parser.option("group", description, argument)
        self._property = parser.option("command-property", "A property of the consumer, as key=value.", "consumer_prop")
        self._old_property = parser.option(
            "consumer-property", "(DEPRECATED) Use --command-property instead.", "consumer_prop"
        )
        self._config = parser.option(
            "command-config", "A file of the consumer's properties; --command-property overrides them.", "config file"
        )
        self._old_config = parser.option(old_config, "(DEPRECATED) Use --command-config instead.", "config file")

    def settle(self, options: OptionSet) -> None:
        """Warns of old names; ends the tool where an option was given under both."""
        self._property = settle(self._parser, options, self._property, self._old_property)
        self._config = settle(self._parser, options, self._config, self._old_config)

    def read(self, options: OptionSet) -> tuple[dict[str, str], Sequence[str]]:
        """The properties, and the group's id if there is one; ends the tool where places disagree about it."""
        from_file = load_or_exit(options.value(self._config))
        given = parse_key_value_arguments(options.values(self._property))
        places = (options.value(self.group), from_file.get("group.id"), given.get("group.id"))
        group_ids = string_map_order(group_id for group_id in places if group_id is not None)
        if len(group_ids) > 1:
            exit_with_usage(
                self._parser,
                "The group ids provided in different places (directly using '--group', via '--consumer-property', or "
                f"via '--{self._old_config.names[0]}') do not match. Detected group ids: "
                + ", ".join(f"'{group_id}'" for group_id in group_ids),
            )
        return from_file | given, group_ids
