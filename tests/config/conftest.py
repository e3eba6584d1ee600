"""`apache_kafka_facts(mode, stdin)`: what Apache Kafka's own classes say about its properties, as lists of fields."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from apache_kafka import broker_home, class_path

ApacheKafkaFacts = Callable[..., list[list[str]]]

_ESCAPES = {"\\": "\\", "n": "\n", "t": "\t", "r": "\r"}


def _unescaped(text: str) -> str:
    characters = iter(text)
    return "".join(_ESCAPES[next(characters)] if character == "\\" else character for character in characters)


@pytest.fixture(scope="session")
def apache_kafka_facts() -> ApacheKafkaFacts:
    def facts(mode: str, stdin: str = "") -> list[list[str]]:
        program = Path(__file__).with_name("ConfigFacts.java")
        java = ["java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", class_path(broker_home())]
        run = subprocess.run([*java, str(program), mode], input=stdin, capture_output=True, text=True, check=True)
        return [[_unescaped(field) for field in line.split("\t")] for line in run.stdout.split("\n")[:-1]]

    return facts


@pytest.fixture(scope="session")
def table_facts(apache_kafka_facts: ApacheKafkaFacts) -> list[list[str]]:
    """All facts about all properties."""
    return apache_kafka_facts("table")
