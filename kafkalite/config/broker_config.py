"""The broker's configuration: its file and overrides, what was set while it ran, and the defaults below them.

Every property of Apache Kafka 4.4.0's broker is known, with type, default and validation. `config["log.segment.bytes"]`
and `config.log_segment_bytes` are the same value; reading it costs what reading an attribute costs. The object stays
the same for the life of a broker: a dynamic change replaces values in it, so who reads at the time of use is current.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kafkalite.config.broker_config_def import (
    BROKER_CONFIG_DEF,
    DYNAMIC_CONFIG_DEF,
    LISTENER_PREFIX,
    base_name,
    broker_synonyms,
    find_key,
    is_per_broker,
    override_properties,
)
from kafkalite.config.broker_config_rules import validate_broker_config
from kafkalite.config.config_value import CLASS, ConfigException, ConfigValue, to_text
from kafkalite.config.definitions.metrics import CLIENT_TELEMETRY_REPORTER
from kafkalite.config.definitions.security import LISTENER_ONLY_DYNAMIC_NAMES
from kafkalite.config.dynamic_reconfiguration import Reconfigurable, check_class, validate_reconfiguration
from kafkalite.config.endpoint import Endpoint, listener_protocols, parse_csv_map, parse_endpoints
from kafkalite.config.properties_file import load_properties, parse_properties
from kafkalite.config.topic_config import TOPIC_CONFIG_DEF, TOPIC_CONFIG_SYNONYMS
from kafkalite.config.units import HOUR_MS, MINUTE_MS

# Read by classes that Apache Kafka names in properties of its own, or by its authorizer.
_FOREIGN_NAMES: Final = frozenset(("allow.everyone.if.no.acl.found", "super.users"))
_LISTS_OF_CLASSES: Final = ("metric.reporters", "kafka.metrics.reporters")
_FOREIGN_PREFIXES: Final = ("config.providers.", "rlmm.config.", "rsm.config.")


class ConfigSource:
    """Where a value comes from, as DescribeConfigs numbers it."""

    UNKNOWN: Final = 0
    TOPIC_CONFIG: Final = 1
    DYNAMIC_BROKER_CONFIG: Final = 2
    DYNAMIC_DEFAULT_BROKER_CONFIG: Final = 3
    STATIC_BROKER_CONFIG: Final = 4
    DEFAULT_CONFIG: Final = 5
    DYNAMIC_BROKER_LOGGER_CONFIG: Final = 6
    CLIENT_METRICS_CONFIG: Final = 7
    GROUP_CONFIG: Final = 8


class ConfigSynonym(NamedTuple):
    """One of the settings that decide a value, the first of a list being the one that did."""

    name: str
    value: str | None
    source: int


class BrokerConfig:
    """The effective configuration of this broker."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, properties: Mapping[str, str] | None = None) -> None:
        """Of texts by name; raises ConfigException with one clear line for the first unusable value."""
        static = dict(properties or {})
        if static.get("config.providers"):
            from kafkalite.config.config_providers import resolve_variables  # reads files, and few need it

            static = resolve_variables(static)
        if "broker.id" in static:
            static.setdefault("node.id", static["broker.id"])
        elif "node.id" in static:
            BROKER_CONFIG_DEF.keys["node.id"].parse(static["node.id"])  # complains by the name that was written
            static["broker.id"] = static["node.id"]
        self.static: Mapping[str, str] = static
        """What the file and the overrides say, unknown names too."""
        self.dynamic_defaults: Mapping[str, str] = {}
        """What was set for all brokers while running."""
        self.dynamic_overrides: Mapping[str, str] = {}
        """What was set for this broker while running."""
        self.warnings: list[str] = _warnings(static)
        """One line for each property that will not do what its author hopes."""
        self.effective: Mapping[str, str] = static
        """All texts in force: what was set while running over what the file says."""
        self.values: Mapping[str, ConfigValue] = BROKER_CONFIG_DEF.parse(static)
        """All values by name."""
        self.reconfigurables: list[Reconfigurable] = []
        """Who is asked before a property changes while the broker runs, and told after."""
        self._derive()
        validate_broker_config(self)

    @classmethod
    def load(cls, path: str | None = None, overrides: Iterable[str] = ()) -> BrokerConfig:
        """Of the file at `path` and then `key=value` texts; raises OSError or ConfigException."""
        properties = load_properties(path) if path is not None else {}
        for override in overrides:
            name, equals, _ = override.partition("=")
            if not equals or not name.strip():
                raise ConfigException(f"--override needs key=value, but got '{override}'")
            properties.update(parse_properties(override.replace("\\", "\\\\")))
        return cls(properties)

    def __getitem__(self, name: str) -> ConfigValue:
        """The value of a property as it was set, by its name."""
        return self.values[name]

    def update_dynamic(self, defaults: Mapping[str, str], overrides: Mapping[str, str]) -> list[str]:
        """Take over what the metadata holds for all brokers and for this one; one line for each unusable entry."""
        complaints: list[str] = []
        defaults = _usable_dynamic(defaults, complaints, for_all_brokers=True)
        overrides = _usable_dynamic(overrides, complaints, for_all_brokers=False)
        try:
            candidate = BrokerConfig(override_properties(self.static, defaults, overrides))
        except ConfigException as error:
            return [*complaints, f"Ignoring all dynamic broker properties: {error}"]
        static, warnings, reconfigurables = self.static, self.warnings, self.reconfigurables
        self.__dict__.update(candidate.__dict__)
        self.static, self.warnings, self.reconfigurables = static, warnings, reconfigurables
        self.dynamic_defaults, self.dynamic_overrides = defaults, overrides
        for reconfigurable in reconfigurables:
            reconfigurable.reconfigure(self)
        return complaints

    def validate_dynamic(self, properties: Mapping[str, str], *, for_all_brokers: bool) -> None:
        """Whether the broker could run with `properties` as its dynamic ones of that kind; raises ConfigException."""
        _check_dynamic_names(properties)
        for name, text in properties.items():
            key = DYNAMIC_CONFIG_DEF.keys.get(base_name(name))
            if key is not None:
                key.parse(text, drops_repetitions=False)
                check_class(key, text)
        if for_all_brokers:
            refused = [name for name in properties if is_per_broker(name)]
            if refused:
                raise ConfigException(
                    "Cannot update these configs at default cluster level, broker id must be specified: "
                    f"[{', '.join(refused)}]"
                )
            effective = override_properties(self.static, properties, self.dynamic_overrides)
        else:
            effective = override_properties(self.static, self.dynamic_defaults, properties)
        validate_reconfiguration(self, BrokerConfig(effective))

    def synonyms(self, name: str) -> list[ConfigSynonym]:
        """All settings that could decide the value of `name`, in the order of precedence, defaults last."""
        names = broker_synonyms(name)
        found = [
            ConfigSynonym(synonym, texts[synonym], source)
            for texts, source in (
                (self.dynamic_overrides, ConfigSource.DYNAMIC_BROKER_CONFIG),
                (self.dynamic_defaults, ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG),
                (self.static, ConfigSource.STATIC_BROKER_CONFIG),
            )
            for synonym in names
            if synonym in texts
        ]
        for synonym in names:
            key = BROKER_CONFIG_DEF.keys.get(synonym)
            if key is not None and key.default is not None:
                found.append(ConfigSynonym(synonym, to_text(key.default), ConfigSource.DEFAULT_CONFIG))
        while found and found[0].name != name:
            del found[0]
        return found

    @property
    def topic_defaults(self) -> Mapping[str, ConfigValue]:
        """The values that topics have unless they override them, by the topic property's name."""
        return self._topic_defaults

    @property
    def is_client_telemetry_reported(self) -> bool:
        """Whether somebody takes the metrics that clients push: only then are they told that they may."""
        return CLIENT_TELEMETRY_REPORTER in self.values["metric.reporters"]

    def listener_value(self, listener_name: str, name: str) -> ConfigValue:
        """The value of a property for one listener: `listener.name.{listener}.{name}` before `name`."""
        text = self.effective.get(f"{LISTENER_PREFIX}{listener_name.lower()}.{name}")
        return self.values[name] if text is None else BROKER_CONFIG_DEF.keys[name].parse(text)

    def _derive(self) -> None:
        """Set the attributes, those of single properties first, then those that join several."""
        values = self.values
        self.__dict__.update({name.replace(".", "_"): value for name, value in values.items()})
        self.log_dirs: tuple[str, ...] = values["log.dirs"] or values["log.dir"]
        self.metadata_log_dir: str = values["metadata.log.dir"] or self.log_dirs[0]
        protocols = listener_protocols(values, self.effective)
        controllers = tuple(name.upper() for name in values["controller.listener.names"])
        endpoints = parse_endpoints(values["listeners"], protocols)
        self.broker_endpoints: tuple[Endpoint, ...] = tuple(e for e in endpoints if e.listener_name not in controllers)
        """Where clients are served."""
        self.controller_endpoints: tuple[Endpoint, ...] = tuple(e for e in endpoints if e.listener_name in controllers)
        """Where Apache Kafka would serve its controllers; nothing listens there."""
        advertised = values["advertised.listeners"]
        self.advertised_endpoints: tuple[Endpoint, ...] | None = None
        """What Metadata names; None: the address by which the client came."""
        if advertised is not None:
            self.advertised_endpoints = tuple(
                endpoint
                for endpoint in parse_endpoints(advertised, protocols, require_distinct_ports=False)
                if endpoint.listener_name not in controllers
            )
        limits = parse_csv_map("max.connections.per.ip.overrides", values["max.connections.per.ip.overrides"])
        self.max_connections_by_ip: dict[str, int] = {
            address: int(count) for address, count in limits.items() if count.isdigit()
        }
        self.log_roll_ms: int = _first(values["log.roll.ms"], HOUR_MS * values["log.roll.hours"])
        self.log_roll_jitter_ms: int = _first(values["log.roll.jitter.ms"], HOUR_MS * values["log.roll.jitter.hours"])
        self.log_retention_ms: int = _retention_ms(values)
        self.log_flush_interval_ms: int = _first(
            values["log.flush.interval.ms"], values["log.flush.scheduler.interval.ms"]
        )
        self._topic_defaults = {
            name: values[synonyms[0][0]] for name, synonyms in TOPIC_CONFIG_SYNONYMS.items() if len(synonyms) == 1
        } | {
            "segment.ms": self.log_roll_ms,
            "segment.jitter.ms": self.log_roll_jitter_ms,
            "retention.ms": self.log_retention_ms,
            "flush.ms": self.log_flush_interval_ms,
        }


def _retention_ms(values: Mapping[str, ConfigValue]) -> int:
    """How long logs are kept: the finest unit that is set; any negative value means for ever, -1."""
    minutes = values["log.retention.minutes"]
    coarse = MINUTE_MS * minutes if minutes is not None else HOUR_MS * values["log.retention.hours"]
    return max(-1, _first(values["log.retention.ms"], coarse))


def _first(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value


def _check_dynamic_names(properties: Mapping[str, str]) -> None:
    fixed = [name for name in properties if name in BROKER_CONFIG_DEF.keys and name not in DYNAMIC_CONFIG_DEF.keys]
    if fixed:
        raise ConfigException(f"Cannot update these configs dynamically: [{', '.join(fixed)}]")
    bare = [name for name in properties if name in LISTENER_ONLY_DYNAMIC_NAMES]
    if bare:
        raise ConfigException(
            "These security configs can be dynamically updated only per-listener using the listener prefix: "
            f"[{', '.join(bare)}]"
        )


def _usable_dynamic(properties: Mapping[str, str], complaints: list[str], *, for_all_brokers: bool) -> dict[str, str]:
    """The entries of stored dynamic properties that can be obeyed; a line into `complaints` for each other one."""
    usable = {}
    for name, text in properties.items():
        try:
            _check_dynamic_names({name: text})
            if for_all_brokers and is_per_broker(name):
                raise ConfigException(f"{name} is set for all brokers, but can only be set for one")
            key = DYNAMIC_CONFIG_DEF.keys.get(base_name(name))
            if key is not None:
                key.parse(text)
        except ConfigException as error:
            complaints.append(f"Ignoring a dynamic broker property: {error}")
        else:
            usable[name] = text
    return usable


def _warnings(properties: Mapping[str, str]) -> list[str]:
    warnings = []
    for name, text in properties.items():
        key = find_key(name)
        if key is None and name not in _FOREIGN_NAMES and not name.startswith(_FOREIGN_PREFIXES):
            if name in TOPIC_CONFIG_DEF.keys and name in TOPIC_CONFIG_SYNONYMS:
                hint = f"; the broker's name for this topic property is {TOPIC_CONFIG_SYNONYMS[name][0][0]}"
            else:
                hint = ""
            warnings.append(f"Unknown property {name} is ignored{hint}")
        elif key is not None and key.type is CLASS and text.strip() not in ("", key.default):
            warnings.append(f"{name} names a Java class, which has no effect here: {text.strip()}")
        elif key is not None and name in _LISTS_OF_CLASSES:
            known = (*key.default, CLIENT_TELEMETRY_REPORTER)
            foreign = [each for each in map(str.strip, text.split(",")) if each and each not in known]
            if foreign:
                warnings.append(f"{name} names Java classes, which have no effect here: {', '.join(foreign)}")
    return warnings
