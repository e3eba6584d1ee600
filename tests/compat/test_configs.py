"""DescribeConfigs, AlterConfigs, IncrementalAlterConfigs, ListConfigResources beside Apache Kafka: every resource.

Left out is what Apache Kafka gets wrong: an unknown operation on a topic is an internal error there, and AlterConfigs
that names a resource twice is never answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from kafkalite.config.broker_config_def import BROKER_CONFIG_DEF
from kafkalite.config.single_node_defaults import SINGLE_NODE_DEFAULTS
from kafkalite.protocol.messages import alter_configs, incremental_alter_configs
from kafkalite.protocol.messages.alter_configs import AlterConfigsRequest
from kafkalite.protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from kafkalite.protocol.messages.incremental_alter_configs import IncrementalAlterConfigsRequest
from kafkalite.protocol.messages.list_config_resources import ListConfigResourcesRequest
from transcript import Scenario, Side

Compare = Callable[[Scenario], None]

TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32
SET, DELETE, APPEND, SUBTRACT = range(4)

Resource = tuple[int, str]
Change = tuple[str, int, str | None]

# What the two brokers of the tests are started with, and where their defaults differ.
STARTED_WITH = {
    *SINGLE_NODE_DEFAULTS,
    "advertised.listeners",
    "controller.quorum.voters",
    "inter.broker.listener.name",
    "listeners",
    "log.dirs",
}


def describe(*resources: Resource, keys: list[str] | None = None, **facts: bool) -> DescribeConfigsRequest:
    return DescribeConfigsRequest(
        resources=[
            DescribeConfigsResource(resource_type=kind, resource_name=name, configuration_keys=keys)
            for kind, name in resources
        ],
        **facts,
    )


def incremental(
    *resources: tuple[int, str, Sequence[Change]], validate_only: bool = False
) -> IncrementalAlterConfigsRequest:
    return IncrementalAlterConfigsRequest(
        resources=[
            incremental_alter_configs.AlterConfigsResource(
                resource_type=kind,
                resource_name=name,
                configs=[
                    incremental_alter_configs.AlterableConfig(name=config, config_operation=operation, value=value)
                    for config, operation, value in changes
                ],
            )
            for kind, name, changes in resources
        ],
        validate_only=validate_only,
    )


def legacy(
    *resources: tuple[int, str, Sequence[tuple[str, str | None]]], validate_only: bool = False
) -> AlterConfigsRequest:
    return AlterConfigsRequest(
        resources=[
            alter_configs.AlterConfigsResource(
                resource_type=kind,
                resource_name=name,
                configs=[alter_configs.AlterableConfig(name=config, value=value) for config, value in configs],
            )
            for kind, name, configs in resources
        ],
        validate_only=validate_only,
    )


def value_of(side: Side, resource: Resource, name: str) -> str | None:
    """The value that a resource's property has now; None too if it is not there."""
    configs = side.send(describe(resource, keys=[name])).results[0].configs
    return configs[0].value if configs else None


def wait_for(side: Side, resource: Resource, name: str, value: str | None) -> None:
    """Until a change can be seen."""
    wait_until(side, lambda: value_of(side, resource, name) == value, f"{name} of {resource} becomes {value}")


def wait_until(side: Side, condition: Callable[[], bool], what: str = "the change can be seen") -> None:
    """Apache Kafka answers a change before its brokers know of it."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, f"{side.name}: it takes too long until {what}"
        time.sleep(0.01)


def change(side: Side, resource: Resource, *changes: Change, then: str | None = None) -> None:
    """Makes a change, notes its answer and then what can be seen of the first property."""
    side.ask(incremental((*resource, changes)), label=f"{changes} on {resource}")
    name, operation, value = changes[0]
    if operation in (SET, DELETE) and then is None:
        then = value if operation == SET else None
    if then is not None:
        wait_for(side, resource, name, then)
    side.ask(describe(resource, keys=[name], include_synonyms=True), label=f"{name} after {changes}")


@pytest.mark.parametrize("version", range(1, 5))
def test_a_topic_is_described_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic(retention_ms="1000", internal_segment_bytes="2000000", cleanup_policy="compact,delete")
        for synonyms in (False, True):
            side.ask(describe((TOPIC, topic), include_synonyms=synonyms), version, label=f"synonyms {synonyms}")
        for keys in ([], ["retention.ms"], ["segment.ms", "no.such", "retention.ms"], ["no.such"]):
            side.ask(describe((TOPIC, topic), keys=keys), version, label=f"keys {keys}")

    compare(scenario)


@pytest.mark.parametrize("version", range(1, 5))
def test_brokers_groups_and_client_metrics_are_described_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        response = side.send(describe((BROKER, "1"), include_synonyms=version > 1), version)
        response.results[0].configs = [
            config for config in response.results[0].configs if config.name not in STARTED_WITH
        ]
        side.note("broker 1", response)
        for resource in ((BROKER, ""), (GROUP, "no-such-group"), (CLIENT_METRICS, "no-such-subscription")):
            side.ask(describe(resource, include_synonyms=True), version, label=str(resource))
        response = side.send(describe((BROKER_LOGGER, "1"), keys=["root", "no.such"]), version)
        for config in response.results[0].configs:
            config.value = "<level>"
        side.note("loggers", response)

    compare(scenario)


@pytest.mark.parametrize("version", [1, 4])
def test_what_cannot_be_described_is_refused_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        for resource in (
            *((TOPIC, "no-such-topic"), (TOPIC, "a b"), (TOPIC, ""), (TOPIC, "x" * 250), (TOPIC, "..")),
            *((BROKER, "2"), (BROKER, "x"), (BROKER, "-1"), (BROKER, "99999999999"), (BROKER, "1.0")),
            *((BROKER_LOGGER, ""), (BROKER_LOGGER, "x"), (BROKER_LOGGER, "2"), (CLIENT_METRICS, ""), (GROUP, "")),
            *((64, "x"), (0, "x"), (3, "x")),
        ):
            side.ask(describe(resource, keys=["min.insync.replicas"]), version, label=str(resource))
        wanted = [(TOPIC, topic), (TOPIC, "no-such-topic"), (TOPIC, topic)]
        side.ask(describe(*wanted, keys=["retention.ms"]), version, label="good and bad")
        side.ask(describe((TOPIC, topic), (3, "x"), keys=["retention.ms"]), version, label="good and unknown")
        side.ask(describe(), version, label="nothing")

    compare(scenario)


def test_documentation_is_given_for_the_same_properties(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        for resource in ((TOPIC, topic), (BROKER, "1"), (GROUP, "g"), (CLIENT_METRICS, "m"), (BROKER, "")):
            for documentation in (False, True):
                response = side.send(describe(resource, include_documentation=documentation))
                for config in response.results[0].configs:
                    config.documentation = config.documentation and "<some text>"
                facts = sorted((config.name, config.documentation) for config in response.results[0].configs)
                side.note(f"{resource} {documentation}", [list(map(str, fact)) for fact in facts])

    compare(scenario)


@pytest.mark.parametrize("version", range(2))
def test_topics_are_altered_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        name = side.topic()
        topic = (TOPIC, name)
        change(side, topic, ("retention.ms", SET, "2000"))
        change(side, topic, ("cleanup.policy", APPEND, "compact"), then="delete,compact")
        change(side, topic, ("cleanup.policy", APPEND, ","), then="delete,compact")
        change(side, topic, ("cleanup.policy", SUBTRACT, "delete,no-such"), then="compact")
        change(side, topic, ("cleanup.policy", SUBTRACT, "compact"), then="")
        change(side, topic, ("cleanup.policy", DELETE, "ignored"), then="delete")
        change(side, topic, ("cleanup.policy", SET, "delete,delete"), then="delete")
        change(side, topic, ("no.such", DELETE, None), ("segment.bytes", SET, "1048576"))
        change(side, topic, ("retention.ms", DELETE, None), ("segment.bytes", DELETE, None), then="604800000")
        change(side, topic, ("min.insync.replicas", SET, "2"))
        for changes in (
            *([("retention.ms", SET, None)], [("retention.ms", SET, "x")], [("retention.ms", SET, "-2")]),
            *([("no.such", SET, "x")], [("no.such", APPEND, "x")], [("retention.ms", APPEND, "5")]),
            *([("retention.ms", SUBTRACT, "5")], [("cleanup.policy", APPEND, "")], [("cleanup.policy", APPEND, "x")]),
            *([("a", SET, "1"), ("a", SET, "2")], [("a", SET, None), ("b", APPEND, None)], []),
            [("min.compaction.lag.ms", SET, "20"), ("max.compaction.lag.ms", SET, "10")],
            [("retention.ms", SET, "7"), ("segment.bytes", SET, "7")],
            *([("remote.storage.enable", SET, "true")], [("leader.replication.throttled.replicas", SET, "0:1,x")]),
            [("compression.type", SET, "loud"), ("compression.gzip.level", SET, "0")],
            [("message.timestamp.type", SET, "createtime")],
        ):
            side.ask(incremental((*topic, changes)), version, label=str(changes))
        side.ask(incremental((*topic, [("retention.ms", SET, "99")]), validate_only=True), version, label="dry run")
        side.ask(describe(topic), label="the end")

    compare(scenario)


def test_topics_that_cannot_be_altered_are_refused_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        topic = side.topic()
        setting = [("retention.ms", SET, "5")]
        for name in ("no-such-topic", "", "a b", "."):
            side.ask(incremental((TOPIC, name, setting)), label=repr(name))
        side.ask(incremental((TOPIC, "no-such-topic", [])), label="no change of no topic")
        side.ask(incremental((TOPIC, topic, setting), (TOPIC, topic, setting)), label="twice")
        both = incremental((TOPIC, topic, setting), (TOPIC, "no-such-topic", setting))
        side.ask(both, label="one of two")
        wait_for(side, (TOPIC, topic), "retention.ms", "5")
        side.ask(incremental(), label="nothing")
        for kind in (0, 3, 64):
            side.ask(incremental((kind, "x", setting)), label=f"type {kind}")

    compare(scenario)


def test_brokers_are_altered_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        one, every = (BROKER, "1"), (BROKER, "")
        names = [
            *("log.cleaner.threads", "log.retention.ms", "log.cleanup.policy", "message.max.bytes", "plugin.secret"),
            *("listener.name.x.sasl.jaas.config", "leader.replication.throttled.rate", "log.roll.ms"),
        ]
        topic = side.topic()
        try:
            change(side, one, ("log.cleaner.threads", SET, "2"))
            change(side, every, ("log.cleaner.threads", SET, "3"), ("log.retention.ms", SET, "86400000"))
            wait_for(side, one, "log.retention.ms", "86400000")
            described = ["log.cleaner.threads", "log.retention.ms", "log.retention.hours", "log.retention.minutes"]
            side.ask(describe(one, keys=described, include_synonyms=True), label="both levels")
            side.ask(describe(every, include_synonyms=True), label="what is set for all")
            keys = ["retention.ms", "segment.ms"]
            side.ask(describe((TOPIC, topic), keys=keys, include_synonyms=True), label="a topic's defaults")
            secrets = ["plugin.secret", "listener.name.x.sasl.jaas.config"]
            side.ask(incremental((*one, [(name, SET, "x") for name in secrets])), label="secrets")
            wait_until(side, lambda: len(side.send(describe(one, keys=secrets)).results[0].configs) == 2)
            side.ask(describe(one, keys=secrets, include_synonyms=True), label="secrets seen")
            change(side, one, ("log.cleanup.policy", APPEND, "compact"), then="delete,compact")
            change(side, one, ("log.cleanup.policy", SUBTRACT, "compact,delete"), then="")
            change(side, one, ("message.max.bytes", SET, "2000000"))
            change(side, one, ("leader.replication.throttled.rate", SET, "100"))
            change(side, every, ("log.roll.ms", SET, "5000"))
            side.ask(describe((TOPIC, topic), keys=["segment.ms"], include_synonyms=True), label="in milliseconds")
        finally:
            for resource in (one, every):
                side.ask(incremental((*resource, [(name, DELETE, None) for name in names])), label="undo")
            wait_for(side, one, "message.max.bytes", "1048588")
            wait_for(side, one, "log.retention.ms", None)
            wait_for(side, one, "log.cleaner.threads", "1")
        side.ask(describe(every, include_synonyms=True), label="the end")

    compare(scenario)


def test_changes_of_brokers_that_cannot_be_made_are_refused_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        for name, changes in (
            *(("1", [("log.cleaner.threads", SET, "x")]), ("1", [("node.id", SET, "2")])),
            *(("1", [("no.such", APPEND, "x")]), ("1", [("log.segment.bytes", APPEND, "x")])),
            *(("1", [("log.segment.bytes", SUBTRACT, "x")]), ("1", [("log.cleaner.threads", 9, "3")])),
            *(("2", [("log.cleaner.threads", SET, "3")]), ("x", [("log.cleaner.threads", SET, "3")])),
            *(("-1", [("log.cleaner.threads", SET, "3")]), ("1", [("ssl.keystore.location", SET, "/x")])),
            ("1", [("ssl.keystore.location", SET, "/x"), ("node.id", SET, "1"), ("log.cleaner.threads", SET, "x")]),
            *(("", [("log.retention.ms", SET, "0")]), ("", [("listeners", SET, "PLAINTEXT://:1")])),
            ("", [("listener.name.x.ssl.keystore.location", SET, "/x")]),
            *(("1", [("min.insync.replicas", SET, "1")]), ("", [("min.insync.replicas", DELETE, None)])),
            *(("", [("min.insync.replicas", SET, "1")]), ("1", [("cordoned.log.dirs", SET, "/nowhere")])),
            ("1", [("group.consumer.assignment.interval.ms", SET, "99999")]),
            *(("1", [("log.roll.jitter.ms", SET, "-1")]), ("1", [("max.connections.per.ip", SET, "0")])),
        ):
            side.ask(incremental((BROKER, name, changes)), label=f"{changes} on {name!r}")

    compare(scenario)


@pytest.mark.parametrize("value", ["", "x", "0", "-1", "2147483648", " 5,6 "])
@pytest.mark.parametrize("broker", ["1", ""])
def test_every_property_of_brokers_is_refused_in_the_same_words(compare: Compare, broker: str, value: str) -> None:
    def scenario(side: Side) -> None:
        for name in sorted(BROKER_CONFIG_DEF.keys):
            if name == "listener.security.protocol.map" and not value:
                continue  # the text tells the ports
            resource = (BROKER, broker, [(name, SET, value)])
            [answer] = side.send(incremental(resource, validate_only=True), 1).responses
            side.note(name, [answer.error_code, answer.error_message])

    compare(scenario)


RECONFIGURATIONS = {
    "num.io.threads": ("1", "3", "4", "16", "17"),
    "background.threads": ("4", "5", "21"),
    "num.network.threads": ("7",),
    "num.replica.fetchers": ("3",),
    "num.recovery.threads.per.data.dir": ("5",),
    "log.cleaner.threads": ("3",),
    "remote.log.reader.threads": ("4", "21"),
    "remote.log.manager.copier.thread.pool.size": ("4",),
    "remote.log.manager.expiration.thread.pool.size": ("21",),
    "remote.log.manager.follower.thread.pool.size": ("100",),
    "log.local.retention.ms": ("-1", "1", "2147483648"),
    "log.remote.copy.lag.ms": ("1", "2147483648"),
    "max.connections": ("0", "1"),
    "max.connection.creation.rate": ("0",),
    "listener.name.plaintext.max.connections": ("0",),
    "listener.name.plaintext.num.network.threads": ("7",),
    "metric.reporters": ("", "x"),
    "principal.builder.class": ("", "x"),
    "listeners": ("x",),
}


def test_a_running_broker_takes_over_the_same_values(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        for name, values in RECONFIGURATIONS.items():
            for value in values:
                for broker in ("1", "")[: 1 if name == "listeners" else 2]:
                    request = incremental((BROKER, broker, [(name, SET, value)]), validate_only=True)
                    side.ask(request, label=f"{name}={value} on {broker!r}")
        sizes = [("log.retention.bytes", SET, "1000"), ("log.local.retention.bytes", SET, "1001")]
        side.ask(incremental((BROKER, "1", sizes), validate_only=True), label="more to keep here than in all")

    compare(scenario)


def test_groups_are_altered_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        group = (GROUP, side.topic())
        change(side, group, ("consumer.session.timeout.ms", SET, "50000"))
        change(side, group, ("consumer.assignor.offload.enable", SET, "false"))
        change(side, group, ("share.auto.offset.reset", SET, "by_duration:PT1H"))
        for name, value in (
            *(("consumer.session.timeout.ms", "5"), ("consumer.heartbeat.interval.ms", "1")),
            *(("consumer.heartbeat.interval.ms", "0"), ("consumer.assignment.interval.ms", "99999")),
            *(("share.session.timeout.ms", "1"), ("share.record.lock.duration.ms", "99999999")),
            *(("share.delivery.count.limit", "99"), ("share.partition.max.record.locks", "99999")),
            *(("streams.num.standby.replicas", "9"), ("streams.num.warmup.replicas", "99")),
            *(("streams.task.offset.interval.ms", "1"), ("streams.assignor.name", "no-such")),
            *(("streams.rack.aware.assignment.tags", "a,b,a"), ("errors.deadletterqueue.topic.name", "__x")),
            *(("share.auto.offset.reset", "x"), ("no.such", "1"), ("share.isolation.level", "none")),
        ):
            side.ask(incremental((*group, [(name, SET, value)])), label=f"{name}={value}")
        tags = "streams.rack.aware.assignment.tags"
        side.ask(incremental((*group, [(tags, APPEND, "c")])), label="append")
        side.ask(incremental((GROUP, "", [("consumer.session.timeout.ms", SET, "50000")])), label="no name")
        side.ask(describe(group, include_synonyms=True), label="the end")

    compare(scenario)


def test_client_metrics_subscriptions_are_altered_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        subscription = (CLIENT_METRICS, side.topic())
        change(side, subscription, ("metrics", SET, "a,b"), ("interval.ms", SET, "100"))
        change(side, subscription, ("match", SET, "client_id=x.*,client_source_port=9\\d+"))
        for changes in (
            *([("interval.ms", SET, "1")], [("interval.ms", SET, "z")], [("match", SET, "client_id=(")]),
            *([("match", SET, "colour=red")], [("no.such", SET, "1")], [("metrics", APPEND, "c")]),
            [("metrics", SUBTRACT, "a")],
        ):
            side.ask(incremental((*subscription, changes)), label=str(changes))
        side.ask(incremental((CLIENT_METRICS, "", [("interval.ms", SET, "100")])), label="no name")
        side.ask(describe(subscription, include_synonyms=True), label="the end")
        wanted = [(name, DELETE, None) for name in ("metrics", "interval.ms", "match")]
        side.ask(incremental((*subscription, wanted)), label="undo")

    compare(scenario)


def test_levels_of_loggers_are_altered_alike(compare: Compare) -> None:
    def scenario(side: Side) -> None:
        loggers = (BROKER_LOGGER, "1")
        before = value_of(side, loggers, "root")
        try:
            change(side, loggers, ("root", SET, "ERROR"))
            side.ask(incremental((*loggers, [("root", SET, "INFO")]), validate_only=True), label="dry run")
            for operation, value in (*((SET, "LOUD"), (SET, "info"), (DELETE, None)), (APPEND, "INFO"), (9, "INFO")):
                side.ask(incremental((*loggers, [("root", operation, value)])), label=f"{operation} {value}")
            side.ask(incremental((*loggers, [("root", SUBTRACT, "INFO")])), label="subtract")
            side.ask(incremental((*loggers, [("no.such", SET, "INFO")])), label="unknown logger")
            for name in ("2", "x", ""):
                side.ask(incremental((BROKER_LOGGER, name, [("root", SET, "INFO")])), label=repr(name))
            side.ask(legacy((*loggers, [("root", "INFO")])), label="legacy")
            side.ask(describe(loggers, keys=["root"]), label="the end")
        finally:
            side.send(incremental((*loggers, [("root", SET, before)])))

    compare(scenario)


@pytest.mark.parametrize("version", range(3))
def test_legacy_alterations_replace_everything_alike(compare: Compare, version: int) -> None:
    def scenario(side: Side) -> None:
        name = side.topic(retention_ms="1000")
        topic = (TOPIC, name)

        def see(what: str, value: str) -> None:
            wait_for(side, topic, what, value)
            side.ask(describe(topic, keys=["retention.ms", "segment.bytes"], include_synonyms=True))

        side.ask(legacy((*topic, [("retention.ms", "5"), ("segment.bytes", "1048576")])), version)
        see("retention.ms", "5")
        side.ask(legacy((*topic, [("segment.bytes", "1048577")])), version)
        see("segment.bytes", "1048577")
        side.ask(legacy((*topic, [("retention.ms", "55")]), validate_only=True), version)
        see("segment.bytes", "1048577")
        for wanted in ([("segment.bytes", None)], [("no.such", "1")], [("segment.bytes", "7")]):
            side.ask(legacy((*topic, wanted)), version, label=str(wanted))
        side.ask(legacy((*topic, [("retention.ms", "5"), ("retention.ms", "6")])), version, label="twice")
        side.ask(legacy((TOPIC, "no-such-topic", [("segment.bytes", "1048577")])), version)
        side.ask(legacy((*topic, [])), version, label="nothing")
        see("segment.bytes", "1073741824")
        side.ask(legacy((BROKER, "1", [("node.id", "4")])), version, label="node.id")
        side.ask(legacy((BROKER, "", [("log.roll.ms", "1")])), version, label="without min.insync.replicas")
        side.ask(legacy((GROUP, name, [("consumer.session.timeout.ms", "50000")])), version, label="group")
        wait_for(side, (GROUP, name), "consumer.session.timeout.ms", "50000")
        side.ask(legacy((GROUP, name, [])), version, label="group without")
        wait_for(side, (GROUP, name), "consumer.session.timeout.ms", "45000")
        side.ask(legacy((64, "x", [])), version, label="unknown type")

    compare(scenario)


def test_resources_are_listed_alike(compare: Compare) -> None:
    def listed(response: Any, names: set[str]) -> list[Any]:
        found = [(entry.resource_type, entry.resource_name) for entry in response.config_resources]
        return [response.error_code, sorted(entry for entry in found if entry[1] in names)]

    def scenario(side: Side) -> None:
        name = side.topic()
        change(side, (GROUP, name), ("consumer.session.timeout.ms", SET, "50000"))
        change(side, (CLIENT_METRICS, name), ("interval.ms", SET, "1000"))
        for types in ([], [CLIENT_METRICS], [GROUP, TOPIC], [BROKER], [BROKER_LOGGER, BROKER], [7], [TOPIC, 7]):
            response = side.send(ListConfigResourcesRequest(resource_types=types), 1)
            side.note(f"types {types}", str(listed(response, {name, "1"})))
        side.note("version 0", str(listed(side.send(ListConfigResourcesRequest(), 0), {name})))
        change(side, (CLIENT_METRICS, name), ("interval.ms", DELETE, None), then="300000")
        side.note("none set", str(listed(side.send(ListConfigResourcesRequest(), 0), {name})))
        change(side, (GROUP, name), ("consumer.session.timeout.ms", DELETE, None), then="45000")

    compare(scenario)
