"""The syntax of java.util.Properties, in which server.properties is written.

One property a line, its name ended by `=`, `:` or white space; `#` or `!` begins a comment line; a backslash at the
end of a line continues it (white space at the start of the next line is dropped); `\\t \\n \\r \\f \\uXXXX` are
escapes, any other escaped character is itself. Of a name that comes twice the last value counts. Text is UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kafkalite.config.config_value import ConfigException

_BLANK: Final = " \t\f"
_ESCAPES: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def parse_properties(text: str) -> dict[str, str]:
    """Name -> value of a properties file's text, in its order; raises ConfigException on a malformed `\\u` escape."""
    properties = {}
    for line in _logical_lines(text):
        name_end, value_start = _split(line)
        properties[_unescape(line[:name_end])] = _unescape(line[value_start:])
    return properties


def load_properties(path: str) -> dict[str, str]:
    """Name -> value of the file at `path`; raises OSError or ConfigException."""
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        return parse_properties(file.read())


def _logical_lines(text: str) -> Iterator[str]:
    """Lines with their continuations joined, without comments and empty ones."""
    pending = ""
    is_continued = False
    for natural_line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        line = natural_line.lstrip(_BLANK)
        if not is_continued and (not line or line[0] in "#!"):
            continue
        trailing_backslashes = len(line) - len(line.rstrip("\\"))
        is_continued = trailing_backslashes % 2 == 1
        pending += line[:-1] if is_continued else line
        if not is_continued:
            if pending:
                yield pending
            pending = ""
    if pending:
        yield pending


def _split(line: str) -> tuple[int, int]:
    """Where the name of a logical line ends and where its value begins."""
    position = 0
    while position < len(line) and line[position] not in "=: \t\f":
        position += 2 if line[position] == "\\" else 1
    name_end = min(position, len(line))
    value_start = name_end
    while value_start < len(line) and line[value_start] in _BLANK:
        value_start += 1
    if value_start < len(line) and line[value_start] in "=:":
        value_start += 1
        while value_start < len(line) and line[value_start] in _BLANK:
            value_start += 1
    return name_end, value_start


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    parts = []
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if character != "\\":
            parts.append(character)
            continue
        escaped = text[position : position + 1]
        position += 1
        if escaped != "u":
            parts.append(_ESCAPES.get(escaped, escaped))
            continue
        digits = text[position : position + 4]
        position += 4
        try:
            if len(digits) != 4 or not digits.isalnum():
                raise ValueError
            parts.append(chr(int(digits, 16)))
        except ValueError:
            raise ConfigException(f"Malformed \\uxxxx encoding in {text!r}.") from None
    # A pair of escapes may have spelled one character beyond the basic plane.
    return "".join(parts).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
