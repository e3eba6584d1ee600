"""Server-side assignors of consumer groups: they decide which member is to read which partition (KIP-848)."""

from __future__ import annotations

from typing import Final

from kafkalite.coordinator.assignors.partition_assignor import PartitionAssignor
from kafkalite.coordinator.assignors.range_assignor import assign_ranges
from kafkalite.coordinator.assignors.uniform_assignor import assign_uniformly

ASSIGNORS: Final[dict[str, PartitionAssignor]] = {"uniform": assign_uniformly, "range": assign_ranges}
"""The assignors that `group.consumer.assignors` may name."""
