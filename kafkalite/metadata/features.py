"""The features whose levels a cluster finalizes beside metadata.version, and which levels this broker works with."""

from __future__ import annotations

from typing import Final, NamedTuple

from kafkalite.metadata import metadata_version
from kafkalite.metadata.metadata_version import METADATA_VERSION_FEATURE
from kafkalite.protocol.schema import VersionRange

KRAFT_VERSION_FEATURE: Final = "kraft.version"
TRANSACTION_VERSION_FEATURE: Final = "transaction.version"
GROUP_VERSION_FEATURE: Final = "group.version"
ELIGIBLE_LEADER_REPLICAS_FEATURE: Final = "eligible.leader.replicas.version"
SHARE_VERSION_FEATURE: Final = "share.version"
STREAMS_VERSION_FEATURE: Final = "streams.version"


class FeatureLevel(NamedTuple):
    """One level of a feature: the metadata.version that brings it, and the levels of others that it needs."""

    level: int
    bootstrap_metadata_version: int
    dependencies: tuple[tuple[str, int], ...] = ()


_LOWEST: Final = FeatureLevel(0, metadata_version.MINIMUM)

FEATURES: Final[dict[str, tuple[FeatureLevel, ...]]] = {
    KRAFT_VERSION_FEATURE: (_LOWEST, FeatureLevel(1, 21)),
    TRANSACTION_VERSION_FEATURE: (_LOWEST, FeatureLevel(1, 24), FeatureLevel(2, 24)),
    GROUP_VERSION_FEATURE: (_LOWEST, FeatureLevel(1, 22)),
    ELIGIBLE_LEADER_REPLICAS_FEATURE: (_LOWEST, FeatureLevel(1, 26, ((METADATA_VERSION_FEATURE, 23),))),
    SHARE_VERSION_FEATURE: (_LOWEST, FeatureLevel(1, 28), FeatureLevel(2, 31)),
    STREAMS_VERSION_FEATURE: (_LOWEST, FeatureLevel(1, 29)),
}
"""Every feature but metadata.version itself, in the order in which Apache Kafka's tools list them."""

SUPPORTED_FEATURES: Final[dict[str, VersionRange]] = {
    METADATA_VERSION_FEATURE: VersionRange(metadata_version.MINIMUM, metadata_version.LATEST),
    **{name: VersionRange(levels[0].level, levels[-1].level) for name, levels in FEATURES.items()},
}
"""The lowest and highest level of every feature that this broker works with."""


def default_level(feature: str, level: int) -> int:
    """The level of a feature in a directory that is formatted at this metadata.version."""
    return max(entry.level for entry in FEATURES[feature] if entry.bootstrap_metadata_version <= level)


def validate_level(feature: str, level: int, levels: dict[str, int]) -> None:
    """Raises ValueError where a feature cannot have this level beside the other levels (Feature.validateVersion)."""
    minimum = metadata_version.MINIMUM
    if level >= 1 and levels.get(METADATA_VERSION_FEATURE, 0) < minimum:
        raise ValueError(
            f"{feature} could not be set to {level} because it depends on metadata.version={minimum} "
            f"({metadata_version.version_name(minimum)})"
        )
    for entry in FEATURES[feature]:
        if entry.level == level:
            for name, needed in entry.dependencies:
                if levels.get(name, -1) < needed:
                    raise ValueError(
                        f"{feature} could not be set to {level} because it depends on {name} level {needed}"
                    )
            return
    raise ValueError(f"No feature:{feature} with feature level {level}")
