"""Hashes of the reference implementation (xxHash 0.8)."""

from __future__ import annotations

import pytest

from kafkalite.coordinator.xxh3 import xxh3_64

HASHES = {
    0: 0x2D06800538D394C2,
    2: 0x9093381C8763D62E,
    6: 0x4B52CCDF373A518A,
    12: 0x305C5BAE3681D0E0,
    20: 0x409C18D2C4F4CAFF,
    150: 0x51EE662C3B975A25,
    400: 0xA4C426DEBB6DC779,
    1100: 0x68C5F8C2EB6DE41E,
}


@pytest.mark.parametrize("length", HASHES)
def test_every_range_of_lengths_hashes_as_the_reference_does(length: int) -> None:
    assert xxh3_64(bytes(index * 7 & 255 for index in range(length))) == HASHES[length]
