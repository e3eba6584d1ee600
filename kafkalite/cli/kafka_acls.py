"""kafka-acls: adds, removes and lists access control entries."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from kafkalite.broker.authorized_operations import AclOperation
from kafkalite.cli.acl_options import (
    AclCommandOptions,
    Acls,
    Entry,
    Pattern,
    PatternType,
    PermissionType,
    ResourceType,
)
from kafkalite.cli.admin_options import load_properties, open_admin
from kafkalite.cli.command_line import OptionError, run_command
from kafkalite.cli.java_exceptions import ToolError, described, message
from kafkalite.client.admin import Admin, AdminTimeoutError, raise_for
from kafkalite.client.wire_client import WireClientError
from kafkalite.errors import ErrorCode, KafkaError


def describe_acls(admin: Admin, pattern: Pattern | None) -> Acls:
    """The entries of the resources that a pattern finds (None: of all)."""
    from kafkalite.protocol.messages.describe_acls import DescribeAclsRequest

    request = DescribeAclsRequest(
        resource_type_filter=ResourceType.ANY if pattern is None else pattern.resource_type,
        resource_name_filter=None if pattern is None else pattern.name,
        pattern_type_filter=PatternType.ANY if pattern is None else pattern.pattern_type,
        principal_filter=None,
        host_filter=None,
        operation=AclOperation.ANY,
        permission_type=PermissionType.ANY,
    )
    response = admin.send(request, call="describeAcls")
    raise_for(response.error_code, response.error_message)
    acls: Acls = {}
    for resource in response.resources:
        found = Pattern(
            ResourceType(resource.resource_type), resource.resource_name, PatternType(resource.pattern_type)
        )
        entries = acls.setdefault(found, [])
        for acl in resource.acls:
            entries.append(
                Entry(acl.principal, acl.host, AclOperation(acl.operation), PermissionType(acl.permission_type))
            )
    return acls


def add_acls(admin: Admin, options: AclCommandOptions) -> None:
    """Adds the entries that are not there yet."""
    from kafkalite.protocol.messages.create_acls import AclCreation, CreateAclsRequest

    for pattern, entries in options.acls_to_add().items():
        existing = describe_acls(admin, pattern).get(pattern, [])
        for entry in entries:
            if entry in existing:
                print(f"Acl (pattern={pattern}, entry={entry}) already exists.")
        added = [entry for entry in entries if entry not in existing]
        if not added:
            continue
        print(f"Adding ACLs for resource `{pattern}`: \n {_listed(added)}\n")
        creations = [
            AclCreation(
                resource_type=pattern.resource_type,
                resource_name=pattern.name,
                resource_pattern_type=pattern.pattern_type,
                principal=entry.principal,
                host=entry.host,
                operation=entry.operation,
                permission_type=entry.permission_type,
            )
            for entry in added
        ]
        response = admin.send(CreateAclsRequest(creations=creations), call="createAcls")
        for result in response.results:
            raise_for(result.error_code, result.error_message)


def remove_acls(admin: Admin, options: AclCommandOptions) -> None:
    """Removes the entries, all of a resource where none were named, after asking."""
    for pattern, entries in options.acls().items():
        if entries:
            question = (
                f"Are you sure you want to remove ACLs: \n {_listed(entries)}\n from resource filter `{pattern}`?"
            )
        else:
            question = f"Are you sure you want to delete all ACLs for resource filter `{pattern}`?"
        if _is_confirmed(options, f"{question} (y/n)"):
            _delete_acls(admin, pattern, entries)


def _is_confirmed(options: AclCommandOptions, question: str) -> bool:
    if options.has(options.force):
        return True
    print(question, flush=True)
    return sys.stdin.readline().strip().lower() == "y"


def _delete_acls(admin: Admin, pattern: Pattern, entries: Sequence[Entry]) -> None:
    from kafkalite.protocol.messages.delete_acls import DeleteAclsFilter, DeleteAclsRequest

    wanted: Sequence[Entry | None] = entries or [None]
    filters = [
        DeleteAclsFilter(
            resource_type_filter=pattern.resource_type,
            resource_name_filter=pattern.name,
            pattern_type_filter=pattern.pattern_type,
            principal_filter=None if entry is None else entry.principal,
            host_filter=None if entry is None else entry.host,
            operation=AclOperation.ANY if entry is None else entry.operation,
            permission_type=PermissionType.ANY if entry is None else entry.permission_type,
        )
        for entry in wanted
    ]
    response = admin.send(
        DeleteAclsRequest(filters=filters),
        call="deleteAcls",
        retry_if=lambda response: any(
            result.error_code == ErrorCode.NOT_CONTROLLER for result in response.filter_results
        ),
    )
    for result in response.filter_results:
        raise_for(result.error_code, result.error_message)
        for acl in result.matching_acls:
            raise_for(acl.error_code, acl.error_message)


def list_acls(admin: Admin, options: AclCommandOptions) -> None:
    """Prints the entries of the resources, or all; --principal chooses among them."""
    patterns: Iterable[Pattern | None] = options.patterns(requires_one=False) or [None]
    principals = options.principals(options.principal)
    acls: Acls = {}
    for pattern in patterns:
        for found, entries in describe_acls(admin, pattern).items():
            acls[found] = list(dict.fromkeys([*acls.get(found, ()), *entries]))
    if not principals:
        _print_acls(acls)
    for principal in principals:
        print(f"ACLs for principal `{principal}`")
        chosen = {found: [each for each in entries if each.principal == principal] for found, entries in acls.items()}
        _print_acls({found: entries for found, entries in chosen.items() if entries})


def _print_acls(acls: Acls) -> None:
    for pattern in sorted(acls):
        print(f"Current ACLs for resource `{pattern}`:\n{_listed(acls[pattern])}\n")


def _listed(entries: Sequence[Entry]) -> str:
    return "\n".join(f"\t{entry}" for entry in entries)


def _execute(argv: list[str]) -> int:
    options = AclCommandOptions(argv)
    try:
        with open_admin(options.servers, load_properties(options.options.value(options.command_config))) as admin:
            if options.has(options.add):
                add_acls(admin, options)
            elif options.has(options.remove):
                remove_acls(admin, options)
            else:
                list_acls(admin, options)
    except (OptionError, ToolError) as error:
        print(f"Error while executing ACL command: {message(error)}")
        return 1
    except (KafkaError, AdminTimeoutError, WireClientError) as error:
        print(f"Error while executing ACL command: {described(error)}")
        return 1
    return 0


def main(argv: list[str] | None = None) -> int:
    return run_command(_execute, argv)


if __name__ == "__main__":
    sys.exit(main())
