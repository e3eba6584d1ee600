"""Which offsets a reset sets: the scopes, the scenarios and the CSV plans that the group tools share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from typing import Final

from kafkalite.cli.console_log import log
from kafkalite.cli.java_exceptions import ToolError
from kafkalite.client.admin import Admin
from kafkalite.client.topic_offsets import EARLIEST, LATEST, UNKNOWN_OFFSET, offsets_at, partitions_of
from kafkalite.config.duration import NANOS_PER_MILLI, NANOS_PER_SECOND, parse_duration_ns
from kafkalite.config.units import MAX_LONG
from kafkalite.identifiers import TopicPartition
from kafkalite.java_hash_map import hash_map_order, string_map_order, topic_partition_hash

_MAX_UNQUOTED_LENGTH: Final = 24
# What java.time.Instant can be.
_MIN_INSTANT_S: Final = -31557014167219200
_MAX_INSTANT_S: Final = 31556889864403199
_DATE_TIME: Final = re.compile(
    r"(\d{1,4})-(\d{1,2})-(\d{1,2})T(\d{1,2}):(\d{1,2}):(\d{1,2})\.(\d{1,3})[ \t]*(Z|[+-]\d{2}(?::?\d{2})?)"
)

Plan = dict[TopicPartition, int]


def in_map_order(partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
    """The partitions in the order in which the original prints them."""
    return hash_map_order(partitions, topic_partition_hash)


# --- scopes


def parse_topic_argument(argument: str) -> list[TopicPartition]:
    """Reads "topic:0,1"; raises ToolError."""
    topic, *rest = argument.rstrip(":").split(":")
    if len(rest) != 1:
        raise ToolError(f"Invalid topic arg '{argument}', expected topic name and partitions")
    partitions = []
    for text in rest[0].split(","):
        if not re.fullmatch(r"[+-]?[0-9]+", text):
            raise ToolError(f"Invalid partition '{text}' specified in topic arg '{argument}''")
        partitions.append(TopicPartition(topic, int(text)))
    return partitions


def partitions_in_scope(admin: Admin, arguments: Sequence[str]) -> list[TopicPartition]:
    """The partitions that --topic options name, with or without partitions; raises KafkaError for unknown topics."""
    partitions = [partition for text in arguments if ":" in text for partition in parse_topic_argument(text)]
    whole = partitions_of(admin, [text for text in arguments if ":" not in text])
    for topic in string_map_order(whole, capacity=len(whole)):
        partitions += [TopicPartition(topic, index) for index, _ in whole[topic]]
    return partitions


def check_partitions(admin: Admin, partitions: Sequence[TopicPartition]) -> None:
    """Raises ToolError where partitions do not exist or have no leader; KafkaError where a topic does not exist."""
    known = partitions_of(admin, sorted({partition.topic for partition in partitions}))
    leaders = {TopicPartition(topic, index): leader for topic, all_of in known.items() for index, leader in all_of}
    missing = [partition for partition in partitions if partition not in leaders]
    if missing:
        raise ToolError(
            f'The partitions "{_joined(missing)}" do not exist',
            "org.apache.kafka.common.errors.UnknownTopicOrPartitionException",
        )
    leaderless = [partition for partition in partitions if leaders[partition] < 0]
    if leaderless:
        raise ToolError(
            f'The partitions "{_joined(leaderless)}" have no leader',
            "org.apache.kafka.common.errors.LeaderNotAvailableException",
        )


def _joined(partitions: Iterable[TopicPartition]) -> str:
    return ",".join(map(str, partitions))


# --- scenarios


def to_earliest(admin: Admin, partitions: Sequence[TopicPartition]) -> Plan:
    return offsets_at(admin, partitions, EARLIEST)


def to_latest(admin: Admin, partitions: Sequence[TopicPartition]) -> Plan:
    return offsets_at(admin, partitions, LATEST)


def to_timestamp(admin: Admin, partitions: Sequence[TopicPartition], timestamp_ms: int) -> Plan:
    """The first offsets at or after a time; the latest where there are none, which is said."""
    plan = offsets_at(admin, partitions, timestamp_ms)
    late = [partition for partition in in_map_order(plan) if plan[partition] == UNKNOWN_OFFSET]
    for partition in late:
        print(
            f"\nWarn: Partition {partition.partition} from topic {partition.topic} is empty."
            " Falling back to latest known offset."
        )
    return {**plan, **to_latest(admin, late)}


def within_range(admin: Admin, wanted: Mapping[TopicPartition, int]) -> Plan:
    """Moves offsets that lie outside of their partition to its next end, with a warning."""
    starts, ends = to_earliest(admin, list(wanted)), to_latest(admin, list(wanted))
    plan = {}
    for partition, offset in wanted.items():
        plan[partition] = min(max(offset, starts[partition]), ends[partition])
        if offset > ends[partition]:
            _warn(f"New offset ({offset}) is higher than latest offset", partition, plan[partition])
        elif offset < starts[partition]:
            _warn(f"New offset ({offset}) is lower than earliest offset", partition, plan[partition])
    return plan


def _warn(what: str, partition: TopicPartition, offset: int) -> None:
    log("WARN", f"{what} for topic partition {partition}. Value will be set to {offset}", _LOGGER)


_LOGGER: Final = "org.apache.kafka.tools.OffsetsUtils"


def shifted_by(
    admin: Admin, partitions: Sequence[TopicPartition], shift: int, committed: Mapping[TopicPartition, int]
) -> Plan:
    """Committed offsets moved by `shift`; raises ToolError for a partition without one."""
    for partition in partitions:
        if partition not in committed:
            raise ToolError(f"Cannot shift offset for partition {partition} since there is no current committed offset")
    return within_range(admin, {partition: committed[partition] + shift for partition in partitions})


def to_current(admin: Admin, partitions: Sequence[TopicPartition], committed: Mapping[TopicPartition, int]) -> Plan:
    """Committed offsets as they are; the latest for partitions without one."""
    with_offset = [partition for partition in partitions if partition in committed]
    without = [partition for partition in partitions if partition not in committed]
    return {partition: committed[partition] for partition in in_map_order(with_offset)} | to_latest(admin, without)


# --- times


def parse_date_time(text: str) -> int:
    """Reads "YYYY-MM-DDThh:mm:ss.sss", UTC unless a zone follows, as milliseconds since 1970; raises ToolError."""
    _, _, clock = text.partition("T")
    if not clock:
        raise ToolError(
            "java.text.ParseException: Error parsing timestamp. It does not contain a 'T' according to ISO8601 format",
            "java.lang.RuntimeException",
        )
    full = text if any(mark in clock for mark in "+-Z") else text + "Z"
    match = _DATE_TIME.match(full)
    if match is None:
        raise _unparseable(full)
    year, month, day, hour, minute, second, millisecond = (int(match[group]) for group in range(1, 8))
    from datetime import datetime, timedelta

    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise _unparseable(full) from None
    zone = match[8]
    if zone != "Z":
        digits = zone[1:].replace(":", "")
        offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
        moment -= offset if zone[0] == "+" else -offset
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return (moment - epoch) // timedelta(milliseconds=1) + millisecond


def _unparseable(text: str) -> ToolError:
    return ToolError(f'java.text.ParseException: Unparseable date: "{text}"', "java.lang.RuntimeException")


def time_before(duration: str, now_ns: int) -> int:
    """The milliseconds since 1970 of what lies a duration "PnDTnHnMnS" before `now_ns`; raises ToolError."""
    try:
        time_ns = now_ns - parse_duration_ns(duration)
    except ValueError as error:
        raise ToolError(str(error), "java.time.format.DateTimeParseException") from None
    time_s, time_ms = time_ns // NANOS_PER_SECOND, time_ns // NANOS_PER_MILLI
    if time_s <= MAX_LONG and not _MIN_INSTANT_S <= time_s <= _MAX_INSTANT_S:
        raise ToolError("Instant exceeds minimum or maximum instant", "java.time.DateTimeException")
    if not -MAX_LONG - 1 <= time_ms <= MAX_LONG:
        raise ToolError("long overflow", "java.lang.ArithmeticException")
    return time_ms


# --- plans in files


def format_csv(rows: Iterable[Sequence[object]]) -> str:
    """Lines of comma-separated values; what could be mistaken, or is long, stands in quotes."""
    return "".join(",".join(_quoted(value) for value in row) + "\n" for row in rows)


def _quoted(value: object) -> str:
    text = str(value)
    if isinstance(value, int) or (
        len(text) <= _MAX_UNQUOTED_LENGTH and text and not any(character < "-" for character in text)
    ):
        return text
    return '"' + text.replace('"', '""') + '"'


def read_plan(path: str, groups: Sequence[str]) -> dict[str, Plan]:
    """The offsets by group of a file: lines of "topic,partition,offset" for one group, else with the group in front.

    What is missing at the end of a line is 0, as for Apache Kafka's reader. Raises ToolError.
    """
    import csv

    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            rows = list(csv.reader(file))
    except OSError:
        raise ToolError(f"java.io.IOException: Unable to read file {path}", "java.lang.RuntimeException") from None
    except csv.Error as error:
        raise _unreadable(f"JsonMappingException: {error}") from None
    is_for_one_group = len(groups) == 1 and _is_without_group(rows)
    plan: dict[str, Plan] = {}
    for row in rows or [[]]:
        group, topic, partition, offset = _read_row([groups[0], *row] if is_for_one_group and row else row)
        if offset < 0:
            raise ToolError("Invalid negative offset")
        plan.setdefault(group, {})[TopicPartition(topic, partition)] = offset
    return plan


def _is_without_group(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first line reads as "topic,partition,offset"."""
    try:
        return bool(rows) and bool(rows[0]) and bool(_read_row(["", *rows[0]]))
    except ToolError:
        return False


def _read_row(row: Sequence[str]) -> tuple[str, str, int, int]:
    """Group, topic, partition and offset; raises ToolError."""
    if not row:
        raise _unreadable("exc.MismatchedInputException: No content to map due to end-of-input")
    if len(row) > 4:
        raise ToolError(
            "com.fasterxml.jackson.dataformat.csv.CsvReadException: Too many entries: expected at most 4 (value #4 "
            f'({len(row[4])} chars) "{row[4]}")',
            "java.lang.RuntimeException",
        )
    group, topic, partition, offset = [*row, *[""] * (4 - len(row))]
    return group, topic, _number(partition, "int", 31), _number(offset, "long", 63)


def _number(text: str, type_name: str, bits: int) -> int:
    digits = text.strip()
    if not digits:
        return 0
    if not re.fullmatch(r"[+-]?[0-9]+", digits) or not -(1 << bits) <= int(digits) < 1 << bits:
        raise _unreadable(
            f'exc.InvalidFormatException: Cannot deserialize value of type `{type_name}` from String "{text}": '
            f"not a valid `{type_name}` value"
        )
    return int(digits)


def _unreadable(problem: str) -> ToolError:
    return ToolError(f"com.fasterxml.jackson.databind.{problem}", "java.lang.RuntimeException")
