"""Durations, beside a table of what java.time.Duration.parse makes of texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from kafkalite.config.duration import NANOS_PER_SECOND, parse_duration_ns

# Text in quotes, then seconds and nanoseconds, or the exception's message: as Java 17 has them.
TABLE = (Path(__file__).parent / "java_durations.tsv").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("line", TABLE)
def test_a_duration_is_what_java_makes_of_it(line: str) -> None:
    quoted, seconds, nanos, *refusal = line.split("\t")
    text = quoted[1:-1]
    if refusal:
        with pytest.raises(ValueError) as raised:
            parse_duration_ns(text)
        assert [str(raised.value)] == refusal
    else:
        assert divmod(parse_duration_ns(text), NANOS_PER_SECOND) == (int(seconds), int(nanos))


def test_a_number_may_have_more_digits_than_python_takes() -> None:
    assert parse_duration_ns("PT" + "0" * 5000 + "1S") == NANOS_PER_SECOND
    with pytest.raises(ValueError, match="Text cannot be parsed to a Duration: hours"):
        parse_duration_ns("PT" + "1" * 5000 + "H")
