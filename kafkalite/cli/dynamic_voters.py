"""Voters as they stand on a command line, `id@host:port:directory,...` (DynamicVoters)."""

from __future__ import annotations

import re
from typing import Final

from kafkalite.identifiers import Uuid
from kafkalite.protocol.control_records import Endpoint, KRaftVersionFeature, VotersRecord, VotersRecordVoter

_VOTER: Final = re.compile(r"(-?[0-9]+)@(?:\[([^\]]+)\]|([^:\[\]]+)):([0-9]+):(.+)")


def parse_dynamic_voters(text: str, listener_name: str) -> VotersRecord:
    """The voters with one endpoint each, of the controller listener's name; raises ValueError."""
    voters: dict[int, VotersRecordVoter] = {}
    for entry in filter(None, text.strip().split(",")):
        voter = _parse_voter(entry, listener_name)
        if voter.voter_id in voters:
            raise ValueError(f"Node id {voter.voter_id} was specified more than once.")
        voters[voter.voter_id] = voter
    if not voters:
        raise ValueError("No voters given.")
    return VotersRecord(voters=[voters[voter_id] for voter_id in sorted(voters)])


def _parse_voter(text: str, listener_name: str) -> VotersRecordVoter:
    match = _VOTER.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"Failed to parse dynamic voter string {text}: it is not of the form id@host:port:directory.")
    node_id, port = int(match[1]), int(match[4])
    if node_id < 0:
        raise ValueError(f"Invalid negative node id {node_id} in dynamic voter string.")
    if port > 65535:
        raise ValueError(f"Invalid port {port} in dynamic voter string.")
    try:
        directory_id = Uuid.parse(match[5])
    except ValueError:
        raise ValueError("Failed to parse directory ID in dynamic voter string.") from None
    return VotersRecordVoter(
        voter_id=node_id,
        voter_directory_id=directory_id,
        endpoints=[Endpoint(name=listener_name, host=match[2] or match[3], port=port)],
        k_raft_version_feature=KRaftVersionFeature(min_supported_version=0, max_supported_version=1),
    )
