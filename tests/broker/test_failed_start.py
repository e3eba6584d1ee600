"""A start that fails leaves the directory as it found it: what was unclean stays unclean, what was locked is free."""

from __future__ import annotations

from pathlib import Path

import pytest

from kafkalite.broker.metadata_log import MetadataLogError
from kafkalite.client.wire_client import WireClient
from kafkalite.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from kafkalite.testing import KafkaliteServer

ZERO_CHECKPOINT = "__cluster_metadata-0/00000000000000000000-0000000000.checkpoint"
CHECKPOINTS = ("recovery-point-offset-checkpoint", "log-start-offset-checkpoint")


@pytest.mark.parametrize("was_clean", [True, False])
def test_checkpoints_and_the_clean_shutdown_file_stay(tmp_path: Path, was_clean: bool) -> None:
    with KafkaliteServer(tmp_path) as kafka, WireClient(kafka.bootstrap_servers) as client:
        topic = CreatableTopic(name="orders", num_partitions=2, replication_factor=1)
        assert client.send(CreateTopicsRequest(topics=[topic])).topics[0].error_code == 0
    marker = tmp_path / ".kafka_cleanshutdown"
    if not was_clean:
        marker.unlink()
    before = {name: (tmp_path / name).read_bytes() for name in CHECKPOINTS}
    checkpoint = tmp_path / ZERO_CHECKPOINT
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[:-10])
    with pytest.raises(MetadataLogError, match="is damaged"):
        KafkaliteServer(tmp_path).start()
    assert marker.exists() == was_clean
    assert {name: (tmp_path / name).read_bytes() for name in CHECKPOINTS} == before
    assert not (tmp_path / ".lock").exists()

    checkpoint.write_bytes(whole)
    with KafkaliteServer(tmp_path) as kafka:
        assert kafka.port > 0
