"""Measures kafkalite beside Apache Kafka and writes docs/performance-scale.md's tables and plots. See README.md.

python tests/benchmarks/run.py [--only NAME ...] [--sizes N ...] [--seconds S] [--side NAME] [--draw] [--no-results]
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

_HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(_HERE), str(_HERE.parent / "fixtures"), str(_HERE.parent.parent)]

from measuring import BROKERS, Workload, bench  # noqa: E402
from report import Results, print_table, write_report  # noqa: E402
from workloads import (  # noqa: E402
    batch_sizes,
    connections,
    fan_out,
    fetch_sessions,
    fetch_sizes,
    flush,
    groups,
    latency,
    partitions,
    topics,
)

WORKLOADS = {
    workload.name: workload
    for workload in (
        partitions.WORKLOAD,
        connections.WORKLOAD,
        fan_out.WORKLOAD,
        groups.WORKLOAD,
        topics.WORKLOAD,
        fetch_sessions.WORKLOAD,
        batch_sizes.WORKLOAD,
        fetch_sizes.WORKLOAD,
        latency.WORKLOAD,
        latency.SHARE_WORKLOAD,
        flush.WORKLOAD,
    )
}


def allow_many_files() -> None:
    """Ten thousand connections are as many open files, here and in the brokers, which inherit the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def measure(workload: Workload, sides: list[str], sizes: list[int], seconds: float) -> Results:
    results = Results(workload)
    for side in sides:
        with (
            tempfile.TemporaryDirectory(prefix="kafkalite-benchmark-") as folder,
            bench(side, Path(folder), seconds, workload.properties) as one,
        ):
            for size in sizes or workload.sizes:
                began = time.monotonic()
                results.add(side, size, workload.measure(one, size))
                took = time.monotonic() - began
                print(f"{workload.name}: {side}, {size:,} {workload.counted}: {took:.0f} s", file=sys.stderr)
    if workload.limits is not None:
        for size in sizes or workload.sizes:
            results.add("limit", size, workload.limits(size, seconds))
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="NAME")
    parser.add_argument("--sizes", nargs="+", type=int, default=[], help="instead of each workload's own")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each load lasts")
    parser.add_argument("--side", choices=BROKERS, help="measure this broker alone")
    parser.add_argument("--draw", action="store_true", help="measure nothing: draw what was measured before")
    parser.add_argument("--no-results", action="store_true", help="print tables, and leave the files as they are")
    arguments = parser.parse_args()
    allow_many_files()
    sides = [arguments.side] if arguments.side else list(BROKERS)
    for name in [] if arguments.draw else arguments.only:
        results = measure(WORKLOADS[name], sides, arguments.sizes, arguments.seconds)
        print_table(results)
        if not arguments.no_results:
            results.save()
    if not arguments.no_results:
        write_report(WORKLOADS.values())
    return 0


if __name__ == "__main__":
    sys.exit(main())
