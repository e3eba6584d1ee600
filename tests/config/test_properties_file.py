"""The syntax of server.properties."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkalite.config.config_value import ConfigException
from kafkalite.config.properties_file import load_properties, parse_properties


def test_a_name_ends_at_an_equals_sign_a_colon_or_white_space() -> None:
    assert parse_properties("a=1\nb: 2\nc 3\nd\t=\t4\ne") == {"a": "1", "b": "2", "c": "3", "d": "4", "e": ""}


def test_comments_and_empty_lines_are_left_out() -> None:
    assert parse_properties("# a=1\n  ! b=2\n\n   \nc=3 # not a comment") == {"c": "3 # not a comment"}


def test_a_backslash_at_the_end_continues_the_line_and_swallows_the_indent() -> None:
    assert parse_properties("listeners=A://:1,\\\n    B://:2\nnext=1") == {"listeners": "A://:1,B://:2", "next": "1"}


def test_an_even_number_of_backslashes_ends_the_line() -> None:
    assert parse_properties("path=c:\\\\\nnext=1") == {"path": "c:\\", "next": "1"}


def test_escapes_stand_for_their_characters() -> None:
    assert parse_properties(r"a\=b=tab\there\u0021\x") == {"a=b": "tab\there!x"}
    assert parse_properties(r"face=\ud83d\ude00") == {"face": "\N{GRINNING FACE}"}


def test_a_broken_unicode_escape_is_refused() -> None:
    with pytest.raises(ConfigException, match="Malformed"):
        parse_properties(r"a=\u00g1")


def test_the_last_of_equal_names_counts() -> None:
    assert parse_properties("a=1\na=2") == {"a": "2"}


def test_trailing_space_belongs_to_the_value() -> None:
    assert parse_properties("a = 1  \r\nb=2\r") == {"a": "1  ", "b": "2"}


def test_a_file_is_read_as_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "server.properties"
    file.write_bytes("log.dirs=/srv/größe\n".encode())
    assert load_properties(str(file)) == {"log.dirs": "/srv/größe"}


@given(st.text(alphabet=st.sampled_from("ab=: \t\\\n\r#!u0041é"), max_size=60))
def test_no_text_is_more_than_a_map_or_one_error(text: str) -> None:
    try:
        properties = parse_properties(text)
    except ConfigException as error:
        assert "\\u" in text and "Malformed" in str(error)
    else:
        assert all("\n" not in name or "\\n" in text for name in properties)


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), max_size=5))
def test_what_is_escaped_is_read_as_it_was(properties: dict[str, str]) -> None:
    def escaped(text: str) -> str:
        encoded = text.encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{encoded[i]:02x}{encoded[i + 1]:02x}" for i in range(0, len(encoded), 2))

    text = "".join(f"{escaped(name)}={escaped(value)}\n" for name, value in properties.items())
    assert parse_properties(text) == properties
