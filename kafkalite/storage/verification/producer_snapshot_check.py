"""A producer snapshot held against what the batches before it say of their producers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kafkalite.storage.producer_state_entry import ProducerStateEntry


class ReplayedProducers(NamedTuple):
    """What replaying the log gave, and how far it can be trusted."""

    producers: dict[int, ProducerStateEntry]
    is_complete: bool
    """Whether every batch was there: the log has not been compacted and begins with what was known at its start."""
    expired_before_ms: int
    """Producers that had not written since may have been forgotten."""


def compare_producers(entries: Iterable[ProducerStateEntry], replayed: ReplayedProducers) -> Iterator[str]:
    """One line for each producer on which a snapshot and the log disagree."""
    known = dict(replayed.producers)
    for entry in entries:
        found = known.pop(entry.producer_id, None)
        if found is None:
            if replayed.is_complete:
                yield f"it knows producer {entry.producer_id}, which has written nothing"
        elif _describe(entry, found) != _describe(found, found) and not _is_plausible(entry, found, replayed):
            yield f"it has {_text(entry)}, the log says {_text(found)}"
    for found in known.values():
        if found.has_open_transaction():
            if replayed.is_complete:
                yield f"it lacks producer {found.producer_id}, whose transaction is open"
        elif found.last_timestamp >= replayed.expired_before_ms and found.batches:
            yield f"it lacks producer {found.producer_id}, which has written up to offset {found.last_data_offset}"


def _describe(entry: ProducerStateEntry, found: ProducerStateEntry) -> tuple[object, ...]:
    last = entry.batches[-1] if entry.batches else None
    return (
        entry.producer_epoch,
        None if last is None else last[:3],
        entry.last_timestamp,
        # A producer that was forgotten for a while has lost its coordinator's epoch.
        found.coordinator_epoch if entry.coordinator_epoch < 0 else entry.coordinator_epoch,
        entry.current_txn_first_offset,
    )


def _is_plausible(entry: ProducerStateEntry, found: ProducerStateEntry, replayed: ReplayedProducers) -> bool:
    """Whether compaction, or what was deleted, may have taken away what the snapshot knows."""
    if replayed.is_complete or found.last_data_offset > entry.last_data_offset:
        return False
    if found.last_data_offset < entry.last_data_offset or not entry.batches:
        return True
    return found.batches[-1][:3] == entry.batches[-1][:3] and found.producer_epoch <= entry.producer_epoch


def _text(entry: ProducerStateEntry) -> str:
    return (
        f"producer {entry.producer_id} at epoch {entry.producer_epoch}, sequence {entry.last_sequence}, "
        f"offset {entry.last_data_offset}, timestamp {entry.last_timestamp}, "
        f"transaction from {entry.current_txn_first_offset}"
    )
