"""What a requested change comes to: the records to append, and the answer once they are."""

from __future__ import annotations

from typing import Final, Generic, NamedTuple, TypeVar

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.metadata_record import MetadataRecord

T = TypeVar("T")

TOO_LATE: Final = KafkaError(ErrorCode.REQUEST_TIMED_OUT)
"""What a change gets whose timeout is not above 0: Apache Kafka's controller always comes to it too late. Whatever is
refused before the controller sees it is refused all the same."""


class ControllerResult(NamedTuple, Generic[T]):
    """Records, all of which are appended together or none, and the response."""

    records: list[MetadataRecord]
    response: T


class ApiError(NamedTuple):
    """An error and its text as they stand in a response; the text is None where there is nothing to add."""

    error: ErrorCode
    message: str | None

    @classmethod
    def of(cls, error: KafkaError) -> ApiError:
        """A text that says no more than the error's own is left out, as Apache Kafka does."""
        return cls(error.error, None if error.message == error.error.message else error.message)
