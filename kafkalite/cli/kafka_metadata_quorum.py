"""kafka-metadata-quorum: describes the quorum that keeps the metadata, adds controllers to it and removes them."""

from __future__ import annotations

import argparse
import os
import sys
import time

from kafkalite.cli.admin_options import load_properties
from kafkalite.cli.command_line import exit_with_error
from kafkalite.cli.subcommand_parser import (
    SubcommandParser,
    add_bootstrap_arguments,
    open_admin_of,
    run_subcommand,
)
from kafkalite.cli.text_table import print_table
from kafkalite.client.admin import Admin, raise_for
from kafkalite.client.endpoint import Endpoint
from kafkalite.identifiers import CLUSTER_METADATA_TOPIC, Uuid
from kafkalite.protocol.messages.describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumResponse,
    ReplicaState,
    RequestPartitionData,
    RequestTopicData,
    ResponsePartitionData,
)


def _parser() -> SubcommandParser:
    parser = SubcommandParser(
        prog="kafka-metadata-quorum", description="This tool describes kraft metadata quorum status."
    )
    parser.add_version()
    add_bootstrap_arguments(parser, is_required=True)
    parser.add_argument(
        "--command-config",
        help="A properties file with settings of the connection; for add-controller that of the controller to add.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    describe = commands.add_parser("describe", help="Describe the quorum.")
    describe.add_argument("--status", action="store_true", help="A summary of the quorum.")
    describe.add_argument("--replication", action="store_true", help="The state of each replica.")
    describe.add_argument("--human-readable", action="store_true", help="With --replication: times as ages.")
    add = commands.add_parser("add-controller", help="Add a controller to the quorum.")
    add.add_argument("--dry-run", action="store_true", help="Say what would be done, do not do it.")
    remove = commands.add_parser("remove-controller", help="Remove a controller from the quorum.")
    remove.add_argument("--controller-id", "-i", type=int, required=True, help="The id of the controller.")
    remove.add_argument("--controller-directory-id", "-d", required=True, help="The id of its metadata directory.")
    remove.add_argument("--dry-run", action="store_true", help="Say what would be done, do not do it.")
    return parser


def describe_quorum(admin: Admin) -> tuple[DescribeQuorumResponse, ResponsePartitionData]:
    """Asks for the quorum; returns the response and what it says of the metadata's only partition."""
    topic = RequestTopicData(topic_name=CLUSTER_METADATA_TOPIC, partitions=[RequestPartitionData(partition_index=0)])
    response: DescribeQuorumResponse = admin.send(DescribeQuorumRequest(topics=[topic]), call="describeMetadataQuorum")
    raise_for(response.error_code, response.error_message)
    partition = response.topics[0].partitions[0]
    raise_for(partition.error_code, partition.error_message)
    return response, partition


def print_status(admin: Admin, cluster_id: str) -> None:
    response, quorum = describe_quorum(admin)
    leader = _leader(quorum)
    slowest = min(quorum.current_voters, key=lambda voter: voter.log_end_offset)
    lag_ms = -1
    if slowest is leader:
        lag_ms = 0
    elif leader.last_caught_up_timestamp >= 0 and slowest.last_caught_up_timestamp >= 0:
        lag_ms = leader.last_caught_up_timestamp - slowest.last_caught_up_timestamp
    endpoints = {
        node.node_id: [f"{each.name}://{Endpoint(each.host, each.port)}" for each in node.listeners]
        for node in response.nodes
    }
    print(f"ClusterId:              {cluster_id}")
    print(f"LeaderId:               {quorum.leader_id}")
    print(f"LeaderEpoch:            {quorum.leader_epoch}")
    print(f"HighWatermark:          {quorum.high_watermark}")
    print(f"MaxFollowerLag:         {leader.log_end_offset - slowest.log_end_offset}")
    print(f"MaxFollowerLagTimeMs:   {lag_ms}")
    print(f"CurrentVoters:          {_replicas_text(quorum.current_voters, endpoints)}")
    print(f"CurrentObservers:       {_replicas_text(quorum.observers, endpoints)}")


def _leader(quorum: ResponsePartitionData) -> ReplicaState:
    return next(voter for voter in quorum.current_voters if voter.replica_id == quorum.leader_id)


def _replicas_text(replicas: list[ReplicaState], endpoints: dict[int, list[str]]) -> str:
    """[{"id": 1, "directoryId": "...", "endpoints": ["CONTROLLER://host:port"]}, ...]"""
    texts = []
    for replica in replicas:
        text = f'"id": {replica.replica_id}'
        if replica.replica_directory_id != Uuid.ZERO:
            text += f', "directoryId": "{replica.replica_directory_id}"'
        if endpoints.get(replica.replica_id):
            quoted = ", ".join(f'"{endpoint}"' for endpoint in endpoints[replica.replica_id])
            text += f', "endpoints": [{quoted}]'
        texts.append("{" + text + "}")
    return f"[{', '.join(texts)}]"


def print_replication(admin: Admin, *, is_human_readable: bool) -> None:
    _, quorum = describe_quorum(admin)
    leader = _leader(quorum)
    now_ms = int(time.time() * 1000)

    def moment(timestamp_ms: int) -> str:
        if timestamp_ms < 0 or not is_human_readable:
            return str(timestamp_ms)
        return f"{max(0, now_ms - timestamp_ms)} ms ago"

    followers = [voter for voter in quorum.current_voters if voter is not leader]
    rows = [
        (
            str(replica.replica_id),
            str(replica.replica_directory_id),
            str(replica.log_end_offset),
            str(leader.log_end_offset - replica.log_end_offset),
            moment(replica.last_fetch_timestamp),
            moment(replica.last_caught_up_timestamp),
            status,
        )
        for status, replicas in (("Leader", [leader]), ("Follower", followers), ("Observer", quorum.observers))
        for replica in replicas
    ]
    headers = ("NodeId", "DirectoryId", "LogEndOffset", "Lag", "LastFetchTimestamp", "LastCaughtUpTimestamp", "Status")
    print_table(headers, rows)


def _describe(namespace: argparse.Namespace, admin: Admin) -> None:
    if namespace.status and namespace.replication:
        exit_with_error("Only one of --status or --replication should be specified with describe sub-command")
    if namespace.replication:
        print_replication(admin, is_human_readable=namespace.human_readable)
    elif namespace.status:
        if namespace.human_readable:
            exit_with_error("The option --human-readable is only supported along with --replication")
        from kafkalite.protocol.messages.describe_cluster import DescribeClusterRequest

        endpoint_type = 2 if namespace.bootstrap_controller else 1
        cluster = admin.send(DescribeClusterRequest(endpoint_type=endpoint_type), call="describeCluster")
        raise_for(cluster.error_code, cluster.error_message)
        print_status(admin, cluster.cluster_id)
    else:
        exit_with_error("One of --status or --replication must be specified with describe sub-command")


def _add_controller(namespace: argparse.Namespace, admin: Admin) -> None:
    from kafkalite.cli.controller_properties import controller_of
    from kafkalite.protocol.messages.add_raft_voter import AddRaftVoterRequest, Listener

    if namespace.command_config is None:
        exit_with_error(
            "You must supply the configuration file of the controller you are adding when using add-controller."
        )
    controller = controller_of(load_properties(namespace.command_config))
    if not namespace.dry_run:
        request = AddRaftVoterRequest(
            cluster_id=None,
            timeout_ms=admin.api_timeout_ms,
            voter_id=controller.node_id,
            voter_directory_id=controller.directory_id,
            listeners=[
                Listener(name=name, host=endpoint.host, port=endpoint.port)
                for name, endpoint in controller.endpoints.items()
            ],
        )
        response = admin.send(request, call="addRaftVoter")
        raise_for(response.error_code, response.error_message)
    endpoints = ", ".join(f"{name}://{endpoint}" for name, endpoint in controller.endpoints.items())
    print(
        f"{'DRY RUN of adding' if namespace.dry_run else 'Added'} controller {controller.node_id} with directory id "
        f"{controller.directory_id} and endpoints: {endpoints}"
    )


def _remove_controller(namespace: argparse.Namespace, admin: Admin) -> None:
    from kafkalite.protocol.messages.remove_raft_voter import RemoveRaftVoterRequest

    if namespace.controller_id < 0:
        exit_with_error(f"Invalid negative --controller-id: {namespace.controller_id}")
    try:
        directory_id = Uuid.parse(namespace.controller_directory_id)
    except ValueError as error:
        exit_with_error(f"Failed to parse --controller-directory-id: {error}")
    if not namespace.dry_run:
        request = RemoveRaftVoterRequest(
            cluster_id=None, voter_id=namespace.controller_id, voter_directory_id=directory_id
        )
        response = admin.send(request, call="removeRaftVoter")
        raise_for(response.error_code, response.error_message)
    done = "DRY RUN of removing " if namespace.dry_run else "Removed "
    print(f"{done} KRaft controller {namespace.controller_id} with directory id {directory_id}")


def _execute(argv: list[str]) -> None:
    parser = _parser()
    namespace = parser.parse_args(argv)
    if namespace.command_config and not os.path.exists(namespace.command_config):
        exit_with_error(f"Properties file {namespace.command_config} does not exists!")
    with open_admin_of(namespace, parser) as admin:
        if namespace.command == "describe":
            _describe(namespace, admin)
        elif namespace.command == "add-controller":
            _add_controller(namespace, admin)
        else:
            _remove_controller(namespace, admin)


def main(argv: list[str] | None = None) -> int:
    return run_subcommand(_execute, argv)


if __name__ == "__main__":
    sys.exit(main())
