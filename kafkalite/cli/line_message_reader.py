"""How a line of input becomes a record: what Apache Kafka's LineMessageReader reads.

    h1:v1,h2:v2 <headers.delimiter> key <key.separator> value

with headers and key only where parse.headers and parse.key ask for them. Input is taken as the bytes it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final, NamedTuple

_CARRIAGE_RETURN: Final = b"\r"
_NEW_LINE: Final = b"\n"


class ReaderError(Exception):
    """A line that does not have the form that the reader's properties describe, or properties at odds."""


class ProducerRecord(NamedTuple):
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


class LineMessageReader:
    """Reads records from lines; its properties are those of Apache Kafka's class of the same name."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        self.parses_key = _is_true(properties, "parse.key")
        self.parses_headers = _is_true(properties, "parse.headers")
        self.ignores_errors = _is_true(properties, "ignore.error")
        self.key_separator = properties.get("key.separator", "\t").encode()
        self.headers_delimiter = properties.get("headers.delimiter", "\t").encode()
        self.headers_separator = properties.get("headers.separator", ",").encode()
        self.headers_key_separator = properties.get("headers.key.separator", ":").encode()
        marker = properties.get("null.marker")
        self.null_marker = None if marker is None else marker.encode()
        self._check_separators()
        try:
            self._headers_pattern = re.compile(self.headers_separator)
        except re.error as error:
            raise ReaderError(f"headers.separator is no regular expression: {error}") from None
        self._line_number = 0

    def _check_separators(self) -> None:
        named = [
            ("headers.delimiter", self.headers_delimiter),
            ("headers.separator", self.headers_separator),
            ("headers.key.separator", self.headers_key_separator),
        ]
        for position, (name, separator) in enumerate(named):
            for other_name, other in named[position + 1 :]:
                if separator == other:
                    raise ReaderError(f"{name} and {other_name} may not be equal")
        for name, separator in [("key.separator", self.key_separator), *named]:
            if separator == self.null_marker:
                raise ReaderError(f"null.marker and {name} may not be equal")

    def read_records(self, stream: BinaryIO) -> Iterator[ProducerRecord]:
        """One record for each line, as soon as it is complete. Raises ReaderError."""
        for chunk in iter(stream.readline, b""):
            for line in _lines(chunk):
                self._line_number += 1
                yield self.parse(line)

    def parse(self, line: bytes) -> ProducerRecord:
        """The record that a line stands for. Raises ReaderError."""
        value_position = 0
        headers: list[tuple[str, bytes | None]] = []
        if self.parses_headers:
            text = self._until(self.headers_delimiter, "headers delimiter", line, 0)
            if text is not None:
                value_position = len(text) + len(self.headers_delimiter)
                headers = [] if text == self.null_marker else self._parse_headers(text)
        key = None
        if self.parses_key:
            key = self._until(self.key_separator, "key separator", line, value_position)
            if key is not None:
                value_position += len(key) + len(self.key_separator)
        return ProducerRecord(self._or_null(key), self._or_null(line[value_position:]), headers)

    def _until(self, separator: bytes, name: str, line: bytes, start: int) -> bytes | None:
        position = line.find(separator, start)
        if position >= 0:
            return line[start:position]
        if self.ignores_errors:
            return None
        raise ReaderError(f"No {name} found on line number {self._line_number}: '{_shown(line)}'")

    def _parse_headers(self, text: bytes) -> list[tuple[str, bytes | None]]:
        pairs = self._headers_pattern.split(text)
        while len(pairs) > 1 and not pairs[-1]:
            pairs.pop()
        return [self._parse_header(pair) for pair in pairs]

    def _parse_header(self, pair: bytes) -> tuple[str, bytes | None]:
        name, separator, value = pair.partition(self.headers_key_separator)
        if not separator:
            if self.ignores_errors:
                return _shown(pair), None
            raise ReaderError(
                f"No header key separator found in pair '{_shown(pair)}' on line number {self._line_number}"
            )
        if name == self.null_marker:
            raise ReaderError(
                f"Header keys should not be equal to the null marker '{_shown(name)}' as they can't be null"
            )
        return _shown(name), self._or_null(value)

    def _or_null(self, field: bytes | None) -> bytes | None:
        return None if field is None or field == self.null_marker else field


def _lines(chunk: bytes) -> list[bytes]:
    """The lines of what ends with a line feed: a carriage return, alone or before the line feed, ends a line too."""
    text = chunk.removesuffix(_NEW_LINE)
    if _CARRIAGE_RETURN not in text:
        return [text]
    return text.removesuffix(_CARRIAGE_RETURN).split(_CARRIAGE_RETURN)


def _is_true(properties: Mapping[str, str], name: str) -> bool:
    return properties.get(name, "").strip().lower() == "true"


def _shown(text: bytes) -> str:
    return text.decode(errors="replace")
