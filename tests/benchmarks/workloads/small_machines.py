"""A broker with little memory: 100 MB/s are written to it and read from it, and it must not grow.

Once with 256 MB of address space (ulimit -v), once in a control group with 64 MB of memory, page cache included, which
needs the right to make one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import ClassVar

from frames import batch, fetch, fetch_error_position, fetch_partition_error_position, produce, produce_error_position
from load import Load
from measuring import APACHE_KAFKA, KAFKALITE, Bench, Figure, Figures, Topic, Workload

from apache_kafka import ApacheKafka
from kafkalite_process import KafkaliteProcess

_BATCH = 100_000
_BYTES_PER_SECOND = 100_000_000
_CGROUP = Path("/sys/fs/cgroup/memory/kafkalite-benchmark")
_ADDRESS_SPACE_LIMIT = ["/bin/sh", "-c", 'ulimit -v 262144; exec "$@"', "sh"]
_CGROUP_LIMIT = ["/bin/sh", "-c", f'echo $$ > {_CGROUP}/cgroup.procs; exec "$@"', "sh"]


class _LimitedKafkalite(KafkaliteProcess):
    prefix: ClassVar[list[str]]

    def command(self) -> list[str]:
        return [*self.prefix, *super().command()]


class _LimitedApacheKafka(ApacheKafka):
    """With a heap that would fit in."""

    prefix: ClassVar[list[str]]

    def command(self) -> list[str]:
        java, *arguments = super().command()
        return [*self.prefix, java, "-Xmx48m", "-XX:+UseSerialGC", *arguments[arguments.index("-cp") :]]


class _KafkaliteInAddressSpace(_LimitedKafkalite):
    prefix = _ADDRESS_SPACE_LIMIT


class _ApacheKafkaInAddressSpace(_LimitedApacheKafka):
    prefix = _ADDRESS_SPACE_LIMIT


class _KafkaliteInCgroup(_LimitedKafkalite):
    prefix = _CGROUP_LIMIT


class _ApacheKafkaInCgroup(_LimitedApacheKafka):
    prefix = _CGROUP_LIMIT


@contextmanager
def _cgroup() -> Iterator[bool]:
    """A control group with 64 MB of memory; gives false where that is not allowed, or not in this way."""
    try:
        _CGROUP.mkdir(exist_ok=True)
        (_CGROUP / "memory.limit_in_bytes").write_text(str(64 << 20))
    except OSError:
        yield False
        return
    try:
        yield os.access(_CGROUP / "cgroup.procs", os.W_OK)
    finally:
        _CGROUP.rmdir()


def _peak_mb(pid: int) -> float:
    """The most that was ever resident of one process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"no VmHWM of {pid}")


def measure(bench: Bench, size: int) -> Figures:
    topic: Topic = bench.kept.get("topic") or bench.topic(4, retention_bytes="1000000000", segment_bytes="200000000")
    bench.kept["topic"] = topic
    requests = (size * 1_000_000 - bench.kept.get("written", 0)) // _BATCH
    with Load(
        bench.broker.port,
        [produce(topic.topic_id, index, batch(_BATCH // 1_000, 1_000)) for index in range(4)],
        connections=4,
        in_flight=5,
        rate=_BYTES_PER_SECOND / _BATCH,
        seconds=600,
        requests=requests,
        zero_at=[produce_error_position()],
    ) as load:
        produced, produce_cpu_us = bench.run(load)
    bench.kept["written"] = size * 1_000_000
    starts = [max(0, end - 500) for end in bench.end_offsets(topic)]
    with Load(
        bench.broker.port,
        [fetch(topic.topic_id, index, start) for index, start in enumerate(starts)],
        connections=4,
        rate=_BYTES_PER_SECOND / 500_000,
        seconds=bench.seconds,
        zero_at=[fetch_error_position(), fetch_partition_error_position()],
    ) as load:
        fetched, _ = bench.run(load)
    return {
        "written_mb_per_second": produced.requests * _BATCH / produced.seconds / 1e6,
        "p99_ms": produced.p99_ms,
        "cpu_seconds_per_gb": produce_cpu_us / _BATCH * 1e3,
        "read_mb_per_second": fetched.bytes_received / fetched.seconds / 1e6,
        "resident_mb": bench.resident_mb(),
        "peak_mb": _peak_mb(bench.broker.pid),
    }


_FIGURES = {
    "written_mb_per_second": Figure("written, MB/s", is_more_better=True, is_drawn=False),
    "p99_ms": Figure("produce p99, ms", is_drawn=False),
    "cpu_seconds_per_gb": Figure("produce, broker CPU, s/GB", is_drawn=False),
    "read_mb_per_second": Figure("read, MB/s", is_more_better=True, is_drawn=False),
    "resident_mb": Figure("resident, MB"),
    "peak_mb": Figure("most ever resident, MB", is_drawn=False),
}
_workload = partial(Workload, counted="MB written", sizes=(100, 1_000, 4_000), figures=_FIGURES, measure=measure)
ADDRESS_SPACE_WORKLOAD = _workload(
    name="address-space",
    title="256 MB of address space",
    brokers={KAFKALITE: _KafkaliteInAddressSpace, APACHE_KAFKA: _ApacheKafkaInAddressSpace},
)
CGROUP_WORKLOAD = _workload(
    name="cgroup",
    title="A control group with 64 MB",
    brokers={KAFKALITE: _KafkaliteInCgroup, APACHE_KAFKA: _ApacheKafkaInCgroup},
    surroundings=_cgroup,
)
