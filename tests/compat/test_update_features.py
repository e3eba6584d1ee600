"""UpdateFeatures beside Apache Kafka, both at the levels of 4.4: what is refused and why. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apache_kafka import ApacheKafka
from kafkalite.cli.kafka_storage import main as kafka_storage
from kafkalite.protocol.messages.update_features import FeatureUpdateKey, UpdateFeaturesRequest
from kafkalite_process import KafkaliteProcess
from transcript import Side


@pytest.fixture(scope="module")
def kafkalite_4_4(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaliteProcess]:
    """kafkalite over a directory formatted with `--release-version 4.4`."""
    broker = KafkaliteProcess(tmp_path_factory.mktemp("kafkalite-4-4"))
    configuration = broker.directory / "format.properties"
    configuration.write_text(
        f"log.dirs={broker.data_directory}\nlisteners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n"
        "controller.quorum.voters=1@localhost:9093\n"
    )
    assert kafka_storage(["format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", str(configuration), "-r", "4.4"]) == 0
    with broker:
        yield broker


UPDATES = [
    ("metadata.version", 33, 1),
    ("metadata.version", 33, 2),
    ("metadata.version", 32, 1),
    ("metadata.version", 32, 2),
    ("metadata.version", 32, 3),
    ("metadata.version", 31, 2),
    ("metadata.version", 30, 2),
    ("metadata.version", 29, 2),
    ("metadata.version", 29, 3),
    ("metadata.version", 7, 3),
    ("metadata.version", 6, 3),
    ("metadata.version", 99, 1),
    ("metadata.version", -1, 1),
    ("group.version", 1, 1),
    ("group.version", 0, 1),
    ("group.version", 0, 2),
    ("group.version", 0, 3),
    ("group.version", 2, 1),
    ("group.version", 1, 0),
    ("group.version", 1, 9),
    ("share.version", 1, 2),
    ("transaction.version", 3, 1),
    ("eligible.leader.replicas.version", 1, 1),
    ("eligible.leader.replicas.version", 0, 2),
    ("kraft.version", 0, 2),
    ("kraft.version", 2, 1),
    ("no.such.feature", 1, 1),
    ("no.such.feature", 0, 1),
    ("", 1, 1),
]


@pytest.mark.parametrize("version", [1, 2])
def test_updates_are_refused_and_allowed_alike(
    apache_kafka: ApacheKafka, kafkalite_4_4: KafkaliteProcess, version: int
) -> None:
    sides = [
        Side("Apache Kafka", apache_kafka.bootstrap_servers, "features"),
        Side("kafkalite", kafkalite_4_4.bootstrap_servers, "features"),
    ]
    for side in sides:
        for feature, level, upgrade_type in UPDATES:
            key = FeatureUpdateKey(feature=feature, max_version_level=level, upgrade_type=upgrade_type)
            request = UpdateFeaturesRequest(feature_updates=[key], validate_only=True)
            side.ask(request, version, label=f"{feature}={level} type {upgrade_type}")
        side.ask(UpdateFeaturesRequest(validate_only=True), version, label="nothing")
        side.client.close()
    theirs, ours = (dict(side.transcript) for side in sides)
    assert {label: (answer, theirs[label]) for label, answer in ours.items() if answer != theirs[label]} == {}
