"""kafka-topics: creates, lists, describes, changes and deletes topics."""

from __future__ import annotations

import binascii
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Final

from kafkalite.cli.admin_options import load_properties, open_admin
from kafkalite.cli.bootstrap_servers import brokers_next_to_zookeeper, warn_about_zookeeper
from kafkalite.cli.command_line import (
    Option,
    OptionError,
    OptionParser,
    check_invalid,
    check_required,
    exit_with_usage,
    print_help_or_version,
    run_command,
)
from kafkalite.cli.console_log import log
from kafkalite.cli.java_exceptions import ToolError, described, message
from kafkalite.cli.java_numbers import parse_int
from kafkalite.cli.topic_filter import TopicFilter
from kafkalite.client.admin import Admin, AdminTimeoutError, check_topic_names, raise_for
from kafkalite.client.wire_client import WireClientError
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import Uuid
from kafkalite.protocol.messages.metadata import MetadataResponseTopic

_LONGEST_ID: Final = 24
_MAX_REPLICATION_FACTOR: Final = 32767
_ALTERING_CONFIGS: Final = " (To alter topic configurations, the kafka-configs tool can be used.)"
_COLLISION_WARNING: Final = (
    "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. "
    "To avoid issues it is best to use either, but not both."
)


class TopicCommandOptions:
    """The command line of kafka-topics, checked."""

    def __init__(self, argv: Sequence[str]) -> None:
        parser = self.parser = OptionParser()
        self.bootstrap_server = parser.option(
            "bootstrap-server", "REQUIRED: the broker to connect to.", "server to connect to"
        )
        self.command_config = parser.option(
            "command-config", "A properties file with settings of the connection.", "command config property file"
        )
        self.zookeeper = parser.option(
            "zookeeper", "(DEPRECATED) HOST:PORT is taken as the broker HOST:9092.", "ignored but for its host"
        )
        self.list = parser.flag("list", "List the topics.")
        self.create = parser.flag("create", "Create a topic.")
        self.delete = parser.flag("delete", "Delete topics.")
        self.alter = parser.flag("alter", f"Change how many partitions a topic has.{_ALTERING_CONFIGS}")
        self.describe = parser.flag("describe", "Show the partitions and settings of topics.")
        self.topic = parser.option(
            "topic", "The topic; except for --create, a regular expression that matches its whole name.", "topic"
        )
        self.topic_id = parser.option("topic-id", "The id of the topic to describe.", "topic-id")
        self.config = parser.option(
            "config", f"A setting of the new topic, only with --create.{_ALTERING_CONFIGS}", "name=value"
        )
        self.delete_config = parser.option("delete-config", "Gone since Apache Kafka 4.0: see kafka-configs.", "name")
        self.partitions = parser.option(
            "partitions",
            "How many partitions the topic gets; when creating, the broker's num.partitions if left out. "
            "(WARNING: with more partitions the same keys go to other partitions than before.)",
            "# of partitions",
            type_name="Integer",
        )
        self.replication_factor = parser.option(
            "replication-factor",
            "How many replicas each partition of the new topic gets; default.replication.factor if left out.",
            "replication factor",
            type_name="Integer",
        )
        self.replica_assignment = parser.option(
            "replica-assignment",
            "The brokers of each partition, by hand.",
            "broker_id_for_part1_replica1 : broker_id_for_part1_replica2 , "
            "broker_id_for_part2_replica1 : broker_id_for_part2_replica2 , ...",
        )
        self.under_replicated = parser.flag(
            "under-replicated-partitions", "Describe only partitions with replicas that are not in sync."
        )
        self.unavailable = parser.flag(
            "unavailable-partitions", "Describe only partitions whose leader is not available."
        )
        self.under_min_isr = parser.flag(
            "under-min-isr-partitions", "Describe only partitions with fewer replicas in sync than min.insync.replicas."
        )
        self.at_min_isr = parser.flag(
            "at-min-isr-partitions", "Describe only partitions with exactly min.insync.replicas in sync."
        )
        self.with_overrides = parser.flag("topics-with-overrides", "Describe only topics with settings of their own.")
        self.if_exists = parser.flag(
            "if-exists", "With --alter, --delete or --describe: do nothing where the topic does not exist."
        )
        self.if_not_exists = parser.flag("if-not-exists", "With --create: it is no error if the topic exists already.")
        self.exclude_internal = parser.flag("exclude-internal", "Leave internal topics out of the list or description.")
        self.partition_limit = parser.option(
            "partition-size-limit-per-response",
            "How many partitions a broker is asked for at a time.",
            "maximum number of partitions per response",
            type_name="Integer",
        )
        self.options = parser.parse(argv)
        self._check(is_empty=not argv)

    def has(self, option: Option) -> bool:
        return self.options.has(option)

    def _check(self, *, is_empty: bool) -> None:
        parser, options = self.parser, self.options
        if is_empty:
            exit_with_usage(parser, "Create, delete, describe, or change a topic.")
        print_help_or_version(parser, options, "This tool helps to create, delete, describe, or change a topic.")
        actions = [self.create, self.list, self.alter, self.describe, self.delete]
        if sum(map(options.has, actions)) != 1:
            exit_with_usage(
                parser,
                "Command must include exactly one action: --list, --describe, --create, --alter or --delete",
            )
        if options.has(self.delete_config):
            print(
                "delete-config option is no longer supported and deprecated since version 4.0. "
                "The config will be fully removed in future releases.",
                file=sys.stderr,
            )
        self._check_required()
        self._check_invalid(actions)

    def _check_required(self) -> None:
        parser, options = self.parser, self.options
        if not options.has(self.bootstrap_server) and not options.has(self.zookeeper):
            raise ToolError("--bootstrap-server must be specified")
        if options.has(self.describe) and options.has(self.if_exists):
            if not options.has(self.topic) and not options.has(self.topic_id):
                exit_with_usage(parser, "--topic or --topic-id is required to describe a topic")
            if options.has(self.topic) and options.has(self.topic_id):
                print(
                    "Only topic id will be used when both --topic and --topic-id are specified and topicId is not"
                    " Uuid.ZERO_UUID"
                )
        if not options.has(self.list) and not options.has(self.describe):
            check_required(parser, options, self.topic)
        if options.has(self.alter):
            if options.has(self.bootstrap_server) and options.has(self.config):
                used = f"[{self.bootstrap_server}, {self.config}]"
                exit_with_usage(
                    parser,
                    f'Option combination "{used}" can\'t be used with option "{self.alter}"{_ALTERING_CONFIGS}',
                )
            check_required(parser, options, self.partitions)

    def _check_invalid(self, actions: Sequence[Option]) -> None:
        parser, options = self.parser, self.options

        def only_with(option: Option, *allowed: Option, but_not: Iterable[Option] = ()) -> None:
            check_invalid(parser, options, option, [action for action in actions if action not in allowed])
            check_invalid(parser, options, option, but_not)

        only_with(self.config, self.alter, self.create)
        only_with(self.partitions, self.alter, self.create)
        only_with(self.replication_factor, self.create)
        only_with(self.replica_assignment, self.alter, self.create)
        if options.has(self.create):
            check_invalid(parser, options, self.replica_assignment, [self.partitions, self.replication_factor])
        reports = [self.under_replicated, self.under_min_isr, self.at_min_isr, self.unavailable]
        for report in reports:
            only_with(report, self.describe, but_not=[self.with_overrides])
        only_with(self.with_overrides, self.describe, but_not=reports)
        only_with(self.if_exists, self.alter, self.delete, self.describe)
        only_with(self.if_not_exists, self.create)
        only_with(self.exclude_internal, self.list, self.describe)

    def bootstrap_servers(self) -> str:
        if self.options.has(self.bootstrap_server):
            return str(self.options.value(self.bootstrap_server))
        servers = brokers_next_to_zookeeper(self.options.value(self.zookeeper))
        warn_about_zookeeper(servers)
        return servers

    def topic_pattern(self) -> str | None:
        pattern: str | None = self.options.value(self.topic)
        return pattern

    def assignment(self) -> list[list[int]]:
        """The brokers of each partition; empty if none were given."""
        text: str = self.options.value(self.replica_assignment) or ""
        return parse_replica_assignment(text) if text else []

    def topic_configs(self) -> dict[str, str]:
        configs = {}
        for given in self.options.values(self.config):
            parts = re.split(r"\s*=\s*", given)
            while parts and not parts[-1]:
                parts.pop()
            if len(parts) != 2:
                raise ToolError(
                    'requirement failed: Invalid topic config: all configs to be added must be in the format "key=val".'
                )
            configs[parts[0].strip()] = parts[1].strip()
        return configs


def parse_replica_assignment(text: str) -> list[list[int]]:
    """Reads "1:2,2:1", the brokers of each partition; raises ToolError where they repeat or differ in number."""
    partitions: list[list[int]] = []
    # Java's split leaves out what is empty at the end.
    for index, part in enumerate(text.rstrip(",").split(",")):
        brokers = [parse_int(broker.strip()) for broker in (part.rstrip(":") or part).split(":")]
        duplicates = [broker for broker in dict.fromkeys(brokers) if brokers.count(broker) > 1]
        if duplicates:
            raise ToolError(
                f"Partition replica lists may not contain duplicate entries: {','.join(map(str, duplicates))}",
                "org.apache.kafka.tools.AdminCommandFailedException",
            )
        partitions.append(brokers)
        if len(brokers) != len(partitions[0]):
            raise ToolError(
                f"Partition {index} has different replication factor: {brokers}",
                "org.apache.kafka.tools.AdminOperationException",
            )
    return partitions


class TopicService:
    """What kafka-topics does."""

    def __init__(self, admin: Admin, options: TopicCommandOptions) -> None:
        self._admin = admin
        self._options = options

    def run(self) -> None:
        options = self._options
        if options.has(options.create):
            self.create()
        elif options.has(options.alter):
            self.alter()
        elif options.has(options.list):
            print("\n".join(self._matching_topics()))
        elif options.has(options.describe):
            self.describe()
        elif options.has(options.delete):
            self.delete()

    def create(self) -> None:
        from kafkalite.protocol.messages.create_topics import (
            CreatableReplicaAssignment,
            CreatableTopic,
            CreatableTopicConfig,
            CreateTopicsRequest,
        )

        options = self._options
        name: str = options.options.value(options.topic)
        partitions: int | None = options.options.value(options.partitions)
        replication_factor: int | None = options.options.value(options.replication_factor)
        assignment = options.assignment()
        configs = options.topic_configs()
        if "." in name or "_" in name:
            print(_COLLISION_WARNING)
        if replication_factor is not None and not 1 <= replication_factor <= _MAX_REPLICATION_FACTOR:
            raise ToolError(f"The replication factor must be between 1 and {_MAX_REPLICATION_FACTOR} inclusive")
        if partitions is not None and partitions < 1:
            raise ToolError("The partitions must be greater than 0")
        topic = CreatableTopic(
            name=name,
            num_partitions=-1 if assignment or partitions is None else partitions,
            replication_factor=-1 if assignment or replication_factor is None else replication_factor,
            assignments=[
                CreatableReplicaAssignment(partition_index=index, broker_ids=brokers)
                for index, brokers in enumerate(assignment)
            ],
            configs=[CreatableTopicConfig(name=key, value=value) for key, value in configs.items()],
        )
        check_topic_names([name])
        request = CreateTopicsRequest(topics=[topic], timeout_ms=self._timeout_ms)
        response = self._admin.send(
            request, call="createTopics", retry_if=lambda r: r.topics[0].error_code == ErrorCode.NOT_CONTROLLER
        )
        result = response.topics[0]
        if result.error_code == ErrorCode.TOPIC_ALREADY_EXISTS and options.has(options.if_not_exists):
            return
        raise_for(result.error_code, result.error_message)
        print(f"Created topic {name}.")

    def alter(self) -> None:
        from kafkalite.protocol.messages.create_partitions import (
            CreatePartitionsAssignment,
            CreatePartitionsRequest,
            CreatePartitionsTopic,
        )

        options = self._options
        count: int = options.options.value(options.partitions)
        assignment = options.assignment()
        options.topic_configs()
        names = self._existing_topics()
        if not names:
            return
        topics = []
        for topic in self._admin.metadata(names, call="describeTopics").topics:
            raise_for(topic.error_code)
            added = [CreatePartitionsAssignment(broker_ids=brokers) for brokers in assignment[len(topic.partitions) :]]
            topics.append(
                CreatePartitionsTopic(name=topic.name, count=count, assignments=added if assignment else None)
            )
        request = CreatePartitionsRequest(topics=topics, timeout_ms=self._timeout_ms)
        response = self._admin.send(
            request,
            call="createPartitions",
            retry_if=lambda r: any(result.error_code == ErrorCode.NOT_CONTROLLER for result in r.results),
        )
        for result in response.results:
            raise_for(result.error_code, result.error_message)

    def describe(self) -> None:
        from kafkalite.cli.topic_description import TopicDescriber

        options = self._options
        id_text: str | None = options.options.value(options.topic_id)
        topic_id = _parse_topic_id(id_text) if id_text is not None else Uuid.ZERO
        describer = TopicDescriber(self._admin, options)
        if topic_id != Uuid.ZERO:
            known = {topic.topic_id for topic in self._topics()}
            if topic_id in known:
                describer.describe_by_id(topic_id)
            elif not options.has(options.if_exists):
                raise ToolError(f"TopicId '{topic_id}' does not exist as expected")
            return
        names = self._existing_topics()
        if names:
            describer.describe_by_name(names)

    def delete(self) -> None:
        from kafkalite.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState

        names = self._existing_topics()
        if not names:
            return
        request = DeleteTopicsRequest(
            topics=[DeleteTopicState(name=name) for name in names], timeout_ms=self._timeout_ms
        )
        response = self._admin.send(
            request,
            call="deleteTopics",
            retry_if=lambda r: any(result.error_code == ErrorCode.NOT_CONTROLLER for result in r.responses),
        )
        for result in response.responses:
            raise_for(result.error_code, result.error_message)

    @property
    def _timeout_ms(self) -> int:
        return self._admin.api_timeout_ms

    def _topics(self) -> list[MetadataResponseTopic]:
        topics = self._admin.metadata(None, call="listTopics").topics
        if self._options.has(self._options.exclude_internal):
            return [topic for topic in topics if not topic.is_internal]
        return topics

    def _matching_topics(self) -> list[str]:
        """The names that --topic matches, sorted; all without --topic."""
        pattern = self._options.topic_pattern()
        excludes_internal = self._options.has(self._options.exclude_internal)
        names = sorted(topic.name for topic in self._topics() if topic.name is not None)
        if pattern is None:
            return names
        topic_filter = TopicFilter(pattern)
        return [name for name in names if topic_filter.is_allowed(name, excludes_internal=excludes_internal)]

    def _existing_topics(self) -> list[str]:
        """The names that --topic matches; raises ToolError where there are none and --if-exists was not given."""
        names = self._matching_topics()
        pattern = self._options.topic_pattern()
        if pattern and not names and not self._options.has(self._options.if_exists):
            raise ToolError(f"Topic '{pattern}' does not exist as expected")
        return names


def _parse_topic_id(text: str) -> Uuid:
    # Java's decoder complains of the first character that is none of base64 before it complains of the length.
    strange = re.search(r"[^0-9A-Za-z_=-]", text) if len(text) <= _LONGEST_ID else None
    if strange is not None:
        raise ToolError(f"Illegal base64 character {ord(strange[0]):x}")
    try:
        return Uuid.parse(text)
    except binascii.Error:
        raise ToolError("Last unit does not have enough valid bits") from None
    except ValueError as error:
        raise ToolError(str(error)) from None


def _execute(argv: list[str]) -> int:
    try:
        options = TopicCommandOptions(argv)
        properties = load_properties(options.options.value(options.command_config))
        admin = open_admin(options.bootstrap_servers(), properties)
    except ToolError as error:
        print(error, file=sys.stderr)
        return 1
    with admin:
        try:
            TopicService(admin, options).run()
        except (KafkaError, ToolError, OptionError, AdminTimeoutError, WireClientError) as error:
            print(f"Error while executing topic command : {message(error)}")
            log("ERROR", described(error), "org.apache.kafka.tools.TopicCommand")
            return 1
    return 0


def main(argv: list[str] | None = None) -> int:
    return run_command(_execute, argv)


if __name__ == "__main__":
    sys.exit(main())
