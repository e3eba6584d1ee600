"""kafkalite: what Apache Kafka has no tool for; its one command so far is `kafkalite verify`."""

from __future__ import annotations

import sys
from typing import Final

from kafkalite import __version__
from kafkalite.cli import verify_command

USAGE: Final = f"""\
usage: kafkalite COMMAND [ARGUMENTS]

  verify DIR [DIR...]    checks whole data directories offline, and mends them with --repair
  --help                 this text
  --version              the version

{verify_command.USAGE}"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    match arguments:
        case ["verify", *rest]:
            return verify_command.run(rest)
        case ["--help" | "-h" | "help", *_]:
            print(USAGE, end="")
            return 0
        case ["--version", *_]:
            print(f"kafkalite {__version__}")
            return 0
        case []:
            print(USAGE, end="", file=sys.stderr)
        case [other, *_]:
            print(f"kafkalite: unknown command {other}\n\n{USAGE}", end="", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
