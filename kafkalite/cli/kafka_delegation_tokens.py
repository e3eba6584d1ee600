"""kafka-delegation-tokens: creates, renews, expires and describes delegation tokens (KIP-48).

Tokens are for connections that have authenticated; on a listener without authentication a broker refuses each of these.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from kafkalite.cli.admin_options import load_properties, open_admin
from kafkalite.cli.command_line import (
    Option,
    OptionError,
    OptionParser,
    OptionSet,
    check_invalid,
    check_required,
    exit_with_error,
    exit_with_usage,
    print_help_or_version,
    run_command,
)
from kafkalite.cli.java_exceptions import ToolError, in_execution_exception, message
from kafkalite.client.admin import Admin, raise_for

_ABOUT: Final = "This tool helps to create, renew, expire, or describe delegation tokens."
_ROW: Final = "{:<15} {:<30} {:<15} {:<15} {:<25} {:<15} {:<15} {:<15}"
_COLUMNS: Final = ("TOKENID", "HMAC", "OWNER", "REQUESTER", "RENEWERS", "ISSUEDATE", "EXPIRYDATE", "MAXDATE")
_BASE64: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


class Principal(NamedTuple):
    """Somebody who may own, ask for or renew a token."""

    type: str
    name: str

    def __str__(self) -> str:
        return f"{self.type}:{self.name}"


class DelegationToken(NamedTuple):
    """A token as administrators see it; times in milliseconds since 1970."""

    token_id: str
    hmac: bytes
    owner: Principal
    requester: Principal
    renewers: Sequence[Principal]
    issue_timestamp_ms: int
    expiry_timestamp_ms: int
    max_timestamp_ms: int


class DelegationTokenCommandOptions:
    """The command line of kafka-delegation-tokens, read and checked in the original's order."""

    def __init__(self, argv: list[str]) -> None:
        parser = OptionParser()

        def optional(name: str, description: str, type_name: str = "String") -> Option:
            return parser.option(name, description, type_name=type_name, is_value_optional=True)

        self.bootstrap_server = parser.option("bootstrap-server", "REQUIRED: the brokers to connect to.")
        self.command_config = parser.option(
            "command-config",
            "REQUIRED: a properties file with settings of the connection, those of its security above all: tokens are"
            " for connections that authenticate.",
        )
        self.create = parser.flag("create", "Create a token, which those of --renewer-principal may renew.")
        self.renew = parser.flag("renew", "Renew a token, for as long as --renew-time-period says.")
        self.expire = parser.flag("expire", "Let a token end after --expiry-time-period.")
        self.describe = parser.flag(
            "describe", "Show the tokens that those of --owner-principal own or may renew, as far as you may see them."
        )
        self.owner_principal = optional("owner-principal", "Who owns the tokens, as type:name.")
        self.renewer_principal = optional("renewer-principal", "Who may renew the token, as type:name.")
        self.max_life_time_period = optional(
            "max-life-time-period",
            "How long the token can be renewed at most, in milliseconds; -1 for the broker's"
            " delegation.token.max.lifetime.ms.",
            "Long",
        )
        self.renew_time_period = optional(
            "renew-time-period",
            "How long the token is to be valid from now on, in milliseconds; -1 for the broker's"
            " delegation.token.expiry.time.ms.",
            "Long",
        )
        self.expiry_time_period = optional(
            "expiry-time-period", "After how many milliseconds the token ends; -1 for at once.", "Long"
        )
        self.hmac = optional("hmac", "The token's HMAC, in base64.")
        self.options = parser.parse(argv)
        print_help_or_version(parser, self.options, _ABOUT, is_empty=not argv)
        self._check(parser, self.options)

    def _check(self, parser: OptionParser, options: OptionSet) -> None:
        if sum(map(options.has, (self.create, self.renew, self.expire, self.describe))) != 1:
            exit_with_usage(
                parser, "Command must include exactly one action: --create, --renew, --expire or --describe"
            )
        check_required(parser, options, self.bootstrap_server, self.command_config)
        periods = (self.max_life_time_period, self.renew_time_period, self.expiry_time_period)
        lifetime, renewal, expiry = periods
        for action, required in (
            (self.create, [lifetime]),
            (self.renew, [self.hmac, renewal]),
            (self.expire, [self.hmac, expiry]),
        ):
            if options.has(action):
                check_required(parser, options, *required)
        check_invalid(parser, options, self.create, [self.hmac, renewal, expiry])
        check_invalid(parser, options, self.renew, [self.renewer_principal, lifetime, expiry, self.owner_principal])
        check_invalid(parser, options, self.expire, [self.renew, lifetime, renewal, self.owner_principal])
        check_invalid(parser, options, self.describe, [*periods, self.hmac])

    def principals(self, option: Option) -> list[Principal]:
        """Raises ToolError for what is no type:name."""
        return [parse_principal(text.strip()) for text in self.options.values(option)]

    def period_ms(self, option: Option) -> int:
        """Raises ToolError where the option stands without a number, which the parser lets pass."""
        period_ms: int | None = self.options.value(option)
        if period_ms is None:
            raise ToolError(f"Option {option.slashed_names} requires an argument", "java.lang.NullPointerException")
        return period_ms

    def hmac_text(self) -> str:
        text: str | None = self.options.value(self.hmac)
        if text is None:
            raise ToolError(f"Option {self.hmac.slashed_names} requires an argument", "java.lang.NullPointerException")
        return text


def parse_principal(text: str) -> Principal:
    """Reads type:name; raises ToolError."""
    kind, colon, name = text.partition(":")
    if not colon:
        raise ToolError(f"expected a string in format principalType:principalName but got {text}")
    return Principal(kind, name)


def decode_base64(text: str) -> bytes:
    """Decodes as Java does: padding may be missing, nothing else; raises ToolError in Java's words."""
    if len(text) == 1:
        raise ToolError("Input byte[] should at least have 2 bytes for base64 bytes")
    digits, padding, _ = text.partition("=")
    for character in digits:
        if character not in _BASE64:
            raise ToolError(f"Illegal base64 character {ord(character):x}")
    end, used = len(digits), len(digits) % 4
    if padding:
        if used == 0 or (used == 2 and text[end + 1 : end + 2] != "="):
            raise ToolError("Input byte array has wrong 4-byte ending unit")
        end += 2 if used == 2 else 1
    if used == 1:
        raise ToolError("Last unit does not have enough valid bits")
    if end < len(text):
        raise ToolError(f"Input byte array has incorrect ending byte at {end}")
    import base64

    return base64.b64decode(digits + "=" * (-len(digits) % 4))


def create_token(admin: Admin, renewers: Sequence[Principal], owner: Principal | None, max_lifetime_ms: int) -> None:
    """Creates a token and prints it."""
    from kafkalite.protocol.messages.create_delegation_token import CreatableRenewers, CreateDelegationTokenRequest

    print(
        f"Calling create token operation with renewers :{_listed(renewers)} , max-life-time-period :{max_lifetime_ms}"
    )
    request = CreateDelegationTokenRequest(
        owner_principal_type=None if owner is None else owner.type,
        owner_principal_name=None if owner is None else owner.name,
        renewers=[CreatableRenewers(principal_type=each.type, principal_name=each.name) for each in renewers],
        max_lifetime_ms=max_lifetime_ms,
    )
    response = admin.send(request, call="createDelegationToken")
    raise_for(response.error_code)
    print(f"Created delegation token with tokenId : {response.token_id}")
    token = DelegationToken(
        response.token_id,
        response.hmac,
        Principal(response.principal_type, response.principal_name),
        Principal(response.token_requester_principal_type, response.token_requester_principal_name),
        renewers,
        response.issue_timestamp_ms,
        response.expiry_timestamp_ms,
        response.max_timestamp_ms,
    )
    print_tokens([token])


def renew_token(admin: Admin, hmac: str, period_ms: int) -> None:
    """Renews a token and prints until when it is valid now."""
    from kafkalite.protocol.messages.renew_delegation_token import RenewDelegationTokenRequest

    print(f"Calling renew token operation with hmac :{hmac} , renew-time-period :{period_ms}")
    request = RenewDelegationTokenRequest(hmac=decode_base64(hmac), renew_period_ms=period_ms)
    response = admin.send(request, call="renewDelegationToken")
    raise_for(response.error_code)
    print(f"Completed renew operation. New expiry date : {_minute(response.expiry_timestamp_ms)}", end="")


def expire_token(admin: Admin, hmac: str, period_ms: int) -> None:
    """Shortens a token's life and prints when it ends."""
    from kafkalite.protocol.messages.expire_delegation_token import ExpireDelegationTokenRequest

    print(f"Calling expire token operation with hmac :{hmac} , expire-time-period :{period_ms}")
    request = ExpireDelegationTokenRequest(hmac=decode_base64(hmac), expiry_time_period_ms=period_ms)
    response = admin.send(request, call="expireDelegationToken")
    raise_for(response.error_code)
    print(f"Completed expire operation. New expiry date : {_minute(response.expiry_timestamp_ms)}", end="")


def describe_tokens(admin: Admin, owners: Sequence[Principal]) -> None:
    """Prints the tokens of owners; without owners the broker is asked for none, as by the original."""
    from kafkalite.protocol.messages.describe_delegation_token import (
        DescribeDelegationTokenOwner,
        DescribeDelegationTokenRequest,
    )

    if owners:
        print(f"Calling describe token operation for owners: {_listed(owners)}")
    else:
        print("Calling describe token operation for current user.")
    wanted = [DescribeDelegationTokenOwner(principal_type=each.type, principal_name=each.name) for each in owners]
    response = admin.send(DescribeDelegationTokenRequest(owners=wanted), call="describeDelegationToken")
    raise_for(response.error_code)
    tokens = [
        DelegationToken(
            token.token_id,
            token.hmac,
            Principal(token.principal_type, token.principal_name),
            Principal(token.token_requester_principal_type, token.token_requester_principal_name),
            [Principal(renewer.principal_type, renewer.principal_name) for renewer in token.renewers],
            token.issue_timestamp,
            token.expiry_timestamp,
            token.max_timestamp,
        )
        for token in response.tokens
    ]
    print(f"Total number of tokens : {len(tokens)}", end="")
    print_tokens(tokens)


def print_tokens(tokens: Iterable[DelegationToken]) -> None:
    """Prints the table of tokens, an empty line before each row."""
    import base64

    print(f"\n{_ROW.format(*_COLUMNS)}")
    for token in tokens:
        columns = (
            token.token_id,
            base64.b64encode(token.hmac).decode(),
            str(token.owner),
            str(token.requester),
            _listed(token.renewers),
            *map(_minute, (token.issue_timestamp_ms, token.expiry_timestamp_ms, token.max_timestamp_ms)),
        )
        print(f"\n{_ROW.format(*columns)}")


def _listed(principals: Iterable[Principal]) -> str:
    return f"[{', '.join(map(str, principals))}]"


def _minute(timestamp_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M", time.localtime(timestamp_ms // 1000))


def _execute(argv: list[str]) -> None:
    command = DelegationTokenCommandOptions(argv)
    options = command.options
    try:
        properties = load_properties(options.value(command.command_config))
        with open_admin(options.value(command.bootstrap_server), properties) as admin:
            if options.has(command.create):
                renewers = command.principals(command.renewer_principal)
                max_lifetime_ms = command.period_ms(command.max_life_time_period)
                owners = command.principals(command.owner_principal)
                in_execution_exception(create_token, admin, renewers, owners[0] if owners else None, max_lifetime_ms)
            elif options.has(command.renew):
                hmac, period_ms = command.hmac_text(), command.period_ms(command.renew_time_period)
                in_execution_exception(renew_token, admin, hmac, period_ms)
            elif options.has(command.expire):
                hmac, period_ms = command.hmac_text(), command.period_ms(command.expiry_time_period)
                in_execution_exception(expire_token, admin, hmac, period_ms)
            else:
                in_execution_exception(describe_tokens, admin, command.principals(command.owner_principal))
    except OptionError as error:
        if error.parser is not None:
            raise
        exit_with_error(str(error))
    except ToolError as error:
        exit_with_error(message(error))


def main(argv: list[str] | None = None) -> int:
    return run_command(_execute, argv)


if __name__ == "__main__":
    sys.exit(main())
