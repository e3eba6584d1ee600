"""Coordinators for tests, without log, loop or clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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

    def make(initial_rebalance_delay_ms: int = 0, **settings: Any) -> GroupSimulation:
        config = GroupCoordinatorConfig(initial_rebalance_delay_ms=initial_rebalance_delay_ms, **settings)
        return GroupSimulation(config)

    return make
