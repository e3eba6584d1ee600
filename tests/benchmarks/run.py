"""Measures kafkalite beside Apache Kafka and writes docs/performance-scale.md's tables and plots. See README.md.

python tests/benchmarks/run.py [--only NAME ...] [--sizes N ...] [--seconds S] [--side NAME] [--draw] [--no-results]
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import traceback
from pathlib import Path

_HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(_HERE), str(_HERE.parent / "fixtures"), str(_HERE.parent.parent)]

from measuring import BROKERS, BrokerDidNotStartError, Workload, bench, end_as_if_interrupted  # noqa: E402
from process_figures import OtherWork  # noqa: E402
from report import OTHER_WORK, Results, print_table, write_report  # noqa: E402
from workloads import (  # noqa: E402
    batch_sizes,
    compaction,
    connections,
    fan_out,
    fetch_sessions,
    fetch_sizes,
    flush,
    group_members,
    groups,
    latency,
    partitions,
    rebalance,
    small_machines,
    tls,
    topics,
)

WORKLOADS = {
    workload.name: workload
    for workload in (
        partitions.WORKLOAD,
        connections.WORKLOAD,
        fan_out.WORKLOAD,
        groups.WORKLOAD,
        group_members.WORKLOAD,
        rebalance.WORKLOAD,
        topics.WORKLOAD,
        fetch_sessions.WORKLOAD,
        batch_sizes.WORKLOAD,
        fetch_sizes.WORKLOAD,
        latency.WORKLOAD,
        latency.SHARE_WORKLOAD,
        flush.WORKLOAD,
        compaction.WORKLOAD,
        small_machines.ADDRESS_SPACE_WORKLOAD,
        small_machines.CGROUP_WORKLOAD,
        tls.PRODUCE_WORKLOAD,
        tls.FETCH_WORKLOAD,
    )
}


def allow_many_files() -> None:
    """Ten thousand connections are as many open files, here and in the brokers, which inherit the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def measure(workload: Workload, sides: list[str], sizes: list[int], seconds: float) -> Results:
    """What each side writes is kept until all have been measured: none gets memory that another one has just given
    back, which is a multiple faster than what the system brings anew."""
    results = Results(workload)
    with (
        workload.surroundings() as are_there,
        tempfile.TemporaryDirectory(prefix="kafkalite-benchmark-", ignore_cleanup_errors=True) as folder,
    ):
        if not are_there:
            print(f"{workload.name}: not possible here", file=sys.stderr)
        for side in sides if are_there else []:
            try:
                home = Path(folder) / side.replace(" ", "-")
                measure_side(results, side, home, sizes or list(workload.sizes), seconds)
            except BrokerDidNotStartError as error:
                print(f"{workload.name}: {side} does not start: {error}", file=sys.stderr)
            except Exception:  # what has been measured until then counts
                traceback.print_exc()
        if workload.limits is not None:
            for size in sizes or workload.sizes:
                results.add("limit", size, workload.limits(size, seconds))
    return results


def measure_side(results: Results, side: str, folder: Path, sizes: list[int], seconds: float) -> None:
    workload = results.workload
    folder.mkdir()
    with bench(workload, side, folder, seconds) as one:
        for size in sizes:
            machine = OtherWork()
            results.add(side, size, {**workload.measure(one, size), OTHER_WORK: machine.cores()})
            took = f"{machine.seconds:.0f} s, other work on the machine {machine.cores():.2f} cores"
            print(f"{workload.name}: {side}, {size:,} {workload.counted}: {took}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="NAME")
    parser.add_argument("--sizes", nargs="+", type=int, default=[], help="instead of each workload's own")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each load lasts")
    parser.add_argument("--side", choices=BROKERS, help="measure this broker alone")
    parser.add_argument("--draw", action="store_true", help="measure nothing: draw what was measured before")
    parser.add_argument("--no-results", action="store_true", help="print tables, and leave the files as they are")
    arguments = parser.parse_args()
    end_as_if_interrupted()
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
