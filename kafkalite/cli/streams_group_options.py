"""The command line of kafka-streams-groups, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kafkalite.cli.command_line import (
    Option,
    OptionParser,
    check_invalid,
    check_required,
    exit_with_usage,
    print_help_or_version,
)
from kafkalite.cli.reset_scenarios import ResetScenarios

_ABOUT: Final = "This tool helps to list, or describe streams groups."


class StreamsGroupCommandOptions:
    """What kafka-streams-groups was told to do."""

    def __init__(self, argv: Sequence[str]) -> None:
        parser = self.parser = OptionParser()
        option, flag = parser.option, parser.flag
        self.bootstrap_server = option(
            "bootstrap-server", "REQUIRED: the broker to connect to.", "server to connect to"
        )
        self.group = option("group", "The streams group.", "streams group")
        self.input_topic = option(
            "input-topic", "The input topic whose offsets are meant, with partitions as topic:0,1,2.", "topic"
        )
        self.all_input_topics = flag("all-input-topics", "All input topics of the group.")
        self.list = flag("list", "List the streams groups.")
        self.describe = flag("describe", "Describe a group: its offsets, its members or its state.")
        self.all_groups = flag("all-groups", "Every streams group.")
        self.delete = flag("delete", "Delete groups, for instance --group g1 --group g2.")
        self.delete_offsets = flag("delete-offsets", "Delete the offsets that a group has for input topics.")
        self.timeout = option(
            "timeout",
            "How long to wait for the brokers, for example until a group has settled.",
            "timeout (ms)",
            type_name="Long",
            default=30000,
        )
        self.command_config = option(
            "command-config", "A properties file with settings of the connection.", "command config property file"
        )
        self.state = option(
            "state",
            "With --describe: the state of the group. With --list: show the groups' states, or only groups in some.",
            is_value_optional=True,
        ).available_if(self.list, self.describe)
        self.members = flag("members", "With --describe: the members of the group.").available_if(self.describe)
        self.offsets = flag("offsets", "With --describe: the group's offsets and lag (the default).").available_if(
            self.describe
        )
        self.reset_offsets = flag(
            "reset-offsets",
            "Set the offsets of a group without active members, with --dry-run or --execute, for --input-topic or "
            "--all-input-topics.",
        )
        self.scenarios = ResetScenarios(parser)
        self.delete_internal_topic = option(
            "delete-internal-topic", "With --reset-offsets --execute: delete an internal topic of the group too."
        )
        self.delete_all_internal_topics = flag(
            "delete-all-internal-topics",
            "With --reset-offsets --execute and --delete: delete the group's internal topics too.",
        )
        self.verbose = flag("verbose", "With --describe: tell more.").available_if(self.describe)
        self.dry_run = flag("dry-run", "With --reset-offsets: show the new offsets, change nothing.")
        self.execute = flag("execute", "With --reset-offsets: set the new offsets.")
        self.export = flag("export", "With --reset-offsets: print the new offsets as CSV.")
        self.options = parser.parse(argv)
        self._check(is_empty=not argv)

    def has(self, option: Option) -> bool:
        return self.options.has(option)

    def _fail(self, message: str) -> None:
        exit_with_usage(self.parser, message)

    def _check(self, *, is_empty: bool) -> None:
        parser, options, has = self.parser, self.options, self.options.has
        print_help_or_version(parser, options, _ABOUT, is_empty=is_empty)
        check_required(parser, options, self.bootstrap_server)
        if has(self.describe):
            self._check_describe()
        if has(self.delete):
            self._check_has_group(self.delete)
            if has(self.input_topic) or has(self.all_input_topics):
                self._fail("Kafka Streams does not support topic-specific offset deletion from a streams group.")
        if has(self.delete_offsets):
            self._check_delete_offsets()
        if has(self.reset_offsets):
            self._check_reset()
        self._check_internal_topics()
        if (has(self.dry_run) or has(self.execute)) and not has(self.reset_offsets):
            self._fail(f"Only Option {self.reset_offsets} accepts {self.execute} or {self.dry_run}")
        check_invalid(parser, options, self.list, [self.members, self.offsets])
        check_invalid(parser, options, self.group, [self.all_groups])
        check_invalid(parser, options, self.group, [self.list])
        check_invalid(parser, options, self.input_topic, [self.list, self.describe, self.delete])
        actions = (self.list, self.describe, self.reset_offsets, self.delete, self.delete_offsets)
        if sum(map(has, actions)) != 1:
            self._fail(
                "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, or"
                " --delete-offsets."
            )

    def _check_has_group(self, action: Option) -> None:
        if not self.has(self.group) and not self.has(self.all_groups):
            self._fail(f"Option {action} takes one of these options: {self.all_groups}, {self.group}")

    def _check_describe(self) -> None:
        options = self.options
        self._check_has_group(self.describe)
        alternatives = [self.members, self.offsets, self.state]
        if sum(map(options.has, alternatives)) > 1:
            names = ", ".join(map(str, alternatives))
            self._fail(f"Option {self.describe} takes at most one of these options: {names}")
        if options.has(self.state) and options.value(self.state) is not None:
            self._fail(f"Option {self.describe} does not take a value for {self.state}")

    def _check_delete_offsets(self) -> None:
        has = self.options.has
        if not has(self.group) or not (has(self.input_topic) or has(self.all_input_topics)):
            self._fail(
                f"Option {self.delete_offsets} takes the {self.group} and one of these options: "
                f"{self.all_input_topics}, {self.input_topic}"
            )
        groups = self.options.values(self.group)
        if len(groups) > 1:
            self._fail(
                f"Option {self.delete_offsets} supports only one {self.group} at a time, but found:"
                f" [{', '.join(groups)}]"
            )

    def _check_reset(self) -> None:
        has, reset = self.options.has, self.reset_offsets
        if has(self.dry_run) and has(self.execute):
            self._fail(f"Option {reset} only accepts one of {self.execute} and {self.dry_run}")
        if not has(self.dry_run) and not has(self.execute):
            self._fail(f"Option {reset} takes the option: {self.execute} or {self.dry_run}")
        self._check_has_group(reset)
        self.scenarios.check(self.options)

    def _check_internal_topics(self) -> None:
        has = self.options.has
        if has(self.delete_all_internal_topics):
            if not has(self.reset_offsets) and not has(self.delete):
                self._fail(
                    f"Option {self.delete_all_internal_topics} takes one of these options: "
                    f"{self.delete}, {self.reset_offsets}"
                )
            if has(self.reset_offsets) and not has(self.execute):
                self._fail(
                    f"Option {self.delete_all_internal_topics} takes {self.execute} when {self.reset_offsets} is used."
                )
        elif has(self.delete_internal_topic) and not (has(self.reset_offsets) and has(self.execute)):
            self._fail(f"Option {self.delete_internal_topic} takes {self.reset_offsets} when {self.execute} is used.")
