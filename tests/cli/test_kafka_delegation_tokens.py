from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Any

import pytest

from kafkalite.cli import kafka_delegation_tokens
from kafkalite.cli.java_exceptions import ToolError
from kafkalite.cli.kafka_delegation_tokens import Principal, decode_base64
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.messages.create_delegation_token import CreateDelegationTokenResponse
from kafkalite.protocol.messages.describe_delegation_token import (
    DescribedDelegationToken,
    DescribedDelegationTokenRenewer,
    DescribeDelegationTokenResponse,
)
from kafkalite.protocol.messages.expire_delegation_token import ExpireDelegationTokenResponse
from kafkalite.protocol.messages.renew_delegation_token import RenewDelegationTokenResponse
from kafkalite.protocol.schema import Request, Response

TOOL = "kafka_delegation_tokens"


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "client.properties"
    path.write_text("client.id=tokens\n")
    return str(path)


@pytest.mark.oracle
def test_without_authentication_tokens_are_refused_as_apache_kafka_does(each_comparison: Any, config: str) -> None:
    def scenario(tool: Any) -> None:
        def tokens(*words: str) -> None:
            output = tool(TOOL, "--command-config", config, *words)
            assert output.exit_code == 1
            assert "UnsupportedByAuthenticationException" in output.stderr

        tokens("--create", "--max-life-time-period", "-1")
        tokens("--create", "--max-life-time-period=86400000", "--renewer-principal=User:a", "--owner-principal=User:b")
        tokens("--create", "--max-life-time-period=5", "--renewer-principal", "User:a", "--renewer-principal", "X: c ")
        tokens("--renew", "--renew-time-period", "-1", "--hmac", "aGVsbG8gd29ybGQ=")
        tokens("--renew", "--renew-time-period", "-1", "--hmac", "aGVsbG8gd29ybGQ")
        tokens("--renew", "--renew-time-period", "7", "--hmac", "")
        tokens("--expire", "--expiry-time-period", "1000", "--hmac", "aGVsbA==")
        tokens("--describe")
        tokens("--describe", "--owner-principal", "User:a", "--owner-principal", "User:b:c")

    each_comparison.of(scenario)


@pytest.mark.oracle
@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--help"],
        ["--nothing"],
        ["--create"],
        ["--create", "--describe"],
        ["--create", "--command-config", "CONFIG"],
        ["--command-config", "CONFIG"],
        ["--renew", "--command-config", "CONFIG", "--renew-time-period", "5"],
        ["--renew", "--command-config", "CONFIG", "--hmac", "aaaa"],
        ["--expire", "--command-config", "CONFIG", "--hmac", "aaaa"],
        ["--describe", "--command-config", "/no/such/file"],
        ["--describe", "--command-config"],
        ["--describe", "--command-config", "CONFIG", "--hmac", "aaaa"],
        ["--create", "--command-config", "CONFIG", "--max-life-time-period=1", "--hmac", "aaaa"],
        ["--create", "--command-config", "CONFIG", "--max-life-time-period=1", "--max-life-time-period=2"],
        ["--create", "--command-config", "CONFIG", "--max-life-time-period=1", "--renewer-principal", "nobody"],
        ["--describe", "--command-config", "CONFIG", "--owner-principal", "nobody"],
        ["--renew", "--command-config", "CONFIG", "--renew-time-period", "5", "--hmac", "a-b="],
        ["--renew", "--command-config", "CONFIG", "--renew-time-period", "5", "--hmac", "a"],
        ["--renew", "--command-config", "CONFIG", "--renew-time-period", "5", "--hmac", "aaaaa"],
        ["--expire", "--command-config", "CONFIG", "--expiry-time-period", "5", "--hmac", "aaaa="],
        ["--expire", "--command-config", "CONFIG", "--expiry-time-period", "5", "--hmac", "aa=a"],
        ["--expire", "--command-config", "CONFIG", "--expiry-time-period", "5", "--hmac", "aa==aa"],
        ["--expire", "--command-config", "CONFIG", "--expiry-time-period", "5", "--hmac", "aaa=="],
    ],
)
def test_wrong_command_lines_are_refused_as_apache_kafka_does(comparison: Any, words: list[str], config: str) -> None:
    words = [config if word == "CONFIG" else word for word in words]
    comparison.of(lambda tool: tool(TOOL, *words), adds_bootstrap=bool(words))


def test_a_period_that_is_no_number_is_asked_for(config: str, on_empty_kafkalite: Any) -> None:
    words = ("--create", "--command-config", config, "--max-life-time-period", "soon")
    assert on_empty_kafkalite(TOOL, *words) == (1, "", "Option max-life-time-period requires an argument\n")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a", "Input byte[] should at least have 2 bytes for base64 bytes"),
        ("aaaaa", "Last unit does not have enough valid bits"),
        ("a=", "Last unit does not have enough valid bits"),
        ("aa=", "Input byte array has wrong 4-byte ending unit"),
        ("====", "Input byte array has wrong 4-byte ending unit"),
        ("aaa=b", "Input byte array has incorrect ending byte at 4"),
        ("aa a", "Illegal base64 character 20"),
    ],
)
def test_an_hmac_that_is_no_base64_is_refused_in_javas_words(text: str, complaint: str) -> None:
    with pytest.raises(ToolError, match=f"^{complaint.replace('[', '.').replace(']', '.')}$"):
        decode_base64(text)


@pytest.mark.parametrize("size", range(8))
def test_an_hmac_is_decoded_with_and_without_its_padding(size: int) -> None:
    data = bytes(range(249, 249 + size - 1)) if size < 7 else bytes(range(100, 100 + size))
    text = base64.b64encode(data).decode()
    assert decode_base64(text) == decode_base64(text.rstrip("=")) == data


class Broker:
    """Answers one request, and remembers it."""

    def __init__(self, response: Response) -> None:
        self.response = response
        self.request: Any = None

    def send(self, request: Request, *, call: str) -> Response:
        self.request = request
        return self.response


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


HEADER = (
    "TOKENID         HMAC                           OWNER           REQUESTER       RENEWERS                  "
    "ISSUEDATE       EXPIRYDATE      MAXDATE        "
)
ROW = (
    "token-1         c2VjcmV0                       User:owner      User:asker      [User:a, User:b]          "
    "1970-01-01T00:00 1970-01-02T00:00 2033-05-18T03:33"
)
MOMENTS = {"issue_timestamp": 59_999, "expiry_timestamp": 86_400_000, "max_timestamp": 2_000_000_000_000}
IDENTITIES = {
    "principal_type": "User",
    "principal_name": "owner",
    "token_requester_principal_type": "User",
    "token_requester_principal_name": "asker",
    "token_id": "token-1",
    "hmac": b"secret",
}


def test_a_created_token_is_printed_with_its_secret(capsys: pytest.CaptureFixture[str]) -> None:
    moments = {f"{name}_ms": moment for name, moment in MOMENTS.items()}
    broker: Any = Broker(CreateDelegationTokenResponse(**IDENTITIES, **moments))
    renewers = [Principal("User", "a"), Principal("User", "b")]
    kafka_delegation_tokens.create_token(broker, renewers, Principal("User", "owner"), 7)
    assert broker.request.max_lifetime_ms == 7
    assert (broker.request.owner_principal_type, broker.request.owner_principal_name) == ("User", "owner")
    assert [each.principal_name for each in broker.request.renewers] == ["a", "b"]
    assert capsys.readouterr().out == (
        "Calling create token operation with renewers :[User:a, User:b] , max-life-time-period :7\n"
        f"Created delegation token with tokenId : token-1\n\n{HEADER}\n\n{ROW}\n"
    )


def test_tokens_are_listed_under_their_number(capsys: pytest.CaptureFixture[str]) -> None:
    renewers = [DescribedDelegationTokenRenewer(principal_type="User", principal_name=name) for name in "ab"]
    token = DescribedDelegationToken(**IDENTITIES, **MOMENTS, renewers=renewers)
    broker: Any = Broker(DescribeDelegationTokenResponse(tokens=[token, token]))
    kafka_delegation_tokens.describe_tokens(broker, [Principal("User", "owner")])
    assert [(each.principal_type, each.principal_name) for each in broker.request.owners] == [("User", "owner")]
    assert capsys.readouterr().out == (
        "Calling describe token operation for owners: [User:owner]\n"
        f"Total number of tokens : 2\n{HEADER}\n\n{ROW}\n\n{ROW}\n"
    )


def test_a_token_is_renewed_and_expired_by_its_secret(capsys: pytest.CaptureFixture[str]) -> None:
    broker: Any = Broker(RenewDelegationTokenResponse(expiry_timestamp_ms=86_400_000))
    kafka_delegation_tokens.renew_token(broker, "c2VjcmV0", 5)
    assert (broker.request.hmac, broker.request.renew_period_ms) == (b"secret", 5)
    broker.response = ExpireDelegationTokenResponse(expiry_timestamp_ms=86_400_000)
    print()
    kafka_delegation_tokens.expire_token(broker, "c2VjcmV0", -1)
    assert (broker.request.hmac, broker.request.expiry_time_period_ms) == (b"secret", -1)
    assert capsys.readouterr().out == (
        "Calling renew token operation with hmac :c2VjcmV0 , renew-time-period :5\n"
        "Completed renew operation. New expiry date : 1970-01-02T00:00\n"
        "Calling expire token operation with hmac :c2VjcmV0 , expire-time-period :-1\n"
        "Completed expire operation. New expiry date : 1970-01-02T00:00"
    )


def test_a_refusal_is_raised_with_its_error_code() -> None:
    broker: Any = Broker(RenewDelegationTokenResponse(error_code=ErrorCode.DELEGATION_TOKEN_EXPIRED))
    with pytest.raises(KafkaError) as refused:
        kafka_delegation_tokens.renew_token(broker, "c2VjcmV0", 5)
    assert refused.value.error is ErrorCode.DELEGATION_TOKEN_EXPIRED
