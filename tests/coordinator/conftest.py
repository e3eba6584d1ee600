"""Coordinators for tests, without log, loop or clock."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from group_simulation import GroupSimulation
from kafkalite.coordinator.group_coordinator_config import GroupCoordinatorConfig


@pytest.fixture
def simulation() -> GroupSimulation:
    """A coordinator whose groups begin their first rebalance at once."""
    return GroupSimulation()


@pytest.fixture
def new_simulation() -> Callable[..., GroupSimulation]:
    """Makes coordinators with other settings."""

    def make(**settings: int) -> GroupSimulation:
        return GroupSimulation(GroupCoordinatorConfig(**{"initial_rebalance_delay_ms": 0, **settings}))

    return make
