"""The levels of loggers as BROKER_LOGGER resources."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from kafkalite.broker.broker_loggers import alter_logger_levels, logger_levels
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.metadata.configuration_control import AlterConfigOpType, ConfigChange

SET, DELETE, APPEND, SUBTRACT = AlterConfigOpType


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """A logger with a parent and a child."""
    for name in ("kafkalite", "kafkalite.test.child"):
        logging.getLogger(name)
    logger = logging.getLogger("kafkalite.test")
    yield logger
    logger.setLevel(logging.NOTSET)


def alter(*changes: tuple[str, int, str | None], name: str = "1", validate_only: bool = False) -> None:
    alter_logger_levels(1, name, [ConfigChange(*change) for change in changes], validate_only=validate_only)


@pytest.mark.parametrize(
    ("level", "number"),
    [("TRACE", 5), ("DEBUG", 10), ("INFO", 20), ("WARN", 30), ("ERROR", 40), ("FATAL", 50)],
)
def test_apache_kafkas_levels_are_pythons(logger: logging.Logger, level: str, number: int) -> None:
    alter((logger.name, SET, level))
    assert logger.level == number
    assert logger_levels()[logger.name] == level
    assert logger_levels()["kafkalite.test.child"] == level


def test_an_unset_level_is_that_of_the_parent(logger: logging.Logger) -> None:
    alter((logger.name, SET, "DEBUG"))
    alter((logger.name, DELETE, None))
    assert logger_levels()[logger.name] == logger_levels()["kafkalite"]


def test_a_dry_run_changes_nothing(logger: logging.Logger) -> None:
    alter((logger.name, SET, "DEBUG"), validate_only=True)
    assert logger.level == logging.NOTSET


def test_one_bad_change_keeps_the_good_ones_from_being_made(logger: logging.Logger) -> None:
    with pytest.raises(KafkaError):
        alter((logger.name, SET, "DEBUG"), ("no.such.logger", SET, "DEBUG"))
    assert logger.level == logging.NOTSET


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (("no.such", SET, "INFO"), ErrorCode.INVALID_CONFIG, "Logger no.such does not exist!"),
        (
            ("root", SET, "LOUD"),
            ErrorCode.INVALID_CONFIG,
            "Cannot set the log level of root to LOUD as it is not a supported log level. "
            "Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN",
        ),
        (
            ("root", DELETE, None),
            ErrorCode.INVALID_REQUEST,
            "Removing the log level of the root logger is not allowed",
        ),
        (
            ("root", APPEND, "INFO"),
            ErrorCode.INVALID_REQUEST,
            "APPEND operation is not allowed for the BROKER_LOGGER resource",
        ),
        (
            ("root", 9, "INFO"),
            ErrorCode.INVALID_REQUEST,
            "Unknown operation type 9 is not allowed for the BROKER_LOGGER resource",
        ),
    ],
)
def test_what_cannot_be_is_refused(change: tuple[str, int, str | None], error: ErrorCode, message: str) -> None:
    with pytest.raises(KafkaError) as refusal:
        alter(change)
    assert (refusal.value.error, refusal.value.message) == (error, message)


@pytest.mark.parametrize(
    ("name", "message"),
    [("2", "Unexpected node id. Expected 1, but received 2"), ("x", "Node id must be an integer, but it is: x")],
)
def test_loggers_are_those_of_this_broker(name: str, message: str) -> None:
    with pytest.raises(KafkaError) as refusal:
        alter(("root", SET, "INFO"), name=name)
    assert refusal.value.message == message
