"""kafkalite-server: starts the broker with a configuration file in Apache Kafka's format, until it is told to stop.

    kafkalite-server [CONFIG] [--override key=value]... [--logging FILE]

SIGTERM, Ctrl-C and the end of its terminal stop it cleanly. Exit codes: 0 after a stop, 1 where it cannot start
or go on, 2 for unusable arguments.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Final

from kafkalite import __version__
from kafkalite.cli.standard_streams import open_standard_streams
from kafkalite.config.broker_config import BrokerConfig
from kafkalite.config.config_value import ConfigException

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
    try:
        config = BrokerConfig.load(path, overrides)
    except (ConfigException, OSError) as error:
        print(f"kafkalite-server: {_text(error)}", file=sys.stderr)
        return 1
    try:
        _set_up_logging(path, logging_path)
    except (OSError, ValueError, TypeError, AttributeError) as error:  # what dictConfig and YAML raise for a bad file
        print(f"kafkalite-server: logging cannot be set up: {_text(error)}", file=sys.stderr)
        return 1
    for warning in config.warnings:
        logging.getLogger("kafkalite.config").warning(warning)
    return _run(config)


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


def _set_up_logging(config_path: str | None, logging_path: str | None) -> None:
    beside = Path(config_path).parent / "logging.yaml" if config_path is not None else None
    file = Path(logging_path) if logging_path is not None else beside
    if file is not None and (logging_path is not None or file.exists()):
        from logging.config import dictConfig

        import yaml

        with file.open(encoding="utf-8") as text:
            try:
                settings = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            except yaml.YAMLError as error:
                raise ValueError(" ".join(str(error).split())) from None
        dictConfig(settings)
    else:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        # Members that come and go are the daily business of groups.
        logging.getLogger("kafkalite.coordinator").setLevel(logging.WARNING)


def _run(config: BrokerConfig) -> int:
    try:
        import uvloop

        loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    except ImportError:
        loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    _raise_descriptor_limit()
    try:
        return loop.run_until_complete(_serve(config, loop))
    finally:
        loop.close()


async def _serve(config: BrokerConfig, loop: asyncio.AbstractEventLoop) -> int:
    from kafkalite.broker.metadata_log import MetadataLogError
    from kafkalite.broker.storage_formatter import FormatError
    from kafkalite.errors import KafkaError
    from kafkalite.server import Server
    from kafkalite.storage.checkpoint_files import CorruptCheckpointError
    from kafkalite.storage.log_directory import LogDirectoryError
    from kafkalite.storage.meta_properties import MetaPropertiesError

    # What an operator can do something about; anything else is ours and shows its traceback.
    known_errors = (
        OSError,
        ConfigException,
        ValueError,
        CorruptCheckpointError,
        FormatError,
        KafkaError,
        LogDirectoryError,
        MetadataLogError,
        MetaPropertiesError,
    )
    server = Server(config)
    stop = asyncio.Event()
    server.on_failure = stop.set
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # Whoever starts it with nohup wants it to outlive the terminal.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            loop.add_signal_handler(number, stop.set)
    starting = loop.create_task(server.start())
    stopping = loop.create_task(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    starting.cancel()  # a stop while the logs are being loaded; nothing where the start is over
    try:
        await starting
    except asyncio.CancelledError:
        logging.getLogger("kafkalite").info("Stopped before the start was over")
        return 0 if server.failure is None else 1
    except known_errors as error:
        logging.getLogger("kafkalite").error("Cannot start: %s", _text(error))
        return 1
    # What is there now stays: the collector need not look at it again. It looks at 10,000 new objects in half a
    # millisecond, at the 100,000 that a middle-aged generation grows to in four, and at all of them next to never.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 1_000)
    await stopping
    try:
        await server.stop()
    except (KafkaError, OSError) as error:
        logging.getLogger("kafkalite").error("Cannot stop cleanly: %s", _text(error))
        return 1
    if server.failure is not None:
        return 1
    logging.getLogger("kafkalite").info("Stopped")
    return 0


def _raise_descriptor_limit() -> None:
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 1 << 20) if hard > 0 else 1 << 20, hard))
    except (OSError, ValueError):
        pass


def _text(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code) if code == 0 else sys.exit(code)
