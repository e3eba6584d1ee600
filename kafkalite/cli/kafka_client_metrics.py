"""kafka-client-metrics: lists, describes, changes and deletes subscriptions to clients' metrics (KIP-714)."""

from __future__ import annotations

import re
import sys
from typing import Final

from kafkalite.cli.admin_options import load_properties, open_admin
from kafkalite.cli.command_line import (
    OptionError,
    OptionParser,
    OptionSet,
    check_invalid,
    exit_with_error,
    exit_with_usage,
    print_help_or_version,
    run_command,
)
from kafkalite.cli.console_log import log
from kafkalite.cli.java_exceptions import ToolError, described, message
from kafkalite.client.admin import Admin, AdminTimeoutError, raise_for
from kafkalite.client.config_admin import CLIENT_METRICS, alter_configs
from kafkalite.client.wire_client import WireClientError
from kafkalite.errors import KafkaError
from kafkalite.java_hash_map import string_map_order

_ABOUT: Final = "This tool helps to manipulate and describe client metrics configurations."
_SELECTORS: Final = (
    "client_id",
    "client_instance_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
)


class ClientMetricsCommandOptions:
    """The command line, checked."""

    def __init__(self, argv: list[str]) -> None:
        parser = self.parser = OptionParser()
        option, flag = parser.option, parser.flag
        self.bootstrap_server = option(
            "bootstrap-server", "REQUIRED: the broker to connect to.", "server to connect to"
        )
        self.command_config = option(
            "command-config", "A properties file with settings of the connection.", "command config property file"
        )
        self.alter = flag("alter", "Change a subscription, or make one.")
        self.delete = flag("delete", "Delete a subscription.")
        self.describe = flag("describe", "Show a subscription, or all.")
        self.list = flag("list", "List the subscriptions.")
        self.name = option("name", "The subscription's name.", "name")
        self.generate_name = flag("generate-name", "Make a name up.")
        self.interval = option(
            "interval", "How often clients push, in milliseconds.\nEmpty for the default.", "push interval"
        )
        selectors = "\n".join(f"\t{selector}" for selector in _SELECTORS)
        self.match = option(
            "match", f"Which clients are meant, by selectors:\n{selectors}", "k1=v1,k2=v2", separator=","
        )
        self.metrics = option("metrics", "The prefixes of the metrics' names.", "m1,m2", separator=",")
        try:
            self.options: OptionSet = parser.parse(argv)
        except OptionError as error:
            exit_with_usage(parser, str(error))
        self._check(is_empty=not argv)

    def _check(self, *, is_empty: bool) -> None:
        parser, options, has = self.parser, self.options, self.options.has
        print_help_or_version(parser, options, _ABOUT, is_empty=is_empty)
        if sum(map(has, (self.alter, self.delete, self.describe, self.list))) != 1:
            exit_with_usage(parser, "Command must include exactly one action: --alter, --delete, --describe or --list.")
        if not has(self.bootstrap_server):
            exit_with_error("--bootstrap-server must be specified.")
        changes = [self.generate_name, self.interval, self.match, self.metrics]
        check_invalid(parser, options, self.delete, changes)
        check_invalid(parser, options, self.describe, changes)
        check_invalid(parser, options, self.list, [self.name, *changes])
        if has(self.alter):
            if has(self.name) == has(self.generate_name):
                exit_with_error("One of --name or --generate-name must be specified with --alter.")
            interval = options.value(self.interval)
            if interval and not re.fullmatch(r"[+-]?[0-9]{1,10}", interval):
                exit_with_error("Invalid interval value. Enter an integer, or leave empty to reset.")
        if has(self.delete) and not has(self.name):
            exit_with_error("A client metrics resource name must be specified with --delete.")


def _names(admin: Admin) -> list[str]:
    from kafkalite.protocol.messages.list_config_resources import ListConfigResourcesRequest

    request = ListConfigResourcesRequest(resource_types=[CLIENT_METRICS])
    response = admin.send(request, call="listConfigResources")
    raise_for(response.error_code)
    return [resource.resource_name for resource in response.config_resources]


def _configs(admin: Admin, name: str) -> dict[str, str | None]:
    from kafkalite.protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource

    resource = DescribeConfigsResource(resource_type=CLIENT_METRICS, resource_name=name, configuration_keys=None)
    response = admin.send(DescribeConfigsRequest(resources=[resource]), call="describeConfigs")
    (result,) = response.results
    raise_for(result.error_code, result.error_message)
    values = {entry.name: entry.value for entry in result.configs}
    return {key: values[key] for key in string_map_order(values)}


def alter(admin: Admin, command: ClientMetricsCommandOptions) -> None:
    options = command.options
    name = options.value(command.name) or _random_name()
    changes: dict[str, str | None] = {}
    if options.has(command.interval):
        changes["interval.ms"] = options.value(command.interval) or None
    if options.has(command.metrics):
        changes["metrics"] = ",".join(options.values(command.metrics)) or None
    if options.has(command.match):
        changes["match"] = ",".join(options.values(command.match)) or None
    alter_configs(admin, CLIENT_METRICS, name, changes)
    print(f"Altered client metrics config for {name}.")


def _random_name() -> str:
    from kafkalite.broker.random_uuid import random_uuid

    return str(random_uuid())


def delete(admin: Admin, name: str) -> None:
    alter_configs(admin, CLIENT_METRICS, name, dict.fromkeys(_configs(admin, name)))
    print(f"Deleted client metrics config for {name}.")


def describe(admin: Admin, name: str | None) -> None:
    names = _names(admin)
    if name is not None and name not in names:
        print(f"The client metric resource {name} doesn't exist and doesn't have dynamic config.")
        return
    for each in names if name is None else [name]:
        print(f"Client metrics configs for {each} are:")
        for key, value in _configs(admin, each).items():
            print(f"  {key}={'null' if value is None else value}")


def _execute(argv: list[str]) -> int:
    command = ClientMetricsCommandOptions(argv)
    options = command.options
    try:
        properties = load_properties(options.value(command.command_config))
        with open_admin(options.value(command.bootstrap_server), properties) as admin:
            if options.has(command.alter):
                alter(admin, command)
            elif options.has(command.describe):
                describe(admin, options.value(command.name))
            elif options.has(command.delete):
                delete(admin, options.value(command.name))
            else:
                print("\n".join(_names(admin)))
    except (OptionError, ToolError, KafkaError, AdminTimeoutError, WireClientError) as error:
        print(f"Error while executing client metrics command : {message(error)}")
        log("ERROR", described(error), "org.apache.kafka.tools.ClientMetricsCommand")
        return 1
    return 0


def main(argv: list[str] | None = None) -> int:
    return run_command(_execute, argv)


if __name__ == "__main__":
    sys.exit(main())
