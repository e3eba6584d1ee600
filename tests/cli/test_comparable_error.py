"""What is left of a tool's stderr when it is compared with another's."""

from __future__ import annotations

import pytest

from comparable_error import comparable_error

TABLE = (
    "Option                   Description\n------                   -----------\n--topic <String: topic>  The topic.\n"
)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("", ""),
        (f"Missing required argument\n{TABLE}", "Missing required argument\n(usage)"),
        (f"topic is not a recognized option\n{TABLE}", "topic is not a recognized option"),
        (TABLE, "(usage)"),
        (f"\n \n{TABLE}", "(usage)"),
        ("Error\n\tat java.base/A.run(A.java:1)\n\t... 3 more\nin the end\n", "Error\nin the end"),
        ('Exception in thread "main" java.io.IOException: no such file\n', "no such file"),
        ("usage: a-tool [-h]\na-tool: error: too   few\n  arguments\n", "toofewarguments"),
        ("usage: a-tool [-h]\n", ""),
    ],
)
def test_the_words_are_left_without_stacks_and_tables_of_options(text: str, left: str) -> None:
    assert comparable_error(text) == left
