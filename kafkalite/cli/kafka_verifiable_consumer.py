"""kafka-verifiable-consumer: consumes a topic in a group and prints records, assignments and commits as JSON."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

from kafkalite.cli.command_line import run_command
from kafkalite.cli.console_log import log
from kafkalite.cli.librdkafka_properties import ClientErrorLog, confluent_kafka, consumer_properties, new_client
from kafkalite.cli.stop_request import StopRequest
from kafkalite.cli.subcommand_parser import SubcommandParser
from kafkalite.cli.verifiable_client import java_error, print_event, properties_of, run_client

_LOGGER: Final = "org.apache.kafka.tools.VerifiableConsumer"
_POLL_S: Final = 0.1
_MAX_POLL_RECORDS: Final = 500


def _parser() -> SubcommandParser:
    parser = SubcommandParser(
        prog="kafka-verifiable-consumer",
        description="This tool consumes a topic and prints what happens as JSON: rebalances, records, commits.",
    )
    parser.add_argument(
        "--bootstrap-server",
        required=True,
        metavar="HOST1:PORT1[,HOST2:PORT2[...]]",
        help="REQUIRED: the brokers to connect to.",
    )
    parser.add_argument("--topic", required=True, metavar="TOPIC", help="The topic to consume.")
    parser.add_argument(
        "--group-protocol", default="classic", metavar="GROUP-PROTOCOL", help="The group's protocol: classic, consumer."
    )
    parser.add_argument(
        "--group-remote-assignor",
        metavar="GROUP-REMOTE-ASSIGNOR",
        help="With the protocol consumer: the broker's assignor.",
    )
    parser.add_argument("--group-id", required=True, metavar="GROUP_ID", help="The group to consume in.")
    parser.add_argument("--group-instance-id", metavar="GROUP_INSTANCE_ID", help="The id of a static member.")
    parser.add_argument(
        "--max-messages", type=int, default=-1, metavar="MAX-MESSAGES", help="How many to consume; -1 for no end."
    )
    parser.add_argument(
        "--session-timeout", type=int, metavar="TIMEOUT-MS", help="With the protocol classic: the session timeout."
    )
    parser.add_argument("--verbose", action="store_true", help="Print each record.")
    parser.add_argument("--enable-autocommit", action="store_true", help="Commit now and then instead of each time.")
    parser.add_argument(
        "--reset-policy",
        default="earliest",
        metavar="RESET-POLICY",
        help="Where to start without an offset: earliest, latest, none.",
    )
    parser.add_argument(
        "--assignment-strategy",
        default="org.apache.kafka.clients.consumer.RangeAssignor",
        metavar="ASSIGNMENT-STRATEGY",
        help="With the protocol classic: the members' assignor.",
    )
    parser.add_argument("--consumer.config", metavar="CONFIG-FILE", help="(DEPRECATED) Use --command-config instead.")
    parser.add_argument("--command-config", metavar="CONFIG-FILE", help="A file with the consumer's properties.")
    return parser


def _named(partitions: Iterable[Any]) -> list[dict[str, Any]]:
    return [{"topic": each.topic, "partition": each.partition} for each in partitions]


class VerifiableConsumer:
    """Consumes and says what happens."""

    def __init__(self, client: Any, arguments: argparse.Namespace) -> None:
        self._client = client
        self._arguments = arguments
        self._package = confluent_kafka()
        self._consumed = 0

    def run(self, stop: StopRequest) -> None:
        """Consumes until enough are consumed or a stop is asked for."""
        arguments = self._arguments
        print_event("startup_complete")
        self._client.subscribe([arguments.topic], on_assign=self._on_assign, on_revoke=self._on_revoke)
        while not stop and not self._is_finished():
            messages = self._client.consume(_MAX_POLL_RECORDS, _POLL_S)
            for message in messages:
                if message.error() is not None:
                    log("ERROR", f"Error during processing: {message.error().str()}", _LOGGER)
            records = [message for message in messages if message.error() is None]
            if records:
                offsets = self._take(records)
                if not arguments.enable_autocommit:
                    self._commit(offsets)
        if stop:
            print_event("shutdown_requested")
        self._client.close()
        print_event("shutdown_complete")

    def _is_finished(self) -> bool:
        limit: int = self._arguments.max_messages
        return 0 <= limit <= self._consumed

    def _on_assign(self, _client: Any, partitions: Sequence[Any]) -> None:
        print_event("partitions_assigned", partitions=_named(partitions))

    def _on_revoke(self, _client: Any, partitions: Sequence[Any]) -> None:
        print_event("partitions_revoked", partitions=_named(partitions))

    def _take(self, records: Sequence[Any]) -> list[Any]:
        """Prints what was received; returns the offsets to commit. What is beyond the limit is left alone."""
        by_partition: dict[tuple[str, int], list[Any]] = {}
        for record in records:
            by_partition.setdefault((record.topic(), record.partition()), []).append(record)
        summaries, offsets = [], []
        for (topic, partition), received in by_partition.items():
            limit = self._arguments.max_messages
            taken = received if limit < 0 else received[: limit - self._consumed]
            if not taken:
                continue
            first, last = taken[0].offset(), taken[-1].offset()
            offsets.append(self._package.TopicPartition(topic, partition, last + 1))
            summaries.append(
                {"topic": topic, "partition": partition, "count": len(taken), "minOffset": first, "maxOffset": last}
            )
            if self._arguments.verbose:
                for record in taken:
                    print_event(
                        "record_data",
                        key=_text(record.key()),
                        value=_text(record.value()),
                        topic=topic,
                        partition=partition,
                        offset=record.offset(),
                    )
            self._consumed += len(taken)
            if self._is_finished():
                break
        print_event("records_consumed", count=len(records), partitions=summaries)
        return offsets

    def _commit(self, offsets: Sequence[Any]) -> None:
        committed = [{"topic": each.topic, "partition": each.partition, "offset": each.offset} for each in offsets]
        try:
            self._client.commit(offsets=list(offsets), asynchronous=False)
        except self._package.KafkaException as error:
            print_event("offsets_committed", offsets=committed, error=java_error(error.args[0])[1], success=False)
        else:
            print_event("offsets_committed", offsets=committed, success=True)


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", errors="replace")


def _properties(parser: SubcommandParser, arguments: argparse.Namespace) -> dict[str, str]:
    old_config = ("--consumer.config", getattr(arguments, "consumer.config"))
    properties = properties_of(parser, old_config, arguments.command_config)
    properties["group.protocol"] = arguments.group_protocol.lower()
    if arguments.group_protocol.lower() == "consumer":
        if arguments.group_remote_assignor is not None:
            properties["group.remote.assignor"] = arguments.group_remote_assignor
    else:
        properties["partition.assignment.strategy"] = arguments.assignment_strategy
    if arguments.session_timeout is not None:
        properties["session.timeout.ms"] = str(arguments.session_timeout)
    if arguments.group_instance_id is not None:
        properties["group.instance.id"] = arguments.group_instance_id
    properties["group.id"] = arguments.group_id
    properties["bootstrap.servers"] = arguments.bootstrap_server
    properties["enable.auto.commit"] = str(arguments.enable_autocommit).lower()
    properties["auto.offset.reset"] = arguments.reset_policy
    return properties


def _new_consumer(properties: dict[str, str], arguments: argparse.Namespace) -> VerifiableConsumer:
    error_log = ClientErrorLog(_LOGGER)
    client = new_client(confluent_kafka().Consumer, consumer_properties(properties), error_cb=error_log)
    return VerifiableConsumer(client, arguments)


def _execute(argv: list[str]) -> int:
    return run_client(argv, _parser(), _properties, _new_consumer)


def main(argv: list[str] | None = None) -> int:
    return run_command(_execute, argv)


if __name__ == "__main__":
    sys.exit(main())
