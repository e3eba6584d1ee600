"""kafka-groups: lists groups of all types."""

from __future__ import annotations

import sys
from typing import Final

from kafkalite.cli.admin_options import load_properties, open_admin
from kafkalite.cli.command_line import (
    OptionParser,
    check_invalid,
    exit_with_error,
    exit_with_usage,
    print_help_or_version,
    run_command,
)
from kafkalite.cli.console_log import log
from kafkalite.cli.java_exceptions import ToolError, described, message
from kafkalite.client.admin import AdminTimeoutError
from kafkalite.client.group_admin import GroupListing, list_groups
from kafkalite.client.wire_client import WireClientError
from kafkalite.errors import KafkaError
from kafkalite.java_hash_map import string_map_order

_ABOUT: Final = "This tool helps to list groups of all types."
_TYPES: Final = {"classic": "Classic", "consumer": "Consumer", "share": "Share", "streams": "Streams"}
_LEAST_WIDTH: Final = 20


class GroupFilter:
    """The groups to show; at most one kind of filter is set."""

    def __init__(self, group_type: str | None, protocol: str | None, *, kind: str | None) -> None:
        self._group_type = group_type
        self._protocol = protocol
        self._kind = kind

    def is_wanted(self, group: GroupListing) -> bool:
        if self._group_type is not None:
            return group.group_type == self._group_type and self._protocol in (None, group.protocol_type)
        if self._protocol is not None:
            return group.protocol_type == self._protocol
        if self._kind == "Consumer":
            return group.protocol_type in ("consumer", "") or group.group_type == "Consumer"
        return self._kind in (None, group.group_type)


def print_groups(groups: list[GroupListing]) -> None:
    """GROUP, TYPE, PROTOCOL; all columns as wide as the widest cell."""
    rows = [("GROUP", "TYPE", "PROTOCOL"), *((g.group_id, g.group_type, g.protocol_type) for g in groups)]
    width = max(_LEAST_WIDTH, *(len(cell) for row in rows[1:] for cell in row), 0)
    print(" ".join(f"{cell:{width}}" for cell in rows[0]))
    for row in rows[1:]:
        print("".join(f"{cell:{width}} " for cell in row))


def _execute(argv: list[str]) -> int:
    parser = OptionParser()
    bootstrap_server = parser.option(
        "bootstrap-server", "REQUIRED: the broker to connect to.", "server to connect to", is_required=True
    )
    command_config = parser.option(
        "command-config", "A properties file with settings of the connection.", "command config property file"
    )
    list_option = parser.flag("list", "List the groups.")
    group_type = parser.option(
        "group-type", "Show only groups of a type: 'classic', 'consumer', 'share' or 'streams'.", "type"
    )
    protocol = parser.option("protocol", "Show only groups with a protocol type.", "protocol")
    consumer = parser.flag("consumer", "Show only groups of consumers, classic and simple ones included.")
    share = parser.flag("share", "Show only share groups.")
    streams = parser.flag("streams", "Show only streams groups.")
    options = parser.parse(argv)
    print_help_or_version(parser, options, _ABOUT, is_empty=not argv)
    if not options.has(list_option):
        exit_with_usage(parser, "Command must include exactly one action: --list.")
    wanted_type = None
    if options.has(group_type):
        wanted_type = _TYPES.get(options.value(group_type).lower())
        if wanted_type is None:
            exit_with_error("--group-type must be a valid group type.")
    check_invalid(parser, options, consumer, [group_type, protocol, share, streams])
    check_invalid(parser, options, share, [consumer, group_type, protocol, streams])
    check_invalid(parser, options, streams, [consumer, group_type, protocol, share])
    kinds = [
        name for option, name in ((consumer, "Consumer"), (share, "Share"), (streams, "Streams")) if options.has(option)
    ]
    shown = GroupFilter(wanted_type, options.value(protocol), kind=kinds[0] if kinds else None)
    try:
        with open_admin(options.value(bootstrap_server), load_properties(options.value(command_config))) as admin:
            groups = {group.group_id: group for group in list_groups(admin)}
            print_groups([groups[key] for key in string_map_order(groups) if shown.is_wanted(groups[key])])
    except (KafkaError, ToolError, AdminTimeoutError, WireClientError) as error:
        print(f"Error while executing groups command : {message(error)}")
        log("ERROR", described(error), "org.apache.kafka.tools.GroupsCommand")
        return 1
    return 0


def main(argv: list[str] | None = None) -> int:
    return run_command(_execute, argv)


if __name__ == "__main__":
    sys.exit(main())
