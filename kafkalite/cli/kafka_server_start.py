"""kafka-server-start: starts the broker in the foreground, or with -daemon in the background."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

_USAGE: Final = "USAGE: kafka-server-start [-daemon] server.properties [--override property=value]*"


def main(argv: list[str] | None = None) -> int:
    """Becomes kafkalite-server; with -daemon returns at once, and what the broker says goes to logs/kafkaServer.out."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments:
        print(_USAGE)
        return 1
    if arguments[0] == "-daemon":
        return start_in_background(arguments[1:])
    from kafkalite.cli.kafkalite_server import main as run_server

    return run_server(arguments)


def start_in_background(arguments: list[str]) -> int:
    """Starts the broker in a session of its own, so that it outlives the terminal."""
    import subprocess

    folder = Path(os.environ.get("LOG_DIR") or _log_folder())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        output = (folder / "kafkaServer.out").open("wb")
    except OSError as error:
        print(f"kafka-server-start: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    program = "import sys; from kafkalite.cli.kafkalite_server import main; sys.exit(main())"
    with output:
        subprocess.Popen(
            [sys.executable, "-P", "-c", program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return 0


def _log_folder() -> Path:
    """logs/ beside bin/ in a checkout, as in Apache Kafka's distribution; elsewhere in the current folder."""
    repository = Path(__file__).parent.parent.parent
    return (repository if (repository / "bin" / "kafka-server-start.sh").exists() else Path.cwd()) / "logs"


if __name__ == "__main__":
    sys.exit(main())
