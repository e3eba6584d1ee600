"""The connection of an admin tool, from its --bootstrap-server and --command-config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from kafkalite.cli.command_line import OptionParser, exit_with_error, exit_with_usage
from kafkalite.cli.console_log import log
from kafkalite.cli.java_exceptions import ToolError
from kafkalite.cli.java_numbers import parse_int
from kafkalite.client.admin import Admin
from kafkalite.client.endpoint import BootstrapError, Endpoint, parse_bootstrap_servers
from kafkalite.client.wire_client import BrokerUnreachableError

if TYPE_CHECKING:
    import ssl

_SECURITY_PROTOCOLS: Final = ("SASL_SSL", "PLAINTEXT", "SSL", "SASL_PLAINTEXT")
_CONFIG_EXCEPTION: Final = "org.apache.kafka.common.config.ConfigException"


def load_properties(path: str | None) -> dict[str, str]:
    """The properties of a file, none without one; raises ToolError as Java does where it cannot be read."""
    from kafkalite.config import properties_file
    from kafkalite.config.config_value import ConfigException

    if path is None:
        return {}
    try:
        return properties_file.load_properties(path or ".")  # Java's empty path is the directory it is in
    except FileNotFoundError:
        raise ToolError(path, "java.nio.file.NoSuchFileException") from None
    except OSError as error:
        raise ToolError(error.strerror or str(error), "java.io.IOException") from None
    except ConfigException as error:
        raise ToolError(str(error)) from None


def load_or_exit(path: str | None) -> dict[str, str]:
    """As `load_properties`; ends the tool with one line where the file cannot be read."""
    try:
        return load_properties(path)
    except ToolError as error:
        exit_with_error(str(error))


def open_admin(
    bootstrap_servers: str | None, properties: Mapping[str, str] | None = None, *, client: str = "AdminClient"
) -> Admin:
    """The connection of an admin tool, made on first use; `properties` are those of --command-config.

    `client` names the tool's client in log lines. Raises ToolError in the words of Apache Kafka's client for a list of
    addresses that names none.
    """
    configured = dict(properties or {})
    protocol = configured.get("security.protocol", "PLAINTEXT").strip().upper()
    if protocol not in _SECURITY_PROTOCOLS:
        raise ToolError(
            f"Invalid value {configured['security.protocol']} for configuration security.protocol: "
            f"String must be one of (case insensitive): {', '.join(_SECURITY_PROTOCOLS)}",
            _CONFIG_EXCEPTION,
        )
    if protocol.startswith("SASL"):
        exit_with_error(f"security.protocol={protocol} is not supported yet: kafkalite's tools have no SASL.")
    servers = bootstrap_servers if bootstrap_servers is not None else configured.get("bootstrap.servers", "")
    if servers and not servers.replace(",", "").strip():
        raise ToolError("Configuration 'bootstrap.servers' values must not be empty.", _CONFIG_EXCEPTION)
    request_timeout_s = _seconds(configured, "request.timeout.ms", 30.0)
    api_timeout_s = _seconds(configured, "default.api.timeout.ms", max(60.0, request_timeout_s))
    try:
        if api_timeout_s < request_timeout_s:
            raise BootstrapError(
                "The specified value of default.api.timeout.ms must be no smaller than the value of request.timeout.ms."
            )
        check_resolvable(parse_bootstrap_servers(servers))
        client_id = configured.get("client.id") or "adminclient-1"
        return Admin(
            servers,
            client_id=client_id,
            request_timeout_s=request_timeout_s,
            api_timeout_s=api_timeout_s,
            ssl_context=_ssl_context(configured) if protocol == "SSL" else None,
            on_unreachable=partial(_warn, f"{client} clientId={client_id}"),
        )
    except BootstrapError as error:
        raise ToolError(
            "Failed to create new KafkaAdminClient\n"
            f"Caused by: org.apache.kafka.common.config.ConfigException: {error}",
            "org.apache.kafka.common.KafkaException",
        ) from None


def _ssl_context(properties: Mapping[str, str]) -> ssl.SSLContext:
    """What ssl.* says; raises ToolError as Apache Kafka's client does where a store cannot be used."""
    from kafkalite.config.config_value import ConfigException
    from kafkalite.tls.ssl_config import SslConfig
    from kafkalite.tls.ssl_context import client_context

    try:
        return client_context(SslConfig.of_client(properties))
    except ConfigException as error:
        raise ToolError(
            f"Failed to create new KafkaAdminClient\nCaused by: org.apache.kafka.common.KafkaException: {error}",
            "org.apache.kafka.common.KafkaException",
        ) from None


def check_resolvable(endpoints: Sequence[Endpoint]) -> None:
    """Raises BootstrapError where no host of a list resolves, after a warning for each."""
    import socket

    for endpoint in endpoints:
        try:
            socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
            return
        except OSError:
            log(
                "WARN",
                f"Couldn't resolve server {endpoint} from bootstrap.servers as DNS resolution failed for"
                f" {endpoint.host}",
                "org.apache.kafka.clients.ClientUtils",
            )
    raise BootstrapError("No resolvable bootstrap urls given in bootstrap.servers")


def check_bootstrap_servers(parser: OptionParser, servers: str) -> None:
    """Ends a tool with its usage where a list of addresses is malformed."""
    if not servers.strip():
        exit_with_usage(parser, "Error while validating the bootstrap address\n")
    try:
        for server in servers.rstrip(",").split(","):
            Endpoint.parse(server)
    except BootstrapError:
        exit_with_usage(parser, "Please provide valid host:port like host1:9091,host2:9092\n")


def _seconds(properties: Mapping[str, str], name: str, default_s: float) -> float:
    if name not in properties:
        return default_s
    text = properties[name].strip()
    try:
        milliseconds = parse_int(text)
        problem = "" if milliseconds >= 0 else "Value must be at least 0"
    except ToolError:
        milliseconds, problem = 0, "Not a number of type INT"
    if problem:
        raise ToolError(f"Invalid value {text} for configuration {name}: {problem}", _CONFIG_EXCEPTION)
    return milliseconds / 1000


def _warn(client: str, node_id: int, error: BrokerUnreachableError) -> None:
    log(
        "WARN",
        f"[{client}] Connection to node {node_id} ({error.endpoint}) could not be"
        f" established. Node may not be available. ({error.reason})",
        "org.apache.kafka.clients.NetworkClient",
    )
