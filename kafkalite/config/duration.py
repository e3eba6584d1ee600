"""Durations in text as java.time.Duration reads them: PnDTnHnMn.nS in either case, at least one part of it.

Each part may have a sign of its own, and so may the whole; days have 24 hours; seconds may have nine decimals behind a
point or a comma. Each part and the sum of them is counted in seconds that fit a Java long.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Final

from kafkalite.config.units import MAX_LONG

NANOS_PER_SECOND: Final = 1_000_000_000
NANOS_PER_MILLI: Final = 1_000_000
_PARTS_S: Final = {"days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}
_NUMBER: Final = r"[-+]?[0-9]+"
# Compiled on first use: seldom a process reads a duration.
_DURATION: Final = (
    rf"(?ai)(?P<sign>[-+]?)P(?:(?P<days>{_NUMBER})D)?"
    rf"(?:T(?=.)(?:(?P<hours>{_NUMBER})H)?(?:(?P<minutes>{_NUMBER})M)?"
    rf"(?:(?P<seconds>{_NUMBER})(?:[.,](?P<fraction>[0-9]{{0,9}}))?S)?)?"
)
_REFUSAL: Final = "Text cannot be parsed to a Duration"


def parse_duration_ns(text: str) -> int:
    """Duration.parse, in nanoseconds; raises ValueError with Java's message."""
    match = re.fullmatch(_DURATION, text)
    if match is None or not any(match[part] for part in _PARTS_S):
        raise ValueError(_REFUSAL)
    parts_s = [_seconds(match[part] or "0", part) for part in _PARTS_S]
    # From the smallest part on: that is where a sum may leave the range.
    total_s = [_in_range(sum_s, "overflow") for sum_s in accumulate(reversed(parts_s))][-1]
    fraction_ns = int((match["fraction"] or "").ljust(9, "0"))
    is_negative_fraction = (match["seconds"] or "").startswith("-")
    total_ns = total_s * NANOS_PER_SECOND + (-fraction_ns if is_negative_fraction else fraction_ns)
    _in_range(total_ns // NANOS_PER_SECOND, "overflow")
    if match["sign"] == "-":
        total_ns = -total_ns
        _in_range(total_ns // NANOS_PER_SECOND, "overflow")
    return total_ns


def _seconds(number: str, part: str) -> int:
    digits = number.lstrip("-+0")
    # Python takes no more than some thousand digits.
    seconds = int(digits or "0") * _PARTS_S[part] if len(digits) < 20 else MAX_LONG + 1
    return _in_range(-seconds if number.startswith("-") else seconds, part)


def _in_range(seconds: int, what: str) -> int:
    if not -MAX_LONG - 1 <= seconds <= MAX_LONG:
        raise ValueError(f"{_REFUSAL}: {what}")
    return seconds
