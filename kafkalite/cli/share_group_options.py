"""The command line of kafka-share-groups, checked."""

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

_ABOUT: Final = "This tool helps to list, describe, reset and delete share groups."


class ShareGroupCommandOptions:
    """What kafka-share-groups was told to do."""

    def __init__(self, argv: Sequence[str]) -> None:
        parser = self.parser = OptionParser()
        option, flag = parser.option, parser.flag
        self.bootstrap_server = option(
            "bootstrap-server", "REQUIRED: the broker to connect to.", "server to connect to"
        )
        self.group = option("group", "The share group.", "share group")
        self.topic = option("topic", "The topic whose offsets are meant; for resets also topic:0,1,2.", "topic")
        self.all_topics = flag("all-topics", "With --reset-offsets: all topics of the group.")
        self.list = flag("list", "List the share groups.")
        self.describe = flag("describe", "Describe a group: its offsets, its members or its state.")
        self.all_groups = flag("all-groups", "Every share group.")
        self.delete = flag("delete", "Delete groups.")
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
        self.reset_offsets = flag(
            "reset-offsets",
            "Set where a group without active members starts: with --dry-run or --execute, with --to-datetime, "
            "--to-earliest or --to-latest, and for --all-topics or --topic.",
        )
        self.delete_offsets = flag("delete-offsets", "Forget the offsets that a group has for topics.")
        self.dry_run = flag("dry-run", "With --reset-offsets: show the new offsets, change nothing.")
        self.execute = flag("execute", "With --reset-offsets: set the new offsets.")
        self.to_datetime = option(
            "to-datetime", "Reset to the first offset at or after a time: 'YYYY-MM-DDThh:mm:ss.sss'.", "datetime"
        )
        self.to_earliest = flag("to-earliest", "Reset to the earliest offset.")
        self.to_latest = flag("to-latest", "Reset to the latest offset.")
        self.members = flag("members", "With --describe: the members of the group.").available_if(self.describe)
        self.offsets = flag("offsets", "With --describe: where the group starts (the default).").available_if(
            self.describe
        )
        self.state = option(
            "state",
            "With --describe: the state of the group. With --list: show the groups' states, or only groups in some: "
            "Empty, Stable, Dead.",
            is_value_optional=True,
        ).available_if(self.describe, self.list)
        self.verbose = flag("verbose", "With --describe: tell more.").available_if(self.describe)
        self.options = parser.parse(argv)
        self._check(is_empty=not argv)

    def has(self, option: Option) -> bool:
        return self.options.has(option)

    def _check(self, *, is_empty: bool) -> None:
        parser, options = self.parser, self.options
        print_help_or_version(parser, options, _ABOUT, is_empty=is_empty)
        check_required(parser, options, self.bootstrap_server)
        if options.has(self.describe):
            self._check_describe()
        if options.has(self.delete):
            self._check_delete()
        if options.has(self.delete_offsets) and not (options.has(self.group) and options.has(self.topic)):
            self._fail(f"Option {self.delete_offsets} takes the following options: {self.group}, {self.topic}")
        if options.has(self.reset_offsets):
            self._check_reset()
        check_invalid(parser, options, self.group, [self.all_groups])
        check_invalid(parser, options, self.group, [self.list])
        check_invalid(parser, options, self.topic, [self.list, self.describe])
        actions = (self.list, self.describe, self.delete, self.reset_offsets, self.delete_offsets)
        if sum(map(options.has, actions)) != 1:
            names = ", ".join(f"--{action.names[0]}" for action in actions)
            self._fail(f"Command must include exactly one action: {names}.")

    def _fail(self, message: str) -> None:
        exit_with_usage(self.parser, message)

    def _check_describe(self) -> None:
        options = self.options
        if not options.has(self.group) and not options.has(self.all_groups):
            self._fail(f"Option {self.describe} takes one of these options: {self.all_groups}, {self.group}")
        alternatives = [self.members, self.offsets, self.state]
        if sum(map(options.has, alternatives)) > 1:
            names = ", ".join(map(str, alternatives))
            self._fail(f"Option {self.describe} takes at most one of these options: {names}")
        if options.has(self.state) and options.value(self.state) is not None:
            self._fail(f"Option {self.describe} does not take a value for {self.state}")

    def _check_delete(self) -> None:
        has = self.options.has
        if not has(self.group) and not has(self.all_groups):
            self._fail(f"Option {self.delete} takes the options {self.group} or {self.all_groups}")
        if has(self.group) and has(self.all_groups):
            self._fail(f"Option {self.delete} takes either {self.group} or {self.all_groups}, not both.")
        if has(self.topic):
            self._fail(f"Option {self.delete} does not take the option: {self.topic}")

    def _check_reset(self) -> None:
        has, reset = self.options.has, self.reset_offsets
        if has(self.dry_run) and has(self.execute):
            self._fail(f"Option {reset} only accepts one of {self.execute} and {self.dry_run}")
        if not has(self.dry_run) and not has(self.execute):
            self._fail(f"Option {reset} takes the option: {self.execute} or {self.dry_run}")
        if not has(self.group):
            self._fail(f"Option {reset} takes the option: {self.group}")
        if not has(self.topic) and not has(self.all_topics):
            self._fail(f"Option {reset} takes one of these options: {self.all_topics}, {self.topic}")
        scenarios = [self.to_datetime, self.to_earliest, self.to_latest]
        if not any(map(has, scenarios)):
            self._fail(f"Option {reset} takes one of these options: {', '.join(map(str, scenarios))}")
        for scenario in scenarios:
            others = [other for other in scenarios if other is not scenario]
            check_invalid(self.parser, self.options, scenario, others)
