"""The tables that kafka-consumer-groups --describe and --list print."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from kafkalite.cli.java_exceptions import ToolError
from kafkalite.client.group_admin import GroupDescription, GroupListing, MemberDescription
from kafkalite.identifiers import TopicPartition

MISSING: Final = "-"
_COLUMN_WIDTH: Final = 15
_REBALANCING: Final = frozenset({"PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling"})


class OffsetRow(NamedTuple):
    """A partition that a group consumes or has an offset for; None is shown as "-"."""

    partition: TopicPartition | None
    offset: int | None
    leader_epoch: int | None
    log_end_offset: int | None
    member_id: str
    host: str
    client_id: str

    @property
    def lag(self) -> int | None:
        if self.offset is None or self.offset == -1 or self.log_end_offset is None:
            return None
        return self.log_end_offset - self.offset


def print_error(text: str) -> None:
    print(f"\nError: {text}")


def _shown(value: object) -> str:
    return MISSING if value is None else str(value)


def _width(values: Iterable[str], least: int = _COLUMN_WIDTH) -> int:
    return max(least, *map(len, values), 0)


def print_listings(groups: Sequence[GroupListing], *, shows_type: bool, shows_state: bool) -> None:
    """GROUP, and TYPE and STATE where they were asked for."""
    width = _width(group.group_id for group in groups) + 10
    rows = [
        ("GROUP", "TYPE", "STATE"),
        *((g.group_id, g.group_type or "Unknown", g.state or "Unknown") for g in groups),
    ]
    for group_id, group_type, state in rows:
        columns = [f"{group_id:{width}}"]
        if shows_type:
            columns.append(f"{group_type:20}")
        if shows_state:
            columns.append(f"{state:20}")
        print(" ".join(columns))


def has_rows_to_show(group_id: str, state: str, row_count: int) -> bool:
    """Says what there is to say about a group's state; returns whether a table should follow."""
    if state == "Dead":
        print_error(f"Consumer group '{group_id}' does not exist.")
    elif state == "Empty":
        print(f"\nConsumer group '{group_id}' has no active members.", file=sys.stderr)
    elif state in _REBALANCING:
        print(f"\nWarning: Consumer group '{group_id}' is rebalancing.", file=sys.stderr)
    elif state != "Stable":
        raise ToolError(
            f"Expected a valid consumer group state, but found '{state}'.", "org.apache.kafka.common.KafkaException"
        )
    return state != "Dead" and row_count > 0


def print_offsets(group_id: str, state: str, rows: Sequence[OffsetRow], *, is_verbose: bool) -> None:
    sys.stdout.flush()
    if not has_rows_to_show(group_id, state, len(rows)):
        return
    topics = [row.partition.topic if row.partition else MISSING for row in rows]
    group_width = _width([group_id])
    topic_width = _width(topics)
    member_width = _width(row.member_id for row in rows)
    host_width = _width(row.host for row in rows)

    def line(topic: str, partition: str, epoch: str, offset: str, end: str, lag: str, member: tuple[str, ...]) -> str:
        epoch_column = f"{epoch:15} " if is_verbose else ""
        member_id, host, client_id = member
        return (
            f"{topic:{topic_width}} {partition:10} {epoch_column}{offset:15} {end:15} {lag:15} "
            f"{member_id:{member_width}} {host:{host_width}} {client_id}"
        )

    heads = ("CONSUMER-ID", "HOST", "CLIENT-ID")
    header = line("TOPIC", "PARTITION", "LEADER-EPOCH", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", heads)
    print(f"\n{'GROUP':{group_width}} {header}", end="")
    for topic, row in zip(topics, rows, strict=True):
        shown = line(
            topic,
            _shown(row.partition and row.partition.partition),
            _shown(row.leader_epoch),
            _shown(row.offset),
            _shown(row.log_end_offset),
            _shown(row.lag),
            (row.member_id, row.host, row.client_id),
        )
        print(f"\n{group_id:{group_width}} {shown}", end="")
    print()


def assignment_text(assignment: Iterable[TopicPartition]) -> str:
    """ "a:0,1;b:0", or "-" for nothing."""
    by_topic: dict[str, list[int]] = {}
    for topic, partition in assignment:
        by_topic.setdefault(topic, []).append(partition)
    texts = sorted(f"{topic}:{','.join(map(str, sorted(indexes)))}" for topic, indexes in by_topic.items())
    return ";".join(texts) or MISSING


def print_members(group: GroupDescription, *, is_verbose: bool) -> None:
    sys.stdout.flush()
    members = group.members
    measured: Sequence[MemberDescription] = (
        members if has_rows_to_show(group.group_id, group.state, len(members)) else ()
    )
    group_width = _width([group.group_id for _ in measured])
    member_width = _width(member.member_id for member in measured)
    instance_width = _width((member.instance_id or "" for member in measured), 17)
    host_width = _width(member.host for member in measured)
    client_width = _width(member.client_id for member in measured)
    current_width = _width((assignment_text(member.assignment) for member in measured), 20)
    target_width = _width((assignment_text(member.target_assignment) for member in measured), 20)
    shows_instance = any(member.instance_id for member in measured)
    is_migrating = {member.is_upgraded for member in measured} >= {True, False}

    def line(first: Sequence[str], verbose: Sequence[str]) -> str:
        group_id, member_id, instance_id, host, client_id, count = first
        instance = f"{instance_id:{instance_width}} " if shows_instance else ""
        text = (
            f"{group_id:{group_width}} {member_id:{member_width}} {instance}{host:{host_width}} "
            f"{client_id:{client_width}} {count:15} "
        )
        if not is_verbose:
            return text
        epoch, current, target_epoch, target, upgraded = verbose
        text += f"{epoch:15} {current:{current_width}} {target_epoch:15} {target:{target_width}}"
        return f"{text} {upgraded}" if is_migrating else text

    header = ("GROUP", "CONSUMER-ID", "GROUP-INSTANCE-ID", "HOST", "CLIENT-ID", "#PARTITIONS")
    verbose_header = ("CURRENT-EPOCH", "CURRENT-ASSIGNMENT", "TARGET-EPOCH", "TARGET-ASSIGNMENT", "UPGRADED")
    print(f"\n{line(header, verbose_header)}")
    for member in members:
        row = (
            group.group_id,
            member.member_id,
            member.instance_id or "",
            member.host,
            member.client_id,
            str(len(member.assignment)),
        )
        verbose_row = (
            _shown(member.member_epoch),
            assignment_text(member.assignment),
            _shown(group.assignment_epoch),
            assignment_text(member.target_assignment),
            _shown(member.is_upgraded).lower(),
        )
        print(line(row, verbose_row))


def print_state(group: GroupDescription, *, is_verbose: bool) -> None:
    sys.stdout.flush()
    if not has_rows_to_show(group.group_id, group.state, 1):
        return
    node_id, endpoint = group.coordinator
    coordinator = f"{endpoint.host}:{endpoint.port}  ({node_id})"
    group_width = _width([group.group_id])
    coordinator_width = _width([coordinator], 25)

    def line(group_id: str, where: str, strategy: str, state: str, epochs: Sequence[str], members: str) -> str:
        text = f"\n{group_id:{group_width}} {where:{coordinator_width}} {strategy:20} {state:20} "
        if is_verbose:
            text += f"{epochs[0]:15} {epochs[1]:25} "
        return text + members

    epochs = (_shown(group.group_epoch), _shown(group.assignment_epoch))
    heads = ("GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH")
    print(line("GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE", heads, "#MEMBERS"), end="")
    strategy = group.assignor or MISSING
    print(line(group.group_id, coordinator, strategy, group.state, epochs, str(len(group.members))))


def print_new_offsets(plans: Mapping[str, Mapping[TopicPartition, int]]) -> None:
    """GROUP, TOPIC, PARTITION, NEW-OFFSET of a reset; groups and partitions in the order given."""
    group_width = _width(plans)
    topic_width = _width(partition.topic for plan in plans.values() for partition in plan)
    if plans:
        print(f"\n{'GROUP':{group_width}} {'TOPIC':{topic_width}} {'PARTITION':10} NEW-OFFSET", end="")
    for group_id, plan in plans.items():
        for partition, offset in plan.items():
            row = f"{group_id:{group_width}} {partition.topic:{topic_width}} {partition.partition:<10} {offset}"
            print(f"\n{row}", end="")
    print()


def print_deleted_offsets(results: Mapping[TopicPartition, str | None]) -> None:
    """TOPIC, PARTITION, STATUS; None is success, partition -1 a topic as a whole."""
    width = _width(partition.topic for partition in results)
    print(f"\n{'TOPIC':{width}} {'PARTITION':10} {'STATUS':15}", end="")
    for partition in sorted(results, key=lambda each: f"{each.topic}{each.partition}"):
        error = results[partition]
        index = MISSING if partition.partition < 0 else str(partition.partition)
        status = "Successful" if error is None else f"Error: {error}"
        print(f"\n{partition.topic:{width}} {index:10} {status:15}", end="")
    print()
