"""The command line of kafka-acls, checked, and the access control entries that it stands for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from kafkalite.broker.authorized_operations import AclOperation
from kafkalite.cli.command_line import (
    Option,
    OptionParser,
    check_invalid,
    exit_with_usage,
    print_help_or_version,
)
from kafkalite.cli.java_exceptions import ToolError

_ABOUT: Final = "This tool helps to manage acls on kafka."
_WILDCARD: Final = "*"
_CLUSTER_NAME: Final = "kafka-cluster"


class ResourceType(IntEnum):
    UNKNOWN = 0
    ANY = 1
    TOPIC = 2
    GROUP = 3
    CLUSTER = 4
    TRANSACTIONAL_ID = 5
    DELEGATION_TOKEN = 6
    USER = 7


class PatternType(IntEnum):
    ANY = 1
    MATCH = 2
    LITERAL = 3
    PREFIXED = 4


class PermissionType(IntEnum):
    ANY = 1
    DENY = 2
    ALLOW = 3


_O = AclOperation
_ABOUT_CONFIGS: Final = (_O.DESCRIBE_CONFIGS, _O.ALTER_CONFIGS)
_SUPPORTED: Final = {
    ResourceType.TOPIC: (_O.READ, _O.WRITE, _O.CREATE, _O.DESCRIBE, _O.DELETE, _O.ALTER, *_ABOUT_CONFIGS),
    ResourceType.GROUP: (_O.READ, _O.DESCRIBE, _O.DELETE, *_ABOUT_CONFIGS),
    ResourceType.CLUSTER: (
        *(_O.CREATE, _O.CLUSTER_ACTION, _O.IDEMPOTENT_WRITE, _O.ALTER, _O.DESCRIBE),
        *_ABOUT_CONFIGS,
    ),
    ResourceType.TRANSACTIONAL_ID: (_O.DESCRIBE, _O.WRITE, _O.TWO_PHASE_COMMIT),
    ResourceType.DELEGATION_TOKEN: (_O.DESCRIBE,),
    ResourceType.USER: (_O.CREATE_TOKENS, _O.DESCRIBE_TOKENS),
}


class Pattern(NamedTuple):
    """A resource pattern, or a filter for them."""

    resource_type: ResourceType
    name: str
    pattern_type: PatternType

    def __str__(self) -> str:
        return (
            f"ResourcePattern(resourceType={self.resource_type.name}, name={self.name},"
            f" patternType={self.pattern_type.name})"
        )


class Entry(NamedTuple):
    """What a principal may do, or may not."""

    principal: str
    host: str
    operation: AclOperation
    permission_type: PermissionType

    def __str__(self) -> str:
        return (
            f"(principal={self.principal}, host={self.host}, operation={self.operation.name},"
            f" permissionType={self.permission_type.name})"
        )


Acls = dict[Pattern, list[Entry]]


def pascal_case(operation: AclOperation) -> str:
    return operation.name.title().replace("_", "")


_OPERATIONS_BY_NAME: Final = {
    name: operation for operation in AclOperation for name in (pascal_case(operation).lower(), operation.name.lower())
}


def _pattern_type(text: str) -> PatternType:
    try:
        return PatternType[text.upper()]
    except KeyError:
        raise ValueError(text) from None


class AclCommandOptions:
    """What kafka-acls was told to do."""

    def __init__(self, argv: Sequence[str]) -> None:
        parser = self.parser = OptionParser()
        option, flag = parser.option, parser.flag
        self.bootstrap_server = option("bootstrap-server", "The brokers to connect to.", "server to connect to")
        self.bootstrap_controller = option(
            "bootstrap-controller", "The controllers to connect to instead.", "controller to connect to"
        )
        self.command_config = option(
            "command-config",
            "A properties file with settings of the connection.",
            "command-config",
            is_value_optional=True,
        )
        self.topic = option("topic", "A topic as resource; '*' stands for all.", "topic")
        self.cluster = flag("cluster", "The cluster as resource.")
        self.group = option("group", "A group as resource; '*' stands for all.", "group")
        self.transactional_id = option(
            "transactional-id", "A transactional id as resource; '*' stands for all.", "transactional-id"
        )
        self.idempotent = flag(
            "idempotent", "With --producer: idempotence too (a transactional id brings it by itself)."
        )
        self.delegation_token = option(
            "delegation-token", "A delegation token as resource; '*' stands for all.", "delegation-token"
        )
        self.resource_pattern_type = option(
            "resource-pattern-type",
            "How resources are named: 'literal' or 'prefixed'; when listing or removing also 'any', for patterns of "
            "any type with this very name, and 'match', for all patterns that apply to this name.",
            type_name="|".join(each.name for each in PatternType),
            convert=_pattern_type,
            default=PatternType.LITERAL,
        )
        self.add = flag("add", "Add entries.")
        self.remove = flag("remove", "Remove entries.")
        self.list = flag("list", "List the entries of the resources, or all.")
        names = "\n".join(f"\t{pascal_case(each)}" for each in AclOperation if each > AclOperation.ANY)
        self.operation = option("operation", f"An operation that is allowed or denied:\n{names}\n", default="All")
        self.allow_principal = option(
            "allow-principal", "Who is allowed: type:name, for example User:'*' for everybody.", "allow-principal"
        )
        self.deny_principal = option(
            "deny-principal", "Who is denied: type:name. Denials go before permissions.", "deny-principal"
        )
        self.principal = option(
            "principal", "With --list: only entries of this principal.", "principal", is_value_optional=True
        )
        self.allow_host = option("allow-host", "From where it is allowed; '*' if left out.", "allow-host")
        self.deny_host = option("deny-host", "From where it is denied; '*' if left out.", "deny-host")
        self.producer = flag("producer", "What a producer needs: Write, Describe and Create on topics.")
        self.consumer = flag("consumer", "What a consumer needs: Read and Describe on topics, Read on groups.")
        self.force = flag("force", "Do not ask for confirmation.")
        self.user_principal = option("user-principal", "A user as resource.", "user-principal")
        self.options = parser.parse(argv)
        self._check(is_empty=not argv)

    def has(self, option: Option) -> bool:
        return self.options.has(option)

    def _check(self, *, is_empty: bool) -> None:
        parser, options, has = self.parser, self.options, self.options.has
        print_help_or_version(parser, options, _ABOUT, is_empty=is_empty)
        servers = [has(self.bootstrap_server), has(self.bootstrap_controller)]
        if all(servers):
            exit_with_usage(parser, "Only one of --bootstrap-server or --bootstrap-controller must be specified")
        if not any(servers):
            exit_with_usage(parser, "One of --bootstrap-server or --bootstrap-controller must be specified")
        if sum(map(has, (self.add, self.remove, self.list))) != 1:
            exit_with_usage(parser, "Command must include exactly one action: --list, --add, --remove. ")
        others = [self.allow_host, self.allow_principal, self.deny_host, self.deny_principal]
        check_invalid(parser, options, self.list, [self.producer, self.consumer, *others])
        for role in (self.producer, self.consumer):
            check_invalid(parser, options, role, [self.operation, self.deny_principal, self.deny_host])
        if has(self.principal) and not has(self.list):
            exit_with_usage(parser, "The --principal option is only available if --list is set")
        if has(self.producer) and not has(self.topic):
            exit_with_usage(parser, "With --producer you must specify a --topic")
        if has(self.idempotent) and not has(self.producer):
            exit_with_usage(parser, "The --idempotent option is only available if --producer is set")
        is_mixed = not has(self.producer) and (has(self.cluster) or has(self.transactional_id))
        if has(self.consumer) and (not has(self.topic) or not has(self.group) or is_mixed):
            exit_with_usage(
                parser,
                "With --consumer you must specify a --topic and a --group and no --cluster or --transactional-id"
                " option should be specified.",
            )

    # --- what it stands for

    @property
    def servers(self) -> str:
        used = self.bootstrap_server if self.has(self.bootstrap_server) else self.bootstrap_controller
        return str(self.options.value(used))

    def patterns(self, *, requires_one: bool) -> list[Pattern]:
        """The resources that were named."""
        pattern_type: PatternType = self.options.value(self.resource_pattern_type)
        patterns: dict[Pattern, None] = {}

        def add(resource_type: ResourceType, option: Option) -> None:
            if self.has(option):
                for name in self.options.values(option):
                    patterns[Pattern(resource_type, name.strip(), pattern_type)] = None

        add(ResourceType.TOPIC, self.topic)
        if pattern_type is PatternType.LITERAL and (self.has(self.cluster) or self.has(self.idempotent)):
            patterns[_CLUSTER] = None
        add(ResourceType.GROUP, self.group)
        add(ResourceType.TRANSACTIONAL_ID, self.transactional_id)
        add(ResourceType.DELEGATION_TOKEN, self.delegation_token)
        add(ResourceType.USER, self.user_principal)
        if not patterns and requires_one:
            exit_with_usage(
                self.parser,
                "You must provide at least one resource: --topic <topic> or --cluster or --group <group> or"
                " --delegation-token <Delegation Token ID>",
            )
        return list(patterns)

    def principals(self, option: Option) -> list[str]:
        """The principals of an option; raises ToolError for one that is no type:name."""
        if not self.has(option):
            return []
        principals = [text.strip() for text in self.options.values(option)]
        for principal in principals:
            if ":" not in principal:
                raise ToolError(f"expected a string in format principalType:principalName but got {principal}")
        return list(dict.fromkeys(principals))

    def acls_to_add(self) -> Acls:
        pattern_type: PatternType = self.options.value(self.resource_pattern_type)
        if pattern_type in (PatternType.ANY, PatternType.MATCH):
            exit_with_usage(
                self.parser,
                f"A '--resource-pattern-type' value of '{pattern_type.name}' is not valid when adding acls.",
            )
        acls = self.acls()
        if not all(acls.values()):
            exit_with_usage(
                self.parser,
                "You must specify one of: --allow-principal, --deny-principal when trying to add ACLs.",
            )
        return acls

    def acls(self) -> Acls:
        """The entries by resource; no entries for a resource stands for any."""
        patterns = self.patterns(requires_one=True)
        acls: Acls = {}
        if not self.has(self.producer) and not self.has(self.consumer):
            operations = [_operation(text) for text in self.options.values(self.operation)]
            acls = {pattern: self._entries(operations) for pattern in patterns}
        if self.has(self.producer):
            for pattern in patterns:
                if pattern.resource_type is ResourceType.TOPIC:
                    acls[pattern] = self._entries([_O.WRITE, _O.DESCRIBE, _O.CREATE])
                elif pattern.resource_type is ResourceType.TRANSACTIONAL_ID:
                    acls[pattern] = self._entries([_O.WRITE, _O.DESCRIBE])
            if self.has(self.idempotent):
                acls[_CLUSTER] = self._entries([_O.IDEMPOTENT_WRITE])
        if self.has(self.consumer):
            for pattern in patterns:
                if pattern.resource_type is ResourceType.TOPIC:
                    entries = self._entries([_O.READ, _O.DESCRIBE])
                elif pattern.resource_type is ResourceType.GROUP:
                    entries = self._entries([_O.READ])
                else:
                    continue
                acls[pattern] = list(dict.fromkeys([*acls.get(pattern, ()), *entries]))
        self._check_operations(acls)
        return acls

    def _entries(self, operations: Iterable[AclOperation]) -> list[Entry]:
        entries: dict[Entry, None] = {}
        for permission, principal_option, host_option in (
            (PermissionType.ALLOW, self.allow_principal, self.allow_host),
            (PermissionType.DENY, self.deny_principal, self.deny_host),
        ):
            hosts = [text.strip() for text in self.options.values(host_option)] or [_WILDCARD]
            for principal in self.principals(principal_option):
                for operation in operations:
                    for host in hosts:
                        entries[Entry(principal, host, operation, permission)] = None
        return list(entries)

    def _check_operations(self, acls: Acls) -> None:
        for pattern, entries in acls.items():
            supported = {*_SUPPORTED[pattern.resource_type], AclOperation.ALL}
            if any(entry.operation not in supported for entry in entries):
                names = ", ".join(operation.name for operation in sorted(supported))
                exit_with_usage(
                    self.parser, f"ResourceType {pattern.resource_type.name} only supports operations [{names}]"
                )


_CLUSTER: Final = Pattern(ResourceType.CLUSTER, _CLUSTER_NAME, PatternType.LITERAL)


def _operation(text: str) -> AclOperation:
    return _OPERATIONS_BY_NAME.get(text.strip().lower(), AclOperation.UNKNOWN)
