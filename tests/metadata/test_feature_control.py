"""Feature levels rise and fall by records; the texts of refusals are compared in tests/compat."""

from __future__ import annotations

import pytest

from cluster_image_builder import ClusterImageBuilder, NewCluster
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.metadata.feature_control import FeatureUpdate, UpgradeType, update_features
from kafkalite.protocol.metadata_records.settings import ConfigRecord, FeatureLevelRecord

ELR = "eligible.leader.replicas.version"


def update(cluster: ClusterImageBuilder, **levels: tuple[int, UpgradeType]) -> list[object]:
    updates = {name.replace("_", "."): FeatureUpdate(*update) for name, update in levels.items()}
    return list(update_features(cluster.image, 1, 1, updates, min_insync_replicas=3))


def test_levels_rise_together(cluster: NewCluster) -> None:
    one = cluster(1)
    records = update(one, metadata_version=(33, UpgradeType.UPGRADE), share_version=(2, UpgradeType.UPGRADE))
    assert records == [
        FeatureLevelRecord(name="metadata.version", feature_level=33),
        FeatureLevelRecord(name="share.version", feature_level=2),
    ]


def test_one_refused_update_refuses_all(cluster: NewCluster) -> None:
    with pytest.raises(KafkaError) as refusal:
        update(cluster(1), share_version=(2, UpgradeType.UPGRADE), group_version=(7, UpgradeType.UPGRADE))
    assert refusal.value.error == ErrorCode.INVALID_UPDATE_VERSION


@pytest.mark.parametrize(("current", "wanted", "is_allowed"), [(29, 24, True), (30, 29, False), (25, 22, False)])
def test_the_metadata_version_falls_only_where_no_record_has_changed(
    cluster: NewCluster, current: int, wanted: int, is_allowed: bool
) -> None:
    one = cluster(metadata_version=current)
    if is_allowed:
        assert update(one, metadata_version=(wanted, UpgradeType.SAFE_DOWNGRADE)) == [
            FeatureLevelRecord(name="metadata.version", feature_level=wanted)
        ]
    else:
        with pytest.raises(KafkaError, match=f"downgrade from {current} to {wanted}"):
            update(one, metadata_version=(wanted, UpgradeType.SAFE_DOWNGRADE))


def test_eligible_leader_replicas_bring_the_cluster_its_own_min_insync_replicas(cluster: NewCluster) -> None:
    one = cluster(1, elr=0)
    one.replay([ConfigRecord(resource_type=4, resource_name="1", name="min.insync.replicas", value="2")])
    assert update(one, eligible_leader_replicas_version=(1, UpgradeType.UPGRADE)) == [
        ConfigRecord(resource_type=4, resource_name="", name="min.insync.replicas", value="3"),
        ConfigRecord(resource_type=4, resource_name="1", name="min.insync.replicas", value=None),
        FeatureLevelRecord(name=ELR, feature_level=1),
    ]
    one.replay([ConfigRecord(resource_type=4, resource_name="", name="min.insync.replicas", value="1")])
    records = update(one, eligible_leader_replicas_version=(1, UpgradeType.UPGRADE))
    assert [type(record) for record in records] == [ConfigRecord, FeatureLevelRecord]
