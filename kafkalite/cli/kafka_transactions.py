"""kafka-transactions: shows transactions and producers, finds transactions that hang, and ends them."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NoReturn, TypeVar

from kafkalite import __version__
from kafkalite.cli.admin_options import load_properties, open_admin
from kafkalite.cli.command_line import CommandExit, exit_with_error
from kafkalite.cli.java_exceptions import ToolError, message
from kafkalite.cli.subcommand_parser import SubcommandParser, run_subcommand
from kafkalite.cli.text_table import print_table
from kafkalite.client.admin import Admin, AdminTimeoutError
from kafkalite.client.topic_offsets import partitions_of
from kafkalite.client.transaction_admin import (
    AbortSpec,
    ActiveProducer,
    TransactionDescription,
    abort_transaction,
    describe_producers,
    describe_transaction,
    force_terminate_transaction,
    list_transactions,
)
from kafkalite.client.wire_client import WireClientError
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.java_hash_map import hash_map_order

T = TypeVar("T")
_BATCH_SIZE: Final = 500
_MS_PER_MINUTE: Final = 60_000

OpenTransaction = tuple[TopicPartition, ActiveProducer]


def _parser() -> SubcommandParser:
    parser = SubcommandParser(
        prog="kafka-transactions.sh",
        description="This tool is used to analyze the transactional state of producers in the cluster. "
        "It can be used to detect and recover from hanging transactions.",
    )
    parser.add_argument("-v", "--version", action="store_true", help="Display the version.")
    parser.add_argument("--command-config", metavar="FILE", help="A properties file with settings of the connection.")
    parser.add_argument(
        "--bootstrap-server", metavar="host:port", help="REQUIRED: the brokers to connect to, host:port,..."
    )
    commands = parser.add_subparsers(dest="command", title="commands", metavar="COMMAND")
    listing = commands.add_parser("list", help="list transactions")
    listing.add_argument("--duration-filter", type=int, help="Only transactions open for longer, in milliseconds.")
    listing.add_argument("--transactional-id-pattern", help="Only transactional ids that match a regular expression.")
    describe = commands.add_parser("describe", help="describe a transactional id")
    describe.add_argument("--transactional-id", required=True, help="The transactional id.")
    producers = commands.add_parser("describe-producers", help="describe the producers that write to a partition")
    producers.add_argument("--broker-id", type=int, help="The broker to ask; the leader if left out.")
    abort = commands.add_parser("abort", help="abort a transaction that hangs")
    for command in (producers, abort):
        command.add_argument("--topic", required=True, help="The topic.")
        command.add_argument("--partition", type=int, required=True, help="The partition.")
    abort.add_argument("--start-offset", type=int, help="The first offset of the transaction.")
    abort.add_argument("--producer-id", type=int, help="Instead of --start-offset: the producer id,")
    abort.add_argument("--producer-epoch", type=int, help="its epoch,")
    abort.add_argument("--coordinator-epoch", type=int, help="and the coordinator's epoch.")
    hanging = commands.add_parser("find-hanging", help="find transactions that hang")
    hanging.add_argument("--broker-id", type=int, help="The broker to search.")
    hanging.add_argument(
        "--max-transaction-timeout", type=int, default=15, help="The longest timeout of a transaction, in minutes."
    )
    hanging.add_argument("--topic", help="The topic to search.")
    hanging.add_argument("--partition", type=int, help="The partition to search, with --topic.")
    terminate = commands.add_parser("forceTerminateTransaction", help="end the open transaction of a transactional id")
    terminate.add_argument("--transactionalId", required=True, help="The transactional id.")
    return parser


def _fail(what: str, error: Exception) -> NoReturn:
    exit_with_error(f"{what}: {message(error)}. Enable debug logging for additional detail.")


def _try(what: str, call: Callable[[], T]) -> T:
    try:
        return call()
    except (KafkaError, AdminTimeoutError, WireClientError) as error:
        _fail(what, error)


def print_transactions(admin: Admin, namespace: argparse.Namespace) -> None:
    duration_ms = -1 if namespace.duration_filter is None else namespace.duration_filter
    listings = _try(
        "Failed to list transactions",
        lambda: list_transactions(
            admin, duration_ms=duration_ms, transactional_id_pattern=namespace.transactional_id_pattern
        ),
    )
    rows = [(each.transactional_id, str(each.coordinator_id), str(each.producer_id), each.state) for each in listings]
    print_table(("TransactionalId", "Coordinator", "ProducerId", "TransactionState"), rows)


def print_transaction(admin: Admin, namespace: argparse.Namespace) -> None:
    transactional_id = namespace.transactional_id
    description = _try(
        f"Failed to describe transaction state of transactional-id `{transactional_id}`",
        lambda: describe_transaction(admin, transactional_id),
    )
    started = duration = "None"
    if description.start_time_ms is not None:
        started = str(description.start_time_ms)
        duration = str(_now_ms() - description.start_time_ms)
    row = (
        str(description.coordinator_id),
        transactional_id,
        str(description.producer_id),
        str(description.producer_epoch),
        description.state,
        str(description.timeout_ms),
        started,
        duration,
        ",".join(map(str, description.partitions)),
    )
    headers = (
        "CoordinatorId",
        "TransactionalId",
        "ProducerId",
        "ProducerEpoch",
        "TransactionState",
        "TransactionTimeoutMs",
        "CurrentTransactionStartTimeMs",
        "TransactionDurationMs",
        "TopicPartitions",
    )
    print_table(headers, [row])


def _now_ms() -> int:
    return int(time.time() * 1000)


def print_producers(admin: Admin, namespace: argparse.Namespace) -> None:
    partition = TopicPartition(namespace.topic, namespace.partition)
    where = "leader" if namespace.broker_id is None else f"broker {namespace.broker_id}"
    producers = _try(
        f"Failed to describe producers for partition {partition} on {where}",
        lambda: describe_producers(admin, [partition], broker_id=namespace.broker_id),
    )
    rows = [
        (
            str(producer.producer_id),
            str(producer.producer_epoch),
            str(max(producer.coordinator_epoch, -1)),
            str(producer.last_sequence),
            str(producer.last_timestamp_ms),
            "None" if producer.transaction_start_offset < 0 else str(producer.transaction_start_offset),
        )
        for producer in producers[partition]
    ]
    headers = (
        "ProducerId",
        "ProducerEpoch",
        "LatestCoordinatorEpoch",
        "LastSequence",
        "LastTimestamp",
        "CurrentTransactionStartOffset",
    )
    print_table(headers, rows)


def abort(admin: Admin, namespace: argparse.Namespace) -> None:
    partition = TopicPartition(namespace.topic, namespace.partition)
    if namespace.start_offset is not None:
        spec = _spec_of_open_transaction(admin, partition, namespace.start_offset)
    elif namespace.producer_id is None:
        exit_with_error(
            "The transaction to abort must be identified either with --start-offset (for brokers on 3.0 or above) or"
            " with --producer-id, --producer-epoch, and --coordinator-epoch (for older brokers)"
        )
    elif namespace.producer_epoch is None:
        exit_with_error("Missing required argument --producer-epoch")
    elif namespace.coordinator_epoch is None:
        exit_with_error("Missing required argument --coordinator-epoch")
    else:
        epoch = max(namespace.coordinator_epoch, 0)
        spec = AbortSpec(partition, namespace.producer_id, namespace.producer_epoch, epoch)
    _try(f"Failed to abort transaction {spec}", lambda: abort_transaction(admin, spec))


def _spec_of_open_transaction(admin: Admin, partition: TopicPartition, start_offset: int) -> AbortSpec:
    producers = _try(
        f"Failed to validate producer state for partition {partition}", lambda: describe_producers(admin, [partition])
    )
    found = [each for each in producers[partition] if each.transaction_start_offset == start_offset >= 0]
    if not found:
        exit_with_error(
            f"Could not find any open transactions starting at offset {start_offset} on partition {partition}"
        )
    # A producer whose first transaction hangs has not met its coordinator's epoch yet.
    return AbortSpec(partition, found[0].producer_id, found[0].producer_epoch, max(found[0].coordinator_epoch, 0))


def find_hanging(admin: Admin, namespace: argparse.Namespace) -> None:
    """Prints transactions that have been open for too long and that no coordinator will end."""
    topic, partition, broker_id = namespace.topic, namespace.partition, namespace.broker_id
    if topic is None and broker_id is None:
        exit_with_error(
            "The `find-hanging` command requires either --topic or --broker-id to limit the scope of the search"
        )
    if partition is not None and topic is None:
        exit_with_error("The --partition argument requires --topic to be provided")
    if partition is not None:
        partitions = [TopicPartition(topic, partition)]
    else:
        partitions = _partitions(admin, topic, broker_id)
    candidates = _open_for_longer(admin, partitions, broker_id, namespace.max_transaction_timeout * _MS_PER_MINUTE)
    _print_open_transactions(_without_coordinator(admin, candidates))


def _partitions(admin: Admin, topic: str | None, broker_id: int | None) -> list[TopicPartition]:
    if topic is not None:
        found = _try("Failed to describe 1 topics", lambda: partitions_of(admin, [topic]))
        return [TopicPartition(topic, index) for index, _ in found[topic]]
    metadata = _try("Failed to list topics", lambda: admin.metadata(None, call="listTopics"))
    return [
        TopicPartition(each.name or "", partition.partition_index)
        for each in metadata.topics
        for partition in each.partitions
        if broker_id is None or broker_id in partition.replica_nodes
    ]


def _open_for_longer(
    admin: Admin, partitions: Sequence[TopicPartition], broker_id: int | None, limit_ms: int
) -> list[OpenTransaction]:
    """Open transactions whose last record is older than the limit; brokers are asked for a batch at a time."""
    found: list[OpenTransaction] = []
    for start in range(0, len(partitions), _BATCH_SIZE):
        batch = partitions[start : start + _BATCH_SIZE]
        broker = "Optional.empty" if broker_id is None else f"Optional[{broker_id}]"
        producers = _try(
            f"Failed to describe producers for {len(batch)} partitions on broker {broker}",
            lambda batch=batch: describe_producers(admin, batch, broker_id=broker_id),  # type: ignore[misc]
        )
        now_ms = _now_ms()
        found += [
            (partition, producer)
            for partition in sorted(producers)
            for producer in producers[partition]
            if producer.transaction_start_offset >= 0 and now_ms - producer.last_timestamp_ms > limit_ms
        ]
    return found


def _without_coordinator(admin: Admin, candidates: Sequence[OpenTransaction]) -> list[OpenTransaction]:
    """Those for which no transactional id is known, or whose transaction does not hold the partition any more."""
    by_producer: dict[int, list[OpenTransaction]] = {}
    for candidate in candidates:
        by_producer.setdefault(candidate[1].producer_id, []).append(candidate)
    if not by_producer:
        return []
    listings = _try(
        f"Failed to list transactions for {len(by_producer)} producers",
        lambda: list_transactions(admin, producer_ids=by_producer),
    )
    ids = {each.producer_id: each.transactional_id for each in listings if each.producer_id in by_producer}
    descriptions = _descriptions(admin, ids.values())
    hanging: list[OpenTransaction] = []
    for producer_id in hash_map_order(by_producer, lambda value: (value ^ value >> 32) & 0xFFFFFFFF):
        description = descriptions.get(ids.get(producer_id, ""))
        held = () if description is None else description.partitions
        hanging += [each for each in by_producer[producer_id] if each[0] not in held]
    return hanging


def _descriptions(admin: Admin, ids: Iterable[str]) -> dict[str, TransactionDescription]:
    wanted = list(ids)
    found = {}
    for transactional_id in wanted:
        try:
            found[transactional_id] = describe_transaction(admin, transactional_id)
        except KafkaError as error:
            if error.error is not ErrorCode.TRANSACTIONAL_ID_NOT_FOUND:
                _fail(f"Failed to describe {len(wanted)} transactions", error)
    return found


def _print_open_transactions(transactions: Sequence[OpenTransaction]) -> None:
    now_ms = _now_ms()
    rows = [
        (
            partition.topic,
            str(partition.partition),
            str(producer.producer_id),
            str(producer.producer_epoch),
            str(max(producer.coordinator_epoch, -1)),
            str(producer.transaction_start_offset),
            str(producer.last_timestamp_ms),
            str((now_ms - producer.last_timestamp_ms) // _MS_PER_MINUTE),
        )
        for partition, producer in transactions
    ]
    headers = (
        "Topic",
        "Partition",
        "ProducerId",
        "ProducerEpoch",
        "CoordinatorEpoch",
        "StartOffset",
        "LastTimestamp",
        "Duration(min)",
    )
    print_table(headers, rows)


def force_terminate(admin: Admin, namespace: argparse.Namespace) -> None:
    transactional_id = namespace.transactionalId
    _try(
        f"Failed to force terminate transactionalId `{transactional_id}`",
        lambda: force_terminate_transaction(admin, transactional_id),
    )


_COMMANDS: Final[dict[str, Callable[[Admin, argparse.Namespace], None]]] = {
    "list": print_transactions,
    "describe": print_transaction,
    "describe-producers": print_producers,
    "abort": abort,
    "find-hanging": find_hanging,
    "forceTerminateTransaction": force_terminate,
}


def _execute(argv: list[str]) -> None:
    parser = _parser()
    namespace = parser.parse_args(argv)
    if namespace.version:
        print(__version__)
        raise CommandExit(0)
    if namespace.command is None:
        parser.error("the following arguments are required: command")
    if namespace.bootstrap_server is None:
        parser.error("the following arguments are required: --bootstrap-server")
    try:
        properties = load_properties(namespace.command_config)
    except ToolError as error:
        exit_with_error(f"Failed to load admin client properties: {error}. Enable debug logging for additional detail.")
    with open_admin(namespace.bootstrap_server, properties) as admin:
        _COMMANDS[namespace.command](admin, namespace)


def main(argv: list[str] | None = None) -> int:
    return run_subcommand(_execute, argv)


if __name__ == "__main__":
    sys.exit(main())
