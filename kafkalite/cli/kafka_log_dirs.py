"""kafka-log-dirs: prints, as JSON, the log directories of brokers and the sizes of the partitions in them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any, Final

from kafkalite.cli.admin_options import load_properties, open_admin
from kafkalite.cli.command_line import (
    OptionError,
    OptionParser,
    check_required,
    exit_with_error,
    print_help_or_version,
    run_command,
)
from kafkalite.cli.java_exceptions import ToolError, class_name, described, message
from kafkalite.cli.java_numbers import parse_int
from kafkalite.client.admin import Admin, AdminTimeoutError, raise_for
from kafkalite.client.wire_client import WireClientError
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.java_hash_map import hash_map_order, string_map_order, topic_partition_hash
from kafkalite.protocol.messages.describe_log_dirs import DescribeLogDirsRequest, DescribeLogDirsResult

_ABOUT: Final = "This tool helps to query log directory usage on the specified brokers."


def _object(**fields: Any) -> dict[str, Any]:
    """A JSON object with its fields in the order of Java's hash map."""
    return {name: fields[name] for name in string_map_order(fields)}


def _in_order(numbers: Iterable[int]) -> list[int]:
    return hash_map_order(numbers, lambda number: number)


def _joined(numbers: Iterable[int]) -> str:
    return ",".join(map(str, _in_order(numbers)))


def _log_dir(result: DescribeLogDirsResult, topics: set[str]) -> dict[str, Any]:
    partitions = {
        TopicPartition(topic.name, partition.partition_index): partition
        for topic in result.topics
        for partition in topic.partitions
        if not topics or topic.name in topics
    }
    error = ErrorCode.for_code(result.error_code)
    return _object(
        logDir=result.log_dir,
        error=class_name(KafkaError(error)) if error else None,
        partitions=[
            _object(
                partition=str(key),
                size=partitions[key].partition_size,
                offsetLag=partitions[key].offset_lag,
                isFuture=partitions[key].is_future_key,
            )
            for key in hash_map_order(partitions, topic_partition_hash)
        ],
    )


def describe(admin: Admin, topics: set[str], brokers: set[int]) -> None:
    """Prints what the brokers (none named: all) say about the topics (none named: all)."""
    known = set(admin.brokers())
    unknown = brokers - known
    if unknown:
        exit_with_error(
            f"ERROR: The given brokers do not exist from --broker-list: {_joined(unknown)}. "
            f"Current existent brokers: {_joined(known)}"
        )
    asked = _in_order(brokers or known)
    print("Querying brokers for log directories information", flush=True)
    answers = []
    for broker in asked:
        response = admin.send(DescribeLogDirsRequest(topics=None), call="describeLogDirs", node_id=broker)
        raise_for(response.error_code)
        log_dirs = {result.log_dir: result for result in response.results}
        shown = [_log_dir(log_dirs[path], topics) for path in string_map_order(log_dirs)]
        answers.append(_object(broker=broker, logDirs=shown))
    print(f"Received log directory information from brokers {_joined(asked)}")
    print(json.dumps(_object(version=1, brokers=answers), separators=(",", ":"), ensure_ascii=False))


def _execute(argv: list[str]) -> None:
    parser = OptionParser()
    bootstrap_server = parser.option(
        "bootstrap-server", "REQUIRED: the brokers to connect to.", "The server(s) to use for bootstrapping"
    )
    command_config = parser.option(
        "command-config", "A properties file with settings of the connection.", "Admin client property file"
    )
    describe_option = parser.flag("describe", "REQUIRED: describe the log directories.")
    topic_list = parser.option("topic-list", "The topics to show, topic1,topic2; all if left out.", "Topic list")
    broker_list = parser.option("broker-list", "The brokers to ask, 0,1,2; all if left out.", "Broker list")
    options = parser.parse(argv)
    print_help_or_version(parser, options, _ABOUT, is_empty=not argv)
    check_required(parser, options, bootstrap_server, describe_option)
    try:
        with open_admin(options.value(bootstrap_server), load_properties(options.value(command_config))) as admin:
            topics = {name for name in (options.value(topic_list) or "").split(",") if name}
            brokers = {parse_int(text) for text in (options.value(broker_list) or "").split(",") if text}
            describe(admin, topics, brokers)
    except (OptionError, ToolError) as error:
        exit_with_error(message(error))
    except (KafkaError, AdminTimeoutError, WireClientError) as error:
        exit_with_error(described(error))


def main(argv: list[str] | None = None) -> int:
    return run_command(_execute, argv)


if __name__ == "__main__":
    sys.exit(main())
