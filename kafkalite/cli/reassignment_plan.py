"""Plans for kafka-reassign-partitions: the JSON files that describe them, proposals, and the throttles they need.

    {"version": 1, "partitions": [{"topic": "foo", "partition": 1, "replicas": [1, 2], "log_dirs": ["any", "/d"]}]}

`log_dirs` is as long as `replicas`, or left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from kafkalite.cli.java_exceptions import ToolError
from kafkalite.cli.java_numbers import parse_int
from kafkalite.cli.json_document import JsonDocument, parse_json
from kafkalite.client.reassignment_admin import Reassignment, Replica
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition

ANY_LOG_DIR: Final = "any"
_COMMAND_FAILED: Final = "org.apache.kafka.tools.AdminCommandFailedException"
_OPERATION_FAILED: Final = "org.apache.kafka.tools.AdminOperationException"

Assignment = dict[TopicPartition, list[int]]


class Plan(NamedTuple):
    """The partitions as they stand in the file, repetitions included, and the replicas with a directory."""

    partitions: list[tuple[TopicPartition, list[int]]]
    log_dirs: dict[Replica, str]

    @property
    def assignment(self) -> Assignment:
        return dict(self.partitions)


class Move(NamedTuple):
    """The brokers that a partition moves from, and those that it moves to."""

    sources: set[int]
    destinations: set[int]


def _document(text: str) -> dict[str, JsonDocument]:
    document = parse_json(text)
    if document is None:
        raise ToolError("The input string is not a valid JSON", _OPERATION_FAILED)
    fields = document.fields()
    version = fields["version"].integer() if "version" in fields else 1
    if version != 1:
        raise ToolError(f"Not supported version field value {version}", _OPERATION_FAILED)
    return fields


def parse_plan(text: str) -> Plan:
    """Reads a plan; raises ToolError."""
    plan = Plan([], {})
    fields = _document(text)
    for entry in fields["partitions"].elements() if "partitions" in fields else ():
        partition = TopicPartition(entry.field("topic").text(), entry.field("partition").integer())
        replicas = [each.integer() for each in entry.field("replicas").elements()]
        entry_fields = entry.fields()
        log_dirs = [ANY_LOG_DIR] * len(replicas)
        if "log_dirs" in entry_fields:
            log_dirs = [each.text() for each in entry_fields["log_dirs"].elements()]
        if len(replicas) != len(log_dirs):
            raise ToolError(
                f"Size of replicas list {replicas} is different from size of log dirs list"
                f" [{', '.join(log_dirs)}] for partition {partition}",
                _COMMAND_FAILED,
            )
        plan.partitions.append((partition, replicas))
        for broker_id, log_dir in zip(replicas, log_dirs, strict=True):
            if log_dir != ANY_LOG_DIR:
                plan.log_dirs[Replica(broker_id, *partition)] = log_dir
    return plan


def check_executable(plan: Plan) -> None:
    """Raises ToolError for a plan that is empty or contradicts itself."""
    if not plan.partitions:
        raise ToolError("Partition reassignment list cannot be empty", _COMMAND_FAILED)
    if not all(replicas for _, replicas in plan.partitions):
        raise ToolError("Partition replica list cannot be empty", _COMMAND_FAILED)
    duplicates = _duplicates([partition for partition, _ in plan.partitions])
    if duplicates:
        raise ToolError(
            f"Partition reassignment contains duplicate topic partitions: {_joined(duplicates)}", _COMMAND_FAILED
        )
    problems = [
        f"{partition} contains multiple entries for {_joined(_duplicates(replicas))}"
        for partition, replicas in plan.partitions
        if _duplicates(replicas)
    ]
    if problems:
        raise ToolError(
            f"Partition replica lists may not contain duplicate entries: {'. '.join(problems)}", _COMMAND_FAILED
        )


def _duplicates(items: Sequence[object]) -> list[object]:
    return [item for item in dict.fromkeys(items) if items.count(item) > 1]


def _joined(items: Iterable[object], separator: str = ",") -> str:
    return separator.join(map(str, items))


def parse_topics(text: str) -> list[str]:
    """Reads {"topics": [{"topic": "foo"}], "version": 1}; raises ToolError."""
    fields = _document(text)
    topics = [entry.field("topic").text() for entry in fields["topics"].elements()] if "topics" in fields else []
    duplicates = _duplicates(topics)
    if duplicates:
        raise ToolError(
            f"List of topics to reassign contains duplicate entries: [{_joined(duplicates, ', ')}]", _COMMAND_FAILED
        )
    return topics


def parse_broker_list(text: str) -> list[int]:
    """Reads "0,1,2"; raises ToolError."""
    brokers = [parse_int(part) for part in text.split(",")]
    duplicates = _duplicates(brokers)
    if duplicates:
        raise ToolError(f"Broker list contains duplicate entries: [{_joined(duplicates, ', ')}]", _COMMAND_FAILED)
    return brokers


def format_plan(assignment: Mapping[TopicPartition, Sequence[int]], log_dirs: Mapping[Replica, str]) -> str:
    """Writes a plan, sorted by topic and partition."""
    partitions = [
        {
            "topic": partition.topic,
            "partition": partition.partition,
            "replicas": list(assignment[partition]),
            "log_dirs": [log_dirs.get(Replica(broker, *partition), ANY_LOG_DIR) for broker in assignment[partition]],
        }
        for partition in sorted(assignment)
    ]
    return json.dumps({"version": 1, "partitions": partitions}, separators=(",", ":"), ensure_ascii=False)


def propose(current: Assignment, brokers: Sequence[tuple[int, str | None]], choose: Callable[[int], int]) -> Assignment:
    """Spreads each topic's partitions over brokers (with their racks), round robin from a random start.

    `choose(n)` is a random number below n. Replicas of a partition go to different racks as far as there are enough.
    Raises KafkaError where there are too few brokers.
    """
    proposal: Assignment = {}
    ring = _interleaved_by_rack(brokers)
    for topic in sorted({partition.topic for partition in current}):
        partitions = sorted(partition for partition in current if partition.topic == topic)
        replication_factor = len(current[partitions[0]])
        if not ring:
            raise KafkaError(
                ErrorCode.INVALID_REPLICATION_FACTOR,
                "All brokers are currently fenced, or have all their log directories cordoned.",
            )
        if replication_factor > len(ring):
            raise KafkaError(
                ErrorCode.INVALID_REPLICATION_FACTOR,
                f"The target replication factor of {replication_factor} cannot be reached because only {len(ring)} "
                "broker(s) are registered or some brokers have all their log directories cordoned.",
            )
        start = choose(len(ring))
        for number in range(len(partitions)):
            proposal[TopicPartition(topic, number)] = [
                ring[(start + number + replica) % len(ring)] for replica in range(replication_factor)
            ]
    return proposal


def _interleaved_by_rack(brokers: Sequence[tuple[int, str | None]]) -> list[int]:
    """The brokers in an order in which neighbours stand in different racks, as far as possible."""
    racks: dict[str | None, list[int]] = {}
    for broker_id, rack in sorted(brokers, key=lambda broker: broker[0]):
        racks.setdefault(rack, []).append(broker_id)
    longest = max(map(len, racks.values()), default=0)
    return [rack[index] for index in range(longest) for rack in racks.values() if index < len(rack)]


# --- throttles


def planned_moves(
    current_moves: Mapping[TopicPartition, Reassignment], proposed: Assignment, current: Assignment
) -> dict[TopicPartition, Move]:
    """All moves between brokers once the proposal is under way, those of before included."""
    moves = {
        partition: Move(set(each.replicas) - set(each.adding_replicas), set(each.adding_replicas))
        for partition, each in current_moves.items()
    }
    for partition, replicas in proposed.items():
        sources = moves[partition].sources if partition in moves else set(current[partition])
        moves[partition] = Move(sources, set(replicas) - sources)
    return moves


def throttled_replicas(moves: Mapping[TopicPartition, Move]) -> dict[str, tuple[str, str]]:
    """By topic the values of leader.replication.throttled.replicas and follower.replication.throttled.replicas."""
    throttles = {}
    for topic in sorted({partition.topic for partition in moves}):
        of_topic = [(partition.partition, move) for partition, move in moves.items() if partition.topic == topic]
        leaders = {f"{index}:{broker}" for index, move in of_topic for broker in move.sources}
        followers = {f"{index}:{broker}" for index, move in of_topic for broker in move.destinations - move.sources}
        throttles[topic] = (",".join(sorted(leaders)), ",".join(sorted(followers)))
    return throttles


def brokers_in(moves: Mapping[TopicPartition, Move]) -> list[int]:
    return sorted({broker for move in moves.values() for broker in move.sources | move.destinations})
