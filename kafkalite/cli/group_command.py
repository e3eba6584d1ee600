"""How kafka-consumer-groups, kafka-share-groups and kafka-streams-groups begin, and how they say what failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from kafkalite.cli.admin_options import load_properties, open_admin
from kafkalite.cli.command_line import Option, OptionParser, OptionSet, exit_with_usage
from kafkalite.cli.consumer_group_tables import print_error
from kafkalite.cli.java_exceptions import ILLEGAL_ARGUMENT, ToolError, described, message
from kafkalite.client.admin import Admin


class GroupCommandOptions(Protocol):
    """What the options of the three have in common."""

    parser: OptionParser
    options: OptionSet
    bootstrap_server: Option
    command_config: Option
    timeout: Option


@contextmanager
def group_admin(options: GroupCommandOptions) -> Iterator[Admin]:
    """The connection that the options describe."""
    values = options.options
    try:
        properties = load_properties(values.value(options.command_config))
    except ToolError as error:
        if error.class_name == ILLEGAL_ARGUMENT:
            raise
        raise ToolError(described(error), "java.lang.RuntimeException") from None
    with open_admin(values.value(options.bootstrap_server), properties) as admin:
        admin.api_timeout_s = values.value(options.timeout) / 1000
        yield admin


def print_failure(kind: str, options: GroupCommandOptions, error: Exception) -> None:
    """Says that a command for groups of this kind failed; ends with the usage where an argument is to blame."""
    if isinstance(error, ToolError) and error.class_name == ILLEGAL_ARGUMENT:
        exit_with_usage(options.parser, str(error))
    text = str(error) if isinstance(error, ToolError) else message(error)
    print_error(f"Executing {kind} group command failed due to {text}")
