"""Tables whose columns are as wide as their widest cell, as several of Apache Kafka's tools print them."""

from __future__ import annotations

from collections.abc import Sequence


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Every cell is padded to its column and followed by a tab."""
    widths = [max(len(row[column]) for row in (headers, *rows)) for column in range(len(headers))]
    for row in (headers, *rows):
        print("".join(f"{cell:{width}}\t" for cell, width in zip(row, widths, strict=True)))
