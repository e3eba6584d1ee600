"""kafka-streams-groups: lists, describes and deletes streams groups, resets and deletes their offsets."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from kafkalite.cli import streams_group_tables as tables
from kafkalite.cli.command_line import OptionError, exit_with_usage, run_command
from kafkalite.cli.consumer_group_tables import print_error
from kafkalite.cli.group_command import group_admin, print_failure
from kafkalite.cli.group_filters import parse_states
from kafkalite.cli.java_exceptions import (
    CALL_ERRORS,
    ILLEGAL_ARGUMENT,
    ToolError,
    described,
    in_execution_exception,
    in_runtime_exception,
)
from kafkalite.cli.reset_scenarios import offsets_from_file
from kafkalite.cli.streams_group_options import StreamsGroupCommandOptions
from kafkalite.cli.streams_group_tables import StreamsOffset
from kafkalite.client.admin import Admin
from kafkalite.client.group_admin import (
    CommittedOffset,
    GroupListing,
    alter_offsets,
    committed_offsets,
    delete_group,
    list_groups,
)
from kafkalite.client.streams_group_admin import MissingTopologyError, StreamsGroup, describe_streams_group
from kafkalite.client.topic_offsets import EARLIEST, LATEST, offsets_at
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.java_hash_map import string_map_order

_STATES: Final = ("Stable", "Dead", "Empty", "Assigning", "Reconciling", "NotReady")
# The names that Kafka Streams gives to the topics it makes for itself, behind the application's id.
_INTERNAL_TOPIC: Final = re.compile(
    r".*(?:-changelog|-repartition|-subscription-registration-topic|-subscription-response-topic)"
    r"|.+-KTABLE-FK-JOIN-SUBSCRIPTION-(?:REGISTRATION|RESPONSE)-\d+-topic"
)

Plan = dict[TopicPartition, int]


def is_internal_topic(topic: str, group_id: str) -> bool:
    """Whether a topic's name says that Kafka Streams made it for this application."""
    return topic.startswith(f"{group_id}-") and _INTERNAL_TOPIC.fullmatch(topic) is not None


class StreamsGroupService:
    """What kafka-streams-groups does."""

    def __init__(self, admin: Admin, options: StreamsGroupCommandOptions) -> None:
        self._admin = admin
        self._options = options

    def run(self) -> None:
        options = self._options
        if options.has(options.list):
            self.list_groups()
        elif options.has(options.describe):
            self.describe_groups()
        elif options.has(options.reset_offsets):
            plans = self.reset_offsets()
            if options.has(options.export):
                print(self._csv(plans))
            else:
                tables.print_new_offsets(plans)
        elif options.has(options.delete):
            self.delete_groups()
        else:
            self.delete_offsets()

    # --- list and describe

    def list_groups(self) -> None:
        options = self._options
        if not options.has(options.state):
            for group_id in self._listings():
                print(group_id)
            return
        states = parse_states(options.options.value(options.state) or "", _STATES)
        groups = self._listings(states).values()
        width = max(15, *(len(group.group_id) for group in groups), 0)
        print(f"{'GROUP':{width}} STATE")
        for group in groups:
            print(f"{group.group_id:{width}} {group.state}")

    def _listings(self, states: Sequence[str] = ()) -> dict[str, GroupListing]:
        def listed() -> list[GroupListing]:
            return list_groups(self._admin, types=("Streams",), states=states)

        groups = {group.group_id: group for group in in_runtime_exception(listed)}
        return {group_id: groups[group_id] for group_id in string_map_order(groups)}

    def _groups(self) -> list[str]:
        options = self._options
        if options.has(options.all_groups):
            return list(self._listings())
        return list(dict.fromkeys(options.options.values(options.group)))

    def describe_groups(self) -> None:
        options = self._options
        is_verbose = options.has(options.verbose)
        for group_id in self._groups():
            group = in_execution_exception(_described_group, self._admin, group_id)
            if options.has(options.members):
                tables.print_members(group, is_verbose=is_verbose)
            elif options.has(options.state):
                tables.print_state(group, is_verbose=is_verbose)
            else:
                tables.print_offsets(group, self._progress(group), is_verbose=is_verbose)

    def _progress(self, group: StreamsGroup) -> dict[TopicPartition, StreamsOffset]:
        """How far the members have come in the partitions of their active tasks."""
        from kafkalite.cli.offset_reset import in_map_order

        partitions: dict[TopicPartition, None] = {}
        for member in group.members:
            for subtopology_id, indexes in member.assignment.active:
                subtopology = group.subtopologies.get(subtopology_id)
                if subtopology is None:
                    raise ToolError(f"Subtopology {subtopology_id} not found in group description!")
                for topic in (*subtopology.source_topics, *subtopology.repartition_source_topics):
                    partitions.update(dict.fromkeys(TopicPartition(topic, index) for index in indexes))
        earliest = in_execution_exception(offsets_at, self._admin, list(partitions), EARLIEST)
        latest = in_execution_exception(offsets_at, self._admin, list(partitions), LATEST)
        committed = self._committed(group.group_id)
        progress = {}
        for partition in in_map_order(partitions):
            offset = committed.get(partition)
            start = earliest[partition] if offset is None else offset.offset
            progress[partition] = StreamsOffset(
                None if offset is None else offset.offset,
                None if offset is None else offset.leader_epoch,
                latest[partition],
                latest[partition] - start,
            )
        return progress

    def _committed(
        self, group_id: str, *, includes_repartition_topics: bool = True
    ) -> dict[TopicPartition, CommittedOffset | None]:
        """The offsets of the topics that the group reads; raises ToolError."""
        group = in_runtime_exception(_described_group, self._admin, group_id)
        topics: set[str] = set()
        for subtopology in group.subtopologies.values():
            topics.update(subtopology.source_topics)
            if includes_repartition_topics:
                topics.update(subtopology.repartition_source_topics)
        offsets = in_runtime_exception(committed_offsets, self._admin, group_id)
        return {partition: offset for partition, offset in offsets.items() if partition.topic in topics}

    # --- delete

    def delete_groups(self) -> None:
        options = self._options
        ids = self._groups()
        listings = self._listings()
        failed: dict[str, str] = {}
        for group_id in ids:
            problem = _reason_not_to_delete(group_id, listings.get(group_id))
            if problem is not None:
                failed[group_id] = problem
        doomed = [group_id for group_id in ids if group_id not in failed]
        internal_topics: dict[str, list[str]] = {}
        if doomed and options.has(options.delete_all_internal_topics):
            internal_topics = self._internal_topics(doomed)
        deleted = []
        for group_id in doomed:
            try:
                delete_group(self._admin, group_id)
                deleted.append(group_id)
            except CALL_ERRORS as error:
                failed[group_id] = described(error)
        topic_failures = {}
        for group_id in deleted:
            failure = self._delete_topics(internal_topics.get(group_id, ()), names_each=True)
            if failure is not None:
                topic_failures[group_id] = described(failure)
        names = "', '".join(string_map_order(deleted))
        if not failed:
            print(f"Deletion of requested streams groups ('{names}') was successful.")
        else:
            print_error("Deletion of some streams groups failed:")
            for group_id in string_map_order(failed):
                print(f"* Group '{group_id}' could not be deleted due to: {failed[group_id]}")
            if deleted:
                print(f"\nThese streams groups were deleted successfully: '{names}'.")
        if internal_topics and deleted:
            _report_internal_topics(topic_failures, [each for each in deleted if each in internal_topics])

    def _internal_topics(self, groups: Sequence[str]) -> dict[str, list[str]]:
        """The topics that groups made for themselves; says which topics do not look like it."""
        found = {}
        try:
            described_groups = [_described_group(self._admin, group_id) for group_id in groups]
        except (*CALL_ERRORS, MissingTopologyError) as error:
            print_error(f"Retrieving internal topics failed due to {described(error)}")
            return {}
        for group in described_groups:
            subtopologies = group.subtopologies.values()
            sources = {topic for each in subtopologies for topic in each.source_topics}
            topics = [
                topic
                for each in subtopologies
                for topic in (*each.repartition_source_topics, *each.state_changelog_topics)
                if topic not in sources
            ]
            for topic in topics:
                if not is_internal_topic(topic, group.group_id):
                    print_error(
                        f"The internal topic '{topic}' is not inferred as internal and thus will not be deleted with"
                        f" the group '{group.group_id}'."
                    )
            topics = [topic for topic in topics if is_internal_topic(topic, group.group_id)]
            if topics:
                found[group.group_id] = topics
        return found

    def _delete_topics(self, topics: Iterable[str], *, names_each: bool) -> KafkaError | None:
        """Deletes topics; returns the first error, and names the topics that failed where asked to."""
        from kafkalite.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState

        states = [DeleteTopicState(name=topic) for topic in topics]
        if not states:
            return None
        response = self._admin.send(
            DeleteTopicsRequest(topics=states, timeout_ms=self._admin.api_timeout_ms), call="deleteTopics"
        )
        failures = [result for result in response.responses if result.error_code]
        for result in failures if names_each else ():
            print(f"Failed to delete internal topic: {result.name}")
        if not failures:
            return None
        return KafkaError(ErrorCode.for_code(failures[0].error_code), failures[0].error_message)

    def delete_offsets(self) -> None:
        from kafkalite.cli.offset_deletion import Results, delete_and_report, partitions_to_delete

        options = self._options
        group_id: str = options.options.value(options.group)
        results: Results = {}
        if options.has(options.all_input_topics):
            partitions = list(self._committed(group_id, includes_repartition_topics=False))
        else:
            partitions, results = partitions_to_delete(self._admin, options.options.values(options.input_topic))
        delete_and_report(self._admin, group_id, partitions, results)

    # --- reset

    def reset_offsets(self) -> dict[str, Plan]:
        """The new offsets of each group, committed with --execute."""
        options = self._options
        plans: dict[str, Plan] = {}
        for group_id in string_map_order(self._groups()):
            is_known = True
            try:
                state = _described_group(self._admin, group_id).state
            except KafkaError as error:
                if error.error is not ErrorCode.GROUP_ID_NOT_FOUND:
                    raise ToolError(
                        f"java.util.concurrent.ExecutionException: {described(error)}", "java.lang.RuntimeException"
                    ) from None
                is_known, state = False, "Dead"
            if state not in ("Empty", "Dead"):
                print_error(
                    f"Assignments can only be reset if the group '{group_id}' is inactive, but the current state is"
                    f" {state}."
                )
                plans[group_id] = {}
                continue
            plans[group_id] = self._reset_group(group_id)
            if is_known and options.has(options.execute):
                self._delete_internal_topics_of(group_id)
        return {group_id: plans[group_id] for group_id in string_map_order(plans)}

    def _delete_internal_topics_of(self, group_id: str) -> None:
        options = self._options
        topics: Sequence[str] = options.options.values(options.delete_internal_topic)
        if options.has(options.delete_all_internal_topics):
            topics = self._internal_topics([group_id]).get(group_id, [])
        error = self._delete_topics(topics, names_each=False)
        if error is None:
            return
        if error.error is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
            reason = "because the topics do not exist."
        else:
            reason = f"due to {described(error)}"
        print_error(f"Deleting internal topics for group '{group_id}' failed {reason}")

    def _reset_group(self, group_id: str) -> Plan:
        from kafkalite.cli.offset_reset import in_map_order

        options = self._options
        new_offsets = options.scenarios.new_offsets(
            self._admin,
            options.options,
            options.reset_offsets,
            self._partitions_to_reset(group_id),
            committed=lambda: self._committed(group_id),
            from_file=lambda path: self._plan_from_file(path, group_id),
        )
        plan = {partition: new_offsets[partition] for partition in in_map_order(new_offsets)}
        if options.has(options.execute):
            errors = alter_offsets(self._admin, group_id, plan) if plan else {}
            failed = [partition for partition in in_map_order(errors) if errors[partition]]
            if failed:
                names = ", ".join(map(str, failed))
                raise KafkaError(
                    errors[failed[0]], f"Failed altering group offsets for the following partitions: [{names}]"
                )
        return plan

    def _partitions_to_reset(self, group_id: str) -> list[TopicPartition]:
        from kafkalite.cli.offset_reset import check_partitions, in_map_order, partitions_in_scope

        options = self._options
        if options.has(options.all_input_topics):
            return in_map_order(self._committed(group_id, includes_repartition_topics=False))
        if options.has(options.input_topic):
            partitions = partitions_in_scope(self._admin, options.options.values(options.input_topic))
            in_runtime_exception(check_partitions, self._admin, partitions)
            known = in_runtime_exception(committed_offsets, self._admin, group_id)
            if not all(partition in known for partition in partitions):
                print_error(f"One or more topics are not part of the group '{group_id}'.")
                return []
            return partitions
        if not options.has(options.scenarios.from_file):
            exit_with_usage(options.parser, "One of the reset scopes should be defined: --all-topics, --topic.")
        return []

    def _plan_from_file(self, path: str, group_id: str) -> Plan:
        options = self._options
        offsets = offsets_from_file(self._admin, path, group_id, options.options.values(options.group))
        if offsets is None:
            print_error(f"No reset plan for group {group_id} found")
            return {}
        return offsets

    def _csv(self, plans: Mapping[str, Plan]) -> str:
        from kafkalite.cli.offset_reset import format_csv

        options = self._options
        is_for_one_group = len(options.options.values(options.group)) == 1
        return format_csv(
            (*(() if is_for_one_group else (group_id,)), partition.topic, partition.partition, offset)
            for group_id, plan in plans.items()
            for partition, offset in plan.items()
        )


def _described_group(admin: Admin, group_id: str) -> StreamsGroup:
    try:
        return describe_streams_group(admin, group_id)
    except MissingTopologyError as error:
        raise ToolError(
            f"java.lang.IllegalStateException: {error}", "java.util.concurrent.ExecutionException"
        ) from None


def _reason_not_to_delete(group_id: str, listing: GroupListing | None) -> str | None:
    if listing is None:
        return f"{ILLEGAL_ARGUMENT}: Group '{group_id}' does not exist or is not a streams group."
    if listing.state == "Dead":
        return f"java.lang.IllegalStateException: Streams group '{group_id}' group state is DEAD."
    if listing.state != "Empty":
        return described(KafkaError(ErrorCode.NON_EMPTY_GROUP, f"Streams group '{group_id}' is not EMPTY."))
    return None


def _report_internal_topics(failures: Mapping[str, str], groups: Sequence[str]) -> None:
    if not failures:
        names = "', '".join(string_map_order(groups))
        print(f"Deletion of associated internal topics of the streams groups ('{names}') was successful.")
        return
    print("Deletion of some associated internal topics failed:")
    for group_id in string_map_order(failures):
        print(f"* Internal topics of the streams group '{group_id}' could not be deleted due to: {failures[group_id]}")


def _execute(argv: list[str]) -> int:
    options = StreamsGroupCommandOptions(argv)
    try:
        with group_admin(options) as admin:
            StreamsGroupService(admin, options).run()
    except OptionError as error:
        exit_with_usage(options.parser, str(error))
    except (ToolError, *CALL_ERRORS) as error:
        print_failure("streams", options, error)
        return 1
    return 0


def main(argv: list[str] | None = None) -> int:
    return run_command(_execute, argv)


if __name__ == "__main__":
    sys.exit(main())
