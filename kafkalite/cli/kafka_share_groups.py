"""kafka-share-groups: lists, describes and deletes share groups, resets and deletes their offsets."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from kafkalite.cli.command_line import OptionError, exit_with_error, run_command
from kafkalite.cli.consumer_group_tables import MISSING, assignment_text, print_error, print_new_offsets
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
from kafkalite.cli.share_group_options import ShareGroupCommandOptions
from kafkalite.client.admin import Admin
from kafkalite.client.group_admin import GroupListing, delete_group, list_groups
from kafkalite.client.share_group_admin import (
    ShareGroup,
    ShareOffset,
    alter_share_group_offsets,
    delete_share_group_offsets,
    describe_share_group,
    share_group_offsets,
)
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition
from kafkalite.java_hash_map import string_map_order

_STATES: Final = ("Stable", "Dead", "Empty")
_COLUMN_WIDTH: Final = 15
_REFUSALS_OF_A_GROUP: Final = (
    ErrorCode.INVALID_GROUP_ID,
    ErrorCode.GROUP_ID_NOT_FOUND,
    ErrorCode.GROUP_AUTHORIZATION_FAILED,
    ErrorCode.NON_EMPTY_GROUP,
)
_REFUSALS_OF_A_TOPIC: Final = (ErrorCode.TOPIC_AUTHORIZATION_FAILED, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)


def _width(*texts: str) -> int:
    return max(_COLUMN_WIDTH, *map(len, texts), 0)


class ShareGroupService:
    """What kafka-share-groups does."""

    def __init__(self, admin: Admin, options: ShareGroupCommandOptions) -> None:
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
            self.reset_offsets()
        else:
            self.delete_offsets()

    # --- list and describe

    def list_groups(self) -> None:
        options = self._options
        if not options.has(options.state):
            for group in self._listings():
                print(group.group_id)
            return
        groups = self._listings(parse_states(options.options.value(options.state) or "", _STATES))
        width = _width(*(group.group_id for group in groups))
        print(f"{'GROUP':{width}} STATE")
        for group in groups:
            print(f"{group.group_id:{width}} {group.state}")

    def _listings(self, states: Sequence[str] = ()) -> list[GroupListing]:
        found = in_execution_exception(lambda: list_groups(self._admin, types=("Share",), states=states))
        groups = {group.group_id: group for group in found}
        return [groups[group_id] for group_id in string_map_order(groups)]

    def describe_groups(self) -> None:
        options = self._options
        is_verbose = options.has(options.verbose)
        if options.has(options.all_groups):
            ids = [group.group_id for group in self._listings()]
        else:
            ids = list(dict.fromkeys(options.options.values(options.group)))
        groups = [in_execution_exception(describe_share_group, self._admin, each) for each in sorted(ids)]
        if options.has(options.members):
            for group in groups:
                _print_members(group, is_verbose=is_verbose)
        elif options.has(options.state):
            for group in groups:
                _print_state(group, is_verbose=is_verbose)
        else:
            for group in groups:
                offsets = in_execution_exception(share_group_offsets, self._admin, group.group_id)
                _print_offsets(group.group_id, offsets, is_verbose=is_verbose)

    # --- delete

    def delete_groups(self) -> None:
        options = self._options
        listings = {group.group_id: group for group in self._listings()}
        if options.has(options.all_groups):
            ids = list(listings)
        else:
            ids = list(dict.fromkeys(options.options.values(options.group)))
        failed: dict[str, str] = {}
        deleted: list[str] = []
        for group_id in ids:
            problem = _reason_not_to_delete(group_id, listings.get(group_id))
            if problem is None:
                try:
                    delete_group(self._admin, group_id)
                    deleted.append(group_id)
                    continue
                except CALL_ERRORS as error:
                    problem = described(error)
            failed[group_id] = problem
        names = ", ".join(f"'{group_id}'" for group_id in string_map_order(deleted))
        if not failed:
            print(f"Deletion of requested share groups ({names}) was successful.")
            return
        print_error("Deletion of some share groups failed:")
        for group_id in string_map_order(failed):
            print(f"* Group '{group_id}' could not be deleted due to: {failed[group_id]}")
        if deleted:
            print(f"\nThese share groups were deleted successfully: {names}")

    def delete_offsets(self) -> None:
        options = self._options
        group_id: str = options.options.value(options.group)
        topics = list(dict.fromkeys(options.options.values(options.topic)))
        results: dict[str, KafkaError | None]
        try:
            results = delete_share_group_offsets(self._admin, group_id, topics)
        except KafkaError as error:
            results = dict.fromkeys(topics, error)
        failure = next((results[topic] for topic in topics if results.get(topic) is not None), None)
        if failure is not None and failure.error in _REFUSALS_OF_A_GROUP:
            print_error(failure.message)
        elif failure is not None and failure.error not in _REFUSALS_OF_A_TOPIC:
            print_error(f"Encounter some unknown error: {described(failure)}")
        width = _width(*results)
        if results:
            print(f"\n{'TOPIC':{width}} STATUS", end="")
        for topic in sorted(results):
            refusal = results[topic]
            status = "Successful" if refusal is None else f"Error: {refusal.message}"
            print(f"\n{topic:{width}} {status}", end="")
        print()

    # --- reset

    def reset_offsets(self) -> None:
        options = self._options
        group_id: str = options.options.value(options.group)
        try:
            state = describe_share_group(self._admin, group_id).state
        except KafkaError as error:
            if error.error is not ErrorCode.GROUP_ID_NOT_FOUND:
                exit_with_error(error.message)
            state = "Dead"
        if state not in ("Empty", "Dead"):
            exit_with_error(f"Share group '{group_id}' is not empty.")
        plan = self._plan(self._partitions(group_id))
        if options.has(options.execute):
            errors = alter_share_group_offsets(self._admin, group_id, plan)
            if errors:
                from kafkalite.cli.offset_reset import in_map_order

                failed = in_map_order(errors)
                names = ", ".join(map(str, failed))
                raise KafkaError(
                    errors[failed[0]].error,
                    f"Failed altering group offsets for the following partitions: [{names}]",
                )
        print_new_offsets({group_id: plan})

    def _partitions(self, group_id: str) -> list[TopicPartition]:
        from kafkalite.cli.offset_reset import in_map_order, partitions_in_scope

        options = self._options
        if options.has(options.topic):
            return partitions_in_scope(self._admin, options.options.values(options.topic))
        return in_map_order(share_group_offsets(self._admin, group_id))

    def _plan(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        from kafkalite.cli import offset_reset as reset

        options, admin = self._options, self._admin
        in_runtime_exception(lambda: reset.check_partitions(admin, partitions))
        if options.has(options.to_earliest):
            plan = in_runtime_exception(lambda: reset.to_earliest(admin, partitions))
        elif options.has(options.to_latest):
            plan = in_runtime_exception(lambda: reset.to_latest(admin, partitions))
        else:
            time_ms = reset.parse_date_time(options.options.values(options.to_datetime)[0])
            plan = in_runtime_exception(lambda: reset.to_timestamp(admin, partitions, time_ms))
        return {partition: plan[partition] for partition in reset.in_map_order(plan)}


def _reason_not_to_delete(group_id: str, listing: GroupListing | None) -> str | None:
    if listing is None:
        return f"{ILLEGAL_ARGUMENT}: Group '{group_id}' is not a share group."
    if listing.state == "Dead":
        return f"java.lang.IllegalStateException: Share group '{group_id}' group state is DEAD."
    if listing.state != "Empty":
        return described(KafkaError(ErrorCode.NON_EMPTY_GROUP, f"Share group '{group_id}' is not EMPTY."))
    return None


def _has_rows_to_show(group: ShareGroup, row_count: int) -> bool:
    sys.stdout.flush()
    if group.state == "Dead":
        print_error(f"Share group '{group.group_id}' does not exist.")
    elif group.state == "Empty":
        print(f"\nShare group '{group.group_id}' has no active members.", file=sys.stderr)
    return group.state != "Dead" and row_count > 0


def _shown(value: object) -> str:
    return MISSING if value is None else str(value)


def _print_offsets(group_id: str, offsets: dict[TopicPartition, ShareOffset | None], *, is_verbose: bool) -> None:
    if not offsets:
        print(f"\nShare group '{group_id}' has no offset information.")
        return
    group_width, topic_width = _width(group_id), _width(*(partition.topic for partition in offsets))

    def line(group: str, topic: str, partition: str, epoch: str, start: str, lag: str) -> str:
        epoch_column = f"{epoch:13} " if is_verbose else ""
        return f"\n{group:{group_width}} {topic:{topic_width}} {partition:10} {epoch_column}{start:13} {lag}"

    print(line("GROUP", "TOPIC", "PARTITION", "LEADER-EPOCH", "START-OFFSET", "LAG"), end="")
    for partition in sorted(offsets):
        offset = offsets[partition]
        epoch, start, lag = (
            (None, None, None) if offset is None else (offset.leader_epoch, offset.start_offset, offset.lag)
        )
        columns = (partition.topic, str(partition.partition), _shown(epoch), _shown(start), _shown(lag))
        print(line(group_id, *columns), end="")
    print()


def _print_state(group: ShareGroup, *, is_verbose: bool) -> None:
    _has_rows_to_show(group, 1)
    node_id, endpoint = group.coordinator
    coordinator = f"{endpoint.host}:{endpoint.port}  ({node_id})"
    group_width, coordinator_width = _width(group.group_id), max(25, len(coordinator))

    def line(group_id: str, where: str, state: str, epochs: tuple[str, str], members: str) -> str:
        text = f"\n{group_id:{group_width}} {where:{coordinator_width}} {state:15} "
        return f"{text}{epochs[0]:12} {epochs[1]:17} {members}" if is_verbose else text + members

    print(line("GROUP", "COORDINATOR (ID)", "STATE", ("GROUP-EPOCH", "ASSIGNMENT-EPOCH"), "#MEMBERS"), end="")
    epochs = (str(group.group_epoch), str(group.assignment_epoch))
    print(line(group.group_id, coordinator, group.state, epochs, str(len(group.members))))


def _print_members(group: ShareGroup, *, is_verbose: bool) -> None:
    members = sorted(group.members, key=lambda member: member.member_id)
    if not _has_rows_to_show(group, len(members)):
        return
    widths = (
        _width(group.group_id),
        _width(*(member.member_id for member in members)),
        _width(*(member.host for member in members)),
        _width(*(member.client_id for member in members)),
    )

    def line(first: tuple[str, str, str, str], count: str, epoch: str, assignment: str) -> str:
        text = " ".join(f"{cell:{width}}" for cell, width in zip(first, widths, strict=True))
        epoch_column = f"{epoch:13} " if is_verbose else ""
        return f"\n{text} {count:12} {epoch_column}{assignment}"

    heads = ("GROUP", "CONSUMER-ID", "HOST", "CLIENT-ID")
    print(line(heads, "#PARTITIONS", "MEMBER-EPOCH", "ASSIGNMENT"), end="")
    for member in members:
        text = assignment_text(member.assignment) if member.assignment else ""
        first = (group.group_id, member.member_id, member.host, member.client_id)
        print(line(first, str(len(member.assignment)), str(member.member_epoch), text), end="")
    print()


def _execute(argv: list[str]) -> int:
    options = ShareGroupCommandOptions(argv)
    try:
        with group_admin(options) as admin:
            ShareGroupService(admin, options).run()
    except (ToolError, OptionError, *CALL_ERRORS) as error:
        print_failure("share", options, error)
    return 0


def main(argv: list[str] | None = None) -> int:
    return run_command(_execute, argv)


if __name__ == "__main__":
    sys.exit(main())
