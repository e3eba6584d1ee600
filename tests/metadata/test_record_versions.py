"""Each record is written in the version that the cluster's metadata.version allows."""

from __future__ import annotations

import pytest

from kafkalite.identifiers import Uuid
from kafkalite.metadata.metadata_version import metadata_version_for
from kafkalite.metadata.record_versions import record_version
from kafkalite.protocol.metadata_records.nodes import BrokerRegistrationChangeRecord, RegisterBrokerRecord
from kafkalite.protocol.metadata_records.settings import ConfigRecord
from kafkalite.protocol.metadata_records.topics import PartitionChangeRecord, PartitionRecord


@pytest.mark.parametrize(
    ("release", "partition", "broker"),
    [("3.3", 0, 1), ("3.4", 0, 2), ("3.6", 0, 2), ("3.7", 1, 3), ("3.9", 1, 3), ("4.0", 2, 3), ("4.3", 2, 4)],
)
def test_versions_grow_with_the_release(release: str, partition: int, broker: int) -> None:
    level = metadata_version_for(release)
    assert record_version(PartitionRecord(), level) == partition
    assert record_version(PartitionChangeRecord(), level) == partition
    assert record_version(RegisterBrokerRecord(), level) == broker
    assert record_version(ConfigRecord(), level) == 0


@pytest.mark.parametrize(
    ("facts", "version"),
    [
        ({"fenced": 1}, 0),
        ({"in_controlled_shutdown": 1}, 1),
        ({"log_dirs": [Uuid.ONE]}, 2),
        ({"cordoned_log_dirs": []}, 3),
    ],
)
def test_a_change_of_a_registration_is_as_old_as_what_it_tells(facts: dict[str, object], version: int) -> None:
    assert record_version(BrokerRegistrationChangeRecord(**facts), 30) == version


@pytest.mark.parametrize(("text", "level"), [("4.3", 30), ("4.3.1", 30), ("4.3-IV0", 30), ("4.0-IV1", 23), ("4.4", 33)])
def test_releases_have_levels(text: str, level: int) -> None:
    assert metadata_version_for(text) == level
