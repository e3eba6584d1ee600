"""Our tables hold what Apache Kafka's own classes say: every property, its default, its validation, its synonyms."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kafkalite.cli.client_config_def import CONSUMER_CONFIG_DEF, PRODUCER_CONFIG_DEF
from kafkalite.config.broker_config_def import APACHE_KAFKA_BROKER_CONFIG_DEF, broker_synonyms
from kafkalite.config.client_metrics_config import CLIENT_METRICS_CONFIG_DEF
from kafkalite.config.config_def import NO_DEFAULT, ConfigDef, ConfigKey
from kafkalite.config.config_value import CLASS, PASSWORD, ConfigException, to_text
from kafkalite.config.definitions import quota
from kafkalite.config.group_config import GROUP_CONFIG_DEF, GROUP_CONFIG_SYNONYMS
from kafkalite.config.properties_file import parse_properties
from kafkalite.config.topic_config import TOPIC_CONFIG_DEF, TOPIC_CONFIG_SYNONYMS

pytestmark = pytest.mark.oracle

Facts = Callable[..., list[list[str]]]

TABLES = {
    "broker": APACHE_KAFKA_BROKER_CONFIG_DEF,
    "dynamic-only": ConfigDef(quota.DYNAMIC_KEYS),
    "topic": TOPIC_CONFIG_DEF,
    "group": GROUP_CONFIG_DEF,
    "client-metrics": CLIENT_METRICS_CONFIG_DEF,
}

CLIENT_TABLES = {"producer": PRODUCER_CONFIG_DEF, "consumer": CONSUMER_CONFIG_DEF}


def _default(key: ConfigKey) -> str:
    if key.default is NO_DEFAULT:
        return "none"
    return "null" if key.default is None else f"={to_text(key.default)}"


def test_every_property_has_the_type_default_validator_importance_and_update_mode_of_apache_kafka(
    table_facts: list[list[str]],
) -> None:
    theirs = {(fact[1], fact[2]): tuple(fact[3:]) for fact in table_facts if fact[0] == "key"}
    ours = {
        (table, key.name): (
            key.type.name,
            _default(key),
            key.importance.upper(),
            "" if key.validator is None else str(key.validator),
            "true" if key.is_internal else "false",
            key.update_mode,
        )
        for table, definition in TABLES.items()
        for key in definition.keys.values()
    }
    assert len(theirs) == 450
    assert ours == theirs


def test_the_properties_of_clients_have_the_types_and_the_order_of_the_java_clients(
    table_facts: list[list[str]],
) -> None:
    for client, definition in CLIENT_TABLES.items():
        theirs = [tuple(fact[2:]) for fact in table_facts if fact[:2] == ["client-key", client]]
        assert [(key.name, key.type.name) for key in definition.keys.values()] == theirs


def test_topic_and_group_properties_have_the_same_broker_synonyms(table_facts: list[list[str]]) -> None:
    theirs: dict[str, tuple[tuple[str, int], ...]] = {}
    for kind, name, *rest in table_facts:
        if kind == "topic-synonym":
            theirs[name] = (*theirs.get(name, ()), (rest[0], int(rest[1])))
    assert theirs == TOPIC_CONFIG_SYNONYMS
    groups = {fact[1]: None if fact[2] == "none" else fact[2] for fact in table_facts if fact[0] == "group-synonym"}
    assert groups == GROUP_CONFIG_SYNONYMS


def test_broker_properties_have_the_same_synonyms_under_a_listener_and_a_mechanism_too(
    table_facts: list[list[str]],
) -> None:
    theirs = {fact[1]: tuple(fact[2].split(",")) for fact in table_facts if fact[0] == "broker-synonym"}
    assert {name: broker_synonyms(name) for name in theirs} == theirs


TEXTS = (
    *("", " ", "0", "1", "-1", "-2", "2", "5", "17", "23", "100", "4000", "1048576", "+7", " 8 ", "0x10", "1_000"),
    *("2147483647", "2147483648", "-2147483648", "32768", "9223372036854775807", "9223372036854775808", "1" * 120),
    *("0.5", "1e3", ".5", "1.", "1d", "NaN", "Infinity", "inf", "1e400", "12345678.9", "0.0001"),
    *("true", "TRUE", "yes", "abc", "a,b", "a, b ,a", "a,,b", ",", "delete", "compact,delete", "delete,delete"),
    *("none", "PLAINTEXT", "plaintext", "gzip", "LogAppendTime", "read_committed", "RS256", "bidirectional", "UPGRADE"),
    *("0:1,1:2", "*", "*,*", "0:1,x", "1@localhost:9093", "localhost:9093", "1@localhost", "x@localhost:1", "[::1]:1"),
    *("earliest", "by_duration:P1D", "by_duration:PT1H30M", "by_duration:-PT1S", "by_duration:", "by_duration:PT"),
    *("by_duration:P1DT", "by_duration:pt1.5s", "by_duration:-P-1D", "by_duration:P2DT-1H", "by_duration:PT-0.0S"),
    *("by_duration:P106751991167301D", "by_duration:P-1DT1H", "by_duration:PT1H:", "by_duration"),
    *("broker", "controller,broker", "PLAINTEXT://:9092", "classic,share"),
    *("IMPLICIT", "explicit", "BATCH_OPTIMIZED", "record_limit", "none:", "EARLIEST", "rebootstrap", "Full"),
)


def test_every_property_parses_and_refuses_the_same_texts_with_the_same_words(apache_kafka_facts: Facts) -> None:
    questions = [
        (table, key, text)
        for table, definition in (TABLES | CLIENT_TABLES).items()
        for key in definition.keys.values()
        if key.type is not CLASS  # a class is looked up there, and there are none here
        for text in TEXTS
    ]
    stdin = "".join(f"{table}\t{key.name}\t{text}\n" for table, key, text in questions)
    differences = []
    for (_, key, text), (theirs,) in zip(questions, apache_kafka_facts("parse", stdin), strict=True):
        try:
            value = key.parse(text)
            ours = "=[hidden]" if key.type is PASSWORD else f"={to_text(value)}"
        except ConfigException as error:
            ours = f"ConfigException: {error}"
        if ours != theirs:
            differences.append(f"{key.name}={text!r}\n  ours   {ours}\n  theirs {theirs}")
    assert differences == []


PROPERTIES_FILE = r"""
# a comment
  ! another
plain=value
spaced = value with spaces@@
colon:value
white space value
	tabbed	value
no.value
empty=
=nameless
escaped\ name\=with\:marks = a\=b\:c\#d
continued = one, \
            two, \
   three
continued.comment = one \
# two
odd.backslashes = a\\\
b
even.backslashes = a\\
next = after
unicode = caf\u00e9 \u4e2d
umlaut = größe
escapes = tab\there newline\nhere return\rhere feed\fhere other\qhere
twice = first
twice = second
colon.equals := value
equals.equals == value
last = line \
""".replace("@", " ")


def test_a_properties_file_is_read_as_java_reads_it(apache_kafka_facts: Facts) -> None:
    theirs = dict(apache_kafka_facts("properties", PROPERTIES_FILE))
    assert parse_properties(PROPERTIES_FILE) == theirs
    assert theirs["continued"] == "one, two, three"
