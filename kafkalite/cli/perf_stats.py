"""What the performance tools measure, and the lines in which Apache Kafka's tools of the same names print it."""

from __future__ import annotations

import math
import time
from typing import Final

_MAX_SAMPLES: Final = 500_000
_BYTES_PER_MB: Final = 1024 * 1024


def ratio(dividend: float, divisor: float) -> float:
    """A quotient as Java has it: infinite, or not a number, for a divisor of zero."""
    if divisor:
        return dividend / divisor
    return math.copysign(math.inf, dividend) if dividend else math.nan


def decimal(value: float, digits: int) -> str:
    """A number with a fixed number of digits, in Java's words where it is none."""
    if math.isfinite(value):
        return f"{value:.{digits}f}"
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


class ProducerStats:
    """Counts of sent records and their latencies (in whole ms), altogether and since the last line of progress."""

    __slots__ = (
        "_bytes",
        "_count",
        "_is_steady_state",
        "_latencies_ms",
        "_max_latency_ms",
        "_reporting_interval_s",
        "_sampling",
        "_started",
        "_total_latency_ms",
        "_window_bytes",
        "_window_count",
        "_window_max_latency_ms",
        "_window_started",
        "_window_total_latency_ms",
        "is_silent",
    )

    def __init__(self, records: int, reporting_interval_ms: int, *, is_steady_state: bool = False) -> None:
        self._is_steady_state = is_steady_state
        self._reporting_interval_s = reporting_interval_ms / 1000
        # Of very many records every n-th counts for the percentiles.
        self._sampling = records // min(records, _MAX_SAMPLES)
        self._latencies_ms: list[int] = []
        self._count = self._bytes = self._total_latency_ms = self._max_latency_ms = 0
        self.is_silent = False
        self.start()

    def start(self) -> None:
        """The time from which rates are reckoned."""
        self._started = time.monotonic()
        self._new_window()

    def _new_window(self) -> None:
        self._window_started = time.monotonic()
        self._window_count = self._window_bytes = self._window_total_latency_ms = self._window_max_latency_ms = 0

    def record(self, latency_ms: float, size: int) -> None:
        """Counts a record; prints a line of progress when one is due."""
        latency = int(latency_ms)
        if self._count % self._sampling == 0:
            self._latencies_ms.append(latency)
        self._count += 1
        self._bytes += size
        self._total_latency_ms += latency
        self._window_count += 1
        self._window_bytes += size
        self._window_total_latency_ms += latency
        if latency > self._window_max_latency_ms:
            self._window_max_latency_ms = latency
            if latency > self._max_latency_ms:
                self._max_latency_ms = latency
        if time.monotonic() - self._window_started >= self._reporting_interval_s:
            if self._is_steady_state and self._count == self._window_count:
                print("In steady state.")
            if not self.is_silent:
                self._print_window()
            self._new_window()

    def _print_window(self) -> None:
        elapsed_s = time.monotonic() - self._window_started
        print(
            f"{self._window_count} records sent, "
            f"{decimal(ratio(self._window_count, elapsed_s), 1)} records/sec "
            f"({decimal(ratio(self._window_bytes, elapsed_s) / _BYTES_PER_MB, 2)} MB/sec), "
            f"{decimal(ratio(self._window_total_latency_ms, self._window_count), 1)} ms avg latency, "
            f"{float(self._window_max_latency_ms):.1f} ms max latency.",
            flush=True,
        )

    def print_total(self) -> None:
        """The summary, with percentiles of the latency."""
        elapsed_s = time.monotonic() - self._started
        p50, p95, p99, p999 = self.percentiles_ms(0.5, 0.95, 0.99, 0.999)
        print(
            f"{self._count}{' steady state' if self._is_steady_state else ''} records sent, "
            f"{decimal(ratio(self._count, elapsed_s), 6)} records/sec "
            f"({decimal(ratio(self._bytes, elapsed_s) / _BYTES_PER_MB, 2)} MB/sec), "
            f"{decimal(ratio(self._total_latency_ms, self._count), 2)} ms avg latency, "
            f"{float(self._max_latency_ms):.2f} ms max latency, "
            f"{p50} ms 50th, {p95} ms 95th, {p99} ms 99th, {p999} ms 99.9th.",
            flush=True,
        )

    def percentiles_ms(self, *fractions: float) -> list[int]:
        """The latencies that these fractions of the records stay below; 0 when nothing was sent."""
        latencies = sorted(self._latencies_ms)
        if not latencies:
            return [0] * len(fractions)
        return [latencies[min(int(fraction * len(latencies)), len(latencies) - 1)] for fraction in fractions]
