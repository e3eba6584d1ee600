"""Line charts as SVG, with nothing but this module: logarithmic axes, one line for each series, direct labels.

A chart is a picture of its own on a light ground, so that it reads the same on a dark page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 460
HEIGHT: Final = 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 58, 46
_INK, _FAINT, _GRID = "#24292f", "#57606a", "#e4e7eb"
_FONT: Final = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"
_PALETTE: Final = ("#0b62c4", "#d1570a", "#6e7781", "#8a3ffc", "#1a7f37", "#a40e26")


@dataclass(frozen=True)
class Series:
    """A line; one that `is_limit` is drawn dashed and grey, for what no broker can pass."""

    name: str
    points: Sequence[tuple[float, float]]
    is_limit: bool = False


def short_number(value: float) -> str:
    """At most three digits and a letter: 0.25, 7.5, 120, 1.5k, 20M."""
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g}{letter}"
    return f"{value:.3g}"


class _Axis:
    """A logarithmic scale from whole decade to whole decade, or over the parts of decades where the values lie."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self._start, self._end = start, end
        lowest, highest = min(values), max(values)
        steps = [digit * 10.0**power for power in range(-7, 13) for digit in (1, 2, 5)]
        self.low = max((step for step in steps if step <= lowest * 1.0001), default=lowest)
        self.high = min((step for step in steps if step >= highest * 0.9999 and step > self.low), default=highest * 10)
        inside = [step for step in steps if self.low * 0.999 <= step <= self.high * 1.001]
        decades = [step for step in inside if math.isclose(math.log10(step) % 1, 0, abs_tol=1e-9)]
        self.ticks = inside if len(inside) <= 6 else decades

    def place(self, value: float) -> float:
        share = math.log10(value / self.low) / math.log10(self.high / self.low)
        return self._start + share * (self._end - self._start)


def line_chart(title: str, x_label: str, y_label: str, series: Sequence[Series]) -> str:
    """The chart as an SVG document; both axes are logarithmic, so all values have to be above 0."""
    points = [point for line in series for point in line.points]
    x_axis = _Axis([x for x, _ in points], _LEFT, WIDTH - _RIGHT)
    y_axis = _Axis([y for _, y in points], HEIGHT - _BOTTOM, _TOP)
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' height='{HEIGHT}' "
        f"role='img' aria-label='{escape(title, quote=True)}' {_FONT} font-size='11'>",
        f"<rect width='{WIDTH}' height='{HEIGHT}' rx='6' fill='#ffffff' stroke='{_GRID}'/>",
        _text(_LEFT - 48, 20, title, fill=_INK, size=13, weight=600),
    ]
    for tick in y_axis.ticks:
        y = y_axis.place(tick)
        parts.append(f"<path d='M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}' stroke='{_GRID}'/>")
        parts.append(_text(_LEFT - 8, y + 4, short_number(tick), anchor="end"))
    for tick in x_axis.ticks:
        x = x_axis.place(tick)
        parts.append(f"<path d='M{x:.1f} {_TOP}V{HEIGHT - _BOTTOM}' stroke='{_GRID}'/>")
        parts.append(_text(x, HEIGHT - _BOTTOM + 16, short_number(tick), anchor="middle"))
    parts.append(_text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 10, x_label, anchor="middle"))
    parts.append(
        f"<text transform='translate(16 {(_TOP + HEIGHT - _BOTTOM) / 2:.0f}) rotate(-90)' "
        f"text-anchor='middle' fill='{_FAINT}'>{escape(y_label)}</text>"
    )
    legend_x = float(_LEFT)
    for number, line in enumerate(series):
        colour = "#6e7781" if line.is_limit else _PALETTE[number % len(_PALETTE)]
        dashes = " stroke-dasharray='5 4'" if line.is_limit else ""
        places = [(x_axis.place(x), y_axis.place(y)) for x, y in line.points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        parts.append(f"<path d='M{path}' fill='none' stroke='{colour}' stroke-width='2'{dashes}/>")
        parts += [
            f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3' fill='{colour}'><title>{escape(line.name)}: "
            f"{short_number(value[1])} at {short_number(value[0])}</title></circle>"
            for (x, y), value in zip(places, line.points, strict=True)
        ]
        parts.append(f"<path d='M{legend_x:.0f} 40h18' stroke='{colour}' stroke-width='2'{dashes}/>")
        parts.append(_text(legend_x + 23, 44, line.name, fill=_INK))
        legend_x += 40 + 6.2 * len(line.name)
    parts.append("</svg>\n")
    return "\n".join(parts)


def _text(
    x: float, y: float, text: str, *, fill: str = _FAINT, anchor: str = "start", size: int = 11, weight: int = 400
) -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' fill='{fill}' text-anchor='{anchor}' font-size='{size}' "
        f"font-weight='{weight}'>{escape(text)}</text>"
    )
