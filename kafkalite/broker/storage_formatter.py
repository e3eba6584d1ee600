"""Formatting: what stands in a node's directories before its first start (Formatter).

<each log directory>/meta.properties
<metadata.log.dir>/bootstrap.checkpoint                                       the feature levels
<metadata.log.dir>/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint   the voters, dynamic kind only
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from kafkalite.broker.metadata_batches import standalone_voter
from kafkalite.broker.metadata_log import DIRECTORY_NAME
from kafkalite.broker.metadata_snapshot import (
    BOOTSTRAP_CHECKPOINT_FILE,
    ZERO_SNAPSHOT_ID,
    encode_snapshot,
    write_snapshot,
)
from kafkalite.identifiers import Uuid
from kafkalite.metadata.bootstrap_metadata import bootstrap_records
from kafkalite.protocol.control_records import VotersRecord
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.storage.file_names import META_PROPERTIES_FILE
from kafkalite.storage.filesystem import FileSystem
from kafkalite.storage.meta_properties import MetaProperties, read_meta_properties, write_meta_properties


class FormatError(Exception):
    """The directories cannot be formatted; the text is one clear line."""


class DirectoryFormat(NamedTuple):
    """How to format. `controller_listeners` (name, host, port) make a quorum of this one node, the dynamic kind, and
    `voters` one of several; with neither the quorum's members stand in the configuration, or will be told by others."""

    cluster_id: str
    node_id: int
    controller_listeners: Sequence[tuple[str, str, int]] | None = None
    voters: VotersRecord | None = None
    records: Sequence[MetadataRecord] | None = None
    """The bootstrap records; None: those of the default feature levels."""


def format_directories(
    filesystem: FileSystem,
    log_directories: Sequence[str],
    metadata_directory: str,
    wanted: DirectoryFormat,
    *,
    now_ms: int,
    random_uuid: Callable[[], Uuid],
    is_synced: bool = True,
    announce: Callable[[str], None] = lambda directory: None,
) -> dict[str, Uuid]:
    """Formats those log directories that have no meta.properties yet; returns the ids of those it formatted.

    `announce` is told of each before it is written. Raises FormatError where another directory belongs to another
    cluster or node; OSError.
    """
    existing = {directory: read_meta_properties(filesystem, directory) for directory in log_directories}
    for directory, properties in existing.items():
        if properties is not None:
            check_identity(directory, properties, wanted)
    taken = {properties.directory_id for properties in existing.values() if properties is not None}
    formatted: dict[str, Uuid] = {}
    for directory in log_directories:
        if existing[directory] is None:
            directory_id = _voter_directory_id(wanted) if directory == metadata_directory else None
            while directory_id is None or directory_id in taken:
                directory_id = random_uuid()
            taken.add(directory_id)
            formatted[directory] = directory_id
    for directory in formatted:
        announce(directory)
    if metadata_directory in formatted:
        _write_checkpoints(
            filesystem, metadata_directory, formatted[metadata_directory], wanted, now_ms=now_ms, is_synced=is_synced
        )
    # Last, for it is what says that a directory is formatted.
    for directory, directory_id in formatted.items():
        filesystem.make_directories(directory)
        write_meta_properties(filesystem, directory, MetaProperties(wanted.cluster_id, wanted.node_id, directory_id))
    return formatted


def _voter_directory_id(wanted: DirectoryFormat) -> Uuid | None:
    """The id under which the given voters know this node's metadata directory."""
    if wanted.voters is not None:
        for voter in wanted.voters.voters:
            if voter.voter_id == wanted.node_id:
                return voter.voter_directory_id
    return None


def check_identity(directory: str, properties: MetaProperties, wanted: DirectoryFormat) -> None:
    """Raises FormatError where a formatted directory is another cluster's or another node's."""
    path = f"{directory}/{META_PROPERTIES_FILE}"
    if properties.cluster_id not in (None, wanted.cluster_id):
        raise FormatError(
            f"Invalid cluster.id in: {path}. Expected {wanted.cluster_id}, but read {properties.cluster_id}"
        )
    if properties.node_id not in (None, wanted.node_id):
        raise FormatError(
            f"Stored node id {properties.node_id} doesn't match previous node id {wanted.node_id} in {path}. If you "
            "moved your data, make sure your configured node id matches. If you intend to create a new node, you "
            "should remove all data in your data directories."
        )


def _write_checkpoints(
    filesystem: FileSystem,
    directory: str,
    directory_id: Uuid,
    wanted: DirectoryFormat,
    *,
    now_ms: int,
    is_synced: bool,
) -> None:
    records = wanted.records if wanted.records is not None else bootstrap_records()
    bootstrap = encode_snapshot(_frames(records), leader_epoch=0, now_ms=now_ms, last_contained_log_timestamp=0)
    filesystem.make_directories(f"{directory}/{DIRECTORY_NAME}")
    write_snapshot(filesystem, f"{directory}/{BOOTSTRAP_CHECKPOINT_FILE}", bootstrap, sync=is_synced)
    voters = wanted.voters
    if voters is None and wanted.controller_listeners is not None:
        voters = standalone_voter(wanted.node_id, directory_id, wanted.controller_listeners)
    if voters is not None:
        zero = encode_snapshot(
            (),
            leader_epoch=0,
            now_ms=now_ms,
            last_contained_log_timestamp=now_ms,
            kraft_version=1,
            voters=voters,
        )
        path = f"{directory}/{DIRECTORY_NAME}/{ZERO_SNAPSHOT_ID.file_name}"
        write_snapshot(filesystem, path, zero, sync=is_synced)


def _frames(records: Iterable[MetadataRecord]) -> Iterable[bytes]:
    return (record.to_frame(0) for record in records)
