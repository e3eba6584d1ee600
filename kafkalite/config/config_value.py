"""The values of configuration properties: their types, how text is parsed into them and written from them.

Parsed values are plain Python: bool, str, int, float, tuple of str (LIST), None. The texts of a `ConfigException` are
those of Apache Kafka's `ConfigDef`, which clients and operators see.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

ConfigValue = Any
"""A parsed value: bool, str, int, float, tuple[str, ...] or None, as the key's type says."""

# What Java's String.trim() takes away.
_JAVA_WHITESPACE: Final = "".join(map(chr, range(0x21)))


class ConfigException(ValueError):
    """A property has an unusable value; the message is one line, fit to be shown as it stands."""

    @classmethod
    def for_value(cls, name: str, value: object, message: str | None = None) -> ConfigException:
        reason = "" if message is None else f": {message}"
        return cls(f"Invalid value {java_string(value)} for configuration {name}{reason}")


class ConfigType(IntEnum):
    """The type of a property; the number is the one that DescribeConfigs answers."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


BOOLEAN: Final = ConfigType.BOOLEAN
STRING: Final = ConfigType.STRING
INT: Final = ConfigType.INT
SHORT: Final = ConfigType.SHORT
LONG: Final = ConfigType.LONG
DOUBLE: Final = ConfigType.DOUBLE
LIST: Final = ConfigType.LIST
CLASS: Final = ConfigType.CLASS
PASSWORD: Final = ConfigType.PASSWORD

_INTEGER_RANGES: Final = {SHORT: 2**15, INT: 2**31, LONG: 2**63}


def parse_type(name: str, text: str, type: ConfigType) -> ConfigValue:
    """The value of `text` as `type`, unchecked by any validator; raises ConfigException."""
    trimmed = text.strip(_JAVA_WHITESPACE)
    if type is STRING or type is PASSWORD or type is CLASS:
        return trimmed
    if type is BOOLEAN:
        lowered = trimmed.lower()
        if lowered == "true":
            return True
        if lowered == "false":
            return False
        raise ConfigException.for_value(name, text, "Expected value to be either true or false")
    if type is LIST:
        return tuple(element.strip() for element in trimmed.split(",")) if trimmed else ()
    number = parse_double(trimmed) if type is DOUBLE else _parse_integer(trimmed, _INTEGER_RANGES[type])
    if number is None:
        raise ConfigException.for_value(name, text, f"Not a number of type {type.name}")
    return number


def _parse_integer(text: str, bound: int) -> int | None:
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()):
        return None
    number = int(text) if len(digits) < 100 else bound
    return number if -bound <= number < bound else None


def parse_double(text: str) -> float | None:
    """Double.parseDouble; None for what is no number."""
    if text in ("NaN", "Infinity", "+Infinity", "-Infinity"):
        return float(text)
    digits = text[:-1] if text[-1:] in tuple("dDfF") else text
    if digits[-1:] not in tuple("0123456789.") or "_" in digits:
        return None
    try:
        return float(digits)
    except ValueError:
        return None


def to_text(value: ConfigValue) -> str | None:
    """A value as Apache Kafka writes it into responses, files and records; None stays None."""
    if value is None or isinstance(value, str):
        return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, float):
        return java_double(value)
    if isinstance(value, int):
        return str(int(value))
    return ",".join(value)


def java_double(value: float) -> str:
    """A number as Java's Double.toString writes it: 0.5, 1.0E10, 1.7976931348623157E308."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    sign = "-" if value < 0 else ""
    digits, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = digits.partition(".")
    significant = (whole + fraction).lstrip("0")
    power = int(exponent or 0) + len(whole) - 1 - (len(whole + fraction) - len(significant))
    return f"{sign}{significant[0]}.{significant[1:].rstrip('0') or '0'}E{power}"


def java_string(value: object) -> str:
    """A value as Java's string concatenation shows it in an error text."""
    if value is None:
        return "null"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(java_string, value)) + "]"
    return to_text(value) or ""
