"""What the console consumers do alike, whatever the kind of their group: when they end, and what they say then."""

from __future__ import annotations

import sys
from typing import BinaryIO, Protocol

from kafkalite.cli.command_line import OptionParser, OptionSet
from kafkalite.cli.console_log import log
from kafkalite.cli.standard_streams import discard_output


class ConsumptionOptions:
    """How much is read, and how long is waited for more."""

    def __init__(self, parser: OptionParser, *, timeout_type: str) -> None:
        self._max_messages = parser.option(
            "max-messages",
            "How many records to read before ending. Default: no end.",
            "num_messages",
            type_name="Integer",
        )
        self._timeout_ms = parser.option(
            "timeout-ms", "End when no record has come for so long.", "timeout_ms", type_name=timeout_type
        )
        self._enable_systest_events = parser.flag("enable-systest-events", "Say shutdown_complete at the end.")

    def max_messages(self, options: OptionSet) -> int:
        """How many records to read, -1 for no end."""
        value = options.value(self._max_messages)
        return -1 if value is None else int(value)

    def timeout_s(self, options: OptionSet) -> float:
        """How long to wait for the next record."""
        timeout_ms = options.value(self._timeout_ms)
        return timeout_ms / 1000 if timeout_ms is not None and timeout_ms >= 0 else float("inf")

    def tell_end(self, options: OptionSet) -> None:
        """What a test of the whole system waits for."""
        if options.has(self._enable_systest_events):
            print("shutdown_complete")


class Consumption(Protocol):
    """Records on their way from a consumer to the output."""

    message_count: int

    def run(self, output: BinaryIO) -> int:
        """Reads to the end and gives the exit code; raises ValueError for a record that cannot be formatted."""

    def close(self) -> None:
        """Takes leave of the group."""


def consume(consumption: Consumption, logger: str) -> int:
    """Runs a consumer to its end; that nobody takes its output is one too. Returns the exit code."""
    output = sys.stdout.buffer
    try:
        code = consumption.run(output)
        output.flush()
        return code
    except OSError:  # nobody reads any more, or the disk is full
        print("Unable to write to standard out, closing consumer.", file=sys.stderr)
        discard_output()
        return 0
    except ValueError as error:
        log("ERROR", f"Unknown error when running consumer: {error}", logger)
        return 1
    finally:
        consumption.close()
        output.flush()
        print(f"Processed a total of {consumption.message_count} messages", file=sys.stderr)
