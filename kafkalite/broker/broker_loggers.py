"""The levels of the broker's loggers, described and changed as BROKER_LOGGER resources (KIP-412); they are not stored.

Python's levels stand for Apache Kafka's names of them: TRACE is below DEBUG, FATAL is CRITICAL.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from kafkalite.broker.config_admin_manager import check_changes, parse_node_id
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.metadata.configuration_control import AlterConfigOpType, ConfigChange

ROOT_LOGGER: Final = "root"

_LEVELS: Final = {
    "DEBUG": logging.DEBUG,
    "ERROR": logging.ERROR,
    "FATAL": logging.CRITICAL,
    "INFO": logging.INFO,
    "TRACE": 5,
    "WARN": logging.WARNING,
}


def logger_levels() -> dict[str, str]:
    """The name of every logger and the level in force for it."""
    loggers = {
        name: logger
        for name, logger in sorted(logging.root.manager.loggerDict.items())
        if isinstance(logger, logging.Logger)
    }
    return {
        name: _level_name(logger.getEffectiveLevel()) for name, logger in {ROOT_LOGGER: logging.root, **loggers}.items()
    }


def alter_logger_levels(
    node_id: int, resource_name: str, changes: Sequence[ConfigChange], *, validate_only: bool
) -> None:
    """Sets and unsets levels, all or none; raises KafkaError."""
    check_changes(changes)
    asked_id = parse_node_id(resource_name, "Node")
    if asked_id != node_id:
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"Unexpected node id. Expected {node_id}, but received {asked_id}")
    for change in changes:
        _check(change)
    if validate_only:
        return
    for name, operation, level in changes:
        logger = logging.root if name == ROOT_LOGGER else logging.getLogger(name)
        if operation == AlterConfigOpType.SET and level is not None:
            logger.setLevel(_LEVELS[level])
        else:
            logger.setLevel(logging.NOTSET)


def _check(change: ConfigChange) -> None:
    name, operation, level = change
    if operation in (AlterConfigOpType.APPEND, AlterConfigOpType.SUBTRACT):
        raise KafkaError(
            ErrorCode.INVALID_REQUEST,
            f"{AlterConfigOpType(operation).name} operation is not allowed for the BROKER_LOGGER resource",
        )
    if operation not in (AlterConfigOpType.SET, AlterConfigOpType.DELETE):
        raise KafkaError(
            ErrorCode.INVALID_REQUEST,
            f"Unknown operation type {operation} is not allowed for the BROKER_LOGGER resource",
        )
    if name != ROOT_LOGGER and not isinstance(logging.root.manager.loggerDict.get(name), logging.Logger):
        raise KafkaError(ErrorCode.INVALID_CONFIG, f"Logger {name} does not exist!")
    if operation == AlterConfigOpType.SET and level not in _LEVELS:
        raise KafkaError(
            ErrorCode.INVALID_CONFIG,
            f"Cannot set the log level of {name} to {level} as it is not a supported log level. "
            f"Valid log levels are {', '.join(sorted(_LEVELS))}",
        )
    if operation == AlterConfigOpType.DELETE and name == ROOT_LOGGER:
        raise KafkaError(
            ErrorCode.INVALID_REQUEST, f"Removing the log level of the {ROOT_LOGGER} logger is not allowed"
        )


def _level_name(level: int) -> str:
    """The least severe of Apache Kafka's levels that still prints."""
    for name in ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"):
        if level <= _LEVELS[name]:
            return name
    return "OFF"
