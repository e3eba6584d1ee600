"""Real clients on kafkalite and on Apache Kafka: how fast they are, and what it costs the broker.

Each side is started fresh with its default configuration (Apache Kafka in the JVM of its start script). Each case runs
on one broker after the other, a round on each in turns after one that does not count; its figures are the medians.

    python tests/benchmarks/clients.py                          # the usual cases: about twelve minutes
    python tests/benchmarks/clients.py --full                   # every case: some hours
    python tests/benchmarks/clients.py --only java --codecs none lz4 --rounds 5
    python tests/benchmarks/clients.py --list                   # the cases, and nothing else
    python tests/benchmarks/clients.py --full --case "java produce zstd"    # those that begin like this
    python tests/benchmarks/clients.py --draw                   # the page from what was measured before

Results are kept in results/clients.json, and shown by docs/performance-clients.md.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

_HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(_HERE), str(_HERE.parent / "fixtures"), str(_HERE.parent.parent)]

from client_cases import (  # noqa: E402
    CLIENTS,
    CODECS,
    CONSUME,
    PRODUCE,
    ClientCase,
    UnreadableOutputError,
    all_cases,
    usual_cases,
)
from client_results import ClientFigures, ClientResults, Round, line_of, write_page  # noqa: E402
from frames import produce, produce_error_position  # noqa: E402
from measuring import BROKERS, FIRST_SECONDS, Bench, Topic, end_as_if_interrupted  # noqa: E402
from process_figures import OtherWork  # noqa: E402

from kafkalite.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState  # noqa: E402
from kafkalite.records.compression import CompressionType  # noqa: E402
from kafkalite.records.record import Record  # noqa: E402
from kafkalite.records.record_batch import build_batch  # noqa: E402

_PROPERTIES: Final = {"log.segment.delete.delay.ms": "1000"}
"""What was written goes before it has filled the machine."""
_CLIENT_TIMEOUT_S: Final = 300.0
_BATCH_BYTES: Final = 16 * 1024
"""What Java producers put into a batch."""
_MAX_RECORDS_BYTES: Final = 1_000_000_000
_FIRST_GUESS_BYTES: Final = 100_000_000
_FIRST_GUESS_RECORDS: Final = 100_000
_TRIES: Final = 5


class ClientFailedError(Exception):
    """A client ended with an error."""


def run_client(bench: Bench, case: ClientCase, topic: str, records: int) -> Round:
    """One run of a client on one broker: how fast it was, and what broker and client used of the processors."""
    program = CLIENTS[case.client]
    command = program.command(case, bench.broker.bootstrap_servers, topic, records)
    before = bench.cpu_seconds()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + _CLIENT_TIMEOUT_S
        while True:
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            if time.monotonic() > deadline:
                process.kill()
            time.sleep(0.005)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    broker_cpu = bench.cpu_seconds() - before
    if process.returncode:
        raise ClientFailedError(f"{' '.join(command)} ended with {process.returncode}:\n{text[-2000:]}")
    gigabytes = records * case.record_size / 1e9
    return Round(
        records_per_second=program.records_per_second(case, text),
        broker_cpu_per_gb=broker_cpu / gigabytes,
        client_cpu_per_gb=(usage.ru_utime + usage.ru_stime) / gigabytes,
    )


def new_topic(bench: Bench, partitions: int) -> Topic:
    """A topic with a record in each partition: Apache Kafka gives them their leaders one after the other."""
    topic = bench.topic(partitions)
    waiting = list(range(partitions))
    while waiting := [number for number in waiting if not bench.takes_a_record(topic, number)]:
        time.sleep(0.02)
    return topic


def filled_topic(bench: Bench, case: ClientCase, records: int) -> Topic:
    """A topic with at least so many records, in batches as Java producers make them."""
    topic = new_topic(bench, case.partitions)
    letters = random.Random(0)
    per_batch = max(1, _BATCH_BYTES // case.record_size)
    now_ms = time.time_ns() // 1_000_000
    batch = build_batch(
        [
            Record(number, now_ms, None, bytes(letters.choices(range(65, 91), k=case.record_size)))
            for number in range(per_batch)
        ],
        compression=CompressionType[case.codec.upper()],
    )
    frames = [produce(topic.topic_id, partition, batch) for partition in range(case.partitions)]
    requests = -(-records // per_batch)
    with bench.load(frames, in_flight=5, seconds=120, requests=requests, zero_at=[produce_error_position()]) as load:
        load.run()
    return topic


def delete_topic(bench: Bench, topic: Topic) -> None:
    bench.client.send(DeleteTopicsRequest(topics=[DeleteTopicState(name=topic.name)], timeout_ms=60_000))


class CaseRun:
    """A case on all sides: how many records make a round is found out first, and is the same for all."""

    def __init__(self, benches: Sequence[Bench], case: ClientCase, seconds: float) -> None:
        self._benches = benches
        self._case = case
        self._seconds = seconds + CLIENTS[case.client].young_for_s
        self._topics: dict[str, Topic] = {}

    def figures(self, rounds: int) -> dict[str, ClientFigures]:
        records = self._records_in_a_round()
        if self._case.direction == CONSUME:
            for bench in self._benches:
                self._topics[bench.side] = filled_topic(bench, self._case, records)
        taken: dict[str, list[Round]] = {bench.side: [] for bench in self._benches}
        for number in range(rounds):
            # Who comes first changes, for what one run leaves behind meets the next.
            for bench in self._benches if number % 2 else self._benches[::-1]:
                taken[bench.side].append(self._run(bench, records))
        if self._case.direction == CONSUME:
            for bench in self._benches:
                delete_topic(bench, self._topics.pop(bench.side))
        return {side: ClientFigures.of(runs, self._case.record_size) for side, runs in taken.items()}

    def _records_in_a_round(self) -> int:
        """What the fastest side does in the time that a round is to take; both have been warmed up with it."""
        records = max(1_000, min(_FIRST_GUESS_RECORDS, _FIRST_GUESS_BYTES // self._case.record_size))
        most = _MAX_RECORDS_BYTES // self._case.record_size
        shares = [0.25, 1.0]
        for left in reversed(range(_TRIES)):
            try:
                speed = max(self._once(bench, records) for bench in self._benches)
            except UnreadableOutputError:  # it was over before the client said anything of it
                if not left:
                    raise
                records *= 4
                continue
            records = int(min(most, max(records, speed * self._seconds * shares.pop(0))))
            if not shares:
                break
        return records

    def _once(self, bench: Bench, records: int) -> float:
        if self._case.direction == PRODUCE:
            return self._run(bench, records).records_per_second
        self._topics[bench.side] = filled_topic(bench, self._case, records)
        try:
            return self._run(bench, records).records_per_second
        finally:
            delete_topic(bench, self._topics.pop(bench.side))

    def _run(self, bench: Bench, records: int) -> Round:
        if self._case.direction == CONSUME:
            return run_client(bench, self._case, self._topics[bench.side].name, records)
        topic = new_topic(bench, self._case.partitions)
        try:
            return run_client(bench, self._case, topic.name, records)
        finally:
            delete_topic(bench, topic)


def warm_up(bench: Bench) -> None:
    """Work for a young JVM."""
    cases = [ClientCase("confluent", PRODUCE, "none", "all", size, 12) for size in (100, 10_000)]
    began = time.monotonic()
    while time.monotonic() - began < FIRST_SECONDS:
        for case in cases:
            topic = new_topic(bench, case.partitions)
            run_client(bench, case, topic.name, 50_000_000 // case.record_size)
            run_client(bench, ClientCase("confluent", CONSUME, "none", "", 1, 12), topic.name, 2_000)
            delete_topic(bench, topic)


def measure(
    cases: Sequence[ClientCase], sides: Sequence[str], rounds: int, seconds: float, results: ClientResults | None
) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="kafkalite-benchmark-", ignore_cleanup_errors=True) as folder,
        ExitStack() as stack,
    ):
        benches = []
        for side in sides:
            broker = stack.enter_context(BROKERS[side](Path(folder) / side.replace(" ", "-"), properties=_PROPERTIES))
            bench = Bench(side, broker, seconds)
            stack.callback(bench.client.close)
            benches.append(bench)
        for bench in benches:
            warm_up(bench)
        for case in cases:
            machine = OtherWork()
            try:
                figures = CaseRun(benches, case, seconds).figures(rounds)
            except (ClientFailedError, UnreadableOutputError) as error:
                print(f"{case}: {error}", file=sys.stderr, flush=True)
                continue
            except Exception:  # the other cases count all the same
                traceback.print_exc()
                continue
            print(line_of(case, figures), end="", flush=True)
            print(f"   ({machine.seconds:.0f} s, other work {machine.cores():.2f} cores)", flush=True)
            if results is not None:
                results.add(case, figures)
                results.save()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CLIENTS, default=list(CLIENTS), metavar="CLIENT")
    parser.add_argument("--codecs", nargs="+", choices=CODECS, default=list(CODECS), metavar="CODEC")
    parser.add_argument("--case", nargs="+", default=[""], metavar="NAME", help="cases whose names begin like this")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="how long a round lasts")
    parser.add_argument("--side", choices=BROKERS, help="this broker alone; nothing is kept")
    parser.add_argument("--full", action="store_true", help="the whole matrix")
    parser.add_argument("--list", action="store_true", help="name the cases and measure nothing")
    parser.add_argument("--draw", action="store_true", help="measure nothing: write the page from the results")
    parser.add_argument("--no-results", action="store_true", help="print figures, and leave the files as they are")
    arguments = parser.parse_args()
    end_as_if_interrupted()
    cases = [
        case
        for case in (all_cases() if arguments.full else usual_cases())
        if case.client in arguments.only
        and case.codec in arguments.codecs
        and any(str(case).startswith(beginning) for beginning in arguments.case)
    ]
    if arguments.list:
        print("\n".join(map(str, cases)))
        return 0
    for client in {case.client: None for case in cases}:
        if not CLIENTS[client].is_there():
            print(f"{client}: not possible here", file=sys.stderr)
    results = None if arguments.no_results or arguments.side else ClientResults.load()
    if not arguments.draw:
        there = [case for case in cases if CLIENTS[case.client].is_there()]
        sides = [arguments.side] if arguments.side else list(BROKERS)
        measure(there, sides, arguments.rounds, arguments.seconds, results)
    if results is not None:
        write_page(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
