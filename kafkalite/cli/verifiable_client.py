"""What the verifiable producer and consumer share: events as lines of JSON, and an orderly stop."""

from __future__ import annotations

import json
import signal
import sys
import time
from types import FrameType
from typing import Any, Final

from kafkalite.cli.admin_options import load_properties
from kafkalite.cli.java_exceptions import ToolError, class_name
from kafkalite.cli.subcommand_parser import SubcommandError, SubcommandParser
from kafkalite.errors import ErrorCode, KafkaError

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def print_event(name: str, **fields: Any) -> None:
    """One line of JSON: the time in milliseconds, the event's name, its fields."""
    event = {"timestamp": int(time.time() * 1000), "name": name, **fields}
    print(json.dumps(event, separators=(",", ":"), ensure_ascii=False), flush=True)


class StopRequest:
    """Remembers that SIGINT or SIGTERM arrived, instead of dying of it, while it is entered."""

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def __bool__(self) -> bool:
        return self.signal_number is not None

    @property
    def exit_code(self) -> int:
        """What a process that died of the signal would have; 0 without one."""
        return 0 if self.signal_number is None else 128 + self.signal_number

    def __enter__(self) -> StopRequest:
        for number in _SIGNALS:
            self._previous[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, *details: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _remember(self, number: int, _frame: FrameType | None) -> None:
        self.signal_number = number


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
        chosen = path if path is not None else command_config
        return load_properties(chosen) if chosen is not None else {}
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
