"""What a running broker asks of a configuration that is to take the place of its own: how far a value may move at once.

Apache Kafka's thread pools may at most double or halve at a time, and some values must go together only from the moment
on at which they are changed. The rules that hold for every configuration stand in broker_config_rules. Apache Kafka's
reconfigurables (DynamicBrokerConfig, DynamicThreadPool, DynamicLogConfig, DynamicRemoteLogConfig, LogCleaner).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Protocol

from kafkalite.config.broker_config_def import LISTENER_PREFIX, base_name
from kafkalite.config.broker_config_rules import UnmetRequirementError
from kafkalite.config.config_value import CLASS, ConfigException, to_text
from kafkalite.config.definitions.metrics import CLIENT_TELEMETRY_REPORTER
from kafkalite.config.topic_config import TOPIC_CONFIG_SYNONYMS

if TYPE_CHECKING:
    from kafkalite.config.broker_config import BrokerConfig
    from kafkalite.config.config_def import ConfigKey

_BROKER_THREADS: Final = ("num.io.threads", "num.replica.fetchers", "num.recovery.threads.per.data.dir",
                          "background.threads")  # fmt: skip
_REMOTE_LOG_THREADS: Final = (
    "remote.log.manager.copier.thread.pool.size",
    "remote.log.manager.expiration.thread.pool.size",
    "remote.log.manager.follower.thread.pool.size",
    "remote.log.reader.threads",
)
_REMOTE_LOG_RATES: Final = (
    "remote.log.index.file.cache.total.size.bytes",
    "remote.log.manager.copy.max.bytes.per.second",
    "remote.log.manager.fetch.max.bytes.per.second",
)
_NETWORK_THREADS: Final = "num.network.threads"
_LISTENER_QUOTAS: Final = ("max.connections", "max.connection.creation.rate")
_LOG_PROPERTIES: Final = frozenset(
    name for synonyms in TOPIC_CONFIG_SYNONYMS.values() for name, _ in synonyms
) | frozenset(("cordoned.log.dirs",))  # fmt: skip
_REPORTERS: Final = "metric.reporters"
_KNOWN_CLASS_PREFIXES: Final = ("org.apache.kafka.", "java.")


class Reconfigurable(Protocol):
    """A part of the broker that reads more than properties: files, say. It may refuse a change."""

    def validate_reconfiguration(self, candidate: BrokerConfig) -> None:
        """Raises ConfigException where it could not go on with `candidate`."""

    def reconfigure(self, config: BrokerConfig) -> None:
        """Goes on with `config`; raises nothing."""


def check_class(key: ConfigKey, text: str) -> None:
    """Raises ConfigException for a Java class that Apache Kafka would not have either."""
    if key.type is CLASS and not text.strip().startswith(_KNOWN_CLASS_PREFIXES):
        raise ConfigException.for_value(key.name, text, f"Class {text} could not be found.")


def validate_reconfiguration(current: BrokerConfig, candidate: BrokerConfig) -> None:
    """Raises ConfigException where a running broker of `current` may not go on with `candidate`."""
    if current.controller_endpoints and not candidate.controller_endpoints:
        raise UnmetRequirementError(
            "controller.listener.names must contain at least one value appearing in the 'listeners' configuration when "
            "running the KRaft controller role"
        )
    names = current.effective.keys() | candidate.effective.keys()
    changed = {name for name in names if current.effective.get(name) != candidate.effective.get(name)}
    try:
        _check_reporters(candidate, changed)
        _check_listeners(current, candidate, changed)
        if not changed.isdisjoint(_BROKER_THREADS):
            _check_thread_counts(current, candidate, _BROKER_THREADS)
        if not _LOG_PROPERTIES.isdisjoint(changed):
            _check_remote_log_retention(candidate)
        if any(name.startswith("log.cleaner.") for name in changed):
            _check_cleaner_threads(current["log.cleaner.threads"], candidate["log.cleaner.threads"])
        if not changed.isdisjoint((*_REMOTE_LOG_RATES, *_REMOTE_LOG_THREADS)):
            for name in _REMOTE_LOG_RATES:
                if candidate[name] != current[name] and candidate[name] <= 0:
                    raise ConfigException(
                        f"Dynamic remote log manager config update validation failed for {name}={candidate[name]}, "
                        "value should be at least 1"
                    )
            _check_thread_counts(current, candidate, _REMOTE_LOG_THREADS)
        for reconfigurable in current.reconfigurables:
            reconfigurable.validate_reconfiguration(candidate)
    except ConfigException as error:
        raise ConfigException(
            f"Invalid value org.apache.kafka.common.config.ConfigException: {error} for configuration "
            "Invalid dynamic configuration"
        ) from None


def _check_reporters(candidate: BrokerConfig, changed: Iterable[str]) -> None:
    if _REPORTERS in changed and not all(
        name.startswith(_KNOWN_CLASS_PREFIXES) or name == CLIENT_TELEMETRY_REPORTER
        for name in candidate[_REPORTERS] or ()
        if name
    ):
        raise ConfigException(
            f"Validation of dynamic config update of Set({', '.join(changed)}) failed with class "
            "class kafka.server.DynamicMetricsReporters"
        )


def _check_listeners(current: BrokerConfig, candidate: BrokerConfig, changed: Iterable[str]) -> None:
    protocols = {
        endpoint.listener_name: endpoint.security_protocol
        for endpoint in (*current.broker_endpoints, *current.controller_endpoints)
    }
    for endpoint in (*candidate.broker_endpoints, *candidate.controller_endpoints):
        listener = endpoint.listener_name
        if protocols.get(listener, endpoint.security_protocol) != endpoint.security_protocol:
            raise ConfigException(f"Security protocol cannot be updated for existing listener ListenerName({listener})")
    bare = {base_name(name) if name.startswith(LISTENER_PREFIX) else name for name in changed}
    for endpoint in candidate.broker_endpoints:
        listener = endpoint.listener_name
        if _NETWORK_THREADS in bare:
            old = current.listener_value(listener, _NETWORK_THREADS)
            _check_thread_count(_NETWORK_THREADS, old, candidate.listener_value(listener, _NETWORK_THREADS))
        for name in _LISTENER_QUOTAS if not bare.isdisjoint(_LISTENER_QUOTAS) else ():
            value = candidate.listener_value(listener, name)
            if value <= 0:
                raise ConfigException(f"Invalid {name} {to_text(value)}")


def _check_thread_counts(current: BrokerConfig, candidate: BrokerConfig, names: Iterable[str]) -> None:
    for name in names:
        _check_thread_count(name, current[name], candidate[name])


def _check_thread_count(name: str, old: int, new: int) -> None:
    if new == old:
        return
    failed = f"Dynamic thread count update validation failed for {name}={new}, value should"
    if new <= 0:
        raise ConfigException(f"{failed} be at least 1")
    if new < old // 2:
        raise ConfigException(f"{failed} be at least half the current value {old}")
    if new > old * 2:
        raise ConfigException(f"{failed} not be greater than double the current value {old}")


def _check_cleaner_threads(old: int, new: int) -> None:
    if new < old // 2:
        raise ConfigException(f"Log cleaner threads cannot be reduced to less than half the current value {old}")
    if new > old * 2:
        raise ConfigException(f"Log cleaner threads cannot be increased to more than double the current value {old}")


def _check_remote_log_retention(candidate: BrokerConfig) -> None:
    limits = {"ms": candidate.log_retention_ms, "bytes": candidate["log.retention.bytes"]}
    for unit, limit in limits.items():
        name, local = f"log.local.retention.{unit}", candidate[f"log.local.retention.{unit}"]
        if limit > -1 and local == -1:
            message = f"Value must not be -1 as log.retention.{unit} value is set as {limit}."
            raise ConfigException.for_value(name, str(local), message)
        if limit > -1 and local > limit:
            message = f"Value must not be more than log.retention.{unit} property value: {limit}"
            raise ConfigException.for_value(name, str(local), message)
    for unit, limit in limits.items():
        name, local = f"log.remote.copy.lag.{unit}", candidate[f"log.local.retention.{unit}"]
        lag, most = candidate[name], limit if local == -2 else local
        if 0 <= most < lag:
            message = f"Value must not exceed log.local.retention.{unit} (effective value: {most})"
            raise ConfigException.for_value(name, str(lag), message)
