"""What the tests of the protocol share: every message there is, and Apache Kafka's schemas of them."""

from __future__ import annotations

import json
import re
import zipfile
from typing import Any

import pytest

from apache_kafka import broker_home
from kafkalite.protocol import (  # noqa: F401  (importing defines the messages)
    consumer_protocol,
    control_records,
    headers,
    metadata_records,
    principal,
    remote_log_metadata,
)
from kafkalite.protocol.api_keys import ApiKey, request_class
from kafkalite.protocol.coordinator_records import (  # noqa: F401
    classic_group,
    consumer_group,
    offsets,
    share_group,
    share_state,
    streams_group,
    transaction_log,
)
from kafkalite.protocol.schema import Message

_JARS = ("clients", "metadata", "group-coordinator", "transaction-coordinator", "share-coordinator", "storage")
_COMMENT = re.compile(r"(^|\s)//.*$", re.MULTILINE)


def _subclasses(cls: type[Message]) -> list[type[Message]]:
    return [found for sub in cls.__subclasses__() for found in (sub, *_subclasses(sub))]


def all_messages() -> list[type[Message]]:
    """Every message that stands for itself: requests, responses, records of logs and coordinators, headers."""
    for key in ApiKey:
        request_class(key)
    return sorted(
        (
            cls
            for cls in _subclasses(Message)
            if cls.__module__.count(".") >= 2
            and "fields" in cls.__dict__
            and not (cls.__module__.endswith((".schema", ".metadata_record", ".coordinator_record")))
            and cls is not remote_log_metadata.RemoteLogMetadataRecord
        ),
        key=lambda cls: (cls.__module__, cls.__name__),
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "message_class" in metafunc.fixturenames:
        classes = all_messages()
        metafunc.parametrize("message_class", classes, ids=[cls.__name__ for cls in classes])


@pytest.fixture(scope="session")
def message_classes() -> list[type[Message]]:
    """What `all_messages` finds."""
    return all_messages()


@pytest.fixture(scope="session")
def schemas() -> dict[str, Any]:
    """Apache Kafka's message schemas by message name."""
    found = {}
    for jar in broker_home().glob("libs/kafka-*.jar"):
        if re.fullmatch(rf"kafka-({'|'.join(_JARS)})-[\d.]+\.jar", jar.name):
            with zipfile.ZipFile(jar) as archive:
                for name in archive.namelist():
                    if re.fullmatch(r"(common/)?(message|metadata)/\w+\.json", name):
                        schema = json.loads(_COMMENT.sub("", archive.read(name).decode()))
                        found[schema["name"]] = schema
    return found
