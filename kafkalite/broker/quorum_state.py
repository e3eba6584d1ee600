"""The file `quorum-state` of the metadata log: who leads which raft epoch.

One line of JSON. The dynamic kind (kraft.version 1) is

    {"leaderId":1,"leaderEpoch":7,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}

and the static kind, whose voters stand in the configuration,

    {"clusterId":"","leaderId":1,"leaderEpoch":7,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kafkalite.identifiers import Uuid
from kafkalite.storage.filesystem import FileSystem, write_file_atomically

QUORUM_STATE_FILE: Final = "quorum-state"


class QuorumState(NamedTuple):
    """The last election that this node knows of; -1 stands for nobody."""

    leader_id: int
    leader_epoch: int
    voted_id: int = -1
    voted_directory_id: Uuid = Uuid.ZERO
    data_version: int = 1
    current_voters: tuple[int, ...] = ()

    def encode(self) -> bytes:
        import json

        fields: dict[str, object]
        if self.data_version == 0:
            fields = {
                "clusterId": "",
                "leaderId": self.leader_id,
                "leaderEpoch": self.leader_epoch,
                "votedId": self.voted_id,
                "appliedOffset": 0,
                "currentVoters": [{"voterId": voter} for voter in self.current_voters],
            }
        else:
            fields = {
                "leaderId": self.leader_id,
                "leaderEpoch": self.leader_epoch,
                "votedId": self.voted_id,
                "votedDirectoryId": str(self.voted_directory_id),
            }
        return json.dumps(fields | {"data_version": self.data_version}, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes) -> QuorumState:
        """Raises ValueError where this is no election state, or of a version that is not known."""
        import json

        try:
            fields = json.loads(data)
            data_version = fields["data_version"]
            if data_version not in (0, 1):
                raise ValueError(
                    f"data_version ({data_version}) is not within the min (0) and max (1) supported version"
                )
            return cls(
                leader_id=int(fields["leaderId"]),
                leader_epoch=int(fields["leaderEpoch"]),
                voted_id=int(fields["votedId"]),
                voted_directory_id=Uuid.parse(fields.get("votedDirectoryId", str(Uuid.ZERO))),
                data_version=data_version,
                current_voters=tuple(int(voter["voterId"]) for voter in fields.get("currentVoters") or ()),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"the election state lacks {error}") from None


def read_quorum_state(filesystem: FileSystem, directory: str) -> QuorumState | None:
    """The state in a metadata log's directory, None if there is none; raises ValueError for a damaged one."""
    path = f"{directory}/{QUORUM_STATE_FILE}"
    try:
        data = filesystem.read_bytes(path)
    except FileNotFoundError:
        return None
    try:
        return QuorumState.decode(data)
    except ValueError as error:
        raise ValueError(f"Error while reading the Quorum status from the file {path}: {error}") from None


def write_quorum_state(filesystem: FileSystem, directory: str, state: QuorumState, *, sync: bool = True) -> None:
    write_file_atomically(filesystem, f"{directory}/{QUORUM_STATE_FILE}", state.encode(), sync=sync)
