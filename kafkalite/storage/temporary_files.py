"""What an interrupted deletion or compaction left in a log's directory.

.deleted    on its way out: removed
.cleaned    a compacted segment that was not finished: removed
.swap       a finished one on its way in: takes the place of the segments that it was made from, unless `.cleaned`
            files before it say that its companions were not finished
"""

from __future__ import annotations

import logging
from typing import Final

from kafkalite.config.topic_config import TopicConfig
from kafkalite.errors import KafkaError
from kafkalite.storage.file_names import (
    CLEANED_SUFFIX,
    DELETED_SUFFIX,
    LOG_SUFFIX,
    PRODUCER_SNAPSHOT_SUFFIX,
    SWAP_SUFFIX,
    offset_file_name,
    offset_of_file_name,
)
from kafkalite.storage.file_records import iter_file_batches
from kafkalite.storage.filesystem import DirectoryEntry, remove_if_exists
from kafkalite.storage.log_context import LogContext
from kafkalite.storage.log_segment import SEGMENT_SUFFIXES, LogSegment

_logger = logging.getLogger(__name__)

_SNAPSHOT_CHECKPOINT_SUFFIX: Final = ".checkpoint.deleted"
"""Of the metadata log's own snapshots, which are no business of a log."""


def remove_temporary_files(
    context: LogContext, directory: str, config: TopicConfig, entries: list[DirectoryEntry]
) -> list[DirectoryEntry]:
    """Removes what an interrupted deletion or compaction left, completes swaps; gives the listing that remains."""
    filesystem = context.filesystem
    files = [entry for entry in entries if not entry.is_directory]
    if not any(entry.name.endswith((DELETED_SUFFIX, CLEANED_SUFFIX, SWAP_SUFFIX)) for entry in files):
        return files
    cleaned = [entry.name for entry in files if entry.name.endswith(CLEANED_SUFFIX)]
    swapped = [entry.name for entry in files if entry.name.endswith(SWAP_SUFFIX)]
    for entry in files:
        if entry.name.endswith(DELETED_SUFFIX) and not entry.name.endswith(_SNAPSHOT_CHECKPOINT_SUFFIX):
            remove_if_exists(filesystem, f"{directory}/{entry.name}")
    # A crash while .cleaned files were being renamed to .swap, which begins with the last: nothing was swapped yet.
    first_cleaned = min((offset_of_file_name(name) or 0 for name in cleaned), default=None)
    for name in list(swapped):
        if first_cleaned is not None and (offset_of_file_name(name) or 0) >= first_cleaned:
            remove_if_exists(filesystem, f"{directory}/{name}")
            swapped.remove(name)
    for name in cleaned:
        remove_if_exists(filesystem, f"{directory}/{name}")
    _complete_swaps(context, directory, config, swapped)
    return [entry for entry in filesystem.scan_directory(directory) if not entry.is_directory]


def _complete_swaps(context: LogContext, directory: str, config: TopicConfig, swapped: list[str]) -> None:
    """Lets compacted segments take the place of those that they were made from."""
    filesystem = context.filesystem
    if swapped:
        context.note_change(directory)
    first, behind_last = None, -1
    sizes = {entry.name: entry.size for entry in filesystem.scan_directory(directory)}
    for name in swapped:
        base_offset = offset_of_file_name(name)
        if base_offset is None or name != offset_file_name(base_offset, LOG_SUFFIX) + SWAP_SUFFIX:
            continue
        segment = LogSegment(
            context,
            directory,
            base_offset,
            config,
            now_ms=0,
            size=sizes[name],
            suffix=SWAP_SUFFIX,
        )
        next_offset = base_offset
        try:
            for _, header in iter_file_batches(segment.file, 0, segment.size):
                next_offset = header.next_offset
        except KafkaError as error:
            _logger.warning("Found damage in %s: %s", name, error)
        first = base_offset if first is None else min(first, base_offset)
        behind_last = max(behind_last, next_offset)
    for name in filesystem.list_directory(directory):
        offset = offset_of_file_name(name)
        if first is None or offset is None or name.endswith(SWAP_SUFFIX) or not first <= offset < behind_last:
            continue
        if name.endswith((*SEGMENT_SUFFIXES, PRODUCER_SNAPSHOT_SUFFIX)):
            _logger.info("Deleting segment file %s that is compacted but has not been deleted yet", name)
            remove_if_exists(filesystem, f"{directory}/{name}")
    for name in swapped:
        path = f"{directory}/{name}"
        _logger.info("Recovering file %s by renaming from %s files", name, SWAP_SUFFIX)
        filesystem.rename(path, path.removesuffix(SWAP_SUFFIX))
