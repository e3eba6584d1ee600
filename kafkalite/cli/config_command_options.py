"""The command line of kafka-configs: which entities, what to do with their configurations, and whether that fits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from kafkalite.cli.command_line import (
    Option,
    OptionParser,
    check_invalid,
    exit_with_usage,
    print_help_or_version,
)
from kafkalite.cli.java_exceptions import ToolError
from kafkalite.cli.java_numbers import parse_int

TOPICS: Final = "topics"
CLIENTS: Final = "clients"
USERS: Final = "users"
BROKERS: Final = "brokers"
IPS: Final = "ips"
CLIENT_METRICS: Final = "client-metrics"
GROUPS: Final = "groups"
BROKER_LOGGERS: Final = "broker-loggers"

_ENTITY_TYPES: Final = (TOPICS, CLIENTS, USERS, BROKERS, IPS, CLIENT_METRICS, GROUPS, BROKER_LOGGERS)
_WITH_DEFAULTS: Final = (USERS, CLIENTS, BROKERS, IPS)

# Commas and equals signs that are not within square brackets.
_OUTSIDE_BRACKETS: Final = r"(?=[^\]]*(?:\[|$))"


class ConfigCommandOptions:
    """The command line of kafka-configs, checked. `entity_types` and `entity_names` go together by position.

    The name "" stands for the default of all entities of its type.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        parser = self.parser = OptionParser()
        self.bootstrap_server = parser.option("bootstrap-server", "The broker to connect to.", "server to connect to")
        self.bootstrap_controller = parser.option(
            "bootstrap-controller", "The controller to connect to.", "controller to connect to"
        )
        self.command_config = parser.option(
            "command-config", "A properties file with settings of the connection.", "command config property file"
        )
        self.alter = parser.flag("alter", "Change configurations of the entity.")
        self.describe = parser.flag("describe", "Show configurations of the entity.")
        self.all = parser.flag("all", "Show all configurations of the entity, not only those that were set on it.")
        self.entity_type = parser.option("entity-type", f"Type of the entity: {', '.join(_ENTITY_TYPES)}.")
        self.entity_name = parser.option("entity-name", "Name of the entity.")
        self.entity_default = parser.flag(
            "entity-default", f"The default of all entities of the type, for {', '.join(_WITH_DEFAULTS)}."
        )
        self.add_config = parser.option(
            "add-config",
            "Configurations to set, k1=v1,k2=[v2a,v2b],k3=v3: values with commas stand in square brackets. "
            "docs/configuration.md lists the names.",
        )
        self.add_config_file = parser.option("add-config-file", "A properties file with configurations to set.")
        self.delete_config = parser.option("delete-config", "Names of configurations to remove, k1,k2.", separator=",")
        self._specific = [
            (parser.option("topic", "The topic's name."), TOPICS),
            (parser.option("client", "The client's id."), CLIENTS),
            (parser.option("user", "The user's principal name."), USERS),
            (parser.option("broker", "The broker's id."), BROKERS),
            (parser.option("broker-logger", "The id of the broker whose loggers are meant."), BROKER_LOGGERS),
            (parser.option("ip", "The IP address."), IPS),
            (parser.option("client-metrics", "The name of the client metrics subscription."), CLIENT_METRICS),
            (parser.option("group", "The group's id."), GROUPS),
        ]
        self._specific_defaults = [
            (parser.flag("client-defaults", "The default of all clients."), CLIENTS),
            (parser.flag("user-defaults", "The default of all users."), USERS),
            (parser.flag("broker-defaults", "The default of all brokers."), BROKERS),
            (parser.flag("ip-defaults", "The default of all IP addresses."), IPS),
        ]
        self.options = parser.parse(argv)
        print_help_or_version(
            parser, self.options, "This tool shows and changes configurations of entities.", is_empty=not argv
        )
        self.entity_types = self._entity_types()
        self.entity_names = self._entity_names()
        self._check()

    def has(self, option: Option) -> bool:
        return self.options.has(option)

    def servers(self) -> str:
        option = self.bootstrap_server if self.has(self.bootstrap_server) else self.bootstrap_controller
        return str(self.options.value(option))

    def _entity_types(self) -> list[str]:
        types: list[str] = self.options.values(self.entity_type)
        return types + [kind for option, kind in (*self._specific, *self._specific_defaults) if self.has(option)]

    def _entity_names(self) -> list[str]:
        given = iter(self.options.values(self.entity_name))
        names = [
            next(given) if option is self.entity_name else ""
            for option in self.options.order
            if option in (self.entity_name, self.entity_default)
        ]
        names += [self.options.value(option) for option, _ in self._specific if self.has(option)]
        return names + ["" for option, _ in self._specific_defaults if self.has(option)]

    # --- what is set and removed

    def configs_to_add(self) -> dict[str, str]:
        """Name -> value of --add-config and --add-config-file; raises ToolError."""
        from kafkalite.cli.admin_options import load_properties

        configs: dict[str, str] = {}
        if self.has(self.add_config_file):
            configs.update(load_properties(self.options.value(self.add_config_file)))
        if self.has(self.add_config):
            entries = re.split("," + _OUTSIDE_BRACKETS, self.options.value(self.add_config))
            while len(entries) > 1 and not entries[-1]:
                entries.pop()
            for entry in entries:
                parts = re.split(r"\s*=\s*" + _OUTSIDE_BRACKETS, entry)
                if len(parts) != 2:
                    raise ToolError(
                        "requirement failed: Invalid entity config: all configs to be added must be in the format "
                        '"key=val" or  "key=[val1,val2]" to group values which contain commas.'
                    )
                configs[parts[0].strip()] = parts[1].replace("[", "").replace("]", "").strip()
        for name in configs:
            if re.fullmatch(r"[$a-zA-Z0-9._-]*", name) is None:
                raise ToolError(f"Invalid character found for config key: {name}")
        return configs

    def configs_to_delete(self) -> list[str]:
        return [name.strip() for name in self.options.values(self.delete_config)]

    # --- checks

    def _check(self) -> None:
        parser, options = self.parser, self.options
        if self.has(self.alter) == self.has(self.describe):
            exit_with_usage(parser, "Command must include exactly one action: --describe, --alter")
        check_invalid(parser, options, self.describe, [self.alter, self.add_config, self.delete_config])
        self._check_types()
        self._check_names()
        if self.has(self.describe):
            self._check_describing()
        else:
            self._check_altering()

    def _check_types(self) -> None:
        types = self.entity_types
        repeated = [kind for position, kind in enumerate(types) if kind in types[:position]]
        if repeated:
            raise ToolError(f"Duplicate entity type(s) specified: {','.join(repeated)}")
        if not self.has(self.bootstrap_server) and not self.has(self.bootstrap_controller):
            raise ToolError("Either --bootstrap-server or --bootstrap-controller must be specified.")
        for kind in types:
            if kind not in _ENTITY_TYPES:
                raise ToolError(
                    f"Invalid entity type {kind}, the entity type must be one of {', '.join(_ENTITY_TYPES)} with a "
                    "--bootstrap-server or --bootstrap-controller argument"
                )
        if not types:
            raise ToolError("At least one entity type must be specified")
        if len(types) > 1 and set(types) != {USERS, CLIENTS}:
            raise ToolError(f"Only '{USERS}' and '{CLIENTS}' entity types may be specified together")
        generic = (self.entity_name, self.entity_type, self.entity_default)
        specific = [option for option, _ in (*self._specific, *self._specific_defaults)]
        if any(map(self.has, generic)) and any(map(self.has, specific)):
            raise ToolError("--entity-{type,name,default} should not be used in conjunction with specific entity flags")
        if self.has(self.bootstrap_server) and self.has(self.bootstrap_controller):
            raise ToolError("Only one of --bootstrap-server or --bootstrap-controller can be specified")

    def _check_names(self) -> None:
        names = [name for name in self.entity_names if name]
        if BROKERS in self.entity_types or BROKER_LOGGERS in self.entity_types:
            for name in names:
                try:
                    parse_int(name)
                except ToolError:
                    raise ToolError(
                        f"The entity name for {self.entity_types[0]} must be a valid integer broker id, but it is: "
                        f"{name}"
                    ) from None
        if IPS in self.entity_types:
            for name in names:
                if not _is_address(name):
                    raise ToolError(
                        f"The entity name for {self.entity_types[0]} must be a valid IP or resolvable host, but it is: "
                        f"{name}"
                    )

    def _check_describing(self) -> None:
        types = ",".join(self.entity_types)
        if self.has(self.entity_default) and not set(self.entity_types) & set(_WITH_DEFAULTS):
            raise ToolError(f"--entity-default must not be specified with --describe of {types}")
        if BROKER_LOGGERS in self.entity_types and not any(self.entity_names):
            raise ToolError(f"An entity name must be specified with --describe of {types}")

    def _check_altering(self) -> None:
        if set(self.entity_types) & set(_WITH_DEFAULTS):
            if not self.entity_names:
                raise ToolError(
                    "An entity-name or default entity must be specified with --alter of users, clients, brokers or ips"
                )
        elif not any(self.entity_names):
            raise ToolError(f"An entity name must be specified with --alter of {','.join(self.entity_types)}")
        if self.has(self.add_config) and self.has(self.add_config_file):
            raise ToolError("Only one of --add-config or --add-config-file must be specified")
        if not any(map(self.has, (self.add_config, self.add_config_file, self.delete_config))):
            raise ToolError(
                "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter"
            )


def _is_address(name: str) -> bool:
    import socket

    try:
        socket.getaddrinfo(name, None)
    except OSError:
        return False
    return True
