from __future__ import annotations

import pytest

from kafkalite.coordinator.string_hash import (
    computed_hash_map_order,
    hash_map_order,
    partition_for,
    string_hash_code,
    timeline_hash_map_order,
)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", 0),
        ("a", 97),
        ("my-group", -1906497762),
        ("console-consumer-12345", 158455506),
        ("äöü", 226986),
        ("\U0001f600", 1772899),
        ("polygenelubricants", -2147483648),
    ],
)
def test_the_hash_is_javas(text: str, code: int) -> None:
    assert string_hash_code(text) == code


def test_the_smallest_hash_goes_to_partition_zero() -> None:
    assert partition_for("polygenelubricants", 50) == 0


def test_a_negative_hash_is_made_positive_first() -> None:
    assert partition_for("my-group", 50) == 1906497762 % 50


def test_names_come_in_a_hash_maps_order() -> None:
    assert hash_map_order(["range", "roundrobin", "sticky", "cooperative-sticky"]) == [
        "sticky",
        "range",
        "roundrobin",
        "cooperative-sticky",
    ]


def test_names_come_in_the_order_of_a_hash_map_that_computes_what_is_absent() -> None:
    assert computed_hash_map_order(["p0", "p2"], initial_capacity=2) == ["p2", "p0"]
    assert computed_hash_map_order(["p0", "p2", "p0"], initial_capacity=2) == ["p0", "p2"], "it has grown meanwhile"


def test_names_come_in_a_timeline_hash_maps_order() -> None:
    assert timeline_hash_map_order(["m9", "m11"], peak_size=8) == ["m11", "m9"]
