"""The command line of kafka-consumer-groups, checked."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from kafkalite.cli.command_line import (
    Option,
    OptionParser,
    check_invalid,
    check_required,
    exit_with_usage,
    print_help_or_version,
)
from kafkalite.cli.reset_scenarios import ResetScenarios

_ABOUT = (
    "This tool helps to list all consumer groups, describe a consumer group, delete consumer group info, or reset"
    " consumer group offsets."
)


class ConsumerGroupCommandOptions:
    """What kafka-consumer-groups was told to do."""

    def __init__(self, argv: Sequence[str]) -> None:
        parser = self.parser = OptionParser()
        option, flag = parser.option, parser.flag
        self.bootstrap_server = option(
            "bootstrap-server", "REQUIRED: the broker to connect to.", "server to connect to"
        )
        self.group = option("group", "The consumer group.", "consumer group")
        self.topic = option(
            "topic",
            "The topic whose offsets are meant; for resets also topic:0,1,2, with the partitions.",
            "topic",
        )
        self.all_topics = flag("all-topics", "With --reset-offsets: all topics that the group has offsets for.")
        self.list = flag("list", "List the consumer groups.")
        self.describe = flag("describe", "Describe a group: its offsets and lag, its members or its state.")
        self.all_groups = flag("all-groups", "Every consumer group.")
        self.delete = flag("delete", "Delete groups with all their offsets, for instance --group g1 --group g2.")
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
            "Set the offsets of a group without active members. --dry-run (the default) shows what would be done, "
            "--execute does it, --export prints it as CSV. One of --to-datetime, --by-duration, --to-earliest, "
            "--to-latest, --shift-by, --from-file, --to-current, --to-offset says to where, and --all-topics or "
            "--topic what for.",
        )
        self.delete_offsets = flag("delete-offsets", "Delete the offsets that a group has for topics.")
        self.dry_run = flag("dry-run", "With --reset-offsets: show the new offsets, change nothing.")
        self.execute = flag("execute", "With --reset-offsets: set the new offsets.")
        self.export = flag("export", "With --reset-offsets: print the new offsets as CSV.")
        self.scenarios = ResetScenarios(parser)
        self.members = flag("members", "With --describe: the members of the group.").available_if(self.describe)
        self.verbose = flag("verbose", "With --describe: tell more.").available_if(self.describe)
        self.offsets = flag(
            "offsets", "With --describe: the group's partitions with offsets and lag (the default)."
        ).available_if(self.describe)
        self.state = option(
            "state",
            "With --describe: the state of the group. With --list: show the groups' states, or only groups in some, "
            "for example --state stable,empty.",
            is_value_optional=True,
        ).available_if(self.describe, self.list)
        self.type = option(
            "type",
            "With --list: show the groups' types, or only groups of some, for example --type classic,consumer.",
            is_value_optional=True,
        ).available_if(self.list)
        self.validate_regex = option(
            "validate-regex", "Say whether a regular expression is one that groups may subscribe with (RE2).", "regex"
        )
        self.options = parser.parse(argv)
        self._check(is_empty=not argv)

    def has(self, option: Option) -> bool:
        return self.options.has(option)

    def _check(self, *, is_empty: bool) -> None:
        parser, options = self.parser, self.options
        print_help_or_version(parser, options, _ABOUT, is_empty=is_empty)
        if not options.has(self.validate_regex):
            check_required(parser, options, self.bootstrap_server)
        if options.has(self.describe):
            self._check_describe()
        if options.has(self.delete):
            self._check_has_group(self.delete)
            if options.has(self.topic):
                exit_with_usage(
                    parser, "The consumer does not support topic-specific offset deletion from a consumer group."
                )
        if options.has(self.delete_offsets) and not (options.has(self.group) and options.has(self.topic)):
            exit_with_usage(
                parser, f"Option {self.delete_offsets} takes the following options: {self.group}, {self.topic}"
            )
        if options.has(self.reset_offsets):
            self._check_reset()
        check_invalid(parser, options, self.group, [self.all_groups])
        check_invalid(parser, options, self.group, [self.list])
        check_invalid(parser, options, self.topic, [self.list, self.describe])
        actions = [
            self.list,
            self.describe,
            self.delete,
            self.reset_offsets,
            self.delete_offsets,
            self.validate_regex,
        ]
        if sum(map(options.has, actions)) != 1:
            names = ", ".join(f"--{action.names[0]}" for action in actions)
            exit_with_usage(parser, f"Command must include exactly one action: {names}")

    def _check_has_group(self, action: Option) -> None:
        if not self.options.has(self.group) and not self.options.has(self.all_groups):
            exit_with_usage(self.parser, f"Option {action} takes one of these options: {self.group}, {self.all_groups}")

    def _check_describe(self) -> None:
        parser, options = self.parser, self.options
        self._check_has_group(self.describe)
        alternatives = [self.members, self.offsets, self.state]
        if sum(map(options.has, alternatives)) > 1:
            names = ", ".join(map(str, alternatives))
            exit_with_usage(parser, f"Option {self.describe} takes at most one of these options: {names}")
        if options.has(self.state) and options.value(self.state) is not None:
            exit_with_usage(parser, f"Option {self.describe} does not take a value for {self.state}")

    def _check_reset(self) -> None:
        parser, options = self.parser, self.options
        if options.has(self.dry_run) and options.has(self.execute):
            exit_with_usage(
                parser, f"Option {self.reset_offsets} only accepts one of {self.execute} and {self.dry_run}"
            )
        if not options.has(self.dry_run) and not options.has(self.execute):
            print(
                "WARN: No action will be performed as the --execute option is missing. In version 5.0, this command "
                "will require either --dry-run or --execute to be specified. You should add the --dry-run option "
                "explicitly if you are scripting this command and want to keep the current default behavior without "
                "prompting.",
                file=sys.stderr,
            )
        self._check_has_group(self.reset_offsets)
        self.scenarios.check(options)
