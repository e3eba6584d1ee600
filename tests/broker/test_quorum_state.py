"""quorum-state: both kinds of Apache Kafka's file are read and written as it writes them."""

from __future__ import annotations

import pytest

from kafkalite.broker.quorum_state import QuorumState, read_quorum_state, write_quorum_state
from kafkalite.identifiers import Uuid
from kafkalite.storage.memory_filesystem import MemoryFileSystem

# As written by Apache Kafka 4.3.1 and 4.4.0.
DYNAMIC = b'{"leaderId":1,"leaderEpoch":2,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}'
STATIC = (
    b'{"clusterId":"","leaderId":1,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,'
    b'"currentVoters":[{"voterId":1}],"data_version":0}'
)


@pytest.mark.parametrize(
    ("data", "state"),
    [
        (DYNAMIC, QuorumState(leader_id=1, leader_epoch=2)),
        (STATIC, QuorumState(leader_id=1, leader_epoch=1, data_version=0, current_voters=(1,))),
    ],
)
def test_apache_kafkas_bytes_are_read_and_written(data: bytes, state: QuorumState) -> None:
    assert QuorumState.decode(data) == state
    assert state.encode() == data


def test_a_vote_is_kept() -> None:
    directory = Uuid(b"\x07" * 16)
    state = QuorumState(leader_id=-1, leader_epoch=5, voted_id=1, voted_directory_id=directory)
    filesystem = MemoryFileSystem()
    filesystem.make_directories("/log")
    write_quorum_state(filesystem, "/log", state)
    assert read_quorum_state(filesystem, "/log") == state


def test_a_missing_file_is_no_state() -> None:
    filesystem = MemoryFileSystem()
    filesystem.make_directories("/log")
    assert read_quorum_state(filesystem, "/log") is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'{"leaderId":1}',
        b'{"leaderId":1,"leaderEpoch":2,"votedId":-1,"data_version":2}',
        b'{"leaderId":"x","leaderEpoch":2,"votedId":-1,"data_version":1}',
        b'{"leaderId":1,"leaderEpoch":2,"votedId":-1,"votedDirectoryId":"short","data_version":1}',
        b"\xff\xfe",
    ],
)
def test_damage_is_an_error_that_names_the_file(data: bytes) -> None:
    filesystem = MemoryFileSystem()
    filesystem.make_directories("/log")
    filesystem.write_bytes("/log/quorum-state", data)
    with pytest.raises(ValueError, match="Error while reading the Quorum status from the file /log/quorum-state"):
        read_quorum_state(filesystem, "/log")
