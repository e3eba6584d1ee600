"""The directories of a node at its start."""

from __future__ import annotations

import pytest

from kafkalite.broker.node_directories import NodeDirectories
from kafkalite.broker.random_uuid import random_uuid
from kafkalite.storage.log_directories import LogDirectories
from kafkalite.storage.log_directory import LogDirectoryError
from kafkalite.storage.memory_filesystem import MemoryFileSystem
from kafkalite.storage.meta_properties import MetaProperties, read_meta_properties, write_meta_properties

NODE_ID = 1
LISTENERS = [("CONTROLLER", "localhost", 9093)]


class Start:
    """The directories a and b, and the metadata in one of its own unless it is told otherwise."""

    def __init__(self, disk: MemoryFileSystem, metadata_log_dir: str = "/metadata") -> None:
        self.log_directories = LogDirectories(disk, ["/a", "/b"])
        self.directories = NodeDirectories(disk, self.log_directories, metadata_log_dir)

    def run(self) -> str:
        """Opens and formats; returns the cluster's id."""
        self.directories.open()
        return self.directories.format_new(NODE_ID, LISTENERS, now_ms=0)

    def end(self) -> None:
        self.directories.release_metadata_lock()
        self.log_directories.release_locks()


@pytest.mark.parametrize("metadata_log_dir", ["/metadata", "/b"])
def test_new_directories_become_those_of_one_cluster_and_stay_so(metadata_log_dir: str) -> None:
    disk = MemoryFileSystem()
    first = Start(disk, metadata_log_dir)
    cluster_id = first.run()
    paths = {"/a", "/b", metadata_log_dir}
    properties = {path: read_meta_properties(disk, path) for path in paths}
    assert {found and (found.cluster_id, found.node_id) for found in properties.values()} == {(cluster_id, NODE_ID)}
    assert len({found and found.directory_id for found in properties.values()}) == len(paths)
    assert [directory.meta_properties for directory in first.log_directories] == [properties["/a"], properties["/b"]]
    assert [path for path in sorted(paths) if disk.exists(f"{path}/bootstrap.checkpoint")] == [metadata_log_dir]
    first.end()
    assert Start(disk, metadata_log_dir).run() == cluster_id
    assert {path: read_meta_properties(disk, path) for path in paths} == properties


def test_a_directory_that_joins_later_gets_the_id_that_the_others_have() -> None:
    disk = MemoryFileSystem()
    disk.make_directories("/metadata")
    write_meta_properties(disk, "/metadata", MetaProperties("the-cluster", NODE_ID, random_uuid()))
    assert Start(disk).run() == "the-cluster"


@pytest.mark.parametrize("other", ["/b", "/metadata"])
def test_directories_of_different_clusters_are_refused(other: str) -> None:
    disk = MemoryFileSystem()
    for path, cluster_id in (("/a", "one"), (other, "another")):
        disk.make_directories(path)
        write_meta_properties(disk, path, MetaProperties(cluster_id, NODE_ID, random_uuid()))
    with pytest.raises(LogDirectoryError, match="belong to different clusters: "):
        Start(disk).run()


def test_the_metadatas_own_directory_is_one_nodes_alone() -> None:
    disk = MemoryFileSystem()
    disk.make_directories("/metadata")
    lock = disk.lock("/metadata/.lock")
    assert lock is not None
    second = Start(disk)
    with pytest.raises(LogDirectoryError, match=r"Failed to acquire lock on file \.lock in /metadata"):
        second.run()
    second.end()
    lock.release()
    third = Start(disk)
    third.run()
    assert disk.lock("/metadata/.lock") is None
    third.end()
    assert disk.lock("/metadata/.lock") is not None
