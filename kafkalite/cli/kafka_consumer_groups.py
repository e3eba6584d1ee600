"""kafka-consumer-groups: lists, describes and deletes consumer groups, resets and deletes their offsets."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from kafkalite.cli import consumer_group_tables as tables
from kafkalite.cli.command_line import OptionError, exit_with_usage, run_command
from kafkalite.cli.consumer_group_options import ConsumerGroupCommandOptions
from kafkalite.cli.consumer_group_tables import MISSING, OffsetRow, print_error
from kafkalite.cli.group_command import group_admin, print_failure
from kafkalite.cli.group_filters import parse_names, parse_states
from kafkalite.cli.java_exceptions import (
    CALL_ERRORS,
    ToolError,
    described,
    in_execution_exception,
    in_runtime_exception,
)
from kafkalite.cli.reset_scenarios import offsets_from_file
from kafkalite.client.admin import Admin
from kafkalite.client.group_admin import (
    CommittedOffset,
    GroupDescription,
    GroupListing,
    MemberDescription,
    alter_offsets,
    committed_offsets,
    delete_group,
    describe_consumer_group,
    list_consumer_groups,
    list_groups,
)
from kafkalite.client.topic_offsets import LATEST, offsets_at, partitions_of
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.java_hash_map import string_map_order

T = TypeVar("T")

_STATES: Final = (
    "PreparingRebalance",
    "CompletingRebalance",
    "Stable",
    "Dead",
    "Empty",
    "Assigning",
    "Reconciling",
)
_TYPES: Final = ("Classic", "Consumer")


class ConsumerGroupService:
    """What kafka-consumer-groups does."""

    def __init__(self, admin: Admin, options: ConsumerGroupCommandOptions) -> None:
        self._admin = admin
        self._options = options

    def run(self) -> None:
        options = self._options
        if options.has(options.list):
            self.list_groups()
        elif options.has(options.describe):
            self.describe_groups()
        elif options.has(options.delete):
            self.delete_groups()
        elif options.has(options.reset_offsets):
            plans = self.reset_offsets()
            if options.has(options.export):
                print(self._csv(plans))
            else:
                tables.print_new_offsets(plans)
        elif options.has(options.delete_offsets):
            self.delete_offsets()

    # --- list

    def list_groups(self) -> None:
        options = self._options
        shows_type, shows_state = options.has(options.type), options.has(options.state)
        if not shows_type and not shows_state:
            for group_id in self._all_groups():
                print(group_id)
            return
        types = _parse_types(options.options.value(options.type) or "")
        states = parse_states(options.options.value(options.state) or "", _STATES)
        listings = in_execution_exception(
            lambda: list_groups(self._admin, types=types, states=states, protocol_types=("", "consumer"))
        )
        tables.print_listings(_in_map_order(listings), shows_type=shows_type, shows_state=shows_state)

    def _all_groups(self) -> list[str]:
        listings = in_runtime_exception(list_consumer_groups, self._admin)
        return [listing.group_id for listing in _in_map_order(listings)]

    def _groups(self) -> list[str]:
        options = self._options
        if options.has(options.all_groups):
            return self._all_groups()
        return list(dict.fromkeys(options.options.values(options.group)))

    # --- describe

    def describe_groups(self) -> None:
        options = self._options
        is_verbose = options.has(options.verbose)
        groups = {}
        ids = self._groups()
        if ids:
            in_execution_exception(lambda: self._admin.find_coordinators(ids, call="describeConsumerGroups"))
        for group_id in ids:
            groups[group_id] = in_execution_exception(describe_consumer_group, self._admin, group_id)
        in_order = [groups[group_id] for group_id in sorted(groups)]
        if options.has(options.members):
            for group in in_order:
                tables.print_members(group, is_verbose=is_verbose)
        elif options.has(options.state):
            for group in in_order:
                tables.print_state(group, is_verbose=is_verbose)
        else:
            rows = {group.group_id: self._offset_rows(group) for group in in_order}
            for group in in_order:
                tables.print_offsets(group.group_id, group.state, rows[group.group_id], is_verbose=is_verbose)

    def _offset_rows(self, group: GroupDescription) -> list[OffsetRow]:
        """The partitions of the members, those with most first, then the partitions that nobody is assigned."""
        committed = self._committed(group.group_id)
        rows: list[OffsetRow] = []
        assigned: set[TopicPartition] = set()
        consumers = [member for member in group.members if member.assignment]
        for member in sorted(consumers, key=lambda each: -len(each.assignment)):
            assigned.update(member.assignment)
            rows += self._partition_rows(member.assignment, committed, member)
        return rows + self._partition_rows([p for p in committed if p not in assigned], committed, None)

    def _partition_rows(
        self,
        partitions: Sequence[TopicPartition],
        committed: Mapping[TopicPartition, CommittedOffset | None],
        member: MemberDescription | None,
    ) -> list[OffsetRow]:
        if not partitions:
            return []
        known = in_runtime_exception(
            lambda: partitions_of(self._admin, sorted({partition.topic for partition in partitions}))
        )
        leaders = {TopicPartition(topic, index): leader for topic, all_of in known.items() for index, leader in all_of}
        led = [partition for partition in partitions if leaders.get(partition, 0) >= 0]
        ends = in_runtime_exception(offsets_at, self._admin, led, LATEST)
        rows = []
        for partition in sorted(set(partitions)):
            offset = committed.get(partition)
            rows.append(
                OffsetRow(
                    partition,
                    None if offset is None else offset.offset,
                    None if offset is None else offset.leader_epoch,
                    ends.get(partition),
                    member.member_id if member else MISSING,
                    member.host if member else MISSING,
                    member.client_id if member else MISSING,
                )
            )
        return rows

    def _committed(self, group_id: str) -> dict[TopicPartition, CommittedOffset | None]:
        return in_runtime_exception(committed_offsets, self._admin, group_id)

    # --- delete

    def delete_groups(self) -> None:
        failed: dict[str, Exception] = {}
        deleted: list[str] = []
        for group_id in self._groups():
            try:
                delete_group(self._admin, group_id)
                deleted.append(group_id)
            except CALL_ERRORS as error:
                failed[group_id] = error
        names = ", ".join(f"'{group_id}'" for group_id in string_map_order(deleted))
        if not failed:
            print(f"Deletion of requested consumer groups ({names}) was successful.")
            return
        print_error("Deletion of some consumer groups failed:")
        for group_id in string_map_order(failed):
            print(f"* Group '{group_id}' could not be deleted due to: {described(failed[group_id])}")
        if deleted:
            print(f"\nThese consumer groups were deleted successfully: {names}")

    def delete_offsets(self) -> None:
        from kafkalite.cli.offset_deletion import delete_and_report, partitions_to_delete

        values, options = self._options.options, self._options
        partitions, results = partitions_to_delete(self._admin, values.values(options.topic))
        delete_and_report(self._admin, values.value(options.group), partitions, results)

    # --- reset

    def reset_offsets(self) -> dict[str, dict[TopicPartition, int]]:
        """The new offsets of each group, committed unless this is a dry run."""
        plans: dict[str, dict[TopicPartition, int]] = {}
        for group_id in string_map_order(self._groups()):
            try:
                state = describe_consumer_group(self._admin, group_id).state
            except CALL_ERRORS as error:
                if not isinstance(error, KafkaError) or error.error is not ErrorCode.GROUP_ID_NOT_FOUND:
                    raise ToolError(
                        f"java.util.concurrent.ExecutionException: {described(error)}", "java.lang.RuntimeException"
                    ) from None
                state = "Dead"
            if state in ("Empty", "Dead"):
                plans[group_id] = self._reset_group(group_id)
            else:
                print_error(
                    f"Assignments can only be reset if the group '{group_id}' is inactive, but the current state is"
                    f" {state}."
                )
                plans[group_id] = {}
        return {group_id: plans[group_id] for group_id in string_map_order(plans)}

    def _reset_group(self, group_id: str) -> dict[TopicPartition, int]:
        from kafkalite.cli.offset_reset import in_map_order

        options = self._options
        plan = self._plan(group_id, self._partitions_to_reset(group_id))
        plan = {partition: plan[partition] for partition in in_map_order(plan)}
        if options.has(options.execute) and not options.has(options.dry_run):
            errors = alter_offsets(self._admin, group_id, plan) if plan else {}
            failed = [partition for partition, error in errors.items() if error]
            if failed:
                error = KafkaError(
                    errors[failed[0]],
                    "Failed altering group offsets for the following partitions: "
                    f"[{', '.join(str(partition) for partition in in_map_order(failed))}]",
                )
                raise error
        return plan

    def _partitions_to_reset(self, group_id: str) -> list[TopicPartition]:
        from kafkalite.cli.offset_reset import in_map_order, partitions_in_scope

        options = self._options
        if options.has(options.all_topics):
            return in_map_order(self._committed(group_id))
        if options.has(options.topic):
            return partitions_in_scope(self._admin, options.options.values(options.topic))
        if not options.has(options.scenarios.from_file):
            exit_with_usage(options.parser, "One of the reset scopes should be defined: --all-topics, --topic.")
        return []

    def _plan(self, group_id: str, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        from kafkalite.cli.offset_reset import check_partitions

        options, admin = self._options, self._admin
        in_runtime_exception(lambda: check_partitions(admin, partitions))
        return options.scenarios.new_offsets(
            admin,
            options.options,
            options.reset_offsets,
            partitions,
            committed=lambda: self._committed(group_id),
            from_file=lambda path: self._plan_from_file(path, group_id),
        )

    def _plan_from_file(self, path: str, group_id: str) -> dict[TopicPartition, int]:
        options = self._options
        offsets = offsets_from_file(self._admin, path, group_id, options.options.values(options.group))
        if offsets is None:
            print_error(f"No reset plan for group {group_id} found")
            return {}
        return offsets

    def _csv(self, plans: Mapping[str, Mapping[TopicPartition, int]]) -> str:
        from kafkalite.cli.offset_reset import format_csv

        options = self._options
        is_for_one_group = len(options.options.values(options.group)) == 1
        return format_csv(
            (*(() if is_for_one_group else (group_id,)), partition.topic, partition.partition, offset)
            for group_id, plan in plans.items()
            for partition, offset in plan.items()
        )


def _in_map_order(listings: Sequence[GroupListing]) -> list[GroupListing]:
    by_id = {listing.group_id: listing for listing in listings}
    return [by_id[group_id] for group_id in string_map_order(by_id)]


def _parse_types(text: str) -> list[str]:
    return parse_names(text, _TYPES, "Invalid types list '{}'. Valid types are: {}")


def validate_regex(pattern: str) -> None:
    """Says whether RE2 would take a pattern."""
    try:
        re.compile(pattern)
        problem = "invalid or unsupported Perl syntax" if re.search(r"\(\?(?:[=!>]|<[=!])", pattern) else ""
    except re.error as error:
        problem = _re2_problem(error.msg)
    if problem:
        print(f"The regular expression `{pattern}` is invalid: {problem}.")
    else:
        print(f"The regular expression `{pattern}` is valid.")


def _re2_problem(python_problem: str) -> str:
    for beginning, problem in (
        ("missing )", "missing closing )"),
        ("unbalanced parenthesis", "regexp/syntax: internal error"),
        ("unterminated character set", "missing closing ]"),
        ("nothing to repeat", "missing argument to repetition operator"),
        ("multiple repeat", "invalid nested repetition operator"),
        ("bad escape (end of pattern)", "trailing backslash at end of expression"),
        ("bad escape", "invalid escape sequence"),
        ("invalid group reference", "invalid escape sequence"),
        ("bad character range", "invalid character class range"),
    ):
        if python_problem.startswith(beginning):
            return problem
    return "invalid or unsupported Perl syntax"


def _execute(argv: list[str]) -> int:
    options = ConsumerGroupCommandOptions(argv)
    try:
        if options.has(options.validate_regex):
            validate_regex(options.options.value(options.validate_regex))
            return 0
        with group_admin(options) as admin:
            ConsumerGroupService(admin, options).run()
    except (ToolError, OptionError, *CALL_ERRORS) as error:
        print_failure("consumer", options, error)
    return 0


def main(argv: list[str] | None = None) -> int:
    return run_command(_execute, argv)


if __name__ == "__main__":
    sys.exit(main())
