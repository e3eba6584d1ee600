"""The tools with security.protocol=SSL in their --command-config, as with Apache Kafka's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from certificates import PASSWORD, Certificates
from kafkalite.cli.kafka_broker_api_versions import main as kafka_broker_api_versions
from kafkalite.cli.kafka_consumer_groups import main as kafka_consumer_groups
from kafkalite.cli.kafka_topics import main as kafka_topics
from kafkalite.testing import KafkaliteServer

Configure = Callable[..., str]


@pytest.fixture
def kafka(certificates: Certificates) -> Iterator[KafkaliteServer]:
    """A broker that lets in who shows a certificate."""
    with KafkaliteServer(config=certificates.broker_properties(client_auth="required")) as server:
        yield server


@pytest.fixture
def configure(certificates: Certificates, tmp_path: Path) -> Configure:
    """Writes a --command-config: the properties of a client that is let in, with changes; None takes one out."""

    def write(**changes: object) -> str:
        properties: dict[str, object] = {
            "security.protocol": "SSL",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": certificates.authority,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": certificates.client,
        }
        properties |= {name.replace("_", "."): value for name, value in changes.items()}
        lines = [f"{name}={value}\n" for name, value in properties.items() if value is not None]
        (tmp_path / "client.properties").write_text("".join(lines))
        return str(tmp_path / "client.properties")

    return write


def test_topics_and_groups_are_told_over_tls(
    kafka: KafkaliteServer, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    connection = ["--bootstrap-server", f"localhost:{kafka.port}", "--command-config", configure()]
    assert kafka_topics([*connection, "--create", "--topic", "t", "--partitions", "3"]) == 0
    assert kafka_topics([*connection, "--list"]) == 0
    assert kafka_consumer_groups([*connection, "--list"]) == 0
    assert kafka_broker_api_versions(connection) == 0
    output = capsys.readouterr().out
    assert output.startswith("Created topic t.\nt\n")
    assert f"localhost:{kafka.port} (id: 1 rack: null isFenced: false) -> (" in output


def test_java_stores_are_taken(
    kafka: KafkaliteServer, certificates: Certificates, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configure(
        ssl_keystore_type=None,
        ssl_keystore_location=certificates.pkcs12(certificates.client),
        ssl_keystore_password=PASSWORD,
    )
    assert kafka_topics(["--bootstrap-server", f"localhost:{kafka.port}", "--list", "--command-config", config]) == 0
    assert capsys.readouterr().out == "\n"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ssl_keystore_location": None}, "certificate required"),
        ({"ssl_truststore_location": "stranger_authority"}, "certificate verify failed|self-signed certificate"),
        ({"ssl_keystore_location": "stranger"}, "unknown ca"),
    ],
)
def test_a_handshake_that_fails_ends_a_tool_at_once(
    kafka: KafkaliteServer,
    certificates: Certificates,
    configure: Configure,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, str | None],
    reason: str,
) -> None:
    config = configure(**{name: value and getattr(certificates, value) for name, value in changes.items()})
    assert kafka_topics(["--bootstrap-server", f"localhost:{kafka.port}", "--list", "--command-config", config]) == 1
    output = capsys.readouterr().out
    assert output.startswith("Error while executing topic command : SSL handshake failed: ")
    assert any(each in output for each in reason.split("|"))


def test_the_brokers_name_is_checked_unless_that_is_switched_off(
    certificates: Certificates, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = certificates.signed("elsewhere", "/CN=elsewhere", "authority", "subjectAltName=DNS:elsewhere")
    properties = certificates.broker_properties() | {"ssl.keystore.location": str(elsewhere)}
    with KafkaliteServer(config=properties) as kafka:
        command = ["--bootstrap-server", f"localhost:{kafka.port}", "--list", "--command-config"]
        assert kafka_topics([*command, configure()]) == 1
        assert "hostname mismatch, certificate is not valid for 'localhost'" in capsys.readouterr().out
        assert kafka_topics([*command, configure(ssl_endpoint_identification_algorithm="")]) == 0


def test_a_store_that_is_not_there_is_said_as_apache_kafkas_client_says_it(
    configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configure(ssl_truststore_location="/nowhere/ca.pem")
    assert kafka_topics(["--bootstrap-server", "localhost:1", "--list", "--command-config", config]) == 1
    output = capsys.readouterr()
    assert "Failed to create new KafkaAdminClient" in output.out + output.err
    assert "Failed to load PEM SSL keystore /nowhere/ca.pem: No such file or directory" in output.out + output.err


@pytest.mark.parametrize("kind", ["PEM", "PKCS12", pytest.param("JKS", marks=pytest.mark.toolchain("keytool"))])
def test_the_console_tools_produce_and_consume_over_tls(
    kafka: KafkaliteServer, certificates: Certificates, configure: Configure, kind: str
) -> None:
    changes: dict[str, object] = {}
    if kind != "PEM":
        store = certificates.java_store(certificates.client, kind)
        changes = {"ssl_keystore_type": kind, "ssl_keystore_location": store, "ssl_keystore_password": PASSWORD}
    common = ["--bootstrap-server", f"localhost:{kafka.port}", "--topic", "t", "--command-config", configure(**changes)]

    def run(tool: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", f"kafkalite.cli.{tool}", *common, *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)

    produced = run("kafka_console_producer", stdin="a\nb\n")
    assert produced.returncode == 0, produced.stderr
    consumed = run("kafka_console_consumer", "--from-beginning", "--max-messages", "2")
    assert consumed.stdout == "a\nb\n", consumed.stderr
