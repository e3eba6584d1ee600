"""docs/configuration.md and the shipped files in config/."""

from __future__ import annotations

import logging
import logging.config
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from kafkalite.config.broker_config import BrokerConfig
from kafkalite.config.broker_config_def import BROKER_CONFIG_DEF
from kafkalite.config.client_metrics_config import CLIENT_METRICS_CONFIG_DEF
from kafkalite.config.config_def import ConfigDef
from kafkalite.config.descriptions import (
    AWAITED,
    BROKER_DESCRIPTIONS,
    CLIENT_METRICS_DESCRIPTIONS,
    GROUP_DESCRIPTIONS,
    TOPIC_DESCRIPTIONS,
)
from kafkalite.config.documentation import configuration_page
from kafkalite.config.group_config import GROUP_CONFIG_DEF
from kafkalite.config.topic_config import TOPIC_CONFIG_DEF, TOPIC_CONFIG_SYNONYMS

ROOT = Path(__file__).parents[2]


def test_the_documentation_is_what_the_tables_generate() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text() == configuration_page(), (
        "run: python -m kafkalite.config.documentation > docs/configuration.md"
    )


def test_the_documentation_names_every_property() -> None:
    page = configuration_page()
    for definition in (BROKER_CONFIG_DEF, TOPIC_CONFIG_DEF, GROUP_CONFIG_DEF, CLIENT_METRICS_CONFIG_DEF):
        missing = [name for name in definition.keys if f"`{name}`" not in page]
        assert missing == []


@pytest.mark.parametrize(
    ("descriptions", "definition"),
    [
        (BROKER_DESCRIPTIONS, BROKER_CONFIG_DEF),
        (TOPIC_DESCRIPTIONS, TOPIC_CONFIG_DEF),
        (GROUP_DESCRIPTIONS, GROUP_CONFIG_DEF),
        (CLIENT_METRICS_DESCRIPTIONS, CLIENT_METRICS_CONFIG_DEF),
    ],
)
def test_every_description_is_one_sentence_about_a_property_that_exists(
    descriptions: dict[str, str], definition: ConfigDef
) -> None:
    assert set(descriptions) <= set(definition.keys)
    assert [text for text in descriptions.values() if not text.endswith(".") or "\n" in text] == []


def test_every_property_that_is_said_to_do_something_is_read_somewhere() -> None:
    code = "\n".join(
        file.read_text() for file in sorted((ROOT / "kafkalite").rglob("*.py")) if "config" not in file.parts[-3:-1]
    )

    attributes, literals = set(re.findall(r"\w+", code)), set(re.findall(r'"([a-z0-9.]+)"', code))

    def unread(names: Iterable[str]) -> set[str]:
        read = {name for name in names if name.replace(".", "_") in attributes or name in literals}
        return set(names) - read - AWAITED

    through_topics = {
        synonym for name, synonyms in TOPIC_CONFIG_SYNONYMS.items() if name not in AWAITED for synonym, _ in synonyms
    }
    through_groups = {
        f"group.{kind}.{bound}{rest}"
        for kind, _, rest in (name.partition(".") for name in GROUP_DESCRIPTIONS if name not in AWAITED)
        for bound in ("", "min.", "max.")
    }
    assert unread(TOPIC_DESCRIPTIONS) == set()
    assert unread(GROUP_DESCRIPTIONS) == set()
    by_the_configuration_itself = {
        "config.providers",
        "group.streams.max.standby.replicas",
        "inter.broker.listener.name",
        "listener.security.protocol.map",
        "max.connections.per.ip.overrides",
    }
    assert unread(BROKER_DESCRIPTIONS) - through_topics - through_groups - by_the_configuration_itself == set()


def test_what_is_awaited_has_a_description_to_come_into_force() -> None:
    assert set(BROKER_DESCRIPTIONS) | set(TOPIC_DESCRIPTIONS) | set(GROUP_DESCRIPTIONS) >= AWAITED


def test_the_shipped_server_properties_load_without_a_warning() -> None:
    config = BrokerConfig.load(str(ROOT / "config" / "server.properties"))
    assert config.warnings == []
    assert [str(endpoint) for endpoint in config.broker_endpoints] == ["PLAINTEXT://:9092"]
    assert config.log_dirs == ("kafkalite-data",)


def test_the_shipped_zookeeper_properties_are_two_lines_of_comment() -> None:
    lines = (ROOT / "config" / "zookeeper.properties").read_text().splitlines()
    assert len(lines) == 2
    assert all(line.startswith("# ") for line in lines)


def test_the_shipped_logging_configuration_prints_the_brokers_lines_and_no_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    try:
        logging.config.dictConfig(yaml.safe_load((ROOT / "config" / "logging.yaml").read_text()))
        logging.getLogger("kafkalite.server").info("Started")
        logging.getLogger("kafkalite.server").debug("Detail")
        logging.getLogger("somebody.else").info("Chatter")
        lines = capsys.readouterr().err.splitlines()
    finally:
        logging.getLogger("kafkalite").setLevel(logging.NOTSET)
        root.setLevel(before[0])
        root.handlers[:] = before[1]
    assert len(lines) == 1
    assert lines[0].endswith("INFO Started (kafkalite.server)")
