"""What the verifiable producer and consumer share: how they run, events as lines of JSON, properties, errors' names."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from typing import Any, Protocol

from kafkalite.cli.admin_options import load_properties
from kafkalite.cli.java_exceptions import ToolError, class_name
from kafkalite.cli.stop_request import StopRequest
from kafkalite.cli.subcommand_parser import SubcommandError, SubcommandParser
from kafkalite.errors import ErrorCode, KafkaError


class VerifiableClient(Protocol):
    """A producer or consumer that says what becomes of each record."""

    def run(self, stop: StopRequest) -> None:
        """Goes on until all is done or a stop is asked for."""


def run_client(
    argv: list[str],
    parser: SubcommandParser,
    read_properties: Callable[[SubcommandParser, Namespace], dict[str, str]],
    new_client: Callable[[dict[str, str], Namespace], VerifiableClient],
) -> int:
    """Runs the client that a command line describes and returns the exit code; `read_properties` raises
    SubcommandError."""
    if not argv:
        parser.print_help()
        return 0
    try:
        arguments = parser.parse_args(argv)
        properties = read_properties(parser, arguments)
    except SubcommandError as error:
        error.show()
        return 1
    client = new_client(properties, arguments)
    with StopRequest() as stop:
        client.run(stop)
        return stop.exit_code


def print_event(name: str, **fields: Any) -> None:
    """One line of JSON: the time in milliseconds, the event's name, its fields."""
    event = {"timestamp": int(time.time() * 1000), "name": name, **fields}
    print(json.dumps(event, separators=(",", ":"), ensure_ascii=False), flush=True)


def properties_of(
    parser: SubcommandParser, deprecated: tuple[str, str | None], command_config: str | None
) -> dict[str, str]:
    """The client's properties from --command-config or from an option that it replaced; raises SubcommandError."""
    option, path = deprecated
    if path is not None and command_config is not None:
        raise SubcommandError(f"Options {option} and --command-config are mutually exclusive.", parser)
    if path is not None:
        print(
            f"Option {option} has been deprecated and will be removed in a future version."
            " Use --command-config instead.",
            file=sys.stderr,
        )
    try:
        return load_properties(path if path is not None else command_config)
    except ToolError as error:
        raise SubcommandError(str(error), parser) from None


def java_error(error: Any) -> tuple[str, str]:
    """Class and message of the Java exception that a confluent-kafka error would be."""
    code = error.code()
    if code > 0:
        known = KafkaError(ErrorCode.for_code(code))
        return class_name(known), known.message
    name = "TimeoutException" if "TIMED_OUT" in error.name() else "KafkaException"
    package = "org.apache.kafka.common.errors." if name == "TimeoutException" else "org.apache.kafka.common."
    return package + name, error.str()
