"""Every method of the Java Admin client 4.4.0, asked of Apache Kafka and of kafkalite: the same answers and errors."""

from __future__ import annotations

import re
import subprocess
import uuid
from pathlib import Path

import pytest

from apache_kafka import BROKER_VERSION, ApacheKafka, java_command
from kafkalite_process import KafkaliteProcess

pytestmark = [pytest.mark.oracle, pytest.mark.toolchain("javac")]

# The quorum of the Apache Kafka that we compare with is static, ours is dynamic: raft voters are compared elsewhere.
_OF_THE_QUORUM = ("addRaftVoter", "removeRaftVoter")
_NOT_ASKED_OF_THE_BROKER = {"registerMetricForSubscription", "unregisterMetricFromSubscription"}


def comparable(line: str, bootstrap_servers: str, prefix: str) -> str:
    """Without addresses, ids and times, and with sets that Java prints in any order sorted."""
    for text in (bootstrap_servers, bootstrap_servers.replace("127.0.0.1", "localhost")):
        line = line.replace(text, "BROKER")
    line = line.replace(prefix, "PREFIX")
    line = re.sub(r"\b17\d{11}\b", "TIME", line)
    line = re.sub(r"\b[Ii]d=[A-Za-z0-9_-]{22}(?![A-Za-z0-9_-])", "id=ID", line)
    line = re.sub(r"topicId=[A-Za-z0-9_-]{22}", "topicId=ID", line)
    line = re.sub(r"producerId=\d+", "producerId=ID", line)
    return re.sub(r"\[[A-Z_, ]+\]", lambda found: str(sorted(found[0].strip("[]").split(", "))), line)


def test_every_method_of_admin_answers_as_with_apache_kafka(
    apache_kafka: ApacheKafka, kafkalite_process: KafkaliteProcess, java_programs: Path
) -> None:
    answers = []
    prefix = f"admin-{uuid.uuid4().hex[:8]}"
    for broker in (apache_kafka, kafkalite_process):
        command = java_command(
            "AdminMethods",
            broker.bootstrap_servers,
            prefix,
            extra_class_path=str(java_programs),
            clients_version=BROKER_VERSION,
        )
        done = subprocess.run(command, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stderr[-2000:]
        lines = [comparable(line, broker.bootstrap_servers, prefix) for line in done.stdout.splitlines()]
        answers.append([line for line in lines if not line.startswith(_OF_THE_QUORUM)])
    theirs, ours = answers
    assert len(theirs) > 90
    assert theirs[-1] == f"methods that were not called = {sorted(_NOT_ASKED_OF_THE_BROKER)}".replace("'", "")
    assert ours == theirs
