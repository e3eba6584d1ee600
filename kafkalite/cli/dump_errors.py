"""What a dump finds wrong: told on stderr when all files are through, in the order of Apache Kafka's hash maps."""

from __future__ import annotations

import sys
from collections.abc import Mapping


class DumpErrors:
    """What indexes say that their logs do not, and where a log leaves offsets out, by file."""

    def __init__(self) -> None:
        self.offset_mismatches: dict[str, dict[int, int]] = {}
        self.timestamp_mismatches: dict[str, list[tuple[int, int]]] = {}
        self.timestamps_out_of_order: dict[str, list[tuple[int, int]]] = {}
        self.offsets_not_found: dict[str, list[tuple[int, int]]] = {}
        self.gaps: dict[str, dict[int, int]] = {}

    def print(self) -> None:
        """Tells all that was found."""
        sys.stdout.flush()
        self._print_offset_errors()
        self._print_time_errors()
        for file in _in_hash_map_order(self.gaps):
            complain(f"Non-consecutive offsets in {file}")
            for offset, next_offset in sorted(self.gaps[file].items()):
                complain(f"  {offset} is followed by {next_offset}")

    def _print_offset_errors(self) -> None:
        for file in _in_hash_map_order(self.offset_mismatches):
            complain(f"Mismatches in :{file}")
            for index_offset, log_offset in sorted(self.offset_mismatches[file].items(), reverse=True):
                complain(f"  Index offset: {index_offset}, log offset: {log_offset}")

    def _print_time_errors(self) -> None:
        for title, line, found in (
            (
                "Found timestamp mismatch in :",
                "  Index timestamp: {}, log timestamp: {}",
                self.timestamp_mismatches,
            ),
            (
                "Found out of order timestamp in :",
                "  Index timestamp: {}, Previously indexed timestamp: {}",
                self.timestamps_out_of_order,
            ),
            (
                "The following indexed offsets are not found in :",
                "Indexed offset: {}, found log offset: {}",
                self.offsets_not_found,
            ),
        ):
            for file in _in_hash_map_order(found):
                complain(f"{title}{file}")
                for pair in found[file]:
                    complain(line.format(*pair))


def complain(line: str) -> None:
    """Says on stderr what is wrong, behind what has been printed so far."""
    sys.stdout.flush()
    print(line, file=sys.stderr)


def _in_hash_map_order(files: Mapping[str, object]) -> list[str]:
    if len(files) < 2:
        return list(files)
    from kafkalite.java_hash_map import string_map_order

    return string_map_order(files)
