"""kafka-cluster: tells a cluster's id and endpoints, unregisters brokers."""

from __future__ import annotations

import argparse
import sys

from kafkalite.cli.command_line import exit_with_error
from kafkalite.cli.subcommand_parser import (
    SubcommandParser,
    add_bootstrap_arguments,
    open_admin_of,
    run_subcommand,
)
from kafkalite.client.admin import Admin, raise_for
from kafkalite.client.wire_client import NoCommonVersionError

_BROKERS, _CONTROLLERS = 1, 2


def _parser() -> SubcommandParser:
    parser = SubcommandParser(prog="kafka-cluster", description="The Kafka cluster tool.")
    parser.add_version()
    commands = parser.add_subparsers(dest="command", required=True)
    cluster_id = commands.add_parser("cluster-id", help="Tell the id of a cluster.")
    unregister = commands.add_parser("unregister", help="Unregister a broker.")
    endpoints = commands.add_parser("list-endpoints", help="List the endpoints of a cluster.")
    for command in (cluster_id, unregister, endpoints):
        add_bootstrap_arguments(command, "-b", "-C", is_required=True)
        command.add_argument("--config", help="(DEPRECATED) Use --command-config instead.")
        command.add_argument("--command-config", "-c", help="A properties file with settings of the connection.")
    unregister.add_argument("--id", "-i", type=int, required=True, help="The id of the broker to unregister.")
    endpoints.add_argument("--include-fenced-brokers", action="store_true", help="List fenced brokers too.")
    return parser


def print_cluster_id(admin: Admin, *, asks_controllers: bool) -> None:
    from kafkalite.protocol.messages.describe_cluster import DescribeClusterRequest

    request = DescribeClusterRequest(endpoint_type=_CONTROLLERS if asks_controllers else _BROKERS)
    response = admin.send(request, call="describeCluster")
    raise_for(response.error_code, response.error_message)
    print(f"Cluster ID: {response.cluster_id}")


def unregister_broker(admin: Admin, broker_id: int) -> None:
    from kafkalite.protocol.messages.unregister_broker import UnregisterBrokerRequest

    try:
        response = admin.send(UnregisterBrokerRequest(broker_id=broker_id), call="unregisterBroker")
    except NoCommonVersionError:
        print("The target cluster does not support the broker unregistration API.")
        return
    raise_for(response.error_code, response.error_message)
    print(f"Broker {broker_id} is no longer registered.")


def list_endpoints(admin: Admin, *, asks_controllers: bool, includes_fenced: bool) -> None:
    """ID, HOST, PORT, RACK, STATE (of brokers), ENDPOINT_TYPE."""
    from kafkalite.protocol.messages.describe_cluster import DescribeClusterRequest

    request = DescribeClusterRequest(
        endpoint_type=_CONTROLLERS if asks_controllers else _BROKERS, include_fenced_brokers=includes_fenced
    )
    response = admin.send(request, call="describeCluster")
    raise_for(response.error_code, response.error_message)
    nodes = response.brokers
    host_width = max((len(node.host) for node in nodes), default=100)
    rack_width = max((len(node.rack) for node in nodes if node.rack is not None), default=10)

    def line(node_id: str, host: str, port: str, rack: str, state: str, endpoint_type: str) -> str:
        state_column = "" if asks_controllers else f"{state:10} "
        return f"{node_id:10} {host:{host_width}} {port:10} {rack:{rack_width}} {state_column}{endpoint_type:15}"

    print(line("ID", "HOST", "PORT", "RACK", "STATE", "ENDPOINT_TYPE"))
    endpoint_type = "controller" if asks_controllers else "broker"
    for node in nodes:
        state = "fenced" if node.is_fenced else "unfenced"
        print(line(str(node.broker_id), node.host, str(node.port), node.rack or "null", state, endpoint_type))


def _run(namespace: argparse.Namespace, admin: Admin) -> None:
    asks_controllers = namespace.bootstrap_controller is not None
    if namespace.command == "cluster-id":
        print_cluster_id(admin, asks_controllers=asks_controllers)
    elif namespace.command == "unregister":
        unregister_broker(admin, namespace.id)
    else:
        if namespace.include_fenced_brokers and asks_controllers:
            exit_with_error("The option --include-fenced-brokers is only supported with --bootstrap-server option")
        list_endpoints(admin, asks_controllers=asks_controllers, includes_fenced=namespace.include_fenced_brokers)


def _execute(argv: list[str]) -> None:
    parser = _parser()
    namespace = parser.parse_args(argv)
    if namespace.config is not None:
        if namespace.command_config is not None:
            exit_with_error("--config and --command-config cannot be specified together.")
        print(
            "Option --config has been deprecated and will be removed in a future version. Use --command-config instead."
        )
        namespace.command_config = namespace.config
    with open_admin_of(namespace, parser) as admin:
        _run(namespace, admin)


def main(argv: list[str] | None = None) -> int:
    return run_subcommand(_execute, argv)


if __name__ == "__main__":
    sys.exit(main())
