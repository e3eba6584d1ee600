"""Parsing and printing of single values."""

from __future__ import annotations

import pytest

from kafkalite.config.config_value import (
    BOOLEAN,
    DOUBLE,
    INT,
    LIST,
    LONG,
    PASSWORD,
    SHORT,
    STRING,
    ConfigException,
    ConfigType,
    ConfigValue,
    java_string,
    parse_type,
    to_text,
)


@pytest.mark.parametrize(
    ("type", "text", "value"),
    [
        (BOOLEAN, " TRUE ", True),
        (BOOLEAN, "false", False),
        (STRING, "  spaced  ", "spaced"),
        (PASSWORD, "s3cret", "s3cret"),
        (SHORT, "-32768", -32768),
        (INT, "+2147483647", 2147483647),
        (LONG, "9223372036854775807", 2**63 - 1),
        (DOUBLE, "1e3", 1000.0),
        (LIST, "a, b ,c", ("a", "b", "c")),
        (LIST, "", ()),
    ],
)
def test_text_is_parsed_by_its_type(type: ConfigType, text: str, value: ConfigValue) -> None:
    assert parse_type("name", text, type) == value


@pytest.mark.parametrize(
    ("type", "text", "message"),
    [
        (INT, "abc", "Invalid value abc for configuration name: Not a number of type INT"),
        (INT, "2147483648", "Invalid value 2147483648 for configuration name: Not a number of type INT"),
        (SHORT, "32768", "Invalid value 32768 for configuration name: Not a number of type SHORT"),
        (LONG, "1_000", "Invalid value 1_000 for configuration name: Not a number of type LONG"),
        (DOUBLE, "inf", "Invalid value inf for configuration name: Not a number of type DOUBLE"),
        (BOOLEAN, "yes", "Invalid value yes for configuration name: Expected value to be either true or false"),
    ],
)
def test_text_that_is_not_of_the_type_is_refused_in_one_line(type: ConfigType, text: str, message: str) -> None:
    with pytest.raises(ConfigException) as refusal:
        parse_type("name", text, type)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (None, None),
        (7, "7"),
        (("a", "b"), "a,b"),
        (0.5, "0.5"),
        (1e10, "1.0E10"),
        (12345678.0, "1.2345678E7"),
        (1e-5, "1.0E-5"),
        (1.7976931348623157e308, "1.7976931348623157E308"),
        (float("inf"), "Infinity"),
    ],
)
def test_a_value_is_written_as_java_writes_it(value: ConfigValue, text: str | None) -> None:
    assert to_text(value) == text


def test_an_error_shows_lists_in_brackets_and_nothing_as_null() -> None:
    assert java_string(("a", "b")) == "[a, b]"
    assert java_string(None) == "null"
