"""Produce and Fetch over TLS at full speed: the same as batch-sizes and fetch-sizes, through an SSL listener.

Both brokers have the same kind of certificate and their own defaults: TLS 1.3, with the cipher that they prefer.
"""

from __future__ import annotations

from measuring import APACHE_KAFKA, KAFKALITE, DefaultApacheKafka, Figure, Workload
from workloads import batch_sizes, fetch_sizes

from kafkalite_process import KafkaliteProcess
from ssl_listener import SslListener


class _SslKafkalite(SslListener, KafkaliteProcess):
    pass


class _SslApacheKafka(SslListener, DefaultApacheKafka):
    pass


_BROKERS = {KAFKALITE: _SslKafkalite, APACHE_KAFKA: _SslApacheKafka}

PRODUCE_WORKLOAD = Workload(
    name="tls-produce",
    title="Produce over TLS",
    counted="bytes in a batch",
    sizes=(1_000, 10_000, 100_000, 1_000_000),
    figures=batch_sizes.WORKLOAD.figures,
    measure=batch_sizes.measure,
    brokers=_BROKERS,
)

FETCH_WORKLOAD = Workload(
    name="tls-fetch",
    title="Fetch over TLS",
    counted="bytes in a response",
    sizes=(11_000, 100_000, 1_000_000, 10_000_000),
    figures={
        "mb_per_second": Figure("MB/s", is_more_better=True),
        "cpu_seconds_per_gb": Figure("broker CPU, s/GB"),
        "p50_ms": Figure("median, ms", is_drawn=False),
    },
    measure=fetch_sizes.measure,
    brokers=_BROKERS,
)
