"""What README.md promises: its examples run, its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kafkalite.testing import KafkaliteServer

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PYTHON_EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def example(text: str) -> str:
    found: str
    (found,) = [code for code in PYTHON_EXAMPLES if text in code]
    return found


def test_the_first_messages_in_python_go_through(capsys: pytest.CaptureFixture[str]) -> None:
    with KafkaliteServer() as kafka:
        code = example("from confluent_kafka import").replace("localhost:9092", kafka.bootstrap_servers)
        exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == "hello from Python\n"


def test_the_broker_inside_a_test_says_where_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(example("from kafkalite.testing"), "README.md", "exec"), {})
    assert re.fullmatch(r"127\.0\.0\.1:\d+\n", capsys.readouterr().out)


def test_the_example_of_a_test_uses_the_fixture_by_its_name() -> None:
    addresses: list[str] = []

    class Broker:
        bootstrap_servers = "host:1"

    namespace = {"send_orders": lambda bootstrap_servers: addresses.append(bootstrap_servers)}
    exec(compile(example("def test_orders_are_sent(kafkalite)"), "README.md", "exec"), namespace)
    namespace["test_orders_are_sent"](Broker())
    assert addresses == ["host:1"]


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", README))))
def test_links_lead_to_pages(link: str) -> None:
    assert (ROOT / link).is_file()


@pytest.mark.parametrize("command", sorted(set(re.findall(r"bin/[\w.-]+", README))))
def test_commands_are_there(command: str) -> None:
    assert (ROOT / command).is_file()
