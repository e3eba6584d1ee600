"""The states of a classic group and how they follow each other, as data.

Empty               no members; the group exists for its offsets
PreparingRebalance  a rebalance has begun: members are to join again
CompletingRebalance all have joined: the leader's assignment is awaited
Stable              every member has, or can fetch, its assignment
Dead                removed
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class ClassicGroupState(Enum):
    """A state; its value is the name that tools show."""

    EMPTY = "Empty"
    PREPARING_REBALANCE = "PreparingRebalance"
    COMPLETING_REBALANCE = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"

    def __str__(self) -> str:
        return str(self.value)


EMPTY: Final = ClassicGroupState.EMPTY
PREPARING_REBALANCE: Final = ClassicGroupState.PREPARING_REBALANCE
COMPLETING_REBALANCE: Final = ClassicGroupState.COMPLETING_REBALANCE
STABLE: Final = ClassicGroupState.STABLE
DEAD: Final = ClassicGroupState.DEAD

PREVIOUS_STATES: Final = {
    EMPTY: frozenset({PREPARING_REBALANCE}),
    PREPARING_REBALANCE: frozenset({EMPTY, COMPLETING_REBALANCE, STABLE}),
    COMPLETING_REBALANCE: frozenset({PREPARING_REBALANCE}),
    STABLE: frozenset({COMPLETING_REBALANCE}),
    DEAD: frozenset(ClassicGroupState),
}
"""The states from which each state can be entered."""
