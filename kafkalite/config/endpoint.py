"""Listeners as they are written in `listeners` and `advertised.listeners`: NAME://host:port.

An empty host means all addresses. Names are compared in capitals, as Apache Kafka's ListenerName does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kafkalite.config.config_value import ConfigException, ConfigValue, java_string

SECURITY_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


class Endpoint(NamedTuple):
    """One listener. `host` is empty when it stands for all addresses."""

    listener_name: str
    security_protocol: str
    host: str
    port: int

    @property
    def uses_tls(self) -> bool:
        return self.security_protocol.endswith("SSL")

    @property
    def uses_sasl(self) -> bool:
        return self.security_protocol.startswith("SASL_")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.listener_name}://{host}:{self.port}"


def parse_csv_map(name: str, text: str) -> dict[str, str]:
    """`a:b, c:d` as a map; the last colon of an entry divides it, so that keys may be IPv6 addresses."""
    entries = {}
    for entry in re.split(r"\s*,\s*", text) if text else ():
        key, colon, value = entry.rpartition(":")
        if not colon:
            cut = f"begin 0, end -1, length {len(entry.encode('utf-16-le')) // 2}"  # Java, failing to cut at the colon
            raise ConfigException(f"Error parsing configuration property '{name}': {cut}")
        entries[key.strip()] = value.strip()
    return entries


def parse_security_protocol_map(text: str) -> dict[str, str]:
    """Listener name -> security protocol, of `listener.security.protocol.map`; raises ConfigException."""
    protocols = {}
    for listener_name, protocol in parse_csv_map("listener.security.protocol.map", text).items():
        if protocol.upper() not in SECURITY_PROTOCOLS:
            raise ConfigException(f"Invalid security protocol `{protocol}` defined in listener.security.protocol.map")
        protocols[listener_name.upper()] = protocol.upper()
    return protocols


def listener_protocols(values: Mapping[str, ConfigValue], effective: Mapping[str, str]) -> dict[str, str]:
    """Listener name -> security protocol; controller listeners are PLAINTEXT where nothing speaks of security."""
    protocols = parse_security_protocol_map(values["listener.security.protocol.map"])
    if "listener.security.protocol.map" in effective:
        return protocols
    controllers = [name.upper() for name in values["controller.listener.names"]]
    names = controllers + [entry.partition(":")[0].upper() for entry in values["listeners"]]
    if not any(name in ("SSL", "SASL_SSL", "SASL_PLAINTEXT") for name in names):
        protocols.update(dict.fromkeys(controllers, "PLAINTEXT"))
    return protocols


def parse_endpoints(
    listeners: Sequence[str], protocols: Mapping[str, str], *, require_distinct_ports: bool = True
) -> tuple[Endpoint, ...]:
    """The endpoints of `listeners` or `advertised.listeners`; raises ConfigException.

    Two may share a port only if it is 0 or if one has an IPv4 and the other an IPv6 address.
    """
    for entry in listeners:
        if ":" not in entry:
            raise ConfigException(f"Unable to parse a listener name from {entry}")
    try:
        endpoints = tuple(_parse_endpoint(entry, protocols) for entry in listeners)
        names = [endpoint.listener_name for endpoint in endpoints]
        if len(set(names)) != len(names):
            raise ConfigException(f"Each listener must have a different name, listeners: {java_string(listeners)}")
        if require_distinct_ports:
            _check_ports(endpoints, listeners)
    except ConfigException as error:
        message = f"Error creating broker listeners from '{java_string(listeners)}': {error}"
        raise ConfigException(message) from None
    return endpoints


def _parse_endpoint(entry: str, protocols: Mapping[str, str]) -> Endpoint:
    match = re.fullmatch(r"(.*)://\[?([0-9a-zA-Z\-%._:]*)]?:(-?[0-9]+)", entry)
    if match is None:
        raise ConfigException(f"Unable to parse {entry} to a broker endpoint")
    listener_name = match[1].upper()
    protocol = protocols.get(listener_name)
    if protocol is None:
        raise ConfigException(f"No security protocol defined for listener {listener_name}")
    port = int(match[3])
    if not 0 <= port <= 65535:
        raise ConfigException(f"Port {port} of {entry} is not between 0 and 65535")
    return Endpoint(listener_name, protocol, match[2], port)


def _check_ports(endpoints: Sequence[Endpoint], listeners: Sequence[str]) -> None:
    by_port: dict[int, list[Endpoint]] = {}
    for endpoint in endpoints:
        if endpoint.port != 0:
            by_port.setdefault(endpoint.port, []).append(endpoint)
    text = java_string(listeners)
    for port, sharing in by_port.items():
        if len(sharing) == 1:
            continue
        versions = [version for endpoint in sharing if (version := _ip_version(endpoint.host))]
        names_count = len(sharing) - len(versions)
        if names_count > 1:
            raise ConfigException(f"Each listener must have a different port, listeners: {text}")
        if len(versions) == 2 and (set(versions) != {4, 6} or names_count):
            raise ConfigException(
                "If you have two listeners on the same port then one needs to be IPv4 and the other IPv6, "
                f"listeners: {text}, port: {port}"
            )
        if len(versions) > 2 or (versions and len(sharing) > len(versions)):
            raise ConfigException(
                "Each listener must have a different port unless exactly one listener has an IPv4 address and the "
                f"other IPv6 address, listeners: {text}, port: {port}"
            )


def _ip_version(host: str) -> int | None:
    import ipaddress  # needed only by listeners that share a port

    try:
        return ipaddress.ip_address(host).version
    except ValueError:
        return None
