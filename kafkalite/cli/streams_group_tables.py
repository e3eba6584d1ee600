"""The tables that kafka-streams-groups --describe prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kafkalite.cli.consumer_group_tables import MISSING, print_error
from kafkalite.client.streams_group_admin import StreamsGroup, StreamsMember, Tasks
from kafkalite.identifiers import TopicPartition


class StreamsOffset(NamedTuple):
    """How far a group has come in a partition."""

    current_offset: int | None
    leader_epoch: int | None
    log_end_offset: int
    lag: int


def _say_if_empty(group: StreamsGroup) -> None:
    if group.state == "Dead":
        print_error(f"Streams group '{group.group_id}' does not exist.")
    elif group.state == "Empty":
        print_error(f"Streams group '{group.group_id}' has no active members.")


def _tasks_text(tasks: Tasks, kind: str) -> str:
    """ "ACTIVE: 0:[0,1]; 1:[0]; ", or nothing."""
    if not tasks:
        return ""
    texts = [f"{subtopology}:[{','.join(map(str, partitions))}]; " for subtopology, partitions in tasks]
    return f"{kind}: {''.join(texts)}"


def _assignment_text(member: StreamsMember, *, shows_target: bool) -> str:
    assignments = [(member.assignment, "")]
    if shows_target:
        assignments.append((member.target_assignment, "TARGET-"))
    return "".join(
        _tasks_text(tasks, f"{prefix}{kind}")
        for assignment, prefix in assignments
        for kind, tasks in zip(("ACTIVE", "STANDBY", "WARMUP"), assignment, strict=True)
    )


def print_members(group: StreamsGroup, *, is_verbose: bool) -> None:
    if group.state == "Dead" or not group.members:
        return
    _say_if_empty(group)
    group_width = max(15, len(group.group_id))
    member_width, process_width, client_width = (
        max(15, *(len(text) for text in texts))
        for texts in zip(*((each.member_id, each.process_id, each.client_id) for each in group.members), strict=True)
    )
    rows = [("MEMBER", "MEMBER-PROTOCOL", "MEMBER-EPOCH", "PROCESS", "CLIENT-ID", "ASSIGNMENTS")]
    rows += [
        (
            member.member_id,
            "classic" if member.is_classic else "streams",
            str(member.member_epoch),
            member.process_id,
            member.client_id,
            _assignment_text(member, shows_target=is_verbose),
        )
        for member in group.members
    ]
    epochs = str(group.target_assignment_epoch), str(group.topology_epoch)
    for number, (member_id, protocol, epoch, process, client, tasks) in enumerate(rows):
        group_id = group.group_id if number else "GROUP"
        who = f"{member_id:{member_width}}"
        where = f"{process:{process_width}} {client:{client_width}} {tasks}"
        if is_verbose:
            target, topology = epochs if number else ("TARGET-ASSIGNMENT-EPOCH", "TOPOLOGY-EPOCH")
            # The original leaves no blank between these two columns.
            print(f"{group_id:{group_width}} {target:25} {topology:15}{who} {protocol:15} {epoch:15} {where}")
        else:
            print(f"{group_id:{group_width}} {who} {where}")


def print_state(group: StreamsGroup, *, is_verbose: bool) -> None:
    _say_if_empty(group)
    node_id, endpoint = group.coordinator
    coordinator = f"{endpoint.host}:{endpoint.port} ({node_id})"
    group_width, coordinator_width = max(15, len(group.group_id)), max(25, len(coordinator))
    heads = ("GROUP", "COORDINATOR (ID)", "STATE", "GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH", "#MEMBERS")
    row = (
        group.group_id,
        coordinator,
        group.state,
        str(group.group_epoch),
        str(group.target_assignment_epoch),
        str(len(group.members)),
    )
    for group_id, where, state, epoch, target, members in (heads, row):
        epochs = f"{epoch:15} {target:25} " if is_verbose else ""
        print(f"{group_id:{group_width}} {where:{coordinator_width}} {state:25} {epochs}{members}")


def print_offsets(group: StreamsGroup, offsets: Mapping[TopicPartition, StreamsOffset], *, is_verbose: bool) -> None:
    """The partitions in the order given."""
    if group.state == "Dead" or not group.members:
        return
    _say_if_empty(group)
    group_width = max(15, len(group.group_id))
    topic_width = max(15, *(len(partition.topic) for partition in offsets), 0)
    rows = [("GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LEADER-EPOCH", "LOG-END-OFFSET", "OFFSET-LAG")]
    rows += [
        (
            group.group_id,
            partition.topic,
            str(partition.partition),
            MISSING if offset.current_offset is None else str(offset.current_offset),
            MISSING if offset.leader_epoch is None else str(offset.leader_epoch),
            str(offset.log_end_offset),
            str(offset.lag),
        )
        for partition, offset in offsets.items()
    ]
    for group_id, topic, index, current, epoch, end, lag in rows:
        details = f"{current:15} {epoch:15} {end:15} {lag:15}" if is_verbose else lag
        print(f"{group_id:{group_width}} {topic:{topic_width}} {index:10} {details}")


def print_new_offsets(plans: Mapping[str, Mapping[TopicPartition, int]]) -> None:
    """GROUP, TOPIC, PARTITION, NEW-OFFSET of a reset; groups and partitions in the order given."""
    if plans:
        print(f"\n{'GROUP':30} {'TOPIC':30} {'PARTITION':10} {'NEW-OFFSET':15}", end="")
    for group_id, plan in plans.items():
        for partition, offset in plan.items():
            print(f"\n{group_id:30} {partition.topic:30} {partition.partition:<10} {offset:<15}", end="")
    print()
