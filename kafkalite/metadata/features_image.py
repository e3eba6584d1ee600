"""The finalized feature levels of the cluster."""

from __future__ import annotations

from collections.abc import Iterator

from kafkalite.metadata import metadata_version as versions
from kafkalite.metadata.features import ELIGIBLE_LEADER_REPLICAS_FEATURE, KRAFT_VERSION_FEATURE
from kafkalite.metadata.metadata_version import METADATA_VERSION_FEATURE
from kafkalite.protocol.metadata_record import MetadataRecord
from kafkalite.protocol.metadata_records.settings import FeatureLevelRecord


class FeaturesImage:
    """metadata.version (None before the first record) and the levels of the other features, without those at 0."""

    __slots__ = ("finalized_versions", "metadata_version")

    def __init__(self) -> None:
        self.metadata_version: int | None = None
        self.finalized_versions: dict[str, int] = {}

    def copy(self) -> FeaturesImage:
        image = FeaturesImage()
        image.metadata_version = self.metadata_version
        image.finalized_versions = self.finalized_versions.copy()
        return image

    def level(self, feature: str) -> int:
        """The finalized level, 0 where there is none."""
        if feature == METADATA_VERSION_FEATURE:
            return self.metadata_version or 0
        return self.finalized_versions.get(feature, 0)

    def metadata_version_or_raise(self) -> int:
        if self.metadata_version is None:
            raise ValueError("Unknown metadata version")
        return self.metadata_version

    @property
    def is_elr_enabled(self) -> bool:
        """Whether partitions keep eligible leader replicas (KIP-966)."""
        return self.finalized_versions.get(ELIGIBLE_LEADER_REPLICAS_FEATURE, 0) >= 1

    def replay(self, record: FeatureLevelRecord) -> None:
        if record.name == METADATA_VERSION_FEATURE:
            try:
                versions.version_name(record.feature_level)
            except ValueError as error:
                raise ValueError(f"Unsupported metadata version: {error}") from None
            self.metadata_version = record.feature_level
        elif record.name == KRAFT_VERSION_FEATURE:
            return  # belongs to the control records; some Apache Kafka versions wrote it here by mistake
        elif record.feature_level == 0:
            self.finalized_versions.pop(record.name, None)
        else:
            self.finalized_versions[record.name] = record.feature_level

    def to_records(self) -> Iterator[MetadataRecord]:
        """What a snapshot says of the features: metadata.version first, for it decides how to read the rest."""
        yield FeatureLevelRecord(name=METADATA_VERSION_FEATURE, feature_level=self.metadata_version_or_raise())
        for name, level in self.finalized_versions.items():
            yield FeatureLevelRecord(name=name, feature_level=level)
