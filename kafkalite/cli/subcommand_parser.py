"""The command lines of the tools with subcommands, with the complaints that Apache Kafka's make through argparse4j."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from typing import Final, NoReturn

from kafkalite import __version__
from kafkalite.cli.admin_options import load_properties, open_admin
from kafkalite.cli.command_line import CommandExit, exit_with_error, run_command
from kafkalite.cli.java_exceptions import CALL_ERRORS, ToolError, described
from kafkalite.cli.java_exceptions import message as error_message
from kafkalite.client.admin import Admin

_NO_BOOTSTRAP: Final = "You must specify either --bootstrap-controller or --bootstrap-server."


class SubcommandError(Exception):
    """A command line that cannot be parsed, in argparse4j's words."""

    def __init__(self, message: str, parser: SubcommandParser) -> None:
        super().__init__(message)
        self.parser = parser

    def show(self) -> None:
        """Prints the usage and the complaint on stderr."""
        self.parser.print_usage(sys.stderr)
        print(f"{self.parser.prog.split()[0]}: error: {self}", file=sys.stderr)


class SubcommandParser(argparse.ArgumentParser):
    """An ArgumentParser that raises SubcommandError, and CommandExit after --help and --version."""

    def error(self, message: str) -> NoReturn:
        raise SubcommandError(_in_argparse4j_words(message), self)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise CommandExit(status)

    def add_version(self) -> None:
        self.add_argument("--version", action="version", version=__version__, help="Display the version.")


def run_subcommand(execute: Callable[[list[str]], None], argv: list[str] | None) -> int:
    """Runs a tool and returns its exit code; what goes wrong is told on stderr, in one line or with the usage."""

    def explained(words: list[str]) -> int:
        try:
            execute(words)
        except SubcommandError as error:
            error.show()
            return 1
        except ToolError as error:
            exit_with_error(error_message(error))
        except CALL_ERRORS as error:
            exit_with_error(described(error))
        return 0

    return run_command(explained, argv)


def _in_argparse4j_words(message: str) -> str:
    if match := re.fullmatch(r"the following arguments are required: (.*)", message):
        option = next((name for name in match[1].split(", ") if name.startswith("-")), None)
        return f"argument {option} is required" if option else "too few arguments"
    if match := re.fullmatch(r"argument [^-\s]\S*: (invalid choice: .*)", message):
        return match[1]
    if match := re.fullmatch(r"(argument \S+): invalid int value: '(.*)'", message):
        return f"{match[1]}: could not convert '{match[2]}' to Integer (For input string: \"{match[2]}\")"
    if match := re.fullmatch(r"unrecognized arguments: (\S*).*", message):
        return f"unrecognized arguments: '{match[1]}'"
    return message


def add_bootstrap_arguments(parser: argparse.ArgumentParser, *short: str, is_required: bool) -> None:
    """--bootstrap-server and --bootstrap-controller, of which one may be given; `short` are one-letter names."""
    group = parser.add_mutually_exclusive_group(required=is_required)
    group.add_argument(
        "--bootstrap-server", *short[:1], metavar="BOOTSTRAP_SERVER", help="The brokers to connect to: host:port,..."
    )
    group.add_argument(
        "--bootstrap-controller",
        *short[1:],
        metavar="BOOTSTRAP_CONTROLLER",
        help="The controllers to connect to instead: host:port,...",
    )


def open_admin_of(namespace: argparse.Namespace, parser: SubcommandParser) -> Admin:
    """The connection that the bootstrap arguments and --command-config describe; raises SubcommandError, ToolError."""
    properties = load_properties(namespace.command_config)
    servers = namespace.bootstrap_server or namespace.bootstrap_controller
    if not servers:
        raise SubcommandError(_NO_BOOTSTRAP, parser)
    return open_admin(servers, properties)
