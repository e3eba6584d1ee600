"""Keeps what was measured (results/NAME.json), and makes tables and plots of it for docs/performance-scale.md.

The page is written by hand but for what stands between `<!-- NAME -->` and `<!-- end of NAME -->`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from measuring import APACHE_KAFKA, KAFKALITE, Figures, Workload
from svg_chart import Series, line_chart, short_number

_HERE: Final = Path(__file__).resolve().parent
_RESULTS: Final = _HERE / "results"
_DOCS: Final = _HERE.parent.parent / "docs"
_PAGE: Final = _DOCS / "performance-scale.md"
_PLOTS: Final = _DOCS / "plots"
LIMIT: Final = "limit"
OTHER_WORK: Final = "other_work"
"""What else the machine did while a size was measured, in cores; kept beside the figures, and not shown."""


class Results:
    """What a workload came to: its figures by side and size."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.by_side: dict[str, dict[int, Figures]] = {}

    def add(self, side: str, size: int, figures: Figures) -> None:
        self.by_side.setdefault(side, {})[size] = figures

    @property
    def sizes(self) -> list[int]:
        return sorted({size for figures in self.by_side.values() for size in figures})

    def value(self, side: str, size: int, figure: str) -> float | None:
        return self.by_side.get(side, {}).get(size, {}).get(figure)

    def save(self) -> None:
        """Writes them; what another run has measured of other sides and sizes stays."""
        merged = Results.load(self.workload)
        for side, sizes in self.by_side.items():
            merged.by_side.setdefault(side, {}).update(sizes)
        rounded = {
            side: {
                size: {name: float(f"{value:.4g}") for name, value in figures.items()}
                for size, figures in sorted(sizes.items())
            }
            for side, sizes in merged.by_side.items()
        }
        _RESULTS.mkdir(exist_ok=True)
        self._path(self.workload).write_text(json.dumps(rounded, indent=1) + "\n")

    @classmethod
    def load(cls, workload: Workload) -> Results:
        results = cls(workload)
        path = cls._path(workload)
        if path.exists():
            for side, sizes in json.loads(path.read_text()).items():
                results.by_side[side] = {int(size): figures for size, figures in sizes.items()}
        return results

    @staticmethod
    def _path(workload: Workload) -> Path:
        return _RESULTS / f"{workload.name}.json"


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _ratio(results: Results, size: int, figure: str) -> str:
    ours, theirs = (results.value(side, size, figure) for side in (KAFKALITE, APACHE_KAFKA))
    if not ours or not theirs:
        return ""
    return f"{ours / theirs if results.workload.figures[figure].is_more_better else theirs / ours:.1f}"


def table(results: Results) -> list[str]:
    """A Markdown table: a row for each figure and size; a ratio above 1 is in kafkalite's favour."""
    limit = results.by_side.get(LIMIT)
    limits_name = f" {results.workload.limits_name} |" if limit else ""
    lines = [
        f"| figure | {results.workload.counted} | kafkalite | Apache Kafka |{limits_name} ratio |",
        f"|---|---:|---:|---:|{'---:|' if limit else ''}---:|",
    ]
    for name, figure in results.workload.figures.items():
        for number, size in enumerate(results.sizes):
            cells = [figure.label if number == 0 else "", f"{size:,}"]
            cells += [_cell(results.value(side, size, name)) for side in (KAFKALITE, APACHE_KAFKA)]
            cells += [_cell(results.value(LIMIT, size, name))] if limit else []
            lines.append(f"| {' | '.join([*cells, _ratio(results, size, name)])} |")
    return lines


def print_table(results: Results) -> None:
    print("\n".join(["", results.workload.title, "", *table(results)]), flush=True)


def _plots(results: Results) -> list[str]:
    """Writes one plot for each figure that is drawn and returns the lines that show them."""
    workload = results.workload
    shown = []
    for name, figure in workload.figures.items():
        series = []
        for side in (KAFKALITE, APACHE_KAFKA, LIMIT):
            values = [(size, results.value(side, size, name)) for size in results.sizes]
            points = [(float(size), value) for size, value in values if value]
            if points:
                is_limit = side == LIMIT
                series.append(Series(workload.limits_name if is_limit else side, points, is_limit=is_limit))
        if not figure.is_drawn or not any(len(line.points) > 1 for line in series):
            continue
        _PLOTS.mkdir(exist_ok=True)
        file = _PLOTS / f"{workload.name}-{name}.svg".replace("_", "-")
        title = f"{workload.title}: {figure.label}"
        file.write_text(line_chart(title, workload.counted, figure.label, series))
        alternative = f"{title}; " + "; ".join(
            f"{line.name} " + ", ".join(short_number(value) for _, value in line.points) for line in series
        )
        shown.append(f"![{alternative}](plots/{file.name})")
    return shown


def write_report(workloads: Iterable[Workload]) -> None:
    """Puts tables and plots into the page, each in its place; a workload without one or without results is left out."""
    page = _PAGE.read_text()
    for workload in workloads:
        results = Results.load(workload)
        before, begin, rest = page.partition(f"<!-- {workload.name} -->\n")
        _, end, after = rest.partition(f"<!-- end of {workload.name} -->\n")
        if end and results.by_side:
            shown = "\n".join(["", *_plots(results), "", *table(results), ""]) + "\n"
            page = before + begin + shown + end + after
    _PAGE.write_text(page)
