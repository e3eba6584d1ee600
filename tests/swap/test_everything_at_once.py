"""Directories that hold some of everything change hands several times, after clean stops and after kill -9.

Each turn finds what the one before it left: topics of all cleanup policies, records, offsets, groups of every kind,
transactions that were decided and one that is open, credentials, quotas, features, configurations; what kafkalite does
not serve itself, ACLs and delegation tokens, Apache Kafka finds again behind it. Two log directories and metadata
snapshots by both brokers are part of it, and `kafkalite verify` finds no damage in between.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apache_kafka import ApacheKafka
from broker_process import HOST, BrokerProcess, free_port
from consumer_group_scenarios import ConsumerGroupOnSide
from directory_contents import Contents, Filler, assert_sound, assert_untroubled
from eventually import eventually
from kafkalite.client.wire_client import WireClient
from kafkalite.protocol.messages.create_acls import AclCreation, CreateAclsRequest
from kafkalite.protocol.messages.create_delegation_token import CreateDelegationTokenRequest
from kafkalite.protocol.messages.describe_delegation_token import DescribeDelegationTokenRequest
from kafkalite.protocol.messages.describe_share_group_offsets import (
    DescribeShareGroupOffsetsRequest,
    DescribeShareGroupOffsetsRequestGroup,
)
from kafkalite.protocol.messages.sasl_authenticate import SaslAuthenticateRequest
from kafkalite.protocol.messages.sasl_handshake import SaslHandshakeRequest
from kafkalite.records.record_batch import decode_records, iter_batches
from kafkalite_process import KafkaliteProcess
from moving_transactions import TransactionalProducer, expect_values, persistently, state
from security_metadata import (
    ALLOW,
    AUTHORIZER,
    PREFIXED,
    READ,
    SHA_256,
    SHA_512,
    TOPIC,
    acls,
    credentials,
    give_credentials,
    levels,
    quotas,
    set_quota,
)
from share_group_scenarios import ShareGroupOnSide
from streams_group_scenarios import StreamsGroupOnSide
from transcript import Side

pytestmark = pytest.mark.oracle

POLICIES = {"cleaned-compact": "compact", "cleaned-delete": "delete", "cleaned-both": "compact,delete"}
ACCEPT, RELEASE = 1, 2


class Node:
    """One directory, and the brokers that have it in turns."""

    def __init__(self, path: Path, *, is_killed: bool) -> None:
        self.path = path
        self._is_killed = is_killed
        self._broker: BrokerProcess | None = None
        self.tokens_at = ""
        self._turns = 0
        self._properties = {
            "log.dirs": f"{path}/data,{path}/more",
            "metadata.log.dir": f"{path}/data",
            "metadata.log.max.record.bytes.between.snapshots": "8000",
            "log.cleaner.backoff.ms": "200",
            # The records are said to be of long ago.
            "log.retention.check.interval.ms": "86400000",
        }

    def start(self, name: str) -> Side:
        """Starts kafkalite, or Apache Kafka of a version."""
        if name == "kafkalite":
            self._broker = KafkaliteProcess(self.path, properties=self._properties)
        else:
            self._broker = self._apache_kafka(name)
        self._broker.start()
        return Side(name, self._broker.bootstrap_servers, "swap")

    def _apache_kafka(self, version: str) -> ApacheKafka:
        broker = ApacheKafka(self.path, version=version)
        self.tokens_at = f"{HOST}:{free_port()}"
        listeners = f"PLAINTEXT://{broker.bootstrap_servers},SASL://{self.tokens_at}"
        broker.properties = {
            **self._properties,
            **AUTHORIZER,
            "log.initial.task.delay.ms": "3600000",
            # Nobody ends a session after a clean stop; a start that had to wait for it would take longer than it may.
            "broker.session.timeout.ms": "4000" if self._is_killed else "300000",
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{broker.controller_port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT",
            "advertised.listeners": listeners,
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl.plain.sasl.jaas.config": (
                'org.apache.kafka.common.security.plain.PlainLoginModule required user_ann="secret";'
            ),
            "delegation.token.secret.key": "of both",
        }
        return broker

    def end(self, side: Side) -> None:
        """Stops or kills the broker; what it left is sound."""
        side.client.close()
        broker = self._broker
        assert broker is not None
        if self._is_killed:
            assert broker.kill() == -9
        else:
            assert broker.stop() == (143 if isinstance(broker, ApacheKafka) else 0)
        self._turns += 1
        if isinstance(broker, ApacheKafka) and self._turns > 1:  # of what itself does in the first it complains, too
            assert_untroubled(broker)
        assert "Traceback" not in broker.output
        assert_sound(broker)
        names = [child.name for directory in ("data", "more") for child in (self.path / directory).iterdir()]
        assert [name for name in names if name.endswith(("-stray", "-future"))] == []
        broker.log_file.unlink()

    def kill(self) -> None:
        if self._broker is not None:
            self._broker.kill()


class Everything:
    """What was put into the directory, with what its clients remember."""

    def __init__(self, *, has_streams_group: bool) -> None:
        self._has_streams_group = has_streams_group
        self._producers: dict[str, TransactionalProducer] = {}
        self._seen: dict[str, Any] = {}
        self._contents = Contents()
        self._is_secured = False
        self._began_ms = int(time.time() * 1000)

    def fill(self, side: Side) -> None:
        filler = Filler(side.bootstrap_servers)
        filler.fill()
        filler.create("retried", 1)
        side.wait_for_leaders("retried", 1)
        for name, policy in POLICIES.items():
            filler.create(name, 1, cleanup_policy=policy, min_cleanable_dirty_ratio="0.01", segment_ms="100",
                          retention_ms="-1")  # fmt: skip
        filler.client.close()
        give_credentials(side.client, ("ann", SHA_256, 4096), ("bob", SHA_512, 8192))
        set_quota(side.client, {"user": None, "client-id": "app"}, "request_percentage", 12.5)
        eventually(lambda: set(credentials(side.client)) == {"ann", "bob"})
        self._fill_transactions(side)
        self._fill_groups(side)

    def _write_again(self, side: Side) -> int:
        """The offset of a batch that is sent in each turn."""
        [answer] = side.produce(
            "retried", "once", timestamp=self._began_ms, producer_id=4711, producer_epoch=0, base_sequence=0
        ).responses
        [partition] = answer.partition_responses
        assert partition.error_code == 0, partition
        return int(partition.base_offset)

    def _fill_transactions(self, side: Side) -> None:
        Filler(side.bootstrap_servers).create("transactions", 1)
        side.wait_for_leaders("transactions", 1)
        for name in ("committed", "aborted", "open"):
            producer = self._producers[name] = TransactionalProducer(side, name)
            producer.write(side, "transactions", name)
            if name != "open":
                producer.end(side, committed=name == "committed")
                state(side, name)

    def _fill_groups(self, side: Side) -> None:
        topic = side.topic(3)
        consumers = ConsumerGroupOnSide(side, "regex")
        consumers.join("m", subscribed_topic_names=None, subscribed_topic_regex="swap-.*", instance_id="i")
        if self._has_streams_group:
            streams = StreamsGroupOnSide(side, "streams")
            streams.join("s", streams.topology(topic))
            streams.until_ready("s")
            streams.settle_members("s")
        shared = side.topic()
        side.produce(shared, *(f"{index}" for index in range(20)))
        member = ShareGroupOnSide(side).member(shared)
        member.join()
        member.settle(1)
        shared_id = side.topic_id(shared)
        member.fetch_eventually(shared_id)
        member.acknowledge(shared_id, (0, 4, [ACCEPT]), (5, 9, [RELEASE]), (10, 14, [ACCEPT]), (15, 19, [RELEASE]))
        member.leave()

    def churn(self, side: Side) -> None:
        """Gives the cleaner something to do, in the first turns and in later ones."""
        filler = Filler(side.bootstrap_servers)
        for number in range(12):
            for name in POLICIES:
                filler.produce(name, 0, *(f"{side.name} {number} {key}" for key in range(5)))
            time.sleep(0.06)
        filler.client.close()

    def check(self, side: Side, tokens_at: str) -> None:
        """All is as it was in the turn before."""
        filler = Filler(side.bootstrap_servers)
        contents = filler.contents()
        # The same batch again, which the very first turn has appended: its producer is still known.
        assert self._write_again(side) == 0
        filler.client.close()
        for key in [key for key in contents.records if key[0] in POLICIES]:
            latest = latest_values(contents.records.pop(key))
            contents.records[key] = repr(sorted(latest.items())).encode()
            contents.offsets[key] = (0, contents.offsets[key][1])
        contents.offsets = {key: found for key, found in contents.offsets.items() if not key[0].startswith("__")}
        if self._contents.topics:
            for name in ("topics", "configs", "offsets", "committed", "records"):
                assert getattr(contents, name) == getattr(self._contents, name)
        seen = {
            "credentials": credentials(side.client),
            "quotas": quotas(side.client),
            "levels": levels(side.client),
            "transactions": {name: state(side, name) for name in self._producers},
            "regex": described(ConsumerGroupOnSide(side, "regex", is_prompt=False)),
            "lag of share group": share_lag(side),
        }
        if self._has_streams_group:
            seen["streams"] = described(StreamsGroupOnSide(side, "streams", is_prompt=False))
        expect_values(side, "transactions", "committed")
        if side.name != "kafkalite":
            seen |= self._secured(side, tokens_at)
        assert {name: seen[name] for name in seen if name in self._seen} == {
            name: self._seen[name] for name in seen if name in self._seen
        }
        self._seen |= seen

    def note(self, side: Side) -> None:
        """What the next turn must find, the churn included."""
        filler = Filler(side.bootstrap_servers)
        self._contents = filler.contents()
        filler.client.close()
        for key in [key for key in self._contents.records if key[0] in POLICIES]:
            latest = latest_values(self._contents.records[key])
            self._contents.records[key] = repr(sorted(latest.items())).encode()
            self._contents.offsets[key] = (0, self._contents.offsets[key][1])
        self._contents.offsets = {
            key: found for key, found in self._contents.offsets.items() if not key[0].startswith("__")
        }

    def _secured(self, side: Side, tokens_at: str) -> dict[str, Any]:
        """ACLs and delegation tokens, made in Apache Kafka's first turn."""
        with WireClient(tokens_at) as client:
            assert client.send(SaslHandshakeRequest(mechanism="PLAIN")).error_code == 0
            assert client.send(SaslAuthenticateRequest(auth_bytes=b"\0ann\0secret")).error_code == 0
            if not self._is_secured:
                self._is_secured = True
                allowed = AclCreation(
                    resource_type=TOPIC,
                    resource_name="pl",
                    resource_pattern_type=PREFIXED,
                    principal="User:bob",
                    host="*",
                    operation=READ,
                    permission_type=ALLOW,
                )
                assert side.send(CreateAclsRequest(creations=[allowed])).results[0].error_code == 0
                assert client.send(CreateDelegationTokenRequest(max_lifetime_ms=86_400_000)).error_code == 0
            eventually(lambda: bool(acls(side.client)))
            eventually(lambda: bool(client.send(DescribeDelegationTokenRequest(owners=None)).tokens))
            tokens = client.send(DescribeDelegationTokenRequest(owners=None)).tokens
        return {"acls": acls(side.client), "tokens": [repr(token) for token in tokens]}

    def end_what_is_open(self, side: Side) -> None:
        producer = self._producers["open"]
        producer.write(side, "transactions", "to its end")
        producer.end(side)
        expect_values(side, "transactions", "committed", "open", "to its end")


def latest_values(data: bytes) -> dict[bytes, bytes]:
    latest = {}
    for position, _ in iter_batches(data):
        for record in decode_records(data, position):
            latest[record.key or b""] = record.value or b""
    return latest


def described(group: ConsumerGroupOnSide) -> Any:
    """All that is said of a group with one member, but for how a topology is settled."""
    [said] = group.describe().groups
    return {field.name: repr(getattr(said, field.name)) for field in said.fields if field.name != "topology"}


def share_lag(side: Side) -> int:
    """How many records its members have not accepted."""
    group = DescribeShareGroupOffsetsRequestGroup(group_id=ShareGroupOnSide(side).group_id, topics=None)
    answer = persistently(side, DescribeShareGroupOffsetsRequest(groups=[group]), 1, lambda a: a.groups[0].error_code)
    return int(answer.groups[0].topics[0].partitions[0].lag)


@pytest.fixture
def make_node(tmp_path: Path) -> Iterator[Any]:
    nodes: list[Node] = []

    def make(*, is_killed: bool) -> Node:
        nodes.append(Node(tmp_path / "node", is_killed=is_killed))
        return nodes[0]

    yield make
    for node in nodes:
        node.kill()


@pytest.mark.parametrize(
    ("turns", "is_killed"),
    [
        pytest.param(["4.4.0", "kafkalite", "4.4.0", "kafkalite"], False, id="from Apache Kafka, stopped"),
        pytest.param(["4.4.0", "kafkalite", "4.4.0", "kafkalite"], True, id="from Apache Kafka, killed"),
        pytest.param(["kafkalite", "4.4.0", "kafkalite"], True, id="from kafkalite, killed"),
        pytest.param(["4.3.1", "kafkalite", "4.4.0", "kafkalite"], False, id="from 4.3.1, stopped"),
    ],
)
def test_a_directory_with_some_of_everything_goes_to_and_fro(make_node: Any, turns: list[str], is_killed: bool) -> None:
    node = make_node(is_killed=is_killed)
    everything = Everything(has_streams_group="4.3.1" not in turns)  # which speaks another version of it
    for number, name in enumerate(turns, 1):
        side = node.start(name)
        if number == 1:
            everything.fill(side)
        everything.check(side, node.tokens_at)
        if number == len(turns):
            everything.end_what_is_open(side)
        else:
            everything.churn(side)
            everything.note(side)
        node.end(side)
    assert len(list((node.path / "data" / "__cluster_metadata-0").glob("*.checkpoint"))) > 1
