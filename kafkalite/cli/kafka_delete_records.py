"""kafka-delete-records: deletes the records of partitions that come before given offsets.

The offsets stand in a JSON file: {"partitions": [{"topic": "foo", "partition": 1, "offset": 1}], "version": 1}
"""

from __future__ import annotations

import sys
from typing import Any

from kafkalite.cli.admin_options import load_properties, open_admin
from kafkalite.cli.command_line import OptionParser, check_required, print_help_or_version, run_command
from kafkalite.cli.java_exceptions import CALL_ERRORS, ToolError, described, message
from kafkalite.cli.json_document import parse_json
from kafkalite.client.admin import Admin, AdminTimeoutError, is_retriable
from kafkalite.client.wire_client import WireClientError
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.java_hash_map import hash_map_order, topic_partition_hash
from kafkalite.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)

_OPERATION_ERROR = "org.apache.kafka.tools.AdminOperationException"
_FORMAT = """The JSON file with the offsets:
{"partitions":
  [{"topic": "foo", "partition": 1, "offset": 1}],
 "version":1
}"""


def parse_offsets(text: str) -> dict[TopicPartition, int]:
    """Reads the file; raises ToolError in the words of the original."""
    document = parse_json(text)
    if document is None:
        raise ToolError("The input string is not a valid JSON", _OPERATION_ERROR)
    fields = document.fields()
    version = fields["version"].integer() if "version" in fields else 1
    if version != 1:
        raise ToolError(f"Not supported version field value {version}", _OPERATION_ERROR)
    if "partitions" not in fields:
        raise ToolError("Missing partitions field", _OPERATION_ERROR)
    offsets: dict[TopicPartition, list[int]] = {}
    for entry in fields["partitions"].elements():
        partition = TopicPartition(entry.field("topic").text(), entry.field("partition").integer())
        offsets.setdefault(partition, []).append(entry.field("offset").integer(bits=64))
    duplicates = [str(partition) for partition in _in_map_order(offsets) if len(offsets[partition]) > 1]
    if duplicates:
        raise ToolError(
            f"Offset json file contains duplicate topic partitions: {','.join(duplicates)}",
            "org.apache.kafka.tools.AdminCommandFailedException",
        )
    return {partition: offsets[partition][0] for partition in _in_map_order(offsets)}


def _in_map_order(offsets: dict[TopicPartition, Any]) -> list[TopicPartition]:
    return hash_map_order(offsets, topic_partition_hash)


def delete_records(admin: Admin, offsets: dict[TopicPartition, int]) -> None:
    """Deletes and prints each partition's new low watermark, or why it has none."""
    print("Executing records delete operation", flush=True)
    print("Records delete operation completed:")
    results: dict[TopicPartition, int | Exception] = {}
    try:
        _delete(admin, offsets, results)
    except CALL_ERRORS as error:
        for partition in offsets:
            results.setdefault(partition, error)
    for partition in sorted(results):
        result = results[partition]
        outcome = f"error: {described(result)}" if isinstance(result, Exception) else f"low_watermark: {result}"
        print(f"partition: {partition}\t{outcome}")


def _delete(admin: Admin, offsets: dict[TopicPartition, int], results: dict[TopicPartition, int | Exception]) -> None:
    """Deletes at the partitions' leaders; what has no result when this raises has failed."""
    known = _leaders(admin, offsets, results)
    for leader in sorted(set(known.values())):
        topics: dict[str, DeleteRecordsTopic] = {}
        for partition, offset in offsets.items():
            if known.get(partition) == leader:
                topic = topics.setdefault(partition.topic, DeleteRecordsTopic(name=partition.topic))
                topic.partitions.append(DeleteRecordsPartition(partition_index=partition.partition, offset=offset))
        request = DeleteRecordsRequest(topics=list(topics.values()), timeout_ms=admin.api_timeout_ms)
        response = admin.send(
            request,
            call="deleteRecords",
            node_id=leader,
            retry_if=lambda response: any(
                is_retriable(partition.error_code) and partition.error_code != ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                for topic in response.topics
                for partition in topic.partitions
            ),
        )
        for answered in response.topics:
            for answer in answered.partitions:
                error = ErrorCode.for_code(answer.error_code)
                results[TopicPartition(answered.name, answer.partition_index)] = (
                    KafkaError(error) if error else answer.low_watermark
                )


def _leaders(
    admin: Admin, offsets: dict[TopicPartition, int], results: dict[TopicPartition, int | Exception]
) -> dict[TopicPartition, int]:
    """The leaders of partitions that exist; the others get their error at once."""
    leaders: dict[TopicPartition, int] = {}
    names = sorted({partition.topic for partition in offsets})
    for topic in admin.metadata(names, call="deleteRecords(api=METADATA)").topics:
        for each in topic.partitions:
            leaders[TopicPartition(topic.name or "", each.partition_index)] = each.leader_id
    for partition in offsets:
        if partition not in leaders:
            results[partition] = KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    return {partition: leaders[partition] for partition in offsets if partition in leaders}


def _execute(argv: list[str]) -> int:
    parser = OptionParser()
    bootstrap_server = parser.option(
        "bootstrap-server", "REQUIRED: the broker to connect to.", "server(s) to use for bootstrapping"
    )
    json_file = parser.option("offset-json-file", f"REQUIRED: {_FORMAT}", "Offset json file path")
    command_config = parser.option(
        "command-config",
        "A properties file with settings of the connection.",
        "command config property file path",
    )
    options = parser.parse(argv)
    print_help_or_version(
        parser,
        options,
        "This tool helps to delete records of the given partitions down to the specified offset.",
        is_empty=not argv,
    )
    check_required(parser, options, bootstrap_server, json_file)
    try:
        with open_admin(options.value(bootstrap_server), load_properties(options.value(command_config))) as admin:
            path: str = options.value(json_file)
            try:
                with open(path, encoding="utf-8", errors="replace") as file:
                    text = file.read()
            except OSError:
                raise ToolError(f"Unable to read file {path}", "java.io.IOException") from None
            delete_records(admin, parse_offsets(text))
    except (ToolError, KafkaError, AdminTimeoutError, WireClientError) as error:
        print(message(error), file=sys.stderr)
        return 1
    return 0


def main(argv: list[str] | None = None) -> int:
    return run_command(_execute, argv)


if __name__ == "__main__":
    sys.exit(main())
