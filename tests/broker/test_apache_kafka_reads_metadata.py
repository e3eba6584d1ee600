"""Apache Kafka's DumpLogSegments reads every file of the metadata log, and finds in them what was written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from apache_kafka import RunJavaTool
from kafkalite.protocol.metadata_records.security import UserScramCredentialRecord
from kafkalite.protocol.metadata_records.settings import ClientQuotaRecord, ConfigRecord, EntityData
from store_life import StoreLife

pytestmark = pytest.mark.oracle
_PAYLOAD = re.compile(r"payload: (\{.*\})")


@pytest.fixture
def store_files(life_on_disk: StoreLife) -> dict[str, list[str]]:
    """The files of a log with two epochs, several segments, indexes with entries, and snapshots, by their suffix."""
    life = life_on_disk
    store = life.start()
    for index in range(100):
        store.append(life.new_topic(f"topic-{index}", 3))
    store.append(
        [
            ConfigRecord(resource_type=2, resource_name="topic-1", name="retention.ms", value="5"),
            ClientQuotaRecord(
                entity=[EntityData(entity_type="user", entity_name=None)], key="request_percentage", value=5
            ),
            UserScramCredentialRecord(
                name="alice", mechanism=2, salt=b"salt", stored_key=b"k", server_key=b"s", iterations=4096
            ),
        ]
    )
    store.write_snapshot()
    store = life.restart(store)
    store.stop()
    store.close()
    files: dict[str, list[str]] = {}
    for path in sorted(Path(life.log_directory).iterdir()):
        files.setdefault(path.suffix, []).append(str(path))
    return files


def dump(run_java_tool: RunJavaTool, *files: str) -> str:
    arguments = ["--cluster-metadata-decoder", "--deep-iteration", "--files", ",".join(files)]
    finished = run_java_tool("org.apache.kafka.tools.DumpLogSegments", *arguments)
    assert finished.returncode == 0, finished.stderr
    complaints = [line for line in finished.stdout.splitlines() if "isvalid: false" in line or "ismatch" in line]
    assert complaints == []
    return str(finished.stdout)


def test_log_and_snapshots_are_decoded(store_files: dict[str, list[str]], run_java_tool: RunJavaTool) -> None:
    out = dump(run_java_tool, *store_files[".log"])
    records = [json.loads(payload) for payload in _PAYLOAD.findall(out)]
    types = [record["type"] for record in records]
    assert types.count("TOPIC_RECORD") == 100
    assert types.count("PARTITION_RECORD") == 300
    assert types.count("PARTITION_CHANGE_RECORD") == 900  # stopped, led again, stopped
    assert types.count("REGISTER_BROKER_RECORD") == 2
    assert out.count("LeaderChange: ") == 2
    assert {record["version"] for record in records if record["type"].startswith("PARTITION")} == {2}

    out = dump(run_java_tool, *store_files[".checkpoint"])
    records = [json.loads(payload) for payload in _PAYLOAD.findall(out)]
    assert [record["type"] for record in records].count("TOPIC_RECORD") == 100
    assert {
        "type": "FEATURE_LEVEL_RECORD",
        "version": 0,
        "data": {"name": "metadata.version", "featureLevel": 30},
    } in records
    assert out.count("SnapshotHeader") == out.count("SnapshotFooter") == out.count("KRaftVoters") == 2


def test_indexes_agree_with_the_log(store_files: dict[str, list[str]], run_java_tool: RunJavaTool) -> None:
    assert Path(store_files[".index"][0]).stat().st_size > 8 * 5
    out = dump(run_java_tool, *store_files[".index"])
    assert out.count("offset: ") == Path(store_files[".index"][0]).stat().st_size // 8
    out = dump(run_java_tool, *store_files[".timeindex"])
    assert "timestamp: " in out
