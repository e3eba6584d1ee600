"""Fetch at full speed as responses grow, beside a bare server that answers with sendfile."""

from __future__ import annotations

from bare_servers import sendfile_server
from frames import batch, fetch, fetch_error_position, fetch_partition_error_position, produce, produce_error_position
from load import Load
from measuring import Bench, Figure, Figures, Topic, Workload
from process_figures import cpu_seconds

from kafkalite.identifiers import Uuid

_CONNECTIONS = 2
_BATCH = 10_000
_TOPIC_BYTES = 200_000_000


def _filled_topic(bench: Bench) -> Topic:
    topic = bench.topic()
    frames = [produce(topic.topic_id, 0, batch(_BATCH // 1_000, 1_000))]
    requests = _TOPIC_BYTES // _BATCH
    with Load(
        bench.broker.port, frames, in_flight=5, seconds=60, requests=requests, zero_at=[produce_error_position()]
    ) as load:
        load.run()
    return topic


def _figures(bytes_per_second: float, cpu_seconds_per_byte: float, p50_ms: float) -> Figures:
    return {
        "mb_per_second": bytes_per_second / 1e6,
        "cpu_seconds_per_gb": cpu_seconds_per_byte * 1e9,
        "p50_ms": p50_ms,
    }


def measure(bench: Bench, size: int) -> Figures:
    topic: Topic = bench.kept.get("topic") or _filled_topic(bench)
    bench.kept["topic"] = topic
    with bench.load(
        [fetch(topic.topic_id, 0, 0, max_bytes=size)],
        connections=_CONNECTIONS,
        seconds=bench.seconds,
        zero_at=[fetch_error_position(), fetch_partition_error_position()],
        min_response=size // 2,
    ) as load:
        bench.warm_up(load)
        before = bench.cpu_seconds()
        figures, _ = bench.run(load)
        cpu = bench.cpu_seconds() - before
    return _figures(figures.bytes_received / figures.seconds, cpu / figures.bytes_received, figures.p50_ms)


def limits(size: int, seconds: float) -> Figures:
    frame = fetch(Uuid(bytes(16)), 0, 0, max_bytes=size)
    with (
        sendfile_server(size) as server,
        Load(server.port, [frame], connections=_CONNECTIONS, seconds=seconds) as load,
    ):
        load.run()
        cpu = cpu_seconds(server.pid)
        figures = load.run()
        cpu = cpu_seconds(server.pid) - cpu
    return _figures(figures.bytes_received / figures.seconds, cpu / figures.bytes_received, figures.p50_ms)


WORKLOAD = Workload(
    name="fetch-sizes",
    title="Fetch",
    counted="bytes in a response",
    sizes=(11_000, 100_000, 1_000_000, 10_000_000, 50_000_000),
    figures={
        "mb_per_second": Figure("MB/s", is_more_better=True),
        "cpu_seconds_per_gb": Figure("broker CPU, s/GB"),
        "p50_ms": Figure("median, ms", is_drawn=False),
    },
    measure=measure,
    limits=limits,
)
