"""The option --bootstrap-server, and its forerunners --broker-list and --zookeeper, which old tutorials use."""

from __future__ import annotations

import sys
from typing import Final

from kafkalite.cli.command_line import Option, OptionParser, OptionSet, check_required, exit_with_usage

_BROKER_PORT: Final = "9092"


class BootstrapServers:
    """Declares the three options on a parser and answers where the broker is."""

    def __init__(self, parser: OptionParser, description: str) -> None:
        self._parser = parser
        self.option: Option = parser.option("bootstrap-server", description, "server to connect to")
        self._broker_list = parser.option(
            "broker-list", "(DEPRECATED) Use --bootstrap-server instead.", "server to connect to"
        )
        self._zookeeper = parser.option(
            "zookeeper",
            "(DEPRECATED) There is no ZooKeeper: HOST:PORT is taken as the broker HOST:9092. "
            "Use --bootstrap-server instead.",
            "urls",
        )

    def of(self, options: OptionSet) -> str:
        """HOST:PORT,... as given, or as an old option means it, which is said on stderr; required and checked."""
        if options.has(self.option):
            servers = str(options.value(self.option))
        elif options.has(self._broker_list):
            servers = str(options.value(self._broker_list))
            print("Warning: --broker-list is deprecated. Use --bootstrap-server instead.", file=sys.stderr)
        elif options.has(self._zookeeper):
            servers = brokers_next_to_zookeeper(str(options.value(self._zookeeper)))
            warn_about_zookeeper(servers)
        else:
            check_required(self._parser, options, self.option)
            raise AssertionError("unreachable")
        if not servers.strip():
            exit_with_usage(self._parser, "Error while validating the bootstrap address\n")
        if not all(_is_host_and_port(server) for server in servers.split(",")):
            exit_with_usage(self._parser, "Please provide valid host:port like host1:9091,host2:9092\n")
        return servers


def brokers_next_to_zookeeper(connect_string: str) -> str:
    """The brokers' default port on the hosts of a ZooKeeper connect string (HOST:PORT,.../chroot)."""
    hosts = connect_string.partition("/")[0].split(",")
    return ",".join(f"{_host(host.strip())}:{_BROKER_PORT}" for host in hosts)


def warn_about_zookeeper(servers: str) -> None:
    """Says on stderr what became of --zookeeper."""
    print(
        f"Warning: --zookeeper is deprecated, and there is no ZooKeeper. Connecting to the broker at {servers}; "
        f"use --bootstrap-server {servers} instead.",
        file=sys.stderr,
    )


def _host(host_and_port: str) -> str:
    host, colon, port = host_and_port.rpartition(":")
    return host if colon and port.isdigit() else host_and_port


def _is_host_and_port(server: str) -> bool:
    host, colon, port = server.rpartition(":")
    return bool(host and colon) and port.isascii() and port.isdigit()
