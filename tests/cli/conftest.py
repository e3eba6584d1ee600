"""Our tools and Apache Kafka's, run against the same Apache Kafka, so that what they print can be compared."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest

from apache_kafka import ApacheKafka, java_command
from broker_process import BrokerProcess
from kafkalite.client.admin import Admin
from kafkalite.client.group_admin import alter_offsets
from kafkalite.client.wire_client import WireClient
from kafkalite.errors import ErrorCode
from kafkalite.identifiers import INTERNAL_TOPICS, TopicPartition, Uuid
from kafkalite.protocol.messages import alter_client_quotas, describe_client_quotas
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from kafkalite.protocol.messages.delete_groups import DeleteGroupsRequest
from kafkalite.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from kafkalite.protocol.messages.find_coordinator import FindCoordinatorRequest
from kafkalite.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from kafkalite.protocol.messages.list_groups import ListGroupsRequest
from kafkalite.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from kafkalite.protocol.messages.metadata import MetadataRequest
from kafkalite.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kafkalite.records.record import Record
from kafkalite.records.record_batch import build_batch
from kafkalite_process import KafkaliteProcess

_ORIGINALS = {
    "kafka_acls": "org.apache.kafka.tools.AclCommand",
    "kafka_broker_api_versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka_client_metrics": "org.apache.kafka.tools.ClientMetricsCommand",
    "kafka_cluster": "org.apache.kafka.tools.ClusterTool",
    "kafka_configs": "kafka.admin.ConfigCommand",
    "kafka_console_consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka_console_producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka_console_share_consumer": "org.apache.kafka.tools.consumer.ConsoleShareConsumer",
    "kafka_consumer_groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka_consumer_perf_test": "org.apache.kafka.tools.ConsumerPerformance",
    "kafka_delegation_tokens": "org.apache.kafka.tools.DelegationTokenCommand",
    "kafka_delete_records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka_dump_log": "org.apache.kafka.tools.DumpLogSegments",
    "kafka_e2e_latency": "org.apache.kafka.tools.EndToEndLatency",
    "kafka_features": "org.apache.kafka.tools.FeatureCommand",
    "kafka_get_offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka_groups": "org.apache.kafka.tools.GroupsCommand",
    "kafka_leader_election": "org.apache.kafka.tools.LeaderElectionCommand",
    "kafka_log_dirs": "org.apache.kafka.tools.LogDirsCommand",
    "kafka_metadata_quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
    "kafka_producer_perf_test": "org.apache.kafka.tools.ProducerPerformance",
    "kafka_reassign_partitions": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
    "kafka_replica_verification": "org.apache.kafka.tools.ReplicaVerificationTool",
    "kafka_share_groups": "org.apache.kafka.tools.consumer.group.ShareGroupCommand",
    "kafka_streams_groups": "org.apache.kafka.tools.streams.StreamsGroupCommand",
    "kafka_topics": "org.apache.kafka.tools.TopicCommand",
    "kafka_transactions": "org.apache.kafka.tools.TransactionsCommand",
}


class Output(NamedTuple):
    """What a tool left behind."""

    exit_code: int
    stdout: str
    stderr: str


class Tool(Protocol):
    def __call__(self, module: str, *arguments: str) -> Output: ...


Scenario = Callable[[Tool], None]


class JavaTools:
    """Apache Kafka's tools, all in one JVM."""

    def __init__(self, classes: Path) -> None:
        source = Path(__file__).parent.parent / "oracle" / "ToolRunner.java"
        command = java_command("ToolRunner", extra_class_path=str(classes))
        class_path = command[command.index("-cp") + 1]
        subprocess.run(["javac", "-cp", class_path, "-d", str(classes), str(source)], check=True)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def run(self, module: str, *arguments: str) -> Output:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("\x01".join([_ORIGINALS[module], *arguments]).encode() + b"\n")
        self._process.stdin.flush()
        code, out_size, err_size = map(int, self._process.stdout.readline().split())
        out = self._process.stdout.read(out_size).decode()
        err = self._process.stdout.read(err_size).decode()
        return Output(code, out, err)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


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


def run_ours(module: str, *arguments: str) -> Output:
    """Runs one of our tools inside this process."""
    main = importlib.import_module(f"kafkalite.cli.{module}").main
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(arguments))
    return Output(code, out.getvalue(), err.getvalue())


def empty(broker: BrokerProcess) -> None:
    """Deletes the groups and topics of a broker, internal topics excepted."""
    with WireClient(broker.bootstrap_servers) as client:
        deadline_s = time.monotonic() + 30
        while groups := [group.group_id for group in client.send(ListGroupsRequest()).groups]:
            client.send(DeleteGroupsRequest(groups_names=groups))
            # A member that left may still be counted for a moment.
            assert time.monotonic() < deadline_s, f"groups that cannot be deleted: {groups}"
            time.sleep(0.02)
        while topics := [
            topic.name
            for topic in client.send(MetadataRequest(topics=None)).topics
            if topic.name not in INTERNAL_TOPICS
        ]:
            client.send(DeleteTopicsRequest(topics=[DeleteTopicState(name=name) for name in topics], timeout_ms=30_000))
            # A client that has not ended yet may make its topic again.
            assert time.monotonic() < deadline_s, f"topics that cannot be deleted: {topics}"
            time.sleep(0.05)


def let_metadata_settle(client: WireClient) -> None:
    """Waits until a broker shows what its controller has committed.

    Apache Kafka's controller answers a change before its broker has read it, which our tools, in this process, are
    quick enough to notice. Changes are read in order: once a change of ours is seen, and gone, all others are too.
    """
    marker = [alter_client_quotas.EntityData(entity_type="client-id", entity_name="marker-of-let-metadata-settle")]
    wanted = describe_client_quotas.ComponentData(entity_type="client-id", match_type=0, match=marker[0].entity_name)
    describe = describe_client_quotas.DescribeClientQuotasRequest(components=[wanted])
    for removes in (False, True):
        operation = alter_client_quotas.OpData(key="request_percentage", value=100.0, remove=removes)
        change = alter_client_quotas.RequestEntryData(entity=marker, ops=[operation])
        client.send(alter_client_quotas.AlterClientQuotasRequest(entries=[change]))
        deadline_s = time.monotonic() + 30
        while bool(client.send(describe).entries) is removes:
            assert time.monotonic() < deadline_s
            time.sleep(0.002)


_STACK_FRAMES = re.compile(
    r"^(\tat .*|\t+(at|Suppressed:) .*|\t\t.*| at \[Source: .*|\t\.\.\. \d+ more|\[[-\d]+ [\d:,]+\] .*"
    r"|(Caused by: )?(joptsimple|[a-z]+\.[a-z]+)[.\w$]+:? ?.*)\n?",
    re.MULTILINE,
)


_UNCAUGHT = re.compile(r"^Exception in thread \"main\" [\w.$]+: ", re.MULTILINE)


def comparable_error(text: str) -> str:
    """The lines of stderr without stack traces, log lines and the table of options, whose wording is ours."""
    if text.startswith("usage: "):
        # argparse4j justifies its text, with blanks wherever they fill the line.
        return re.sub(r"\s+", "", text.partition(": error: ")[2])
    lines: list[str] = []
    text = _UNCAUGHT.sub("", text)
    for line in _STACK_FRAMES.sub("", text).splitlines():
        if line.startswith(("Option  ", "Option (* = required)", "usage: ")):
            # After a command line that joptsimple cannot parse we show the options, which the originals do not.
            unparseable = (" is not a recognized option", " requires an argument", " options on the command line")
            if not lines[-1].endswith(unparseable):
                lines.append("(usage)")
            break
        if line.strip():
            lines.append(line)
    return "\n".join(lines)


class Stage:
    """Sets up what a scenario needs on a broker, without the tools under test."""

    broker: BrokerProcess

    def create_topic(self, name: str, partitions: int = 1, **configs: str) -> None:
        topic = CreatableTopic(
            name=name,
            num_partitions=partitions,
            replication_factor=-1,
            configs=[CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in configs.items()],
        )
        with Admin(self.broker.bootstrap_servers) as admin:
            # A topic of this name may still be on its way out, and the new one is not led at once.
            response = admin.send(
                CreateTopicsRequest(topics=[topic], timeout_ms=30_000),
                call="createTopics",
                retry_if=lambda response: response.topics[0].error_code == ErrorCode.TOPIC_ALREADY_EXISTS,
            )
            assert response.topics[0].error_code == 0, response.topics[0].error_message
            indexes = [ListOffsetsPartition(partition_index=index, timestamp=-1) for index in range(partitions)]
            request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=name, partitions=indexes)])
            admin.send(
                request,
                call="listOffsets",
                retry_if=lambda response: any(p.error_code for p in response.topics[0].partitions),
            )

    def produce(self, topic: str, timestamps_ms: Sequence[int], partition: int = 0) -> None:
        """Appends a record for each timestamp."""
        records = [
            Record(offset=index, timestamp=timestamp, key=None, value=b"v", headers=())
            for index, timestamp in enumerate(timestamps_ms)
        ]
        data = PartitionProduceData(index=partition, records=build_batch(records))
        request = ProduceRequest(
            acks=-1, timeout_ms=30_000, topic_data=[TopicProduceData(name=topic, partition_data=[data])]
        )
        with WireClient(self.broker.bootstrap_servers) as client:
            response = client.send(request, 12)
            assert response.responses[0].partition_responses[0].error_code == 0

    def commit(self, group_id: str, offsets: dict[tuple[str, int], int]) -> None:
        """Commits offsets for a group without members."""
        with Admin(self.broker.bootstrap_servers) as admin:
            errors = alter_offsets(admin, group_id, {TopicPartition(*key): offset for key, offset in offsets.items()})
            assert not any(errors.values())

    def remove_static_member(self, group_id: str, instance_id: str) -> None:
        """Ends the membership of a static member, who would be waited for."""
        request = LeaveGroupRequest(group_id=group_id, members=[MemberIdentity(group_instance_id=instance_id)])
        with WireClient(self.broker.bootstrap_servers) as client:
            response = client.send(request)
            assert [member.error_code for member in response.members] == [0]


class Pass(NamedTuple):
    """One run of a scenario: with these tools on this broker."""

    run: Callable[..., Output]
    broker: BrokerProcess


class Comparison:
    """Runs a scenario twice, with other tools or on another broker, and compares step by step.

    `broker` and the stage's broker are those of the run that is under way. `ignores_order`: lines may come in any
    order, because brokers answer in any.
    """

    def __init__(self, reference: Pass, under_test: Pass, stage: Stage, *, ignores_order: bool = False) -> None:
        self.ignores_order = ignores_order
        self._reference = reference
        self._under_test = under_test
        self.stage = stage
        self.broker: Any = reference.broker

    def of(
        self,
        scenario: Callable[[Tool], None],
        *,
        normalise: Callable[[str], str] = lambda text: text,
        adds_bootstrap: bool = True,
    ) -> None:
        """`normalise` takes away what cannot be equal; `adds_bootstrap` puts --bootstrap-server before all else."""
        expected_steps = self._run(self._reference, scenario, normalise, adds_bootstrap)
        steps = self._run(self._under_test, scenario, normalise, adds_bootstrap)
        assert len(steps) == len(expected_steps) > 0
        for (step, expected), (our_step, output) in zip(expected_steps, steps, strict=True):
            assert our_step == step
            assert (step, output.stdout) == (step, expected.stdout)
            assert (step, output.stderr) == (step, expected.stderr)
            assert (step, output.exit_code) == (step, expected.exit_code)

    def _run(
        self, each: Pass, scenario: Callable[[Tool], None], normalise: Callable[[str], str], adds_bootstrap: bool
    ) -> list[tuple[str, Output]]:
        """The command lines of a scenario with their outputs, comparable."""
        steps: list[tuple[str, Output]] = []
        self.broker = self.stage.broker = each.broker
        servers, directory = each.broker.bootstrap_servers, str(each.broker.directory)

        def comparable(text: str) -> str:
            text = normalise(text.replace(servers, "HOST:PORT").replace(directory, "DIRECTORY"))
            return "\n".join(sorted(text.splitlines())) if self.ignores_order else text

        def run(module: str, *arguments: str) -> Output:
            bootstrap = ("--bootstrap-server", servers) if adds_bootstrap else ()
            output = each.run(module, *bootstrap, *arguments)
            if isinstance(each.broker, ApacheKafka):
                let_metadata_settle(client)
            stderr = comparable(comparable_error(output.stderr))
            steps.append(
                (
                    comparable(" ".join((module, *arguments))),
                    Output(output.exit_code, comparable(output.stdout), stderr),
                )
            )
            return output

        empty(each.broker)
        # Connected before a scenario can limit how many connections there may be.
        with WireClient(servers) as client:
            scenario(run)
        empty(each.broker)
        return steps


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
