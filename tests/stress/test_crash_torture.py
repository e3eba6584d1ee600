"""Everything at once under random SIGKILL: producers, a transactional copy, consumers that commit, one directory.

The broker is killed at random moments while it works, while it starts and while it stops, and goes on in the same
directory. Clients live through all of it. What must come out:

- every acknowledged record is at its offset, and records of an idempotent producer are there once and in order;
- the transactional copy holds what its source holds, once and in the same order;
- no committed offset is ever behind one that was acknowledged or seen before, and no group skips a record;
- the directory is sound to the last index entry (`kafkalite verify --deep`).

The dice are seeded; where in its work a kill meets the broker is up to the machine. Of the long form
`KAFKALITE_TORTURE_KILLS` and `KAFKALITE_TORTURE_MINUTES` say how long it is (whichever is over first) and
`KAFKALITE_TORTURE_SEED` which dice it throws; `KAFKALITE_TORTURE_PACE` multiplies what is written between the kills.
"""

from __future__ import annotations

import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from broker_process import REPOSITORY, BrokerProcess
from client_scenarios import wait_until
from exactly_once import Processor
from group_load import GroupAccount, GroupMember
from group_offsets import GroupOffsets, Offsets
from numbered_records import (
    PARTITIONS,
    PATIENT,
    Load,
    check_nothing_lost,
    check_written_once_and_in_order,
    read_topic,
)

LONG = int(os.environ.get("KAFKALITE_TORTURE_KILLS", "1000"))
MINUTES = float(os.environ.get("KAFKALITE_TORTURE_MINUTES", "60"))
SEED = int(os.environ.get("KAFKALITE_TORTURE_SEED", "1"))
LIVENESS_S = 60.0
"""Within that everyone gets on, however often clients have to begin again."""
PACE = float(os.environ.get("KAFKALITE_TORTURE_PACE", "1"))
PER_SECOND = {"source": 300 * PACE, "fast": 2_000 * PACE, "plain": 700 * PACE}
"""Records, while the broker works; the copy and the groups follow `source`."""
COPIES = "copies"
PROPERTIES = {
    # Short segments, so that rolls, compaction and deletion of files are among what is interrupted.
    "log.roll.ms": "3000",
    "offsets.topic.num.partitions": "5",
    "transaction.state.log.num.partitions": "5",
    # A member that left unheard is missed soon.
    "group.consumer.min.session.timeout.ms": "6000",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.heartbeat.interval.ms": "1000",
    "group.consumer.heartbeat.interval.ms": "1000",
    "log.cleaner.backoff.ms": "500",
    "log.cleaner.min.cleanable.ratio": "0.1",
    "log.segment.delete.delay.ms": "1000",
    "metadata.log.max.record.bytes.between.snapshots": "4000",
    "log.flush.offset.checkpoint.interval.ms": "2000",
}


def committed_of(group: GroupAccount) -> Callable[[], Offsets]:
    return lambda: dict(group.committed)


class CommittedOffsets:
    """Looks at the offsets of a group after each restart: none may be behind what was known of it before."""

    def __init__(self, bootstrap_servers: str, group: str, acknowledged: Callable[[], Offsets]) -> None:
        self._offsets = GroupOffsets(bootstrap_servers, group, "source")
        self._acknowledged = acknowledged
        self.highest = dict.fromkeys(range(PARTITIONS), 0)

    def check(self) -> Offsets:
        for partition, offset in self._acknowledged().items():
            self.highest[partition] = max(self.highest[partition], offset)
        before = dict(self.highest)
        self.highest = self._offsets.committed()
        for partition, offset in self.highest.items():
            assert offset >= before[partition], (
                f"group {self._offsets.group} was at {before[partition]} in partition {partition} and is at {offset}"
            )
        return self.highest


class Torture:
    """The clients, the broker that they use, and the kills."""

    def __init__(self, broker: BrokerProcess, chance: random.Random) -> None:
        self.broker = broker
        self._chance = chance
        self._servers = broker.bootstrap_servers
        self.kills: Counter[str] = Counter()
        self.restarts_s: list[float] = []
        self._rounds = 0
        self._started = 0.0
        self._at_start: dict[str, int] = {}
        admin = AdminClient({"bootstrap.servers": self._servers, **PATIENT})
        # The log of `fast` rolls late: what a kill leaves unflushed there is read again each time.
        topics = [NewTopic(name, PARTITIONS) for name in ("source", "sink", "plain")]
        fast = NewTopic("fast", PARTITIONS, config={"segment.ms": str(7 * 24 * 3_600_000)})
        for created in admin.create_topics([*topics, fast]).values():
            created.result(30)
        self.loads = [Load(self._servers, topic, idempotence=topic != "plain") for topic in PER_SECOND]
        self.source = self.loads[0]
        self.everyone = [self._processor(partition) for partition in range(PARTITIONS)]
        self.groups = [GroupAccount(protocol, protocol) for protocol in ("classic", "consumer")]
        self._members = {group.name: [GroupMember(self._servers, group) for _ in range(2)] for group in self.groups}
        self._left: list[GroupMember] = []
        self._checks = [
            *(CommittedOffsets(self._servers, group.name, committed_of(group)) for group in self.groups),
            CommittedOffsets(self._servers, COPIES, self.copied),
        ]

    def _processor(self, partition: int) -> Processor:
        return Processor(self._servers, partition, group=COPIES, records_per_transaction=20)

    def copied(self) -> Offsets:
        """By partition the offset of the last transaction that was answered."""
        ends = dict.fromkeys(range(PARTITIONS), 0)
        for processor in self.everyone:
            ends[processor.source.partition] = max(ends[processor.source.partition], processor.committed)
        return ends

    def work(self) -> None:
        """Lets the producers go on, each up to what it may have produced by now."""
        now = time.monotonic()
        for load in self.loads:
            load.produce(up_to=self._at_start[load.topic] + int(PER_SECOND[load.topic] * (now - self._started)))

    def go_on(self) -> None:
        """One round: work for a random while, a kill or several, a restart, and the checks that need no standstill."""
        self._started = time.monotonic()
        self._at_start = {load.topic: load.produced for load in self.loads}
        before = self._progress()
        until = self._started + self._chance.uniform(0.02, 0.8)
        wait_until(lambda: time.monotonic() > until, meanwhile=self.work)
        if self._rounds % 10 == 9:
            wait_until(
                lambda: all(now > then for now, then in zip(self._progress(), before, strict=True)),
                timeout_s=LIVENESS_S,
                meanwhile=self.work,
            )
        if self._rounds % 7 == 6:
            self._replace_someone()
        if self._chance.random() < 0.1:
            self._kill_while_it_stops()
        else:
            self._kill("at work")
        while self._chance.random() < 0.2:
            self._kill_while_it_starts()
        killed = time.monotonic()
        self.broker.start()
        self.restarts_s.append(time.monotonic() - killed)
        self._check_logs_reach_what_was_acknowledged()
        for check in self._checks:
            check.check()
        self._rounds += 1

    def _progress(self) -> list[int]:
        """Numbers that all rise while everyone gets on."""
        return [
            *(load.acknowledged for load in self.loads),
            sum(self.copied().values()),
            *(group.commits for group in self.groups),
        ]

    def _check_logs_reach_what_was_acknowledged(self) -> None:
        partitions = {
            TopicPartition(load.topic, partition): end
            for load in self.loads
            for partition, end in load.end_offsets.items()
        }
        # One that has not met the broker before: another would ask with the leader epoch from before the kill.
        admin = AdminClient({"bootstrap.servers": self._servers, **PATIENT})
        answers = admin.list_offsets(dict.fromkeys(partitions, OffsetSpec.latest()), request_timeout=30)
        for partition, answer in answers.items():
            assert answer.result().offset >= partitions[partition], f"{partition} was cut"
        for load in self.loads:
            assert not load.errors

    def _kill(self, moment: str) -> None:
        self.broker.kill()
        self.kills[moment] += 1

    def _kill_while_it_stops(self) -> None:
        assert self.broker.process is not None
        self.broker.process.send_signal(signal.SIGTERM)
        time.sleep(self._chance.uniform(0, 0.1))
        self._kill("while stopping")

    def _kill_while_it_starts(self) -> None:
        self.broker.launch()
        time.sleep(self._chance.uniform(0.05, 0.6))
        self._kill("while starting")

    def _replace_someone(self) -> None:
        """Another processor of one partition takes over from the one before, which it fences; in each group a member
        leaves as another one comes."""
        partition = self._rounds % PARTITIONS
        for processor in self.everyone:
            if processor.source.partition == partition:
                processor.hand_over()
        self.everyone.append(self._processor(partition))
        for group in self.groups:
            members = self._members[group.name]
            self._left.append(members.pop(0))
            self._left[-1].stop()
            members.append(GroupMember(self._servers, group))

    def finish(self) -> None:
        """Lets everyone come to the end of `source` and stops them."""
        for load in self.loads:
            load.finish()
        ends = self.source.end_offsets
        # The broker is asked: the answer to the last commit may have gone with a kill.
        wait_until(lambda: all(check.check() == ends for check in self._checks), timeout_s=2 * LIVENESS_S)
        for processor in self.everyone:  # one that was to be replaced may be the one that stayed
            processor.stop()
        everyone = [*self._left, *(member for members in self._members.values() for member in members)]
        for member in everyone:
            member.stop()
        for member in everyone:
            member.join()
        for check in self._checks:
            check.check()

    def check(self) -> None:
        """Nothing lost, nothing twice, nothing skipped."""
        for load in self.loads:
            assert not load.errors
            assert load.acknowledged == load.produced
            records = read_topic(self._servers, load.topic)
            check_nothing_lost(load, records)
            if load.topic != "plain":
                check_written_once_and_in_order(load, records)
            if load is self.source:
                copy = read_topic(self._servers, "sink", isolation_level="read_committed")
                for partition, entries in records.items():
                    assert [key for _offset, key in copy[partition]] == [key for _offset, key in entries]
        for group in self.groups:
            assert group.seen == {partition: set(range(end)) for partition, end in self.source.end_offsets.items()}

    def report(self) -> list[str]:
        transactions = sum(processor.transactions for processor in self.everyone)
        setbacks = sum((processor.setbacks for processor in self.everyone), Counter())
        return [
            f"{self.kills.total()} kills {dict(self.kills)}, {sum(load.produced for load in self.loads)} records, "
            f"{transactions} transactions with setbacks {dict(setbacks)}",
            *(f"group {it.name}: {it.commits} commits, setbacks {dict(it.setbacks)}" for it in self.groups),
            f"restart to first answer: median {statistics.median(self.restarts_s or [0.0]):.2f} s, "
            f"longest {max(self.restarts_s, default=0.0):.2f} s",
        ]


@pytest.mark.parametrize(
    ("kills", "seed"),
    [pytest.param(5, 27, id="short"), pytest.param(LONG, SEED, id="long", marks=pytest.mark.stress)],
)
def test_nothing_is_lost_or_doubled_or_goes_back_under_random_kills(
    start_kafkalite: Callable[..., BrokerProcess], kills: int, seed: int, report: Callable[[str], None]
) -> None:
    broker = start_kafkalite(properties=PROPERTIES)
    torture = Torture(broker, random.Random(seed))
    until = time.monotonic() + 60 * MINUTES
    try:
        while torture.kills.total() < kills and time.monotonic() < until:
            torture.go_on()
        torture.finish()
        torture.check()
    finally:  # a run that fails tells how far it came, too
        for line in torture.report():
            report(line)
    assert broker.stop() == 0
    verify = [sys.executable, "-m", "kafkalite.cli.kafkalite", "verify", str(broker.data_directory), "--deep"]
    verified = subprocess.run(verify, cwd=REPOSITORY, capture_output=True, text=True)
    assert verified.returncode == 0, verified.stdout[-4000:]
