from __future__ import annotations

import io

import pytest

from kafkalite.cli.line_message_reader import LineMessageReader, ProducerRecord, ReaderError


def records(text: bytes, **properties: str) -> list[ProducerRecord]:
    reader = LineMessageReader({name.replace("_", "."): value for name, value in properties.items()})
    return list(reader.read_records(io.BytesIO(text)))


def values(text: bytes, **properties: str) -> list[bytes | None]:
    return [record.value for record in records(text, **properties)]


def test_each_line_is_a_value() -> None:
    assert records(b"one\ntwo\n") == [ProducerRecord(None, b"one", []), ProducerRecord(None, b"two", [])]


def test_an_empty_line_is_an_empty_value() -> None:
    assert values(b"\n\nx\n") == [b"", b"", b"x"]


def test_a_last_line_needs_no_line_end() -> None:
    assert values(b"one\ntwo") == [b"one", b"two"]


def test_lines_end_as_java_ends_them() -> None:
    assert values(b"a\r\nb\rc\n\r\nd\r") == [b"a", b"b", b"c", b"", b"d"]


def test_bytes_that_are_no_text_are_taken_as_they_are() -> None:
    assert values(b"\xff\x00\xfe\n") == [b"\xff\x00\xfe"]


def test_a_key_stands_before_the_first_separator() -> None:
    assert records(b"k\tv\tw\n", parse_key="true") == [ProducerRecord(b"k", b"v\tw", [])]
    assert records(b"k::v\n", parse_key="TRUE ", key_separator="::") == [ProducerRecord(b"k", b"v", [])]


def test_headers_stand_before_key_and_value() -> None:
    (record,) = records(b"h1:v1,h2:\tk\tv\n", parse_key="true", parse_headers="true")
    assert record == ProducerRecord(b"k", b"v", [("h1", b"v1"), ("h2", b"")])


def test_headers_may_be_separated_by_other_texts() -> None:
    (record,) = records(
        b"a=1;b=2|v\n",
        parse_headers="true",
        headers_delimiter="|",
        headers_separator=";",
        headers_key_separator="=",
    )
    assert record == ProducerRecord(None, b"v", [("a", b"1"), ("b", b"2")])


def test_the_headers_separator_is_a_regular_expression() -> None:
    (record,) = records(b"a:1, b:2,,\tv\n", parse_headers="true", headers_separator=", *")
    assert record.headers == [("a", b"1"), ("b", b"2")]


def test_the_null_marker_stands_for_null_everywhere() -> None:
    text = b"NULL\tNULL\tNULL\nh:NULL\tk\tv\n"
    assert records(text, parse_key="true", parse_headers="true", null_marker="NULL") == [
        ProducerRecord(None, None, []),
        ProducerRecord(b"k", b"v", [("h", None)]),
    ]


def test_a_header_cannot_be_named_like_the_null_marker() -> None:
    with pytest.raises(ReaderError, match="Header keys should not be equal to the null marker 'N'"):
        records(b"N:1\tv\n", parse_headers="true", null_marker="N")


@pytest.mark.parametrize(
    ("text", "properties", "message"),
    [
        (b"a\tb\nno key\n", {"parse_key": "true"}, "No key separator found on line number 2: 'no key'"),
        (b"no headers\n", {"parse_headers": "true"}, "No headers delimiter found on line number 1: 'no headers'"),
        (b"h\tv\n", {"parse_headers": "true"}, "No header key separator found in pair 'h' on line number 1"),
    ],
)
def test_a_line_of_another_form_is_an_error(text: bytes, properties: dict[str, str], message: str) -> None:
    with pytest.raises(ReaderError) as error:
        records(text, **properties)
    assert str(error.value) == message


def test_errors_can_be_ignored() -> None:
    text = b"just a value\nh\tk\tv\n"
    assert records(text, parse_key="true", parse_headers="true", ignore_error="true") == [
        ProducerRecord(None, b"just a value", []),
        ProducerRecord(b"k", b"v", [("h", None)]),
    ]


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"headers_delimiter": ","}, "headers.delimiter and headers.separator may not be equal"),
        ({"headers_delimiter": ":"}, "headers.delimiter and headers.key.separator may not be equal"),
        ({"headers_separator": ":"}, "headers.separator and headers.key.separator may not be equal"),
        ({"null_marker": "\t"}, "null.marker and key.separator may not be equal"),
        ({"null_marker": ","}, "null.marker and headers.separator may not be equal"),
    ],
)
def test_separators_at_odds_are_refused(properties: dict[str, str], message: str) -> None:
    with pytest.raises(ReaderError) as error:
        records(b"", **properties)
    assert str(error.value) == message
