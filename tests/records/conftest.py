"""Batches and records that the tests of records/ share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import strategies as st

from kafkalite.records.record import Record

Records = list[Record]

_int64 = st.integers(-(2**40), 2**43)
_blob = st.one_of(st.none(), st.binary(max_size=200))


def _number(rows: list[tuple[int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]]) -> Records:
    return [Record(offset, *row) for offset, row in enumerate(rows)]


RECORDS = st.lists(
    st.tuples(_int64, _blob, _blob, st.lists(st.tuples(st.text(max_size=10), _blob), max_size=3)),
    min_size=1,
    max_size=80,
).map(_number)


@pytest.fixture
def sample_records() -> Callable[[int], Records]:
    """So many records with every shape of key, value and headers, and timestamps that also fall."""

    def make(count: int) -> Records:
        keys = (b"key", None, b"", b"k" * 70)
        values = (b"value " * 20, b"", None, b"\x00\xff" * 100)
        headers: tuple[list[tuple[str, bytes | None]], ...] = ([], [("trace", b"\x01"), ("none", None), ("", b"")])
        return [
            Record(i, 1_700_000_000_000 + (i * 7919) % 1000, keys[i % 4], values[i // 2 % 4], headers[i % 2])
            for i in range(count)
        ]

    return make
