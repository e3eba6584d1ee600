"""The plugin, as a project that has installed kafkalite uses it."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

SEND_AND_COUNT = """
import pytest
from kafkalite.client.wire_client import WireClient
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from kafkalite.protocol.messages.metadata import MetadataRequest


def create(kafka, name):
    topic = CreatableTopic(name=name, num_partitions=-1, replication_factor=-1)
    with WireClient(kafka.bootstrap_servers) as client:
        (result,) = client.send(CreateTopicsRequest(topics=[topic], timeout_ms=5000)).topics
    assert result.error_code == 0
    return result.num_partitions


def topics(kafka):
    with WireClient(kafka.bootstrap_servers) as client:
        return {topic.name for topic in client.send(MetadataRequest(topics=None)).topics}
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project whose only plugin is ours, with `create` and `topics` in its module `brokers`."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(brokers=SEND_AND_COUNT)
    pytester.makeini("[pytest]\npythonpath = .\naddopts = -p kafkalite.pytest_plugin -p no:cacheprovider\n")
    return pytester


def test_every_test_has_an_empty_broker_of_its_own(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from brokers import create, topics

        @pytest.mark.parametrize("run", [1, 2])
        def test_create(kafkalite, run):
            assert topics(kafkalite) == set()
            create(kafkalite, "orders")
            assert topics(kafkalite) == {"orders"}
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=2)


def test_the_server_is_one_for_all_tests(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_first="""
        from brokers import create

        def test_create(kafkalite_server):
            create(kafkalite_server, "orders")
        """,
        test_second="""
        from brokers import topics

        def test_find(kafkalite_server, kafkalite):
            assert topics(kafkalite_server) == {"orders"}
            assert kafkalite.port != kafkalite_server.port
            assert topics(kafkalite) == set()
        """,
    )
    project.runpytest_subprocess().assert_outcomes(passed=2)


def test_a_project_configures_its_brokers(project: pytest.Pytester) -> None:
    project.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def kafkalite_config():
            return {"num.partitions": 3}
        """
    )
    project.makepyfile(
        """
        import pytest
        from brokers import create

        def test_both_brokers(kafkalite_server, kafkalite):
            assert create(kafkalite_server, "t") == 3
            assert create(kafkalite, "t") == 3

        class TestOther:
            @pytest.fixture
            def kafkalite_config(self, kafkalite_config):
                return {**kafkalite_config, "num.partitions": 5}

            def test_of_its_own(self, kafkalite):
                assert create(kafkalite, "t") == 5
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=2)


def test_a_bad_configuration_is_the_tests_error(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.fixture
        def kafkalite_config():
            return {"num.partitions": "many"}

        def test_nothing(kafkalite):
            pass
        """
    )
    result = project.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ConfigException*num.partitions*"])


def test_a_client_that_a_test_leaves_open_does_not_hold_up_the_next(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import socket
        import time

        left_open = []

        def test_leaves_a_connection(kafkalite):
            left_open.append(socket.create_connection((kafkalite.host, kafkalite.port)))

        def test_next(kafkalite):
            assert left_open[0].recv(1) == b"", "its broker is gone"
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=2)


def test_the_fixtures_serve_asynchronous_tests_and_clients(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from aiokafka import AIOKafkaProducer

        @pytest.mark.asyncio
        async def test_send(kafkalite):
            async with AIOKafkaProducer(bootstrap_servers=kafkalite.bootstrap_servers) as producer:
                metadata = await producer.send_and_wait("orders", b"one")
            assert (metadata.topic, metadata.offset) == ("orders", 0)
        """
    )
    project.runpytest_subprocess("-p", "pytest_asyncio.plugin").assert_outcomes(passed=1)


def test_a_run_without_the_fixtures_imports_nothing_of_the_broker(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import sys

        def test_modules():
            loaded = {name for name in sys.modules if name.startswith("kafkalite")}
            assert loaded == {"kafkalite", "kafkalite.pytest_plugin"}
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=1)


def test_the_fixtures_describe_themselves(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--fixtures")
    result.stdout.fnmatch_lines_random(
        [
            "kafkalite -- *",
            "*A Kafka broker in memory of this test's own, empty at its start.",
            "kafkalite_server [[]session scope[]] -- *",
            "kafkalite_config [[]session scope[]] -- *",
        ]
    )
