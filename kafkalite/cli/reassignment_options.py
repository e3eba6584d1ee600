"""The command line of kafka-reassign-partitions, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kafkalite.cli.command_line import (
    Option,
    OptionParser,
    check_required,
    exit_with_usage,
    print_help_or_version,
)

_ABOUT: Final = "This tool helps to move topic partitions between replicas."


class ReassignPartitionsCommandOptions:
    """What kafka-reassign-partitions was told to do."""

    def __init__(self, argv: Sequence[str]) -> None:
        parser = self.parser = OptionParser()
        option, flag = parser.option, parser.flag
        self.verify = flag("verify", "Say whether a reassignment is done; when all are, throttles are removed.")
        self.generate = flag("generate", "Propose a reassignment, do not start it.")
        self.execute = flag("execute", "Start a reassignment.")
        self.cancel = flag("cancel", "Cancel a reassignment.")
        self.list = flag("list", "List the reassignments under way.")
        self.bootstrap_server = option(
            "bootstrap-server",
            "The brokers to connect to.",
            "Server(s) to use for bootstrapping",
            is_value_optional=True,
        )
        self.command_config = option(
            "command-config", "A properties file with settings of the connection.", "Admin client property file"
        )
        self.reassignment_json_file = option(
            "reassignment-json-file",
            'The file with the reassignment:\n{"partitions":\n\t[{"topic": "foo",\n\t  "partition": 1,\n\t  "replicas":'
            ' [1,2,3],\n\t  "log_dirs": ["dir1","dir2","dir3"] }],\n"version":1\n}\n"log_dirs" may be left out; "any" '
            "in it leaves the directory to the broker.",
            "manual assignment json file path",
        )
        self.topics_to_move_json_file = option(
            "topics-to-move-json-file",
            'With --generate: the file with the topics to move:\n{"topics":\n\t[{"topic": "foo"},{"topic": "foo1"}],\n'
            '"version":1\n}',
            "topics to reassign json file path",
        )
        self.broker_list = option("broker-list", "With --generate: the brokers to move to, 0,1,2.", "brokerlist")
        self.bootstrap_controller = option(
            "bootstrap-controller",
            "With --cancel and --list: the controllers to connect to instead.",
            "bootstrap controller to connect to",
            is_value_optional=True,
        )
        self.disable_rack_aware = flag("disable-rack-aware", "With --generate: leave racks out of account.")
        self.throttle = option(
            "throttle",
            "With --execute: the most that moves between brokers may take, in bytes per second.",
            "throttle",
            type_name="Long",
            default=-1,
        )
        self.log_dirs_throttle = option(
            "replica-alter-log-dirs-throttle",
            "With --execute: the most that moves between directories may take, in bytes per second.",
            "replicaAlterLogDirsThrottle",
            type_name="Long",
            default=-1,
        )
        self.timeout = option(
            "timeout",
            "How long to wait until moves between directories begin, in milliseconds.",
            "timeout",
            type_name="Long",
            default=10000,
        )
        self.additional = flag("additional", "With --execute: although others are under way, whose throttle changes.")
        self.preserve_throttles = flag("preserve-throttles", "Leave throttles alone.")
        self.disallow_replication_factor_change = flag(
            "disallow-replication-factor-change", "With --execute: refuse to change how many replicas there are."
        )
        self.options = parser.parse(argv)
        self._check(is_empty=not argv)

    def has(self, option: Option) -> bool:
        return self.options.has(option)

    @property
    def servers(self) -> str:
        used = self.bootstrap_server if self.has(self.bootstrap_server) else self.bootstrap_controller
        return str(self.options.value(used))

    def _check(self, *, is_empty: bool) -> None:
        parser, options, has = self.parser, self.options, self.options.has
        print_help_or_version(parser, options, _ABOUT, is_empty=is_empty)
        actions = [self.generate, self.execute, self.verify, self.cancel, self.list]
        given = [action for action in actions if has(action)]
        if len(given) != 1:
            names = ", ".join(f"--{action.names[0]}" for action in actions)
            exit_with_usage(parser, f"Command must include exactly one action: {names}")
        action = given[0]
        servers = [each for each in (self.bootstrap_server, self.bootstrap_controller) if has(each)]
        if len(servers) == 2:
            exit_with_usage(parser, "Please don't specify both --bootstrap-server and --bootstrap-controller")
        if not servers:
            exit_with_usage(parser, "Please specify either --bootstrap-server or --bootstrap-controller")
        required = {
            self.generate: [self.topics_to_move_json_file, self.broker_list],
            self.list: [],
        }.get(action, [self.reassignment_json_file])
        check_required(parser, options, *required)
        permitted = {
            self.verify: [self.bootstrap_server, self.preserve_throttles],
            self.generate: [self.bootstrap_server, self.broker_list, self.disable_rack_aware],
            self.execute: [
                self.additional,
                self.bootstrap_server,
                self.throttle,
                self.log_dirs_throttle,
                self.timeout,
                self.disallow_replication_factor_change,
            ],
            self.cancel: [*servers, self.preserve_throttles, self.timeout],
            self.list: servers,
        }[action]
        for option in options.in_order:
            if option not in (action, self.command_config, *required, *permitted):
                exit_with_usage(parser, f'Option "{option}" can\'t be used with action "{action}"')
