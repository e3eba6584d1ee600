"""Keeps what clients.py measured (results/clients.json), and makes the tables of docs/performance-clients.md of it.

The page is written by hand but for what stands between `<!-- CLIENT -->` and `<!-- end of CLIENT -->`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Final

from client_cases import CLIENTS, ClientCase, all_cases
from measuring import APACHE_KAFKA, KAFKALITE

_HERE: Final = Path(__file__).resolve().parent
_RESULTS: Final = _HERE / "results" / "clients.json"
_PAGE: Final = _HERE.parent.parent / "docs" / "performance-clients.md"
BUSY_CORES: Final = 0.8
"""A broker that uses so much of a processor, on a machine with two, has a say in how fast the client is."""


@dataclass(frozen=True)
class Round:
    """One run of a client; a GB is one of records' values."""

    records_per_second: float
    broker_cpu_per_gb: float
    client_cpu_per_gb: float


@dataclass(frozen=True)
class ClientFigures:
    """A case on one broker: medians of its rounds."""

    records_per_second: float
    mb_per_second: float
    broker_cpu_per_gb: float
    client_cpu_per_gb: float
    rounds: tuple[float, ...] = ()
    """The records per second of each, which say how much the figures are worth."""

    @classmethod
    def of(cls, rounds: Sequence[Round], record_size: int) -> ClientFigures:
        speed = median(each.records_per_second for each in rounds)
        return cls(
            records_per_second=speed,
            mb_per_second=speed * record_size / 1e6,
            broker_cpu_per_gb=median(each.broker_cpu_per_gb for each in rounds),
            client_cpu_per_gb=median(each.client_cpu_per_gb for each in rounds),
            rounds=tuple(each.records_per_second for each in rounds),
        )

    @property
    def broker_cores(self) -> float:
        """How much of the processors the broker uses while the client is at work."""
        return self.broker_cpu_per_gb * self.mb_per_second / 1e3


BySide = Mapping[str, ClientFigures]


class ClientResults:
    """What all cases came to that were ever measured, by the case's name."""

    def __init__(self) -> None:
        self.by_case: dict[str, dict[str, ClientFigures]] = {}

    def add(self, case: ClientCase, figures: BySide) -> None:
        self.by_case[str(case)] = dict(figures)

    def save(self) -> None:
        rounded = {
            case: {
                side: {
                    name: [_rounded(each) for each in value] if isinstance(value, tuple) else _rounded(value)
                    for name, value in asdict(figures).items()
                }
                for side, figures in sides.items()
            }
            for case, sides in sorted(self.by_case.items())
        }
        _RESULTS.parent.mkdir(exist_ok=True)
        _RESULTS.write_text(json.dumps(rounded, indent=1) + "\n")

    @classmethod
    def load(cls) -> ClientResults:
        results = cls()
        if _RESULTS.exists():
            for case, sides in json.loads(_RESULTS.read_text()).items():
                results.by_case[case] = {
                    side: ClientFigures(**{**figures, "rounds": tuple(figures["rounds"])})
                    for side, figures in sides.items()
                }
        return results


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def ratio_of(figures: BySide) -> float | None:
    """Above 1 the client is faster on kafkalite."""
    if KAFKALITE not in figures or APACHE_KAFKA not in figures:
        return None
    return figures[KAFKALITE].records_per_second / figures[APACHE_KAFKA].records_per_second


def line_of(case: ClientCase, figures: BySide) -> str:
    """What is said while it is measured."""
    parts = [f"{case!s:38}"]
    for side, one in figures.items():
        parts.append(
            f"{side} {one.records_per_second:,.0f}/s {one.mb_per_second:.0f} MB/s,"
            f" broker {one.broker_cpu_per_gb:.2f} s/GB {one.broker_cores:.2f} cores,"
            f" client {one.client_cpu_per_gb:.1f} s/GB"
        )
    ratio = ratio_of(figures)
    return " | ".join([*parts, *([] if ratio is None else [f"{ratio:.2f}"])])


def _speed(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def table(results: ClientResults, cases: Iterable[ClientCase]) -> list[str]:
    """A Markdown table with a row for each case that was measured on both brokers."""
    lines = [
        "| | codec | acks | record | partitions | records/s | Apache Kafka | MB/s | ratio | broker CPU, s/GB "
        "| Apache Kafka | broker busy |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for case in cases:
        figures = results.by_case.get(str(case), {})
        ratio = ratio_of(figures)
        if ratio is None:
            continue
        ours, theirs = figures[KAFKALITE], figures[APACHE_KAFKA]
        cells = [case.direction, case.codec, case.acks, f"{case.record_size:,}", str(case.partitions)]
        cells += [_speed(ours.records_per_second), _speed(theirs.records_per_second), _speed(ours.mb_per_second)]
        cells += [f"{ratio:.2f}", f"{ours.broker_cpu_per_gb:.2f}", f"{theirs.broker_cpu_per_gb:.2f}"]
        lines.append(f"| {' | '.join([*cells, f'{ours.broker_cores:.0%}'])} |")
    return lines


def write_page(results: ClientResults) -> None:
    """Puts each client's table into the page."""
    page = _PAGE.read_text()
    for client in CLIENTS:
        before, begin, rest = page.partition(f"<!-- {client} -->\n")
        _, end, after = rest.partition(f"<!-- end of {client} -->\n")
        lines = table(results, [case for case in all_cases() if case.client == client])
        if end and len(lines) > 2:
            page = before + begin + "\n".join(["", *lines, ""]) + "\n" + end + after
    _PAGE.write_text(page)
