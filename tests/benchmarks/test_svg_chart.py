"""Charts are drawn to scale, and are documents that a browser takes."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from svg_chart import HEIGHT, WIDTH, Series, line_chart, short_number

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.25, "0.25"),
        (7.5, "7.5"),
        (120, "120"),
        (1_500, "1.5k"),
        (20_000_000, "20M"),
        (3e9, "3G"),
        (0.0123456, "0.0123"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert short_number(value) == text


def chart() -> ElementTree.Element:
    lines = [
        Series("ours & <theirs>", [(1, 10.0), (100, 100.0), (10_000, 1_000.0)]),
        Series("limit", [(1, 1_000.0), (10_000, 10.0)], is_limit=True),
    ]
    return ElementTree.fromstring(line_chart("A title", "connections", "ms", lines))


def places(root: ElementTree.Element) -> list[tuple[float, float]]:
    return [(float(circle.attrib["cx"]), float(circle.attrib["cy"])) for circle in root.iter(f"{SVG}circle")]


def test_both_axes_are_logarithmic() -> None:
    (x0, y0), (x1, y1), (x2, y2) = places(chart())[:3]
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y1 - y0 == pytest.approx(y2 - y1, abs=0.2)
    assert x0 < x1 < x2
    assert y0 > y1 > y2, "larger values are higher up"


def test_all_points_lie_inside() -> None:
    assert all(0 < x < WIDTH and 0 < y < HEIGHT for x, y in places(chart()))


def test_a_limit_is_dashed_and_a_broker_is_not() -> None:
    curves = [path for path in chart().iter(f"{SVG}path") if "L" in path.attrib["d"]]
    assert ["stroke-dasharray" in curve.attrib for curve in curves] == [False, True]


def test_names_units_and_ticks_can_be_read() -> None:
    texts = [element.text for element in chart().iter(f"{SVG}text")]
    assert {"A title", "connections", "ms", "ours & <theirs>", "limit", "1", "10k", "100"} <= set(texts)


def test_values_that_are_all_the_same_are_drawn() -> None:
    root = ElementTree.fromstring(line_chart("t", "x", "y", [Series("flat", [(1, 5.0), (10, 5.0)])]))
    assert len({y for _, y in places(root)}) == 1
    assert not re.search("nan|inf", ElementTree.tostring(root, "unicode"))
