"""kafka-server-stop: ends the brokers that this user runs on this machine, in good order."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from kafkalite.cli.command_line import OptionParser, OptionSet, exit_with_error, print_help_or_version, run_command

_PROGRAMS: Final = frozenset({"kafkalite-server", "kafka-server-start"})
_MODULES: Final = ("kafkalite.cli.kafkalite_server", "kafkalite.cli.kafka_server_start")
_DEFAULT_NODE_ID: Final = "1"
_DEFAULT_ROLES: Final = "broker,controller"


class BrokerProcess(NamedTuple):
    """A running broker, and what its command line says of its configuration."""

    pid: int
    arguments: list[str]
    folder: Path

    def property(self, name: str, default: str) -> str:
        """A property as the command line or the configuration file sets it."""
        from kafkalite.config.config_value import ConfigException
        from kafkalite.config.properties_file import load_properties

        properties: dict[str, str] = {}
        words = iter(self.arguments)
        overrides = []
        for word in words:
            if word == "--override":
                overrides.append(next(words, ""))
            elif word.startswith("--override="):
                overrides.append(word.partition("=")[2])
            elif not word.startswith("-"):
                try:
                    properties = load_properties(str(self.folder / word))
                except (OSError, ConfigException):
                    continue
        for override in overrides:
            key, _, value = override.partition("=")
            properties[key.strip()] = value.strip()
        return properties.get(name, default)


def running_brokers(processes: Path = Path("/proc")) -> Iterator[BrokerProcess]:
    """The brokers among the processes that this user may see."""
    if processes.is_dir():
        command_lines = _command_lines_of_linux(processes)
    else:
        command_lines = _command_lines_of_ps()
    for pid, words in command_lines:
        arguments = broker_arguments(words)
        if arguments is not None and pid != os.getpid():
            try:
                folder = Path(os.readlink(processes / str(pid) / "cwd"))
            except OSError:
                folder = Path.cwd()
            yield BrokerProcess(pid, arguments, folder)


def broker_arguments(words: list[str]) -> list[str] | None:
    """What a broker's command line says behind the program, or None where it is not a broker's command line."""
    if not words or "python" not in Path(words[0]).name.lower():
        return None
    for position, word in enumerate(words[1:], 1):
        if word == "-m" and words[position + 1 : position + 2] and words[position + 1] in _MODULES:
            return _without_daemon(words[position + 2 :])
        if word == "-c":
            program = words[position + 1] if position + 1 < len(words) else ""
            is_broker = any(f"from {module} import main" in program for module in _MODULES)
            return _without_daemon(words[position + 2 :]) if is_broker else None
        if not word.startswith("-"):
            return _without_daemon(words[position + 1 :]) if Path(word).name in _PROGRAMS else None
    return None


def _without_daemon(arguments: list[str]) -> list[str] | None:
    # What was started with -daemon is a process of its own; this one only starts it.
    return None if arguments[:1] == ["-daemon"] else arguments


def _command_lines_of_linux(processes: Path) -> Iterator[tuple[int, list[str]]]:
    for folder in processes.iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            except OSError:
                continue
            yield int(folder.name), [word.decode(errors="replace") for word in words]


def _command_lines_of_ps() -> Iterator[tuple[int, list[str]]]:
    import subprocess

    listing = subprocess.run(["ps", "-axo", "pid=,command="], capture_output=True, text=True, check=False)
    for line in listing.stdout.splitlines():
        pid, _, command = line.strip().partition(" ")
        yield int(pid), command.split()


def execute(arguments: list[str]) -> int:
    parser = OptionParser()
    node_id = parser.option("node-id", "Stop only the broker with this node.id.", "id")
    process_role = parser.option("process-role", "Stop only brokers with this role (broker or controller).", "role")
    options = parser.parse(arguments)
    print_help_or_version(parser, options, "Stops the brokers that run on this machine.")
    if options.has(node_id) and options.has(process_role):
        print("When both node-id and process-role are provided, the value for node-id will take precedence")
    name = f"SIG{os.environ.get('SIGNAL', 'TERM')}"
    if name not in signal.Signals.__members__:
        exit_with_error(f"The environment variable SIGNAL names no signal: {name[3:]}")

    def is_meant(broker: BrokerProcess, options: OptionSet) -> bool:
        if options.has(node_id):
            return broker.property("node.id", _DEFAULT_NODE_ID) == str(options.value(node_id))
        if options.has(process_role):
            roles = broker.property("process.roles", _DEFAULT_ROLES).split(",")
            return str(options.value(process_role)) in [role.strip() for role in roles]
        return True

    stopped = 0
    for broker in running_brokers():
        if is_meant(broker, options):
            try:
                os.kill(broker.pid, signal.Signals[name])
            except (ProcessLookupError, PermissionError):
                continue
            stopped += 1
    if not stopped:
        # Apache Kafka says this on standard output.
        print("No kafka server to stop")
        return 1
    return 0


def main(argv: list[str] | None = None) -> int:
    return run_command(execute, argv)


if __name__ == "__main__":
    sys.exit(main())
