"""kafkalite-server: starts the broker with a configuration file in Apache Kafka's format, until it is told to stop.

    kafkalite-server [CONFIG] [--override key=value]... [--logging FILE]

SIGTERM, Ctrl-C and the end of its terminal stop it cleanly. Exit codes: 0 after a stop, 1 where it cannot start
or go on, 2 for unusable arguments.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import Final

from kafkalite import __version__
from kafkalite.cli.standard_streams import open_standard_streams

USAGE: Final = """\
usage: kafkalite-server [CONFIG] [--override key=value]... [--logging FILE]

Starts a single-node, Kafka-compatible broker and runs it until SIGTERM or Ctrl-C.

  CONFIG                 a file like Apache Kafka's server.properties; without one, defaults: localhost:9092
  --override key=value   sets a property over the file, any number of times
  --logging FILE         a YAML file in the form of Python's logging.config; default: logging.yaml beside CONFIG
  --help                 this text
  --version              the version
"""


class _UsageError(Exception):
    pass


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    open_standard_streams()
    arguments = sys.argv[1:] if argv is None else argv
    if "--help" in arguments or "-h" in arguments:
        print(USAGE, end="")
        return 0
    if "--version" in arguments:
        print(f"kafkalite {__version__}")
        return 0
    try:
        path, overrides, logging_path = _parse(arguments)
    except _UsageError as error:
        print(f"kafkalite-server: {error}\n\n{USAGE}", end="", file=sys.stderr)
        return 2
    gc.disable()  # what is loaded now stays, and would be looked at again and again; `run` ends this with the start
    try:
        from kafkalite.cli.broker_process import run

        return run(path, overrides, logging_path)
    finally:
        gc.enable()


def _parse(arguments: list[str]) -> tuple[str | None, list[str], str | None]:
    path: str | None = None
    logging_path: str | None = None
    overrides: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if name in ("--override", "--logging"):
            if not equals:
                value = next(rest, "")
            if not value:
                raise _UsageError(f"{name} needs a value")
            if name == "--override":
                overrides.append(value)
            else:
                logging_path = value
        elif argument.startswith("-"):
            raise _UsageError(f"unknown option {argument}")
        elif path is not None:
            raise _UsageError(f"one CONFIG is enough, but got {path} and {argument}")
        else:
            path = argument
    return path, overrides, logging_path


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code) if code == 0 else sys.exit(code)
