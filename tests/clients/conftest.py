"""The broker that stock clients meet: kafkalite, or with `-m oracle` Apache Kafka; the tests are the same for both."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

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
