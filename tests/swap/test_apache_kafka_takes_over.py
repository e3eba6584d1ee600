"""kafkalite stops cleanly, Apache Kafka starts on its directory and serves what was there, as if it had been its own.

Apache Kafka tells by its log what it does not like about a directory, and moves aside what it takes for strangers'
without any other sign. A broker that was left unfenced would keep it waiting for a session timeout; that is set longer
here than the start may take.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from apache_kafka import StartApacheKafka
from client_scenarios import wait_until
from directory_contents import Filler, assert_sound, assert_untroubled
from kafkalite.protocol.messages.metadata import MetadataRequest
from kafkalite_process import StartKafkalite

pytestmark = pytest.mark.oracle


def take_turns(
    start_kafkalite: StartKafkalite,
    start_apache_kafka: StartApacheKafka,
    directory: Path,
    *,
    version: str,
    ours: dict[str, str] | None = None,
    theirs: dict[str, str] | None = None,
    is_killed: bool = False,
    before_the_end: Callable[[Filler], None] = lambda filler: None,
    before_the_start: Callable[[], None] = lambda: None,
) -> None:
    """kafkalite fills the directory, Apache Kafka serves it and adds to it, kafkalite serves it again.

    With `is_killed` neither of the two ends but by SIGKILL. What happens around the end of the first is up to the test.
    """
    first = start_kafkalite(directory=directory, properties=ours)
    filler = Filler(first.bootstrap_servers)
    filler.fill()
    before = filler.contents()
    before_the_end(filler)
    filler.client.close()
    assert first.kill() == -9 if is_killed else first.stop() == 0
    before_the_start()
    assert_sound(first)
    assert "deleted" not in before.topics

    properties = {"broker.session.timeout.ms": "4000" if is_killed else "300000", **(theirs or {})}
    second = start_apache_kafka(directory=directory, version=version, properties=properties)
    reader = Filler(second.bootstrap_servers)
    after = reader.contents()
    assert after.topics == before.topics
    assert after.configs == before.configs
    assert after.offsets == before.offsets
    assert after.records == before.records
    assert after.committed == before.committed
    reader.produce("plain", 0, "goes on")
    reader.create("theirs", 1)
    reader.client.close()
    assert second.kill() == -9 if is_killed else second.stop() == 143  # what a JVM makes of SIGTERM
    assert_untroubled(second)
    assert_sound(second)

    third = start_kafkalite(directory=directory, properties=ours)
    back = Filler(third.bootstrap_servers)
    found = back.contents()
    assert set(found.topics) == {*before.topics, "theirs"}
    assert found.offsets["plain", 0] == (0, before.offsets["plain", 0][1] + 1)
    assert found.records["plain", 0].startswith(before.records["plain", 0])
    assert found.committed == before.committed
    back.client.close()
    assert third.kill() == -9 if is_killed else third.stop() == 0
    assert_sound(third)


@pytest.mark.parametrize("version", ["4.4.0", "4.3.1"])
@pytest.mark.parametrize("quorum", ["controller.quorum.voters", "controller.quorum.bootstrap.servers"])
def test_a_directory_that_was_stopped_cleanly_is_served_at_once(
    start_kafkalite: StartKafkalite, start_apache_kafka: StartApacheKafka, tmp_path: Path, version: str, quorum: str
) -> None:
    properties = {}
    if quorum == "controller.quorum.bootstrap.servers":
        properties = {"controller.quorum.voters": "", quorum: "127.0.0.1:9093"}
    take_turns(start_kafkalite, start_apache_kafka, tmp_path / "node", version=version, theirs=properties)


def test_metadata_snapshots_and_several_log_directories_are_taken_over(
    start_kafkalite: StartKafkalite, start_apache_kafka: StartApacheKafka, tmp_path: Path
) -> None:
    node = tmp_path / "node"
    properties = {
        "log.dirs": f"{node}/data,{node}/more",
        "metadata.log.dir": f"{node}/data",
        "metadata.log.max.record.bytes.between.snapshots": "1500",
    }
    take_turns(start_kafkalite, start_apache_kafka, node, version="4.4.0", ours=properties, theirs=properties)
    partitions = [{path.name for path in (node / name).iterdir() if path.is_dir()} for name in ("data", "more")]
    assert all(len(names) > 5 for names in partitions)
    assert partitions[0] & partitions[1] == set()
    snapshots = list((node / "data" / "__cluster_metadata-0").glob("*.checkpoint"))
    assert len(snapshots) > 3


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_log_directory_that_had_failed_under_the_broker_and_is_back_is_taken_over(
    start_kafkalite: StartKafkalite, start_apache_kafka: StartApacheKafka, tmp_path: Path, is_killed: bool
) -> None:
    node = tmp_path / "node"
    properties = {"log.dirs": f"{node}/data,{node}/more", "metadata.log.dir": f"{node}/data"}
    elsewhere = tmp_path / "elsewhere"

    def fail(filler: Filler) -> None:
        (node / "more").rename(elsewhere)
        wait_until(lambda: {leader(filler, "plain", index) for index in range(3)} == {-1, 1})

    def give_back() -> None:
        shutil.move(elsewhere, node / "more")
        (node / "output.log").unlink()  # what the first broker said of the failure

    def leader(filler: Filler, topic: str, index: int) -> int:
        topics = {found.name: found for found in filler.client.send(MetadataRequest(topics=None)).topics}
        leaders: dict[int, int] = {found.partition_index: found.leader_id for found in topics[topic].partitions}
        return leaders[index]

    take_turns(
        start_kafkalite,
        start_apache_kafka,
        node,
        version="4.4.0",
        ours=properties,
        theirs=properties,
        is_killed=is_killed,
        before_the_end=fail,
        before_the_start=give_back,
    )


@pytest.mark.parametrize("version", ["4.4.0", "4.3.1"])
def test_a_directory_whose_broker_was_killed_is_served_after_the_session_timeout(
    start_kafkalite: StartKafkalite, start_apache_kafka: StartApacheKafka, tmp_path: Path, version: str
) -> None:
    take_turns(start_kafkalite, start_apache_kafka, tmp_path / "node", version=version, is_killed=True)
