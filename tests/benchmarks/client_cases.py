"""Real clients as programs: what each is told for a case, and what its output says of the speed that it had.

java      org.apache.kafka.tools.ProducerPerformance and ConsumerPerformance, in the JVM of their start scripts
rdkafka   librdkafka's rdkafka_performance, where it is on the PATH
confluent confluent-kafka, by python_clients.py
aiokafka  aiokafka, by python_clients.py
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from apache_kafka import class_path, tools_home

CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
PRODUCE: Final = "produce"
CONSUME: Final = "consume"
_WARM_UP_SHARE: Final = 4
"""One record of so many, the first ones, is not counted."""


@dataclass(frozen=True)
class ClientCase:
    """One client doing one thing; `acks` is "" where it consumes."""

    client: str
    direction: str
    codec: str
    acks: str
    record_size: int
    partitions: int

    def __str__(self) -> str:
        """The key of its results."""
        parts = (self.client, self.direction, self.codec, self.acks, f"{self.record_size}B", f"{self.partitions}p")
        return " ".join(part for part in parts if part)


class UnreadableOutputError(Exception):
    """A client's output has no figure where one is expected."""


def steady_speed(progress: Sequence[tuple[float, int]], output: str, end: float = 1.0) -> float:
    """Records per second between a quarter of them and the share `end`, given when, in seconds, so many were done."""
    reached = progress[-1][1] if progress else 0
    begin_time, begin = next((each for each in progress if each[1] * _WARM_UP_SHARE >= reached), (0.0, 0))
    end_time, last = next((each for each in progress if each[1] >= end * reached), (0.0, 0))
    if end_time <= begin_time or last <= begin:
        raise UnreadableOutputError(output)
    return (last - begin) / (end_time - begin_time)


class ClientProgram(Protocol):
    """How a client is run for a case, and what its output says."""

    young_for_s: float
    """How much longer a round of it lasts, for it is not at its speed from the start."""

    def is_there(self) -> bool:
        """Whether the program can be run here."""
        ...

    def command(self, case: ClientCase, bootstrap_servers: str, topic: str, records: int) -> list[str]:
        """What produces or consumes so many records."""
        ...

    def records_per_second(self, case: ClientCase, output: str) -> float:
        """Raises UnreadableOutputError."""
        ...


class JavaPrograms:
    """What kafka-producer-perf-test.sh and kafka-consumer-perf-test.sh run."""

    young_for_s = 2.0

    _JVM: Final = (
        "-Xmx512M",
        "-server",
        "-XX:+UseG1GC",
        "-XX:MaxGCPauseMillis=20",
        "-XX:InitiatingHeapOccupancyPercent=35",
        "-XX:+ExplicitGCInvokesConcurrent",
    )
    _STEADY: Final = re.compile(r"^\d+ steady state records sent, ([\d.]+) records/sec", re.MULTILINE)

    def is_there(self) -> bool:
        return shutil.which("java") is not None

    def command(self, case: ClientCase, bootstrap_servers: str, topic: str, records: int) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={tools_home()}/log4j2.properties"
        command = ["java", *self._JVM, logging, "-cp", class_path(tools_home())]
        if case.direction == PRODUCE:
            command += ["org.apache.kafka.tools.ProducerPerformance"]
            command += ["--record-size", str(case.record_size), "--throughput", "-1"]
            command += ["--warmup-records", str(records // _WARM_UP_SHARE)]
            command += ["--command-property", f"acks={case.acks}", f"compression.type={case.codec}"]
        else:
            command += ["org.apache.kafka.tools.ConsumerPerformance"]
            command += ["--show-detailed-stats", "--hide-header", "--reporting-interval", "50"]
        return [*command, "--bootstrap-server", bootstrap_servers, "--topic", topic, "--num-records", str(records)]

    def records_per_second(self, case: ClientCase, output: str) -> float:
        if case.direction == PRODUCE:
            steady = self._STEADY.search(output)
            if steady is None:
                raise UnreadableOutputError(output)
            return float(steady[1])
        return steady_speed(list(self._progress(output)), output)

    @staticmethod
    def _progress(output: str) -> Iterator[tuple[float, int]]:
        """When, in seconds, so many records were there in all."""
        for line in output.splitlines():
            fields = line.split(", ")
            if len(fields) == 10:
                yield datetime.strptime(fields[0], "%Y-%m-%d %H:%M:%S:%f").timestamp(), int(fields[4])


class RdkafkaPerformance:
    """librdkafka's own: its payload repeats itself, so that it compresses to next to nothing."""

    young_for_s = 0.0

    _COLUMN: Final = {PRODUCE: 4, CONSUME: 1}
    """Of the table that it prints: what was acknowledged, what has arrived."""

    def is_there(self) -> bool:
        return shutil.which("rdkafka_performance") is not None

    def command(self, case: ClientCase, bootstrap_servers: str, topic: str, records: int) -> list[str]:
        command = ["rdkafka_performance", "-t", topic, "-b", bootstrap_servers, "-c", str(records), "-u", "-i", "50"]
        if case.direction == PRODUCE:
            return [*command, "-P", "-s", str(case.record_size), "-a", case.acks, "-z", case.codec]
        numbers = [option for number in range(case.partitions) for option in ("-p", str(number))]
        return [*command, "-C", "-o", "beginning", *numbers]

    def records_per_second(self, case: ClientCase, output: str) -> float:
        column = self._COLUMN[case.direction]
        progress = []
        for line in output.splitlines():
            cells = [cell.strip() for cell in line.split("|")[1:]]
            if len(cells) > column and cells[0].isdigit():
                progress.append((int(cells[0]) / 1e3, int(cells[column])))
        # The last records wait a second for their turn when no more are coming.
        return steady_speed(progress, output, 0.9 if case.direction == PRODUCE else 1.0)


class PythonProgram:
    """A library for Python: see python_clients.py."""

    young_for_s = 0.0

    def __init__(self, client: str) -> None:
        self._client = client

    def is_there(self) -> bool:
        return True

    def command(self, case: ClientCase, bootstrap_servers: str, topic: str, records: int) -> list[str]:
        program = str(Path(__file__).parent / "python_clients.py")
        command = [sys.executable, program, self._client, case.direction, bootstrap_servers, topic, str(records)]
        if case.direction == PRODUCE:
            command += ["--record-size", str(case.record_size), "--acks", case.acks, "--codec", case.codec]
        return command

    def records_per_second(self, case: ClientCase, output: str) -> float:
        try:
            speed = float(json.loads(output.splitlines()[-1])["records_per_second"])  # behind what it logs
        except (ValueError, LookupError, TypeError):
            raise UnreadableOutputError(output) from None
        if not speed:  # all came at once
            raise UnreadableOutputError(output)
        return speed


CLIENTS: Final[dict[str, ClientProgram]] = {
    "java": JavaPrograms(),
    "rdkafka": RdkafkaPerformance(),
    "confluent": PythonProgram("confluent"),
    "aiokafka": PythonProgram("aiokafka"),
}


def all_cases() -> list[ClientCase]:
    """The whole matrix."""
    cases = []
    for client in CLIENTS:
        for direction, all_acks in ((PRODUCE, ("all", "1")), (CONSUME, ("",))):
            cases += [
                ClientCase(client, direction, codec, acks, record_size, partitions)
                for codec in CODECS
                for acks in all_acks
                for record_size in (100, 10_000)
                for partitions in (1, 12)
            ]
    return cases


_USUAL: Final = {
    (PRODUCE, "none", "all", 100, 1),
    (PRODUCE, "none", "1", 100, 12),
    (PRODUCE, "none", "all", 10_000, 12),
    (PRODUCE, "lz4", "all", 100, 12),
    (CONSUME, "none", "", 100, 1),
    (CONSUME, "none", "", 10_000, 12),
    (CONSUME, "lz4", "", 100, 12),
}


def usual_cases() -> list[ClientCase]:
    """Those that tell most in ten minutes."""
    return [
        case
        for case in all_cases()
        if (case.direction, case.codec, case.acks, case.record_size, case.partitions) in _USUAL
    ]
