"""kafka-get-offsets: prints topic:partition:offset for the partitions of a cluster."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Final, NoReturn

from kafkalite.cli.admin_options import check_bootstrap_servers, load_properties, open_admin
from kafkalite.cli.command_line import (
    OptionError,
    OptionParser,
    check_required,
    exit_with_error,
    exit_with_usage,
    print_help_or_version,
    run_command,
)
from kafkalite.cli.java_exceptions import ToolError, described, message
from kafkalite.cli.java_numbers import parse_long
from kafkalite.cli.topic_filter import TopicFilter
from kafkalite.client import topic_offsets
from kafkalite.client.admin import Admin, AdminTimeoutError
from kafkalite.client.wire_client import WireClientError
from kafkalite.errors import KafkaError
from kafkalite.identifiers import TopicPartition

_ABOUT: Final = "An interactive shell for getting topic-partition offsets."
_RULE: Final = re.compile(r"([^:,]*)(?::(?:([0-9]*)|(?:([0-9]*)-([0-9]*))))?")
_TIMESTAMPS: Final = {
    "latest": topic_offsets.LATEST,
    "earliest": topic_offsets.EARLIEST,
    "max-timestamp": topic_offsets.MAX_TIMESTAMP,
    "earliest-local": topic_offsets.EARLIEST_LOCAL,
    "latest-tiered": topic_offsets.LATEST_TIERED,
    "earliest-pending-upload": topic_offsets.EARLIEST_PENDING_UPLOAD,
}
_CHOICES: Final = " / ".join(f"{timestamp} or {name}" for name, timestamp in _TIMESTAMPS.items())

Filter = Callable[[TopicPartition], bool]


def _fail(text: str) -> NoReturn:
    exit_with_error(f"Error occurred: {text}")


def parse_time(text: str) -> int:
    """Reads --time: a name, or milliseconds since 1970."""
    known = _TIMESTAMPS.get(text)
    if known is not None:
        return known
    try:
        return parse_long(text)
    except ToolError:
        _fail(f"Malformed time argument {text}. Please use {_CHOICES}, or a specified long format timestamp")


def parse_rules(text: str, *, excludes_internal: bool) -> Filter:
    """Reads --topic-partitions: TOPIC, TOPIC:3, TOPIC:1-4, TOPIC:1-, TOPIC:-4, with the topic left out or a pattern."""
    # As Java splits: nothing between commas alone, one empty rule (everything) in no text at all.
    parts = text.rstrip(",").split(",") if text.strip(",") or not text else []
    rules = [_parse_rule(rule, excludes_internal=excludes_internal) for rule in parts]
    return lambda partition: any(rule(partition) for rule in rules)


def _parse_rule(text: str, *, excludes_internal: bool) -> Filter:
    match = _RULE.fullmatch(text)
    if match is None:
        _fail(f"org.apache.kafka.tools.TerseException: Invalid rule specification: {text}")
    topics = TopicFilter(match[1] or ".*")
    lowest, end = int(match[3] or 0), int(match[4]) if match[4] else None
    if match[2]:
        lowest, end = int(match[2]), int(match[2]) + 1
    return lambda partition: (
        topics.is_allowed(partition.topic, excludes_internal=excludes_internal)
        and lowest <= partition.partition
        and (end is None or partition.partition < end)
    )


def parse_partitions(topic: str | None, partitions: str | None, *, excludes_internal: bool) -> Filter:
    """Reads --topic and --partitions."""
    topics = TopicFilter(".*" if topic is None else topic)
    if partitions and not re.fullmatch(r"[+-]?[0-9]+(,[+-]?[0-9]+)*", partitions):
        _fail(f"--partitions expects a comma separated list of numeric partition ids, but received: {partitions}")
    wanted = set(map(int, partitions.split(","))) if partitions else None
    return lambda partition: (
        topics.is_allowed(partition.topic, excludes_internal=excludes_internal)
        and (wanted is None or partition.partition in wanted)
    )


def print_offsets(admin: Admin, is_wanted: Filter, timestamp: int) -> None:
    """Prints the offsets sorted by topic and partition; partitions that have none are left out."""
    partitions = [
        partition
        for topic in admin.metadata(None, call="listTopics").topics
        for partition in (TopicPartition(topic.name or "", each.partition_index) for each in topic.partitions)
        if is_wanted(partition)
    ]
    if not partitions:
        _fail("Could not match any topic-partitions with the specified filters")
    results = topic_offsets.list_offsets(admin, dict.fromkeys(partitions, timestamp))
    for partition in sorted(partitions, key=str):
        result = results[partition]
        if result.error:
            reason = described(KafkaError(result.error))
            print(f"Skip getting offsets for topic-partition {partition} due to error: {reason}", file=sys.stderr)
        elif result.offset != topic_offsets.UNKNOWN_OFFSET:
            print(f"{partition.topic}:{partition.partition}:{result.offset}")


def _execute(argv: list[str]) -> None:
    parser = OptionParser()
    bootstrap_server = parser.option(
        "bootstrap-server", "REQUIRED: the brokers to connect to.", "HOST1:PORT1,...,HOST3:PORT3"
    )
    topic_partitions = parser.option(
        "topic-partitions",
        "The partitions to show: patterns TOPIC:PARTITIONS separated by commas. TOPIC is a regular expression, all "
        "topics if left out. PARTITIONS is a number, FROM-TO (without TO), FROM-, -TO, or left out for all.",
        "topic1:1,topic2:0-3,topic3,topic4:5-,topic5:-3",
    )
    topic = parser.option("topic", "A regular expression for the topics to show; all if left out.", "topic")
    partitions = parser.option("partitions", "The partitions to show, 0,1,...; all if left out.", "partition ids")
    when = parser.option(
        "time",
        "Show the first offsets at or after this time, in milliseconds since 1970, or one of those named.",
        f"<timestamp> / {_CHOICES}",
        default="latest",
    )
    command_config = parser.option(
        "command-config", "A properties file with settings of the connection.", "config file"
    )
    exclude_internal = parser.flag("exclude-internal-topics", "Leave internal topics out.")
    if not argv:
        exit_with_usage(parser, _ABOUT)
    try:
        options = parser.parse(argv)
        print_help_or_version(parser, options, _ABOUT)
        check_required(parser, options, bootstrap_server)
        check_bootstrap_servers(parser, options.value(bootstrap_server))
        if options.has(topic_partitions) and (options.has(topic) or options.has(partitions)):
            _fail("--topic-partitions cannot be used with --topic or --partitions")
        excludes_internal = options.has(exclude_internal)
        timestamp = parse_time(options.value(when))
        if options.has(topic_partitions):
            is_wanted = parse_rules(options.value(topic_partitions), excludes_internal=excludes_internal)
        else:
            is_wanted = parse_partitions(
                options.value(topic), options.value(partitions), excludes_internal=excludes_internal
            )
        with open_admin(options.value(bootstrap_server), load_properties(options.value(command_config))) as admin:
            print_offsets(admin, is_wanted, timestamp)
    except (AdminTimeoutError, WireClientError, KafkaError) as error:
        _fail(described(error))
    except (OptionError, ToolError) as error:
        _fail(message(error))


def main(argv: list[str] | None = None) -> int:
    return run_command(_execute, argv)


if __name__ == "__main__":
    sys.exit(main())
