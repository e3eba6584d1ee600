from __future__ import annotations

import pytest

from kafkalite.cli.java_exceptions import ToolError
from kafkalite.cli.java_numbers import parse_int, parse_long


def test_numbers_are_those_of_java() -> None:
    assert [parse_int(text) for text in ("0", "-0", "+7", "-2147483648", "002147483647")] == [
        *(0, 0, 7, -(2**31)),
        2**31 - 1,
    ]
    assert parse_long("-9223372036854775808") == -(2**63)
    assert parse_long("0" * 5000 + "9") == 9


@pytest.mark.parametrize("text", ["", "-", " 1", "1 ", "1_0", "1.0", "2147483648", "-2147483649", "\u0661", "9" * 5000])
def test_what_java_takes_for_no_number_is_none(text: str) -> None:
    with pytest.raises(ToolError) as caught:
        parse_int(text)
    assert str(caught.value) == f'For input string: "{text}"'
    assert caught.value.class_name == "java.lang.NumberFormatException"
