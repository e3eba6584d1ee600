"""What a configuration property is, and tables of them: name, type, default, validator, importance, update mode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from kafkalite.config.config_value import PASSWORD, ConfigException, ConfigType, ConfigValue, parse_type
from kafkalite.config.validators import Validator, ValidList

HIGH: Final = "high"
MEDIUM: Final = "medium"
LOW: Final = "low"

READ_ONLY: Final = "read-only"
PER_BROKER: Final = "per-broker"
CLUSTER_WIDE: Final = "cluster-wide"


class ConfigKey:
    """One property. `default is NO_DEFAULT` means that it must be given."""

    __slots__ = ("default", "importance", "is_internal", "name", "type", "update_mode", "validator")

    def __init__(
        self,
        name: str,
        type: ConfigType,
        default: ConfigValue,
        importance: str,
        validator: Validator | None = None,
        mode: str = READ_ONLY,
        internal: bool = False,
    ) -> None:
        self.name = name
        self.type = type
        self.default = default
        self.importance = importance
        self.validator = validator
        self.update_mode = mode
        self.is_internal = internal

    @property
    def is_sensitive(self) -> bool:
        return self.type is PASSWORD

    def with_default(self, default: ConfigValue) -> ConfigKey:
        """The same property with another default."""
        return ConfigKey(
            self.name,
            self.type,
            default,
            self.importance,
            self.validator,
            self.update_mode,
            self.is_internal,
        )

    def parse(self, text: str, *, drops_repetitions: bool = True) -> ConfigValue:
        """The checked value of `text`; raises ConfigException. What a list says twice is dropped or else refused."""
        value = parse_type(self.name, text, self.type)
        if drops_repetitions and isinstance(self.validator, ValidList) and value is not None:
            value = tuple(dict.fromkeys(value))
        if self.validator is not None:
            self.validator.ensure_valid(self.name, value)
        return value


class _NoDefault:
    def __repr__(self) -> str:
        return "NO_DEFAULT"


NO_DEFAULT: Final = _NoDefault()


class ConfigDef:
    """A table of properties, and the way from a map of texts to a map of values."""

    __slots__ = ("keys",)

    def __init__(self, keys: Iterable[ConfigKey]) -> None:
        self.keys: dict[str, ConfigKey] = {key.name: key for key in keys}

    def parse(self, properties: Mapping[str, str]) -> dict[str, ConfigValue]:
        """Values of all keys, given ones parsed and checked, others at their default; unknown names are ignored."""
        values = {}
        for name, key in self.keys.items():
            text = properties.get(name)
            if text is not None:
                values[name] = key.parse(text)
            elif key.default is NO_DEFAULT:
                raise ConfigException(f'Missing required configuration "{name}" which has no default value.')
            else:
                values[name] = key.default
        return values
