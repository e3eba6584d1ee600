"""The states of a transactional id and how they follow each other, as data.

Empty            nothing under way
Ongoing          partitions have been added; open until it is ended or its timeout has passed
PrepareCommit    the decision is in the log: markers are being written
PrepareAbort
CompleteCommit   all markers are written; the next transaction may begin
CompleteAbort
Dead             expired
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class TransactionState(Enum):
    """A state; its value is the number in the log, `title` the name that tools show."""

    EMPTY = 0
    ONGOING = 1
    PREPARE_COMMIT = 2
    PREPARE_ABORT = 3
    COMPLETE_COMMIT = 4
    COMPLETE_ABORT = 5
    DEAD = 6
    PREPARE_EPOCH_FENCE = 7

    @property
    def title(self) -> str:
        """The name as Apache Kafka writes it."""
        return "".join(word.capitalize() for word in self.name.split("_"))

    @property
    def is_prepared(self) -> bool:
        """Whether the transaction has been decided, and its markers are on their way."""
        return self in (PREPARE_COMMIT, PREPARE_ABORT)

    @property
    def is_expiration_allowed(self) -> bool:
        """Whether the transactional id may be forgotten when nobody has used it for long."""
        return self in (EMPTY, COMPLETE_COMMIT, COMPLETE_ABORT)


EMPTY: Final = TransactionState.EMPTY
ONGOING: Final = TransactionState.ONGOING
PREPARE_COMMIT: Final = TransactionState.PREPARE_COMMIT
PREPARE_ABORT: Final = TransactionState.PREPARE_ABORT
COMPLETE_COMMIT: Final = TransactionState.COMPLETE_COMMIT
COMPLETE_ABORT: Final = TransactionState.COMPLETE_ABORT

STATES_BY_TITLE: Final = {state.title: state for state in TransactionState}

PREVIOUS_STATES: Final = {
    EMPTY: frozenset({EMPTY, COMPLETE_COMMIT, COMPLETE_ABORT}),
    ONGOING: frozenset({ONGOING, EMPTY, COMPLETE_COMMIT, COMPLETE_ABORT}),
    PREPARE_COMMIT: frozenset({ONGOING}),
    PREPARE_ABORT: frozenset({ONGOING, EMPTY, COMPLETE_COMMIT, COMPLETE_ABORT}),
    COMPLETE_COMMIT: frozenset({PREPARE_COMMIT}),
    COMPLETE_ABORT: frozenset({PREPARE_ABORT}),
}
"""The states from which each state can be entered."""
