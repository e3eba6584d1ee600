"""The process of a broker, from its configuration to the signal that stops it: its logging, its loop, its exit code."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys

from kafkalite.config.broker_config import BrokerConfig
from kafkalite.config.config_value import ConfigException


def run(path: str | None, overrides: list[str], logging_path: str | None) -> int:
    """Serves until the process is told to stop; returns its exit code. Leaves the collector of garbage switched on."""
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


def _set_up_logging(config_path: str | None, logging_path: str | None) -> None:
    if logging_path is None and config_path is not None:
        beside = os.path.join(os.path.dirname(config_path), "logging.yaml")
        if os.path.exists(beside):
            logging_path = beside
    if logging_path is not None:
        from logging.config import dictConfig

        import yaml

        with open(logging_path, encoding="utf-8") as text:
            try:
                settings = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            except yaml.YAMLError as error:
                raise ValueError(" ".join(str(error).split())) from None
        dictConfig(settings)
    else:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        # Members that come and go are the daily business of groups.
        logging.getLogger("kafkalite.coordinator").setLevel(logging.WARNING)


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
    # What is there now stays: the collector need not look at it, not even once, which would take ten milliseconds and
    # a megabyte for a quarter of that in garbage. It looks at 10,000 new objects in half a millisecond, at the 100,000
    # that a middle-aged generation grows to in four, and at all of them next to never.
    gc.freeze()
    gc.set_threshold(10_000, 10, 1_000)
    gc.enable()
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
