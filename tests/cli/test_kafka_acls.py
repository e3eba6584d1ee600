from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from kafkalite.broker.authorized_operations import AclOperation
from kafkalite.cli.acl_options import (
    AclCommandOptions,
    Entry,
    Pattern,
    PatternType,
    PermissionType,
    ResourceType,
)

TOOL = "kafka_acls"
AUTHORIZER = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
}
_TRACE = re.compile(r"^(\tat .*|\t\.\.\. \d+ more|(Caused by: )?(java|org|joptsimple)\..*)\n?", re.MULTILINE)
_OPERATIONS = re.compile(r"(only supports operations )\[(.*)\]")


def in_any_order(text: str) -> str:
    """The originals print sets: their order differs from one process to the next."""
    text = _OPERATIONS.sub(lambda match: match[1] + str(sorted(match[2].split(", "))), _TRACE.sub("", text))
    return "\n".join(sorted(filter(None, map(str.strip, text.splitlines()))))


@pytest.mark.oracle
def test_acls_are_added_listed_and_removed_as_apache_kafka_does(
    start_apache_kafka: Callable[..., Any], compare_tools_on: Callable[..., Any]
) -> None:
    broker = start_apache_kafka(properties=AUTHORIZER)

    def scenario(tool: Any) -> None:
        def acls(*words: str) -> None:
            tool(TOOL, *words)

        acls("--list")
        acls("--add", "--allow-principal", "User:alice", "--topic", "t")
        acls("--add", "--allow-principal", "User:alice", "--topic", "t", "--topic", "u", "--operation", "read")
        acls("--add", "--allow-principal", "User:alice", "--topic", "t")
        acls("--add", "--deny-principal=User:bob", "--deny-host=1.2.3.4", "--topic", "t-", "--operation", "Describe")
        prefixed = ("--resource-pattern-type", "prefixed")
        acls("--add", "--allow-principal", "User:*", "--producer", "--topic", "p", *prefixed)
        acls("--add", "--allow-principal", "User:*", "--producer", "--topic", "p", "--idempotent")
        acls("--add", "--allow-principal", "User:c", "--consumer", "--topic", "p", "--group", "g")
        acls("--add", "--allow-principal", "User:c", "--cluster", "--operation", "ClusterAction")
        acls("--add", "--allow-principal", "User:c", "--transactional-id", "x", "--operation", "Write")
        acls("--add", "--allow-principal", "User:c", "--delegation-token", "d", "--operation", "Describe")
        acls("--add", "--allow-principal", "User:c", "--user-principal", "User:e", "--operation", "CreateTokens")
        acls("--list")
        acls("--list", "--topic", "t")
        acls("--list", "--topic", "pp", "--resource-pattern-type", "match")
        acls("--list", "--group", "g", "--cluster")
        acls("--list", "--principal", "User:c", "--principal", "User:nobody")
        acls("--list", "--principal", "nobody")
        acls("--add", "--allow-principal", "alice", "--topic", "t")
        acls("--add", "--topic", "t")
        acls("--add", "--allow-principal", "User:a", "--topic", "t", "--operation", "ClusterAction")
        acls("--add", "--allow-principal", "User:a", "--topic", "t", "--resource-pattern-type", "any")
        acls("--add", "--allow-principal", "User:a", "--topic", "t", "--resource-pattern-type", "odd")
        acls("--remove", "--force", "--topic", "t", "--allow-principal", "User:alice", "--operation", "Read")
        acls("--remove", "--force", "--topic", "p", "--resource-pattern-type", "any")
        acls("--list")
        for resource in ("--topic=t", "--topic=u", "--group=g", "--cluster", "--transactional-id=x"):
            acls("--remove", "--force", resource)
        acls("--remove", "--force", "--delegation-token=d", "--user-principal=User:e", "--topic=t-")
        acls("--list")

    compare_tools_on(broker).of(scenario, normalise=in_any_order)


@pytest.mark.oracle
@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--help"],
        ["--list", "--add"],
        ["--list", "--producer"],
        ["--add", "--producer", "--operation", "Read", "--topic", "t"],
        ["--add", "--principal", "User:a"],
        ["--add", "--producer"],
        ["--add", "--idempotent", "--topic", "t"],
        ["--add", "--consumer", "--topic", "t"],
        ["--add", "--consumer", "--topic", "t", "--group", "g", "--cluster"],
        ["--add", "--allow-principal", "User:a"],
        ["--list", "--bootstrap-controller", "c:1"],
        ["--nothing"],
        ["--list"],
    ],
)
def test_wrong_command_lines_and_no_authorizer_are_answered_as_apache_kafka_does(
    comparison: Any, words: list[str]
) -> None:
    comparison.of(lambda tool: tool(TOOL, *words), normalise=in_any_order)


def test_a_consumer_reads_topics_and_its_group() -> None:
    words = ["--bootstrap-server=b:1", "--add", "--consumer", "--topic=t", "--group=g", "--allow-principal=User:a"]

    def allowed(operation: AclOperation) -> Entry:
        return Entry("User:a", "*", operation, PermissionType.ALLOW)

    assert AclCommandOptions(words).acls_to_add() == {
        Pattern(ResourceType.TOPIC, "t", PatternType.LITERAL): [
            allowed(AclOperation.READ),
            allowed(AclOperation.DESCRIBE),
        ],
        Pattern(ResourceType.GROUP, "g", PatternType.LITERAL): [allowed(AclOperation.READ)],
    }


def test_removing_asks_first(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    import io

    from kafkalite.cli import kafka_acls

    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert kafka_acls.main(["--bootstrap-server", "127.0.0.1:1", "--remove", "--topic", "t"]) == 0
    assert capsys.readouterr().out == (
        "Are you sure you want to delete all ACLs for resource filter"
        " `ResourcePattern(resourceType=TOPIC, name=t, patternType=LITERAL)`? (y/n)\n"
    )
