"""What the broker's properties must be to each other: the rules of KafkaConfig that concern a single node.

Rules about other nodes (which listener brokers use between them, the quorum's addresses) are left out; what asks for
other nodes is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kafkalite.config.config_value import ConfigException, ConfigValue
from kafkalite.config.definitions.group_coordinator import CONSUMER_ASSIGNORS
from kafkalite.config.definitions.kraft import parse_voters
from kafkalite.config.definitions.streams_group import STREAMS_ASSIGNORS
from kafkalite.config.endpoint import parse_csv_map
from kafkalite.config.units import MIB

if TYPE_CHECKING:
    from kafkalite.config.broker_config import BrokerConfig


def validate_broker_config(config: BrokerConfig) -> None:
    """Raises ConfigException for the first rule that is broken."""
    _check_roles(config)
    _check_listeners(config)
    _check_security(config)
    _check_log(config)
    _check_connections(config)
    _check_groups(config)


class UnmetRequirementError(ConfigException):
    """A rule that Apache Kafka states in Scala, whose words it puts "requirement failed: " before."""


def _require(condition: ConfigValue, message: str) -> None:
    if not condition:
        raise UnmetRequirementError(message)


def _require_plainly(condition: ConfigValue, message: str) -> None:
    if not condition:
        raise ConfigException(message)


def _check_roles(config: BrokerConfig) -> None:
    node_id = config["node.id"]
    _require(node_id == config["broker.id"], "You must set `node.id` to the same value as `broker.id`.")
    _require(
        set(config["process.roles"]) == {"broker", "controller"},
        f"process.roles={','.join(config['process.roles'])} would need other nodes; a single node has both roles: "
        "process.roles=broker,controller",
    )
    voters = parse_voters(config["controller.quorum.voters"])
    _require(
        not voters or node_id in voters,
        f"If process.roles contains the 'controller' role, the node id {node_id} must be included in the set of voters "
        f"controller.quorum.voters=Set({', '.join(map(str, voters))})",
    )
    _require(
        len(voters) <= 1,
        "controller.quorum.voters names other nodes than this one, and a single node has no quorum with others",
    )


def _check_listeners(config: BrokerConfig) -> None:
    listening = [endpoint.listener_name for endpoint in config.broker_endpoints]
    names = [*listening, *(endpoint.listener_name for endpoint in config.controller_endpoints)]
    advertised_endpoints = config.advertised_endpoints
    if advertised_endpoints is None:
        _require(
            listening,
            "There must be at least one broker advertised listener. "
            "Perhaps all listeners appear in controller.listener.names?",
        )
        advertised = listening
    else:
        advertised = [endpoint.listener_name for endpoint in advertised_endpoints]
        _require(advertised, "There must be at least one broker advertised listener.")
        _require(
            set(advertised) <= set(names),
            "advertised.listeners listener names must be equal to or a subset of the ones defined in listeners. "
            f"Found {','.join(advertised)}. The valid options based on the current configuration are "
            f"{','.join(names)}",
        )
        _require(
            all(endpoint.host != "0.0.0.0" for endpoint in advertised_endpoints),
            "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.",
        )
    inter_broker = config["inter.broker.listener.name"]
    if inter_broker is not None:
        _require(
            "security.inter.broker.protocol" not in config.effective,
            "Only one of inter.broker.listener.name and security.inter.broker.protocol should be set.",
        )
        _require(
            inter_broker.upper() in advertised,
            "inter.broker.listener.name must be a listener name defined in advertised.listeners. "
            f"The valid options based on currently configured listeners are {','.join(advertised)}",
        )
    known = set(names)
    for name in config["early.start.listeners"] or ():
        _require(
            name.upper() in known,
            f"early.start.listeners contains listener {name.upper()}, but this is not contained in listeners or "
            "controller.listener.names",
        )


def _check_security(config: BrokerConfig) -> None:
    """What is meant to protect must not be passed over in silence: as long as it is not served, it stops the start."""
    for endpoint in config.broker_endpoints:
        _require(
            not endpoint.uses_sasl,
            f"Listener {endpoint.listener_name} uses {endpoint.security_protocol}, but SASL is not served",
        )
    _require(
        not config["authorizer.class.name"],
        "authorizer.class.name is set, but access control is not served: everybody would be allowed to do everything",
    )


def _check_log(config: BrokerConfig) -> None:
    _require(config.log_roll_ms >= 1, "log.roll.ms must be greater than or equal to 1")
    _require(config.log_roll_jitter_ms >= 0, "log.roll.jitter.ms must be greater than or equal to 0")
    _require(
        config.log_retention_ms >= 1 or config.log_retention_ms == -1,
        "log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
    )
    if not config["log.cleaner.threads"]:
        raise ConfigException("/ by zero")  # what an operator of Apache Kafka sees
    _require(
        config["log.cleaner.dedupe.buffer.size"] // config["log.cleaner.threads"] > MIB,
        "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
    )
    cordoned = config["cordoned.log.dirs"] or ()
    if "*" in cordoned:
        _require(len(cordoned) == 1, "When cordoned.log.dirs is set to *, it must not contain other values")
    else:
        missing = [directory for directory in cordoned if directory not in config.log_dirs]
        _require(
            not missing,
            "All entries in cordoned.log.dirs must be present in log.dirs or log.dir. "
            f"Missing entries : {', '.join(missing)}",
        )


def _check_connections(config: BrokerConfig) -> None:
    queued_max_bytes = config["queued.max.request.bytes"]
    _require(
        queued_max_bytes <= 0 or queued_max_bytes >= config["socket.request.max.bytes"],
        "queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
    )
    overrides = config["max.connections.per.ip.overrides"]
    for address, count in parse_csv_map("max.connections.per.ip.overrides", overrides).items():
        _require(count.isdigit(), f"max.connections.per.ip.overrides has no number for {address}: {count}")
    _require(
        config["max.connections.per.ip"] != 0 or overrides,
        "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.",
    )
    delay_ms, idle_ms = config["connection.failed.authentication.delay.ms"], config["connections.max.idle.ms"]
    _require(
        idle_ms < 0 or delay_ms < idle_ms,
        f"connection.failed.authentication.delay.ms={delay_ms} should always be less than "
        f"connections.max.idle.ms={idle_ms} to prevent failed authentication responses from timing out",
    )


def _check_groups(config: BrokerConfig) -> None:
    _require_plainly(
        "classic" in config["group.coordinator.rebalance.protocols"],
        "Disabling the 'classic' protocol is not supported.",
    )
    for kind in ("consumer", "share", "streams"):
        for name in ("heartbeat.interval.ms", "session.timeout.ms"):
            _check_between(config, f"group.{kind}", name)
        heartbeat, session = f"group.{kind}.heartbeat.interval.ms", f"group.{kind}.session.timeout.ms"
        _require_plainly(config[heartbeat] < config[session], f"{heartbeat} must be less than {session}")
        _check_between(config, f"group.{kind}", "assignment.interval.ms")
    for name in ("delivery.count.limit", "partition.max.record.locks", "record.lock.duration.ms"):
        _check_between(config, "group.share", name)
    _check_assignors(config, "group.consumer.assignors", CONSUMER_ASSIGNORS)
    _check_assignors(config, "group.streams.assignors", STREAMS_ASSIGNORS)
    assignors = config["group.share.assignors"]
    _require_plainly(
        len(assignors) == 1,
        f"group.share.assignors must contain exactly one assignor, but found {len(assignors)}",
    )
    _require_plainly(
        config["group.share.max.share.sessions"] >= config["group.share.max.size"],
        "group.share.max.share.sessions must be greater than or equal to group.share.max.size",
    )
    _require_plainly(
        config["group.streams.num.warmup.replicas"] <= config["group.streams.max.warmup.replicas"],
        "group.streams.num.warmup.replicas must be less than or equal to group.streams.max.warmup.replicas",
    )
    _require_plainly(
        config["group.streams.task.offset.interval.ms"] >= config["group.streams.min.task.offset.interval.ms"],
        "group.streams.task.offset.interval.ms must be greater than or equal to "
        "group.streams.min.task.offset.interval.ms",
    )
    _require_plainly(
        config["group.streams.num.standby.replicas"] <= config["group.streams.max.standby.replicas"],
        "group.streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas",
    )


def _check_assignors(config: BrokerConfig, key: str, known: tuple[str, ...]) -> None:
    """Those that a list names are built in: Java's classes cannot be loaded."""
    for name in config[key]:
        _require_plainly(name in known, f"{key}: there is no assignor {name}, but {', '.join(known)}.")


def _check_between(config: BrokerConfig, prefix: str, name: str) -> None:
    """`{prefix}.{name}` lies between `{prefix}.min.{name}` and `{prefix}.max.{name}`."""
    value, minimum, maximum = f"{prefix}.{name}", f"{prefix}.min.{name}", f"{prefix}.max.{name}"
    _require_plainly(config[maximum] >= config[minimum], f"{maximum} must be greater than or equal to {minimum}")
    _require_plainly(config[value] >= config[minimum], f"{value} must be greater than or equal to {minimum}")
    _require_plainly(config[value] <= config[maximum], f"{value} must be less than or equal to {maximum}")
