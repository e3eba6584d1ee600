from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

TOOL = "kafka_leader_election"


@pytest.mark.oracle
def test_elections_are_asked_for_and_reported_as_apache_kafka_does(
    each_comparison: Any, stage: Any, tmp_path: Path
) -> None:
    def file(name: str, text: str) -> str:
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    entry = '{{"topic": "one", "partition": {}}}'
    some = file("some", f'{{"partitions": [{entry.format(0)}, {entry.format(2)}, {entry.format(9)}]}}')
    twice = file("twice", f'{{"partitions": [{entry.format(0)}, {entry.format(0)}]}}')
    others = [file("other", '{"a": 1}'), file("bad", "{"), str(tmp_path / "none")]

    def scenario(tool: Any) -> None:
        def elect(*words: str) -> None:
            tool(TOOL, *words)

        stage.create_topic("one", 3)
        elect("--election-type", "preferred", "--topic", "one", "--partition", "1")
        elect("--election-type", "UNCLEAN", "--topic", "one", "--partition", "1")
        elect("--election-type", "preferred", "--topic", "one", "--partition", "7")
        elect("--election-type", "preferred", "--topic", "none", "--partition", "0")
        elect("--election-type", "preferred", "--all-topic-partitions")
        elect("--election-type", "preferred", "--path-to-json-file", some)
        elect("--election-type", "preferred", "--path-to-json-file", twice)
        for path in others:
            elect("--election-type", "preferred", "--path-to-json-file", path)
        elect("--election-type", "odd", "--topic", "one", "--partition", "1")
        elect("--election-type", "preferred", "--topic", "one")
        elect("--election-type", "preferred", "--partition", "1")
        elect("--election-type", "preferred", "--all-topic-partitions", "--partition", "1")
        elect("--election-type", "preferred")
        elect("--topic", "one", "--partition", "1")
        elect("--election-type", "preferred", "--topic", "one", "--partition", "x")
        elect("--help")

    each_comparison.of(scenario)
