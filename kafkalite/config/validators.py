"""Validators: what values of the right type a configuration property accepts.

`str()` of one says what is allowed in the words of Apache Kafka's documentation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kafkalite.config.config_value import ConfigException, ConfigValue
from kafkalite.config.duration import parse_duration_ns


class Validator:
    """Refuses values of the right type that make no sense; `str()` of it says what is allowed, as Apache Kafka does."""

    __slots__ = ()

    def ensure_valid(self, name: str, value: ConfigValue) -> None:
        """Raises ConfigException unless `value` may be the value of the property `name`."""
        raise NotImplementedError


class Range(Validator):
    """A number between two inclusive bounds, either of which may be open."""

    __slots__ = ("maximum", "minimum")

    def __init__(self, minimum: float | None, maximum: float | None) -> None:
        self.minimum = minimum
        self.maximum = maximum

    def ensure_valid(self, name: str, value: ConfigValue) -> None:
        if value is None:
            raise ConfigException.for_value(name, None, "Value must be non-null")
        if self.minimum is not None and value < self.minimum:
            raise ConfigException.for_value(name, value, f"Value must be at least {self.minimum}")
        if self.maximum is not None and value > self.maximum:
            raise ConfigException.for_value(name, value, f"Value must be no more than {self.maximum}")

    def __str__(self) -> str:
        if self.maximum is None:
            return f"[{self.minimum},...]"
        return f"[{self.minimum},...,{self.maximum}]"


class ValidString(Validator):
    """One of some words."""

    __slots__ = ("words",)

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words

    def ensure_valid(self, name: str, value: ConfigValue) -> None:
        if value not in self.words:
            raise ConfigException.for_value(name, value, "String must be one of: " + ", ".join(self.words))

    def __str__(self) -> str:
        return "[" + ", ".join(self.words) + "]"


class CaseInsensitiveValidString(ValidString):
    """One of some words, in capitals or not."""

    __slots__ = ()

    def ensure_valid(self, name: str, value: ConfigValue) -> None:
        if value is None or value.upper() not in self.words:
            message = "String must be one of (case insensitive): " + ", ".join(self.words)
            raise ConfigException.for_value(name, value, message)

    def __str__(self) -> str:
        return "(case insensitive) " + super().__str__()


class ValidList(Validator):
    """A list of non-empty strings, of some words if any are named. Parsing drops duplicates before it is asked."""

    __slots__ = ("is_empty_allowed", "is_null_allowed", "words")

    def __init__(self, words: tuple[str, ...] = (), *, empty: bool = True, null: bool = False) -> None:
        self.words = words
        self.is_empty_allowed = empty
        self.is_null_allowed = null

    def ensure_valid(self, name: str, value: ConfigValue) -> None:
        if value is None:
            if self.is_null_allowed:
                return
            raise ConfigException(f"Configuration '{name}' values must not be null.")
        if not value and not self.is_empty_allowed:
            words = str(self) if self.words else "any non-empty value"
            raise ConfigException(f"Configuration '{name}' must not be empty. Valid values include: {words}")
        if len(set(value)) != len(value):
            raise ConfigException(f"Configuration '{name}' values must not be duplicated.")
        for element in value:
            if not element:
                raise ConfigException(f"Configuration '{name}' values must not be empty.")
            if self.words:
                ValidString(self.words).ensure_valid(name, element)

    def __str__(self) -> str:
        return "[" + ", ".join(self.words) + "]" if self.words else ""


class NonNull(Validator):
    """A value must be there, even an empty one."""

    __slots__ = ()

    def ensure_valid(self, name: str, value: ConfigValue) -> None:
        if value is None:
            raise ConfigException.for_value(name, "null", "entry must be non null")

    def __str__(self) -> str:
        return "non-null string"


class NonEmptyString(Validator):
    """Null or at least one character."""

    __slots__ = ()

    def ensure_valid(self, name: str, value: ConfigValue) -> None:
        if value == "":
            raise ConfigException.for_value(name, value, "String must be non-empty")

    def __str__(self) -> str:
        return "non-empty string"


class Check(Validator):
    """A rule of one property's own: a function that raises ConfigException, and the words for it."""

    __slots__ = ("_description", "_ensure_valid")

    def __init__(self, description: str, ensure_valid: Callable[[str, ConfigValue], None]) -> None:
        self._description = description
        self._ensure_valid = ensure_valid

    def ensure_valid(self, name: str, value: ConfigValue) -> None:
        self._ensure_valid(name, value)

    def __str__(self) -> str:
        return self._description


def at_least(minimum: float) -> Range:
    return Range(minimum, None)


def between(minimum: float, maximum: float) -> Range:
    return Range(minimum, maximum)


def one_of(*words: str) -> ValidString:
    return ValidString(words)


def list_of(*words: str, empty: bool = True, null: bool = False) -> ValidList:
    return ValidList(words, empty=empty, null=null)


def one_of_any_case(*words: str) -> CaseInsensitiveValidString:
    return CaseInsensitiveValidString(words)


def _check_gzip_level(name: str, value: ConfigValue) -> None:
    if value is None:
        raise ConfigException.for_value(name, None, "Value must be non-null")
    if value != -1 and not 1 <= value <= 9:
        raise ConfigException.for_value(name, value, "Value must be between 1 and 9 or equal to -1")


def _offset_reset(description: str, words: tuple[str, ...], duration: str) -> Check:
    """Where to begin without an offset: one of some words, or `by_duration:` and a time to go back by."""
    quoted = ", ".join(f"'{word}'" for word in words)

    def ensure_valid(name: str, value: ConfigValue) -> None:
        kind, _, time = value.partition(":")
        if value not in words and not (kind == "by_duration" and _is_time_to_go_back(time)):
            raise ConfigException.for_value(
                name,
                value,
                f"Invalid value `{value}` for configuration {name}. The value must be either {quoted} or of the format "
                f"'by_duration:<{duration}>'.",
            )

    return Check(description, ensure_valid)


def _is_time_to_go_back(text: str) -> bool:
    try:
        return parse_duration_ns(text) >= 0
    except ValueError:
        return False


NON_NULL: Final = NonNull()
NON_EMPTY: Final = NonEmptyString()
COMPRESSION_TYPE: Final = one_of("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")
GZIP_LEVEL: Final = Check("[1,...,9] or -1", _check_gzip_level)
TIMESTAMP_TYPE: Final = one_of("CreateTime", "LogAppendTime")
SHARE_OFFSET_RESET: Final = _offset_reset(
    "[latest, earliest, by_duration:PnDTnHnMn.nS]", ("earliest", "latest"), "PnDTnHnMn.nS"
)
CONSUMER_OFFSET_RESET: Final = _offset_reset(
    "[latest, earliest, none, by_duration:PnDTnHnMn.nS]", ("earliest", "latest", "none"), "PnDTnHnMn.nS."
)
