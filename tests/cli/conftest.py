"""Our tools and Apache Kafka's, run against the same Apache Kafka, so that what they print can be compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from apache_kafka import ApacheKafka
from broker_process import BrokerProcess
from java_tools import JavaTools
from kafkalite.client.wire_client import WireClient
from kafkalite.errors import ErrorCode
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.find_coordinator import FindCoordinatorRequest
from kafkalite_process import KafkaliteProcess
from tool_comparison import Comparison, Pass, Stage, Tool, empty, run_ours


@pytest.fixture(scope="session")
def java_tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JavaTools]:
    tools = JavaTools(tmp_path_factory.mktemp("tool-runner"))
    yield tools
    tools.close()


@pytest.fixture(scope="session")
def tools_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """An Apache Kafka of the tools' tests alone: they list everything that is there."""
    with ApacheKafka(tmp_path_factory.mktemp("tools-kafka")) as broker:
        create_internal_topics(broker)
        yield broker


@pytest.fixture(scope="session")
def tools_kafkalite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaliteProcess]:
    """A kafkalite of the tools' tests alone."""
    with KafkaliteProcess(tmp_path_factory.mktemp("tools-kafkalite")) as broker:
        create_internal_topics(broker)
        yield broker


def create_internal_topics(broker: BrokerProcess) -> None:
    """Asks for one coordinator of each kind, so that all brokers list the same topics, whatever was tested before."""
    share_key = f"g:{Uuid(bytes(range(16)))}:0"
    with WireClient(broker.bootstrap_servers) as client:
        for key_type, key in enumerate(("g", "t", share_key)):
            deadline_s = time.monotonic() + 60
            request = FindCoordinatorRequest(key_type=key_type, coordinator_keys=[key])
            while client.send(request).coordinators[0].error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE:
                assert time.monotonic() < deadline_s
                time.sleep(0.05)


@pytest.fixture
def stage() -> Stage:
    """Set up on the broker of the comparison, or of `on_empty_kafkalite`."""
    return Stage()


@pytest.fixture
def on_empty_kafkalite(tools_kafkalite: KafkaliteProcess, stage: Stage) -> Tool:
    """Runs our tools on a kafkalite without topics and groups."""
    stage.broker = tools_kafkalite
    empty(tools_kafkalite)
    return lambda module, *words: run_ours(module, "--bootstrap-server", tools_kafkalite.bootstrap_servers, *words)


@pytest.fixture
def comparison(tools_kafka: ApacheKafka, java_tools: JavaTools, stage: Stage) -> Comparison:
    """Apache Kafka's tools, then ours, on the same Apache Kafka."""
    return Comparison(Pass(java_tools.run, tools_kafka), Pass(run_ours, tools_kafka), stage)


@pytest.fixture
def compare_tools_on(java_tools: JavaTools) -> Callable[[ApacheKafka], Comparison]:
    """As `comparison`, on an Apache Kafka of the test's own."""
    return lambda broker: Comparison(Pass(java_tools.run, broker), Pass(run_ours, broker), Stage())


@pytest.fixture
def broker_comparison(tools_kafka: ApacheKafka, tools_kafkalite: KafkaliteProcess, stage: Stage) -> Comparison:
    """Our tools on Apache Kafka, then on kafkalite."""
    return Comparison(Pass(run_ours, tools_kafka), Pass(run_ours, tools_kafkalite), stage, ignores_order=True)


@pytest.fixture
def originals_comparison(
    tools_kafka: ApacheKafka, tools_kafkalite: KafkaliteProcess, java_tools: JavaTools, stage: Stage
) -> Comparison:
    """Apache Kafka's tools on Apache Kafka, then on kafkalite."""
    passes = (Pass(java_tools.run, tools_kafka), Pass(java_tools.run, tools_kafkalite))
    return Comparison(*passes, stage, ignores_order=True)


@pytest.fixture(params=["comparison", "broker_comparison", "originals_comparison"])
def each_comparison(request: pytest.FixtureRequest) -> Comparison:
    """First of the tools, then of the brokers, once with our tools and once with Apache Kafka's."""
    chosen: Comparison = request.getfixturevalue(request.param)
    return chosen
