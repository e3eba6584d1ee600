"""What all workloads share: the two brokers, what one measurement is, and how it is made."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

from frames import batch
from load import Load, LoadFigures
from process_figures import cpu_seconds, resident_mb

from apache_kafka import ApacheKafka
from broker_process import BrokerProcess
from kafkalite.client.wire_client import WireClient
from kafkalite.errors import ErrorCode
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from kafkalite.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from kafkalite.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from kafkalite.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from kafkalite_process import KafkaliteProcess

# What kafka-server-start.sh and kafka-run-class.sh give the JVM where nobody says otherwise.
_KAFKA_JVM: Final = [
    "-Xms1G",
    "-Xmx1G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
]


class DefaultApacheKafka(ApacheKafka):
    """Apache Kafka in the JVM that its own start script would make."""

    start_timeout_s = 120.0

    def command(self) -> list[str]:
        java, *arguments = super().command()
        return [java, *_KAFKA_JVM, *arguments[arguments.index("-cp") :]]


KAFKALITE: Final = "kafkalite"
APACHE_KAFKA: Final = "Apache Kafka"
BROKERS: Final[Mapping[str, type[BrokerProcess]]] = {KAFKALITE: KafkaliteProcess, APACHE_KAFKA: DefaultApacheKafka}

FIRST_SECONDS: Final = 12.0
"""A broker works so long before anything counts: what its JIT compiler has to see is all there is to a young JVM."""

Figures = dict[str, float]


@dataclass(frozen=True)
class Figure:
    """One column of a workload's table: what it says, in which unit, and whether more of it is better."""

    label: str
    is_more_better: bool = False
    is_drawn: bool = True


@dataclass(frozen=True)
class Workload:
    """Something to measure over growing numbers of something; all sizes of one side meet the same broker process."""

    name: str
    title: str
    counted: str
    sizes: tuple[int, ...]
    figures: Mapping[str, Figure]
    measure: Callable[[Bench, int], Figures]
    properties: Mapping[str, str] = field(default_factory=dict)
    limits: Callable[[int, float], Figures] | None = None
    """The same figures of something that is no broker, given a size and the seconds that it may take."""
    limits_name: str = "bare server"
    brokers: Mapping[str, type[BrokerProcess]] = field(default_factory=lambda: BROKERS)
    surroundings: Callable[[], AbstractContextManager[bool]] = lambda: nullcontext(True)
    """What the brokers run in; gives false where that cannot be had here."""


@dataclass(frozen=True)
class Topic:
    name: str
    topic_id: Uuid
    partitions: int


@runtime_checkable
class SslBroker(Protocol):
    """A broker that is measured at its SSL listener."""

    ssl_port: int
    authority: Path
    """Who signed its certificate."""


def end_as_if_interrupted() -> None:
    """Has SIGTERM end a benchmark as Ctrl-C does: the brokers that it started end with it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


class Bench:
    """A running broker and what it takes to measure it. `seconds` is how long each load is to last."""

    def __init__(self, side: str, broker: BrokerProcess, seconds: float) -> None:
        self.side = side
        self.broker = broker
        self.seconds = seconds
        self.client = WireClient(broker.bootstrap_servers, client_id="benchmark", timeout_s=120)
        self._began = time.monotonic()
        self.kept: dict[str, Any] = {}
        """What a workload leaves for its next size."""

    def resident_mb(self) -> float:
        return resident_mb(self.broker.pid)

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.broker.pid)

    def topic(self, partitions: int = 1, **configs: str) -> Topic:
        """A new topic whose partitions take records; `flush_messages` stands for flush.messages."""
        name = f"benchmark-{time.time_ns()}"
        overrides = [CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in configs.items()]
        wanted = CreatableTopic(name=name, num_partitions=partitions, replication_factor=1, configs=overrides)
        [created] = self.client.send(CreateTopicsRequest(topics=[wanted], timeout_ms=120_000)).topics
        assert created.error_code == ErrorCode.NONE, created.error_message
        topic = Topic(name, created.topic_id, partitions)
        self._wait_for_leaders(topic)
        return topic

    def _wait_for_leaders(self, topic: Topic) -> None:
        """Apache Kafka answers CreateTopics before its broker takes records."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            [found] = self.client.send(MetadataRequest(topics=[MetadataRequestTopic(name=topic.name)])).topics
            led = sum(1 for each in found.partitions if not each.error_code)
            if led == topic.partitions and self.takes_a_record(topic, topic.partitions - 1):
                return
            time.sleep(0.05)
        raise TimeoutError(f"{topic.name} got no leaders")

    def takes_a_record(self, topic: Topic, partition: int) -> bool:
        """Gives it one, if it has its leader."""
        data = TopicProduceData(
            topic_id=topic.topic_id,
            partition_data=[PartitionProduceData(index=partition, records=batch(key=b"first"))],  # compacted or not
        )
        [response] = self.client.send(ProduceRequest(acks=-1, timeout_ms=30_000, topic_data=[data]), 13).responses
        return not response.partition_responses[0].error_code

    def end_offsets(self, topic: Topic) -> list[int]:
        """Where each partition's next record goes."""
        partitions = [ListOffsetsPartition(partition_index=index, timestamp=-1) for index in range(topic.partitions)]
        request = ListOffsetsRequest(topics=[ListOffsetsTopic(name=topic.name, partitions=partitions)])
        [found] = self.client.send(request).topics
        return [each.offset for each in sorted(found.partitions, key=lambda each: int(each.partition_index))]

    def load(self, frames: Sequence[bytes], **plan: Any) -> Load:
        """A load on this broker, over TLS where that is what is measured; see Load."""
        if isinstance(self.broker, SslBroker):
            return Load(self.broker.ssl_port, frames, authority=str(self.broker.authority), **plan)
        return Load(self.broker.port, frames, **plan)

    def warm_up(self, load: Load) -> None:
        """Runs a load without counting it: JIT compilers and caches have seen it then, and partitions are open."""
        load.run(allow_errors=True)
        while time.monotonic() - self._began < FIRST_SECONDS:
            load.run(allow_errors=True)

    def run(self, load: Load) -> tuple[LoadFigures, float]:
        """Runs a load and returns its figures, and the broker's CPU in microseconds for each request."""
        before = self.cpu_seconds()
        figures = load.run()
        return figures, (self.cpu_seconds() - before) / max(figures.requests, 1) * 1e6


class BrokerDidNotStartError(Exception):
    """What it said before it ended."""


@contextmanager
def bench(workload: Workload, side: str, directory: Path, seconds: float) -> Iterator[Bench]:
    """A fresh broker of one side with a Bench on it. Raises BrokerDidNotStartError."""
    broker = workload.brokers[side](directory, properties=dict(workload.properties))
    try:
        broker.start()
    except (RuntimeError, TimeoutError) as error:
        raise BrokerDidNotStartError(str(error)) from error
    measured = Bench(side, broker, seconds)
    try:
        yield measured
    finally:
        measured.client.close()
        broker.stop()
