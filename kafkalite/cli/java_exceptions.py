"""The names under which Apache Kafka's tools show errors to people: those of Java's exceptions.

Scripts look for them in the tools' output, so ours show the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from kafkalite.client.admin import AdminTimeoutError
from kafkalite.client.group_admin import NotAConsumerGroupError
from kafkalite.client.wire_client import NoCommonVersionError, SslHandshakeError, WireClientError
from kafkalite.errors import KafkaError

T = TypeVar("T")
P = ParamSpec("P")

CALL_ERRORS: Final = (KafkaError, AdminTimeoutError, WireClientError, NotAConsumerGroupError)
"""What a call to a cluster may raise."""

ILLEGAL_ARGUMENT: Final = "java.lang.IllegalArgumentException"

_PACKAGE: Final = "org.apache.kafka.common.errors."

# Where the exception is not simply called after the error code.
_IRREGULAR: Final = {
    "CLUSTER_AUTHORIZATION_FAILED": "ClusterAuthorizationException",
    "CORRUPT_MESSAGE": "CorruptRecordException",
    "DELEGATION_TOKEN_AUTHORIZATION_FAILED": "DelegationTokenAuthorizationException",
    "DELEGATION_TOKEN_AUTH_DISABLED": "DelegationTokenDisabledException",
    "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED": "UnsupportedByAuthenticationException",
    "DUPLICATE_SEQUENCE_NUMBER": "DuplicateSequenceException",
    "FETCH_SESSION_TOPIC_ID_ERROR": "FetchSessionTopicIdException",
    "GROUP_AUTHORIZATION_FAILED": "GroupAuthorizationException",
    "INVALID_CONFIG": "InvalidConfigurationException",
    "INVALID_PRODUCER_ID_MAPPING": "InvalidPidMappingException",
    "INVALID_REGULAR_EXPRESSION": "InvalidRegularExpression",
    "INVALID_TOPIC_EXCEPTION": "InvalidTopicException",
    "INVALID_TRANSACTION_TIMEOUT": "InvalidTxnTimeoutException",
    "KAFKA_STORAGE_ERROR": "KafkaStorageException",
    "MESSAGE_TOO_LARGE": "RecordTooLargeException",
    "NETWORK_EXCEPTION": "NetworkException",
    "NON_EMPTY_GROUP": "GroupNotEmptyException",
    "OFFSET_METADATA_TOO_LARGE": "OffsetMetadataTooLarge",
    "OUT_OF_ORDER_SEQUENCE_NUMBER": "OutOfOrderSequenceException",
    "PRINCIPAL_DESERIALIZATION_FAILURE": "PrincipalDeserializationException",
    "RECORD_LIST_TOO_LARGE": "RecordBatchTooLargeException",
    "REQUEST_TIMED_OUT": "TimeoutException",
    "SASL_AUTHENTICATION_FAILED": "SaslAuthenticationException",
    "STALE_CONTROLLER_EPOCH": "ControllerMovedException",
    "TOPIC_ALREADY_EXISTS": "TopicExistsException",
    "TOPIC_AUTHORIZATION_FAILED": "TopicAuthorizationException",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED": "TransactionalIdAuthorizationException",
    "UNKNOWN_SERVER_ERROR": "UnknownServerException",
}


class ToolError(Exception):
    """An error that a tool finds by itself, with the Java class that the original throws."""

    def __init__(self, message: str, class_name: str = ILLEGAL_ARGUMENT) -> None:
        super().__init__(message)
        self.class_name = class_name


def class_name(error: Exception) -> str:
    """The full name of the Java exception that an error would be."""
    if isinstance(error, ToolError):
        return error.class_name
    if isinstance(error, KafkaError):
        name = error.error.name
        return _PACKAGE + (_IRREGULAR.get(name) or f"{name.title().replace('_', '')}Exception")
    if isinstance(error, NotAConsumerGroupError):
        return ILLEGAL_ARGUMENT
    if isinstance(error, AdminTimeoutError):
        return _PACKAGE + "TimeoutException"
    if isinstance(error, NoCommonVersionError):
        return _PACKAGE + "UnsupportedVersionException"
    if isinstance(error, SslHandshakeError):
        return _PACKAGE + "SslAuthenticationException"
    return "org.apache.kafka.common.KafkaException"


def message(error: Exception) -> str:
    """What Java's getMessage gives: the text without the error code's name."""
    return error.message if isinstance(error, KafkaError) else str(error)


def described(error: Exception) -> str:
    """What Java's toString gives: class and message."""
    return f"{class_name(error)}: {message(error)}"


def in_execution_exception(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a cluster where the original waits for a future, whose failure names the class of its cause."""
    try:
        return call(*args, **kwargs)
    except CALL_ERRORS as error:
        raise ToolError(described(error), "java.util.concurrent.ExecutionException") from None


def in_runtime_exception(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """As `in_execution_exception`, where the original wraps the failure once more."""
    try:
        return call(*args, **kwargs)
    except CALL_ERRORS as error:
        raise ToolError(
            f"java.util.concurrent.ExecutionException: {described(error)}", "java.lang.RuntimeException"
        ) from None
