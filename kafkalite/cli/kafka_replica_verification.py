"""kafka-replica-verification: reads all replicas of partitions over and over and says where they differ.

On a broker that is alone there is one replica of each partition, which agrees with itself: what is left is how far the
verification is behind the high watermark.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from kafkalite.cli.admin_options import check_bootstrap_servers, open_admin
from kafkalite.cli.command_line import (
    OptionError,
    OptionParser,
    check_required,
    exit_with_error,
    print_help_or_version,
    run_command,
)
from kafkalite.cli.console_log import log
from kafkalite.cli.java_exceptions import CALL_ERRORS, ToolError, message
from kafkalite.cli.stop_request import StopRequest
from kafkalite.cli.topic_filter import TopicFilter
from kafkalite.client.admin import Admin, AdminTimeoutError
from kafkalite.client.topic_offsets import EARLIEST, LATEST, UNKNOWN_OFFSET, list_offsets
from kafkalite.client.wire_client import WireClientError
from kafkalite.errors import KafkaError
from kafkalite.identifiers import TopicPartition, Uuid

_LOGGER: Final = "org.apache.kafka.tools.ReplicaVerificationTool"
_ABOUT: Final = "Validate that all replicas for a set of topics have the same data."
_DEBUGGING_CONSUMER_ID: Final = -2
_FIRST_VERSION_WITH_REPLICA_STATE: Final = 15
_RESPONSE_MAX_BYTES: Final = 2**31 - 1


class FetchedReplica(NamedTuple):
    """What a broker has given of its replica: batches from the offset asked for on."""

    high_watermark: int
    records: bytes


class ReplicasDiverge(Exception):
    """Batches that end at different offsets, behind which nothing can be compared."""


def verify(
    partition: TopicPartition, offset: int, replicas: Mapping[int, FetchedReplica], report: Callable[[str], None]
) -> int:
    """Compares replicas batch by batch up to their high watermarks and returns the offset behind what all have.

    Reports checksums that differ; raises ReplicasDiverge.
    """
    from kafkalite.records.record_batch import iter_batches

    batches = {
        replica_id: ((header.last_offset, header.crc) for _, header in iter_batches(replica.records))
        for replica_id, replica in replicas.items()
    }
    while True:
        seen: tuple[int, int, int] | None = None
        for replica_id, each in batches.items():
            last_offset, crc = next(each, (None, 0))
            if last_offset is None or last_offset >= replicas[replica_id].high_watermark:
                return offset
            if seen is None:
                seen = (replica_id, last_offset, crc)
                continue
            first_id, first_offset, first_crc = seen
            if last_offset != first_offset:
                raise ReplicasDiverge(
                    f"partition {partition}: replica {first_id}'s offset {first_offset} doesn't match replica"
                    f" {replica_id}'s offset {last_offset}"
                )
            if crc != first_crc:
                report(
                    f"partition {partition} has unmatched checksum at offset {last_offset}; replica {first_id}'s"
                    f" checksum {first_crc}; replica {replica_id}'s checksum {crc}"
                )
        if seen is None:
            return offset
        offset = seen[1] + 1


class ReplicaVerification:
    """The partitions of some topics, their replicas, and how far they have been compared."""

    def __init__(self, admin: Admin, is_wanted: Callable[[str], bool], time_ms: int) -> None:
        self._admin = admin
        self._topic_ids: dict[str, Uuid] = {}
        self._replicas: dict[TopicPartition, Sequence[int]] = {}
        for topic in admin.metadata(None, call="describeTopics").topics:
            name = topic.name or ""
            if is_wanted(name):
                self._topic_ids[name] = topic.topic_id
                for each in topic.partitions:
                    self._replicas[TopicPartition(name, each.partition_index)] = each.replica_nodes
        self._offsets = self._initial_offsets(time_ms)

    @property
    def has_partitions(self) -> bool:
        return bool(self._replicas)

    def _initial_offsets(self, time_ms: int) -> dict[TopicPartition, int]:
        results = list_offsets(self._admin, dict.fromkeys(self._replicas, time_ms)) if self._replicas else {}
        for partition, result in results.items():
            if result.error:
                raise KafkaError(result.error)
            if result.offset == UNKNOWN_OFFSET and time_ms not in (LATEST, EARLIEST):
                raise ToolError(f"No record of {partition} is as late as {time_ms}")
        return {partition: result.offset for partition, result in results.items()}

    def run_once(self, fetch_size: int, max_wait_ms: int, report: Callable[[str], None]) -> str:
        """Fetches from all replicas, compares, and says where the verification is farthest behind."""
        fetched: dict[TopicPartition, dict[int, FetchedReplica]] = {partition: {} for partition in self._replicas}
        for broker in sorted({broker for brokers in self._replicas.values() for broker in brokers}):
            for partition, replica in self._fetch(broker, fetch_size, max_wait_ms):
                fetched[partition][broker] = replica
        slowest, slowest_offset, max_lag = None, -1, -1
        for partition, replicas in fetched.items():
            # A broker that did not answer is waited for.
            if len(replicas) == len(self._replicas[partition]):
                self._offsets[partition] = verify(partition, self._offsets[partition], replicas, report)
            offset = self._offsets[partition]
            lag = max((replica.high_watermark for replica in replicas.values()), default=-1) - offset
            if lag > max_lag:
                slowest, slowest_offset, max_lag = partition, offset, lag
        shown = "null" if slowest is None else str(slowest)
        return f"max lag is {max_lag} for partition {shown} at offset {slowest_offset} among {len(fetched)} partitions"

    def _fetch(self, broker: int, fetch_size: int, max_wait_ms: int) -> Iterator[tuple[TopicPartition, FetchedReplica]]:
        from kafkalite.protocol.messages import fetch

        topics: dict[str, fetch.FetchTopic] = {}
        for partition, brokers in self._replicas.items():
            if broker in brokers:
                name = partition.topic
                topic = topics.setdefault(name, fetch.FetchTopic(topic=name, topic_id=self._topic_ids[name]))
                topic.partitions.append(
                    fetch.FetchPartition(
                        partition=partition.partition,
                        fetch_offset=self._offsets[partition],
                        log_start_offset=0,
                        partition_max_bytes=fetch_size,
                    )
                )
        request = fetch.FetchRequest(
            max_wait_ms=max_wait_ms,
            min_bytes=1,
            max_bytes=_RESPONSE_MAX_BYTES,
            topics=list(topics.values()),
        )
        try:
            if self._admin.client_of(broker).version_for(request) >= _FIRST_VERSION_WITH_REPLICA_STATE:
                request.replica_state = fetch.ReplicaState(replica_id=_DEBUGGING_CONSUMER_ID)
            else:
                request.replica_id = _DEBUGGING_CONSUMER_ID
            response = self._admin.send(request, call="fetch", node_id=broker)
        except (AdminTimeoutError, WireClientError, KafkaError):
            return
        names = {topic_id: name for name, topic_id in self._topic_ids.items()}
        for answered in response.responses:
            name = answered.topic or names[answered.topic_id]
            for answer in answered.partitions:
                yield (
                    TopicPartition(name, answer.partition_index),
                    FetchedReplica(answer.high_watermark, bytes(answer.records or b"")),
                )


def _print_stamped(text: str) -> None:
    now_s = time.time()
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now_s))
    print(f"{stamp},{int(now_s * 1000) % 1000:03d}: {text}", flush=True)


def _run(verification: ReplicaVerification, fetch_size: int, max_wait_ms: int, interval_ms: int) -> int:
    """Verifies until a stop is asked for; returns the exit code."""
    reported_s = time.monotonic()
    with StopRequest() as stop:
        _print_stamped("verification process is started")
        while not stop:
            try:
                summary = verification.run_once(fetch_size, max_wait_ms, _print_stamped)
            except ReplicasDiverge as divergence:
                _print_stamped(str(divergence))
                return 1
            if (time.monotonic() - reported_s) * 1000 > interval_ms:
                _print_stamped(summary)
                reported_s = time.monotonic()
        return stop.exit_code


def _execute(argv: list[str]) -> int:
    parser = OptionParser()
    broker_list = parser.option(
        "broker-list", "REQUIRED: The brokers to connect to.", "hostname:port,...,hostname:port"
    )
    fetch_size = parser.option(
        "fetch-size", "How much to fetch of a partition at once.", "bytes", type_name="Integer", default=1_048_576
    )
    max_wait_ms = parser.option(
        "max-wait-ms", "How long a fetch waits for records.", "ms", type_name="Integer", default=1_000
    )
    topics_include = parser.option(
        "topics-include", "A regular expression of the topics to verify.", "Java regex (String)", default=".*"
    )
    initial_time = parser.option(
        "time",
        "The time from which on to verify, in milliseconds since 1970; -1 for the latest offsets, -2 for the earliest.",
        "timestamp/-1(latest)/-2(earliest)",
        type_name="Long",
        default=-1,
    )
    report_interval_ms = parser.option(
        "report-interval-ms", "How often to say how far it is.", "ms", type_name="Long", default=30_000
    )
    try:
        options = parser.parse(argv)
        print_help_or_version(parser, options, _ABOUT, is_empty=not argv)
        check_required(parser, options, broker_list)
        servers = options.value(broker_list)
        check_bootstrap_servers(parser, servers)
        log("WARN", "This tool is deprecated and may be removed in a future major release.", _LOGGER)
        with open_admin(servers) as admin:
            pattern = options.value(topics_include)
            try:
                re.compile(pattern)
            except re.error:
                raise ToolError(f"{pattern} is an invalid regex", "java.lang.RuntimeException") from None
            topics = TopicFilter(pattern)
            verification = ReplicaVerification(
                admin, lambda name: topics.is_allowed(name, excludes_internal=False), options.value(initial_time)
            )
            if not verification.has_partitions:
                log(
                    "ERROR",
                    f"No topics found. {topics_include} if specified, is either filtering out all topics or there is"
                    " no topic.",
                    _LOGGER,
                )
                return 1
            sizes = (options.value(fetch_size), options.value(max_wait_ms), options.value(report_interval_ms))
            return _run(verification, *sizes)
    except OptionError as error:
        if error.parser is not None:
            raise
        exit_with_error(str(error))
    except (ToolError, *CALL_ERRORS) as error:
        exit_with_error(message(error))


def main(argv: list[str] | None = None) -> int:
    return run_command(_execute, argv)


if __name__ == "__main__":
    sys.exit(main())
