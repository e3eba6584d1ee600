"""kafka-leader-election: elects the preferred replicas of partitions, or any replica, as leaders."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from kafkalite.cli.admin_options import load_properties, open_admin
from kafkalite.cli.command_line import (
    OptionError,
    OptionParser,
    OptionSet,
    check_invalid,
    exit_with_error,
    print_help_or_version,
    run_command,
)
from kafkalite.cli.java_exceptions import ToolError, described, message
from kafkalite.cli.json_document import parse_json
from kafkalite.client.admin import Admin, AdminTimeoutError
from kafkalite.client.wire_client import WireClientError
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.java_hash_map import hash_map_order, topic_partition_hash
from kafkalite.protocol.messages.elect_leaders import ElectLeadersRequest, TopicPartitions

_ABOUT: Final = (
    "This tool attempts to elect a new leader for a set of topic partitions."
    " The type of elections supported are preferred replicas and unclean replicas."
)
_ELECTION_TYPES: Final = {"PREFERRED": 0, "UNCLEAN": 1}
_TIMEOUT_S: Final = 30.0
_COMMAND_FAILED: Final = "org.apache.kafka.tools.AdminCommandFailedException"
_OPERATION_FAILED: Final = "org.apache.kafka.tools.AdminOperationException"


def _election_type(text: str) -> str:
    if text.upper() not in _ELECTION_TYPES:
        raise ValueError(text)
    return text.upper()


class LeaderElectionCommandOptions:
    """The command line, checked."""

    def __init__(self, argv: list[str]) -> None:
        parser = self.parser = OptionParser()
        option, flag = parser.option, parser.flag
        self.bootstrap_server = option("bootstrap-server", "REQUIRED: the brokers to connect to.", "host:port")
        self.admin_config = option("admin.config", "(DEPRECATED) Use --command-config instead.", "config file")
        self.command_config = option(
            "command-config", "A properties file with settings of the connection.", "Config file"
        )
        self.path_to_json_file = option(
            "path-to-json-file",
            'A file with the partitions:\n{"partitions":\n\t[{"topic": "foo", "partition": 1},\n\t'
            ' {"topic": "foobar", "partition": 2}]\n}',
            "Path to JSON file",
        )
        self.topic = option("topic", "A topic, with --partition.", "topic name")
        self.partition = option("partition", "A partition of --topic.", "partition id", type_name="Integer")
        self.all_topic_partitions = flag("all-topic-partitions", "Every partition that can have an election.")
        self.election_type = option(
            "election-type",
            "REQUIRED: preferred, where another than the preferred replica leads; unclean, where none leads.",
            "election type",
            type_name="ElectionType",
            convert=_election_type,
        )
        self.options: OptionSet = parser.parse(argv)
        print_help_or_version(parser, self.options, _ABOUT, is_empty=not argv)
        self._check()

    def _check(self) -> None:
        options, has = self.options, self.options.has
        missing = [each.names[0] for each in (self.bootstrap_server, self.election_type) if not has(each)]
        if missing:
            raise ToolError(f"Missing required option(s): {', '.join(missing)}", _COMMAND_FAILED)
        check_invalid(self.parser, options, self.admin_config, [self.command_config])
        alternatives = [self.topic, self.all_topic_partitions, self.path_to_json_file]
        if sum(map(has, alternatives)) != 1:
            names = ", ".join(each.names[0] for each in alternatives)
            raise ToolError(f"One and only one of the following options is required: {names}", _COMMAND_FAILED)
        if has(self.topic) and not has(self.partition):
            raise ToolError("Missing required option(s): partition", _COMMAND_FAILED)
        if has(self.partition) and not has(self.topic):
            raise ToolError("Option partition is only allowed if topic is used", _COMMAND_FAILED)

    def partitions(self) -> list[TopicPartition] | None:
        """The partitions that were named; None for all."""
        options = self.options
        if options.has(self.path_to_json_file):
            return parse_partitions_file(options.value(self.path_to_json_file))
        if options.has(self.topic):
            return [TopicPartition(options.value(self.topic), options.value(self.partition))]
        return None


def parse_partitions_file(path: str) -> list[TopicPartition]:
    """Reads the file of --path-to-json-file; raises ToolError."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            document = parse_json(file.read())
    except OSError:
        raise ToolError(f"java.io.IOException: Unable to read file {path}", "java.lang.RuntimeException") from None
    if document is None:
        raise ToolError("Replica election data is empty", _OPERATION_FAILED)
    fields = document.fields()
    if "partitions" not in fields:
        raise ToolError('Replica election data is missing "partitions" field', _OPERATION_FAILED)
    partitions = [
        TopicPartition(entry.field("topic").text(), entry.field("partition").integer())
        for entry in fields["partitions"].elements()
    ]
    duplicates = [each for each in dict.fromkeys(partitions) if partitions.count(each) > 1]
    if duplicates:
        raise ToolError(
            f"Replica election data contains duplicate partitions: [{_joined(duplicates)}]", _OPERATION_FAILED
        )
    return partitions


def _joined(partitions: Sequence[TopicPartition]) -> str:
    return ", ".join(map(str, hash_map_order(partitions, topic_partition_hash)))


def elect_leaders(admin: Admin, election_type: str, partitions: Sequence[TopicPartition] | None) -> None:
    """Asks for the elections and prints what came of them; raises ToolError where one failed."""
    topics: dict[str, TopicPartitions] = {}
    for partition in partitions or ():
        topics.setdefault(partition.topic, TopicPartitions(topic=partition.topic)).partitions.append(
            partition.partition
        )
    request = ElectLeadersRequest(
        election_type=_ELECTION_TYPES[election_type],
        topic_partitions=None if partitions is None else list(topics.values()),
        timeout_ms=admin.api_timeout_ms,
    )
    response = admin.send(
        request, call="electLeaders", retry_if=lambda response: response.error_code == ErrorCode.NOT_CONTROLLER
    )
    if response.error_code == ErrorCode.CLUSTER_AUTHORIZATION_FAILED:
        print("Not authorized to perform leader election")
        raise ToolError("Not authorized to perform leader election", _COMMAND_FAILED)
    if response.error_code:
        error = KafkaError(ErrorCode.for_code(response.error_code))
        raise ToolError(f"java.util.concurrent.ExecutionException: {described(error)}", "java.lang.RuntimeException")
    errors = {
        TopicPartition(topic.topic, result.partition_id): KafkaError(
            ErrorCode.for_code(result.error_code), result.error_message
        )
        for topic in response.replica_election_results
        for result in topic.partition_result
    }
    succeeded = [partition for partition, error in errors.items() if not error.error]
    unneeded = [partition for partition, error in errors.items() if error.error is ErrorCode.ELECTION_NOT_NEEDED]
    failed = [each for each in errors if each not in succeeded and each not in unneeded]
    if succeeded:
        print(f"Successfully completed leader election ({election_type}) for partitions {_joined(succeeded)}")
    if unneeded:
        print(f"Valid replica already elected for partitions {_joined(unneeded)}")
    for partition in hash_map_order(failed, topic_partition_hash):
        print(
            f"Error completing leader election ({election_type}) for partition: {partition}:"
            f" {described(errors[partition])}"
        )
    if failed:
        raise ToolError(f"{len(failed)} replica(s) could not be elected", _COMMAND_FAILED)


def _execute(argv: list[str]) -> None:
    try:
        command = LeaderElectionCommandOptions(argv)
        options = command.options
        election_type = options.value(command.election_type)
        partitions = command.partitions()
        config = options.value(command.command_config)
        if options.has(command.admin_config):
            print(
                "Option --admin.config has been deprecated and will be removed in a future version."
                " Use --command-config instead."
            )
            config = options.value(command.admin_config)
        properties = load_properties(config)
        with open_admin(options.value(command.bootstrap_server), properties) as admin:
            if "default.api.timeout.ms" not in properties:
                admin.api_timeout_s = _TIMEOUT_S
            elect_leaders(admin, election_type, partitions)
    except OptionError as error:
        if error.parser is not None:
            raise
        exit_with_error(str(error))
    except AdminTimeoutError:
        print("Timeout waiting for election results")
        exit_with_error("Timeout waiting for election results")
    except (ToolError, KafkaError, WireClientError) as error:
        exit_with_error(message(error))


def main(argv: list[str] | None = None) -> int:
    return run_command(_execute, argv)


if __name__ == "__main__":
    sys.exit(main())
