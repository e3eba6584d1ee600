"""The broker that stock clients meet: kafkalite, or with `-m oracle` Apache Kafka; the tests are the same for both."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from toolchains import build_folder

CreateTopic = Callable[[str, int], None]


@pytest.fixture(
    scope="session",
    params=[
        pytest.param("kafkalite_process", id="kafkalite"),
        pytest.param("apache_kafka", id="apache-kafka", marks=[pytest.mark.oracle, pytest.mark.on_oracle]),
    ],
)
def bootstrap_servers(request: pytest.FixtureRequest) -> str:
    """host:port of a running broker; KAFKALITE_TEST_BOOTSTRAP names one that runs already."""
    running = os.environ.get("KAFKALITE_TEST_BOOTSTRAP")
    return running or str(request.getfixturevalue(request.param).bootstrap_servers)


@pytest.fixture
def topic() -> str:
    """A topic name that nobody has used."""
    return f"topic-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def group() -> str:
    """A group name that nobody has used."""
    return f"group-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def create_topic(bootstrap_servers: str) -> CreateTopic:
    """Creates a topic with so many partitions, for clients that cannot do that themselves."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})

    def create(name: str, partitions: int) -> None:
        admin.create_topics([NewTopic(name, partitions)])[name].result()

    return create


@pytest.fixture(scope="session")
def java_programs(java_client_classpath: str) -> Path:
    """The folder with the classes of our Java programs, compiled once."""
    sources = Path(__file__).parent / "java"

    def build(folder: Path) -> None:
        command = ["javac", "-nowarn", "-d", str(folder), "-cp", java_client_classpath]
        subprocess.run([*command, *map(str, sources.glob("*.java"))], check=True)

    return build_folder(sources, build)
