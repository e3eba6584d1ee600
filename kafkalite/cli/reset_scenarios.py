"""The options that say where a reset of offsets goes, and the new offsets that they stand for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from kafkalite.cli.command_line import Option, OptionParser, OptionSet, check_invalid, exit_with_usage
from kafkalite.cli.java_exceptions import in_runtime_exception
from kafkalite.client.group_admin import CommittedOffset
from kafkalite.identifiers import TopicPartition

if TYPE_CHECKING:
    from kafkalite.client.admin import Admin

Committed = Mapping[TopicPartition, CommittedOffset | None]


class ResetScenarios:
    """Declares --to-offset, --shift-by, --to-datetime, --by-duration, --to-earliest, --to-latest, --to-current and
    --from-file on a parser.
    """

    def __init__(self, parser: OptionParser) -> None:
        option, flag = parser.option, parser.flag
        self._parser = parser
        self.to_offset = option("to-offset", "Reset to this offset.", "offset", type_name="Long")
        self.from_file = option("from-file", "Reset to the offsets in a CSV file.", "path to CSV file")
        self.to_datetime = option(
            "to-datetime", "Reset to the first offset at or after a time: 'YYYY-MM-DDThh:mm:ss.sss'.", "datetime"
        )
        self.by_duration = option(
            "by-duration", "Reset to the first offset that is no older than 'PnDTnHnMnS'.", "duration"
        )
        self.to_earliest = flag("to-earliest", "Reset to the earliest offset.")
        self.to_latest = flag("to-latest", "Reset to the latest offset.")
        self.to_current = flag("to-current", "Reset to the offset that is committed now.")
        self.shift_by = option(
            "shift-by",
            "Reset to this many offsets after, or with a negative number before, the committed one.",
            "number-of-offsets",
            type_name="Long",
        )

    @property
    def _all(self) -> list[Option]:
        return [
            self.to_offset,
            self.shift_by,
            self.to_datetime,
            self.by_duration,
            self.to_earliest,
            self.to_latest,
            self.to_current,
            self.from_file,
        ]

    def check(self, options: OptionSet) -> None:
        """Refuses two scenarios at once."""
        for scenario in (
            self.to_offset,
            self.to_datetime,
            self.by_duration,
            self.to_earliest,
            self.to_latest,
            self.to_current,
            self.shift_by,
            self.from_file,
        ):
            check_invalid(self._parser, options, scenario, [other for other in self._all if other is not scenario])

    def new_offsets(
        self,
        admin: Admin,
        options: OptionSet,
        reset: Option,
        partitions: Sequence[TopicPartition],
        committed: Callable[[], Committed],
        from_file: Callable[[str], dict[TopicPartition, int]],
    ) -> dict[TopicPartition, int]:
        """The offsets that the scenario on the command line stands for; ends the tool where there is none.

        `committed` is asked only where the scenario starts from what is committed, `from_file` for a plan in a file.
        """
        from kafkalite.cli import offset_reset as plans

        def positions() -> dict[TopicPartition, int]:
            return {partition: offset.offset for partition, offset in committed().items() if offset is not None}

        in_order = plans.in_map_order(partitions)
        if options.has(self.to_offset):
            offset: int = options.values(self.to_offset)[0]
            return in_runtime_exception(lambda: plans.within_range(admin, dict.fromkeys(in_order, offset)))
        if options.has(self.to_earliest):
            return in_runtime_exception(lambda: plans.to_earliest(admin, partitions))
        if options.has(self.to_latest):
            return in_runtime_exception(lambda: plans.to_latest(admin, partitions))
        if options.has(self.shift_by):
            shift: int = options.value(self.shift_by)
            current = positions()
            return in_runtime_exception(lambda: plans.shifted_by(admin, in_order, shift, current))
        if options.has(self.to_datetime):
            time_ms = plans.parse_date_time(options.values(self.to_datetime)[0])
            return in_runtime_exception(lambda: plans.to_timestamp(admin, partitions, time_ms))
        if options.has(self.by_duration):
            time_ms = plans.time_before(options.value(self.by_duration), time.time_ns())
            return in_runtime_exception(lambda: plans.to_timestamp(admin, partitions, time_ms))
        if options.has(self.from_file):
            return from_file(options.values(self.from_file)[0])
        if not options.has(self.to_current):
            names = ", ".join(map(str, self._all))
            exit_with_usage(self._parser, f"Option '{reset}' requires one of the following scenarios: [{names}]")
        current = positions()
        return in_runtime_exception(lambda: plans.to_current(admin, partitions, current))


def offsets_from_file(
    admin: Admin, path: str, group_id: str, groups: Sequence[str]
) -> dict[TopicPartition, int] | None:
    """A group's offsets in a plan, kept within their partitions; None where the plan does not have the group."""
    from kafkalite.cli import offset_reset as plans

    plan = plans.read_plan(path, groups).get(group_id)
    if plan is None:
        return None
    in_order = {partition: plan[partition] for partition in plans.in_map_order(plan)}
    return in_runtime_exception(lambda: plans.within_range(admin, in_order))
