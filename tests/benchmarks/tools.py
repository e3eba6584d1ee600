"""How long each command-line tool takes to answer, from its start to its end.

    python tests/benchmarks/tools.py                    # every tool, on a kafkalite of its own
    python tests/benchmarks/tools.py --rounds 9 topics  # those whose name has "topics" in it

Prints a table: the command, its exit code, the median and the longest of the rounds in seconds. Each round is a process
of its own, with bytecode that was compiled before; the broker is asked by name and has a topic, a group and records.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parent.parent.parent
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests" / "fixtures")]

from kafkalite_process import KafkaliteProcess  # noqa: E402
from tool_comparison import Stage  # noqa: E402

LIMIT_S = 0.25
TOPIC, GROUP = "orders", "billing"


class Command(NamedTuple):
    """A tool's typical command line; `{servers}`, `{log}`, `{data}` and `{folder}` are filled in."""

    tool: str
    words: str
    stdin: str = ""


ADMIN = "--bootstrap-server {servers} "
COMMANDS = (
    Command("kafka_topics", ADMIN + "--list"),
    Command("kafka_topics", ADMIN + "--describe"),
    Command("kafka_topics", ADMIN + f"--create --if-not-exists --topic {TOPIC}"),
    Command("kafka_configs", ADMIN + f"--describe --entity-type topics --entity-name {TOPIC}"),
    Command("kafka_configs", ADMIN + "--describe --entity-type brokers --all"),
    Command("kafka_consumer_groups", ADMIN + "--list"),
    Command("kafka_consumer_groups", ADMIN + f"--describe --group {GROUP}"),
    Command("kafka_consumer_groups", ADMIN + f"--reset-offsets --group {GROUP} --topic {TOPIC} --to-latest --dry-run"),
    Command("kafka_share_groups", ADMIN + "--list"),
    Command("kafka_streams_groups", ADMIN + "--list"),
    Command("kafka_groups", ADMIN + "--list"),
    Command("kafka_get_offsets", ADMIN + f"--topic {TOPIC}"),
    Command("kafka_delete_records", ADMIN + "--offset-json-file {folder}/delete.json"),
    Command("kafka_log_dirs", ADMIN + "--describe"),
    Command("kafka_dump_log", "--print-data-log --files {log}"),
    Command("kafka_dump_log", "--cluster-metadata-decoder --files {metadata}"),
    Command("kafka_storage", "random-uuid"),
    Command("kafka_storage", "info --config {folder}/server.properties"),
    Command("kafka_broker_api_versions", ADMIN),
    Command("kafka_cluster", "cluster-id " + ADMIN),
    Command("kafka_features", ADMIN + "describe"),
    Command("kafka_metadata_quorum", ADMIN + "describe --status"),
    Command("kafka_client_metrics", ADMIN + "--list"),
    Command("kafka_transactions", ADMIN + "list"),
    Command("kafka_leader_election", ADMIN + "--election-type preferred --all-topic-partitions"),
    Command("kafka_reassign_partitions", ADMIN + "--list"),
    Command("kafka_acls", ADMIN + "--list"),
    Command("kafka_delegation_tokens", ADMIN + "--describe --command-config {folder}/empty.properties"),
    Command("kafkalite", "verify --help"),
    Command("kafkalite_server", "--version"),
    Command("kafka_console_producer", ADMIN + f"--topic {TOPIC}", stdin="one record\n"),
    Command("kafka_console_producer", ADMIN + f"--topic {TOPIC} --request-required-acks 1", stdin="one record\n"),
    Command("kafka_console_consumer", ADMIN + f"--topic {TOPIC} --from-beginning --max-messages 1"),
    Command("kafka_console_consumer", ADMIN + f"--topic {TOPIC} --partition 0 --offset earliest --max-messages 1"),
)


def run(command: Command, names: dict[str, str]) -> tuple[float, int]:
    """Seconds and exit code."""
    words = [word.format(**names) for word in command.words.split()]
    # -P: as the scripts in bin/ start it, which know no working folder.
    whole = [sys.executable, "-P", "-m", f"kafkalite.cli.{command.tool}", *words]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONPYCACHEPREFIX": names["folder"] + "/bytecode"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    started_s = time.perf_counter()
    ended = subprocess.run(whole, input=command.stdin, capture_output=True, text=True, env=environment, timeout=60)
    return time.perf_counter() - started_s, ended.returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("only", nargs="*", help="parts of tools' names")
    given = parser.parse_args()
    chosen = [c for c in COMMANDS if not given.only or any(part in c.tool for part in given.only)]
    slow = 0
    with tempfile.TemporaryDirectory() as folder, KafkaliteProcess(Path(folder) / "broker") as broker:
        stage = Stage()
        stage.broker = broker
        stage.create_topic(TOPIC, 3)
        stage.produce(TOPIC, [int(time.time() * 1000)] * 10)
        stage.commit(GROUP, {(TOPIC, 0): 1})
        (Path(folder) / "empty.properties").write_text("")
        (Path(folder) / "delete.json").write_text(
            f'{{"partitions": [{{"topic": "{TOPIC}", "partition": 0, "offset": 0}}], "version": 1}}'
        )
        (Path(folder) / "server.properties").write_text((broker.directory / "server.properties").read_text())
        names = {
            "servers": broker.bootstrap_servers,
            "folder": folder,
            "log": str(broker.data_directory / f"{TOPIC}-0" / "00000000000000000000.log"),
            "metadata": str(broker.data_directory / "__cluster_metadata-0" / "00000000000000000000.log"),
        }
        print("| command | exit code | median, s | longest, s |\n|---|---|---|---|")
        for command in chosen:
            run(command, names)  # compiles the bytecode
            times_s, codes = zip(*(run(command, names) for _ in range(given.rounds)), strict=True)
            median_s = statistics.median(times_s)
            slow += median_s >= LIMIT_S
            words = command.words.replace(ADMIN, "").replace("{folder}/", "").strip()
            for name, shown in (("{log}", f"{TOPIC}-0/*.log"), ("{metadata}", "__cluster_metadata-0/*.log")):
                words = words.replace(name, shown)
            code = "/".join(map(str, sorted(set(codes))))
            name = f"{command.tool.replace('_', '-')} {words}".strip()
            print(f"| `{name}` | {code} | {median_s:.2f} | {max(times_s):.2f} |", flush=True)
    print(f"{slow} of {len(chosen)} at {LIMIT_S} s or above")
    return 0


if __name__ == "__main__":
    sys.exit(main())
