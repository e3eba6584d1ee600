"""Numbers in the words of people, read as Java reads them: digits of ASCII, no blanks, no underscores, in range."""

from __future__ import annotations

from kafkalite.cli.java_exceptions import ToolError


def parse_int(text: str) -> int:
    """Integer.parseInt; raises ToolError."""
    return _parse(text, 31)


def parse_long(text: str) -> int:
    """Long.parseLong; raises ToolError."""
    return _parse(text, 63)


def _parse(text: str, bits: int) -> int:
    digits = text[1:] if text[:1] in ("-", "+") else text
    # Zeros may stand before the digits, any number of them; Python takes no more than some thousand digits.
    if digits.isascii() and digits.isdigit() and len(digits.lstrip("0")) < 20:
        number = int(text[: len(text) - len(digits)] + (digits.lstrip("0") or "0"))
        if -(1 << bits) <= number < 1 << bits:
            return number
    raise ToolError(f'For input string: "{text}"', "java.lang.NumberFormatException")
