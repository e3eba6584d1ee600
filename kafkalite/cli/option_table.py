"""The table of options that --help shows, as joptsimple lays it out: sorted by name, in two columns."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kafkalite.cli.command_line import Option

_HELP_WIDTH: Final = 80
_COLUMN_GAP: Final = 2
_INDENT: Final = "  "


def format_option_table(options: Iterable[Option]) -> str:
    """At most 80 characters wide; the option's column takes no more than half of them."""
    options = sorted(options, key=lambda option: option.names[0])
    has_required = any(option.is_required for option in options)
    header = "Option (* = required)" if has_required else "Option"
    rows = [(header, "Description"), ("-" * len(header), "-----------")]
    rows += [(_option_column(option), _description_column(option)) for option in options]
    left = min((_HELP_WIDTH - _COLUMN_GAP) // 2, max(len(row[0]) for row in rows))
    right = min(_HELP_WIDTH - left - _COLUMN_GAP, max(len(row[1]) for row in rows))
    folded: list[tuple[str, str]] = []
    for row in rows:
        folded += zip_longest(_fold(row[0], left), _fold(row[1], right), fillvalue="")
    left, right = (max(len(row[column]) for row in folded) for column in (0, 1))
    lines = [f"{first:{left}}{' ' * _COLUMN_GAP}{second:{right}}" for first, second in folded]
    return "\n".join(lines) + "\n"


def _option_column(option: Option) -> str:
    names = ", ".join(f"{'--' if len(name) > 1 else '-'}{name}" for name in option.names)
    value = ""
    if option.takes_value:
        opening, closing = "[]" if option.is_value_optional else "<>"
        detail = f": {option.argument}" if option.argument else ""
        value = f" {opening}{option.type_name}{detail}{closing}"
    return f"{'* ' if option.is_required else ''}{names}{value}"


def _description_column(option: Option) -> str:
    if not option.defaults:
        return option.description
    defaults = [str(value).lower() if isinstance(value, bool) else str(value) for value in option.defaults]
    shown = defaults[0] if len(defaults) == 1 else f"[{', '.join(defaults)}]"
    return f"{option.description} (default: {shown})".strip()


def _fold(text: str, width: int) -> list[str]:
    """Breaks lines behind spaces, hyphens and the dots of names; continuation lines are indented."""
    lines = []
    for line in text.strip().split("\n"):
        piece = ""
        for word in _words(line):
            if len(piece) + len(word) > width:
                lines.append(piece.rstrip())
                piece = _INDENT + word
            else:
                piece += word
        lines.append(piece)
    return lines


def _words(line: str) -> list[str]:
    """The pieces between which a line may be broken; each keeps the spaces that follow it."""
    words, start = [], 0
    for position in range(1, len(line)):
        before, after = line[position - 1], line[position]
        if (before == " " and after != " ") or (
            before in "-." and after.isalpha() and line[position - 2 : position - 1].isalnum()
        ):
            words.append(line[start:position])
            start = position
    return [*words, line[start:]]
