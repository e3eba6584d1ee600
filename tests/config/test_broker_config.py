"""The broker's configuration: loading, typed access, rules between properties, dynamic changes and their sources."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kafkalite.config.broker_config import BrokerConfig, ConfigSource
from kafkalite.config.broker_config_def import BROKER_CONFIG_DEF, find_key
from kafkalite.config.config_def import READ_ONLY
from kafkalite.config.config_value import ConfigException
from kafkalite.config.endpoint import Endpoint
from kafkalite.config.single_node_defaults import SINGLE_NODE_DEFAULTS

# What Apache Kafka 4.x ships as config/server.properties, without its comments.
STOCK_SERVER_PROPERTIES = r"""
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,\
  SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
"""


@pytest.fixture
def write_file(tmp_path: Path) -> str:
    path = tmp_path / "server.properties"
    path.write_text(STOCK_SERVER_PROPERTIES)
    return str(path)


def test_apache_kafkas_own_server_properties_loads_unchanged_and_without_a_warning(write_file: str) -> None:
    config = BrokerConfig.load(write_file)
    assert config.warnings == []
    assert config.broker_endpoints == (Endpoint("PLAINTEXT", "PLAINTEXT", "", 9092),)
    assert config.controller_endpoints == (Endpoint("CONTROLLER", "PLAINTEXT", "", 9093),)
    assert config.advertised_endpoints == (Endpoint("PLAINTEXT", "PLAINTEXT", "localhost", 9092),)
    assert config.log_dirs == ("/tmp/kraft-combined-logs",)
    assert config.metadata_log_dir == "/tmp/kraft-combined-logs"


def test_overrides_come_after_the_file_and_the_last_one_counts(write_file: str) -> None:
    config = BrokerConfig.load(write_file, ["num.partitions=2", "num.partitions=3", "log.dirs=/srv/a, /srv/b"])
    assert config.num_partitions == 3
    assert config.log_dirs == ("/srv/a", "/srv/b")


def test_an_override_without_an_equals_sign_is_refused() -> None:
    with pytest.raises(ConfigException, match=r"^--override needs key=value, but got 'num.partitions'$"):
        BrokerConfig.load(None, ["num.partitions"])


def test_an_override_keeps_its_backslashes() -> None:
    assert BrokerConfig.load(None, ["log.dirs=C:\\data\\u"]).log_dirs == ("C:\\data\\u",)


def test_with_nothing_given_a_single_node_runs_on_port_9092() -> None:
    config = BrokerConfig()
    assert (config.node_id, config.process_roles) == (1, ("broker", "controller"))
    assert config.broker_endpoints == (Endpoint("PLAINTEXT", "PLAINTEXT", "", 9092),)
    assert config.advertised_endpoints is None
    assert config.offsets_topic_replication_factor == 1


def test_values_are_read_by_name_and_as_attributes() -> None:
    config = BrokerConfig({"log.segment.bytes": "1048576"})
    assert config["log.segment.bytes"] == config.log_segment_bytes == 1 << 20
    with pytest.raises(KeyError):
        config["no.such.property"]


def test_every_default_that_differs_from_apache_kafkas_is_a_known_property_with_a_valid_value() -> None:
    for name, (default, reason) in SINGLE_NODE_DEFAULTS.items():
        key = BROKER_CONFIG_DEF.keys[name]
        assert key.default == default
        if key.validator is not None:
            key.validator.ensure_valid(name, default)
        assert reason.endswith(".")


def test_the_node_id_and_the_broker_id_are_one() -> None:
    assert BrokerConfig({"broker.id": "7"}).node_id == 7
    assert BrokerConfig({"node.id": "8"}).broker_id == 8
    for name in ("node.id", "broker.id"):
        with pytest.raises(ConfigException, match=f"^Invalid value one for configuration {name}: "):
            BrokerConfig({name: "one"})
    with pytest.raises(ConfigException, match=r"You must set `node\.id` to the same value as `broker\.id`"):
        BrokerConfig({"node.id": "1", "broker.id": "2"})


@pytest.mark.parametrize(
    ("properties", "milliseconds"),
    [
        ({}, 168 * 3600_000),
        ({"log.retention.hours": "1"}, 3600_000),
        ({"log.retention.hours": "1", "log.retention.minutes": "2"}, 120_000),
        ({"log.retention.minutes": "2", "log.retention.ms": "3"}, 3),
        ({"log.retention.hours": "-5"}, -1),
    ],
)
def test_the_finest_unit_decides_how_long_logs_are_kept(properties: dict[str, str], milliseconds: int) -> None:
    config = BrokerConfig(properties)
    assert config.log_retention_ms == milliseconds
    assert config.topic_defaults["retention.ms"] == milliseconds


def test_unknown_names_warn_and_known_ones_of_plugins_and_listeners_do_not() -> None:
    config = BrokerConfig(
        {
            "log.dirz": "/x",
            "zookeeper.connect": "localhost:2181",
            "retention.ms": "1",
            "super.users": "User:admin",
            "listener.name.external.scram-sha-256.sasl.jaas.config": "x",
            "listener.name.external.ssl.keystore.location": "/x",
            "create.topic.policy.class.name": "com.example.Policy",
            "metric.reporters": "org.apache.kafka.common.metrics.JmxReporter, com.example.A,kafkalite.ClientTelemetry",
            "kafka.metrics.reporters": "com.example.B",
        }
    )
    assert config.warnings == [
        "Unknown property log.dirz is ignored",
        "Unknown property zookeeper.connect is ignored",
        "Unknown property retention.ms is ignored; the broker's name for this topic property is log.retention.ms",
        "create.topic.policy.class.name names a Java class, which has no effect here: com.example.Policy",
        "metric.reporters names Java classes, which have no effect here: com.example.A",
        "kafka.metrics.reporters names Java classes, which have no effect here: com.example.B",
    ]


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"num.partitions": "none"}, "Invalid value none for configuration num.partitions: Not a number of type INT"),
        ({"num.partitions": "0"}, "Invalid value 0 for configuration num.partitions: Value must be at least 1"),
        (
            {"process.roles": "broker"},
            "process.roles=broker would need other nodes; a single node has both roles: "
            "process.roles=broker,controller",
        ),
        (
            {"controller.quorum.voters": "2@localhost:9093"},
            "If process.roles contains the 'controller' role, the node id 1 must be included in the set of voters "
            "controller.quorum.voters=Set(2)",
        ),
        (
            {"controller.quorum.voters": "1@a:1,2@b:1"},
            "controller.quorum.voters names other nodes than this one, and a single node has no quorum with others",
        ),
        (
            {"listeners": "CONTROLLER://:9093"},
            "There must be at least one broker advertised listener. "
            "Perhaps all listeners appear in controller.listener.names?",
        ),
        (
            {"advertised.listeners": "SSL://host:1"},
            "advertised.listeners listener names must be equal to or a subset of the ones defined in listeners. "
            "Found SSL. The valid options based on the current configuration are PLAINTEXT",
        ),
        (
            {"advertised.listeners": "PLAINTEXT://0.0.0.0:1"},
            "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.",
        ),
        (
            {"inter.broker.listener.name": "INTERNAL"},
            "inter.broker.listener.name must be a listener name defined in advertised.listeners. "
            "The valid options based on currently configured listeners are PLAINTEXT",
        ),
        (
            {"listeners": "EXTERNAL://:1", "listener.security.protocol.map": "EXTERNAL:SASL_SSL"},
            "Listener EXTERNAL uses SASL_SSL, but SASL is not served",
        ),
        (
            {"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer"},
            "authorizer.class.name is set, but access control is not served: everybody would be allowed to do "
            "everything",
        ),
        ({"log.roll.ms": "0"}, "log.roll.ms must be greater than or equal to 1"),
        ({"log.retention.ms": "0"}, "log.retention.ms must be unlimited (-1) or, greater than or equal to 1"),
        (
            {"queued.max.request.bytes": "5"},
            "queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
        ),
        (
            {"max.connections.per.ip": "0"},
            "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.",
        ),
        (
            {"cordoned.log.dirs": "/nowhere"},
            "All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : /nowhere",
        ),
        (
            {"group.consumer.session.timeout.ms": "1"},
            "group.consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms",
        ),
        (
            {"group.share.max.share.sessions": "5"},
            "group.share.max.share.sessions must be greater than or equal to group.share.max.size",
        ),
        (
            {"group.consumer.assignors": "range,com.example.Assignor"},
            "group.consumer.assignors: there is no assignor com.example.Assignor, but uniform, range.",
        ),
        (
            {"group.streams.assignors": "com.example.Assignor"},
            "group.streams.assignors: there is no assignor com.example.Assignor, but sticky.",
        ),
        ({"group.coordinator.rebalance.protocols": "share"}, "Disabling the 'classic' protocol is not supported."),
    ],
)
def test_a_bad_value_stops_with_one_clear_line(properties: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigException) as refusal:
        BrokerConfig(properties)
    assert str(refusal.value) == message


def test_a_controller_listener_is_plaintext_unless_security_is_spoken_of() -> None:
    assert BrokerConfig({"listeners": "PLAINTEXT://:1,CONTROLLER://:2"}).controller_endpoints[0].port == 2
    with pytest.raises(ConfigException, match="No security protocol defined for listener CONTROLLER"):
        BrokerConfig({"listeners": "SSL://:1,CONTROLLER://:2"})


def test_a_listener_may_have_a_value_of_its_own() -> None:
    config = BrokerConfig({"listener.name.external.ssl.client.auth": "required"})
    assert config.listener_value("EXTERNAL", "ssl.client.auth") == "required"
    assert config.listener_value("PLAINTEXT", "ssl.client.auth") == "none"


def test_dynamic_properties_go_over_the_file_and_this_brokers_over_all_brokers() -> None:
    config = BrokerConfig({"log.retention.hours": "1", "message.max.bytes": "1"})
    assert (
        config.update_dynamic({"log.retention.ms": "70000", "message.max.bytes": "2"}, {"message.max.bytes": "3"}) == []
    )
    assert (config.log_retention_ms, config.message_max_bytes) == (70000, 3)
    assert config.topic_defaults["max.message.bytes"] == 3
    assert config.synonyms("message.max.bytes") == [
        ("message.max.bytes", "3", ConfigSource.DYNAMIC_BROKER_CONFIG),
        ("message.max.bytes", "2", ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG),
        ("message.max.bytes", "1", ConfigSource.STATIC_BROKER_CONFIG),
        ("message.max.bytes", "1048588", ConfigSource.DEFAULT_CONFIG),
    ]
    assert config.synonyms("log.retention.ms") == [
        ("log.retention.ms", "70000", ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG),
        ("log.retention.hours", "1", ConfigSource.STATIC_BROKER_CONFIG),
        ("log.retention.hours", "168", ConfigSource.DEFAULT_CONFIG),
    ]
    assert config.update_dynamic({}, {}) == []
    assert (config.log_retention_ms, config.message_max_bytes) == (3600_000, 1)


def test_stored_dynamic_properties_that_cannot_be_obeyed_are_left_out_and_named() -> None:
    config = BrokerConfig()
    complaints = config.update_dynamic(
        {"listeners": "PLAINTEXT://:1", "log.cleaner.threads": "x"}, {"node.id": "5", "num.io.threads": "4"}
    )
    assert complaints == [
        "Ignoring a dynamic broker property: listeners is set for all brokers, but can only be set for one",
        "Ignoring a dynamic broker property: Invalid value x for configuration log.cleaner.threads: "
        "Not a number of type INT",
        "Ignoring a dynamic broker property: Cannot update these configs dynamically: [node.id]",
    ]
    assert config.num_io_threads == 4


def test_stored_dynamic_properties_that_contradict_each_other_change_nothing() -> None:
    config = BrokerConfig()
    complaints = config.update_dynamic({"log.retention.ms": "0"}, {})
    assert complaints == [
        "Ignoring all dynamic broker properties: log.retention.ms must be unlimited (-1) or, greater than or equal to 1"
    ]
    assert config.log_retention_ms == 168 * 3600_000


@pytest.mark.parametrize(
    ("properties", "for_all_brokers", "message"),
    [
        ({"node.id": "2"}, False, "Cannot update these configs dynamically: [node.id]"),
        (
            {"ssl.keystore.location": "/x"},
            False,
            "These security configs can be dynamically updated only per-listener using the listener prefix: "
            "[ssl.keystore.location]",
        ),
        (
            {"listener.name.external.ssl.keystore.location": "/x"},
            True,
            "Cannot update these configs at default cluster level, broker id must be specified: "
            "[listener.name.external.ssl.keystore.location]",
        ),
        (
            {"log.segment.bytes": "1"},
            True,
            "Invalid value 1 for configuration log.segment.bytes: Value must be at least 1048576",
        ),
        ({"metric.reporters": "a, a"}, False, "Configuration 'metric.reporters' values must not be duplicated."),
        ({"metric.reporters": ","}, False, "Configuration 'metric.reporters' values must not be duplicated."),
    ],
)
def test_a_dynamic_change_is_checked_before_it_is_made(
    properties: dict[str, str], for_all_brokers: bool, message: str
) -> None:
    with pytest.raises(ConfigException) as refusal:
        BrokerConfig().validate_dynamic(properties, for_all_brokers=for_all_brokers)
    assert str(refusal.value) == message


def test_a_name_under_a_listener_has_the_definition_of_its_base() -> None:
    key = find_key("listener.name.external.ssl.keystore.password")
    assert key is not None
    assert key.is_sensitive
    throttle = find_key("leader.replication.throttled.rate")
    assert throttle is not None
    assert throttle.update_mode != READ_ONLY
    assert find_key("no.such.name") is None


def test_importing_it_loads_neither_yaml_nor_asyncio_nor_sockets() -> None:
    heavy = {"asyncio", "inspect", "ipaddress", "socket", "yaml"}
    program = f"import sys, kafkalite.config.broker_config; print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "set()\n"
