"""Where a broker listens: a host and a port, and the lists of them that users write."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

# Apache Kafka's tools match addresses with the same shape: an optional scheme, the host (in brackets or not), the port.
_ADDRESS: Final = re.compile(r"(?:[0-9a-zA-Z\-%._]*://)?\[?([0-9a-zA-Z\-%._:]*)\]?:([0-9]+)")


class BootstrapError(ValueError):
    """A bootstrap list that names no address."""


class Endpoint(NamedTuple):
    """A host and a port; `str` puts brackets around an IPv6 address."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Reads "host:port", "[::1]:9092" or "PLAINTEXT://host:port"; raises BootstrapError."""
        match = _ADDRESS.fullmatch(text)
        if match is None:
            raise BootstrapError(f"Invalid url in bootstrap.servers: {text}")
        port = int(match[2])
        if port > 0xFFFF:
            raise BootstrapError(f"Invalid port in bootstrap.servers: {text}")
        return cls(match[1], port)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_bootstrap_servers(text: str) -> list[Endpoint]:
    """Reads "a:9092,b:9092"; empty entries are skipped. Raises BootstrapError where one is wrong or none is left."""
    endpoints = [Endpoint.parse(entry) for part in text.split(",") if (entry := part.strip())]
    if not endpoints:
        raise BootstrapError("No resolvable bootstrap urls given in bootstrap.servers")
    return endpoints
