"""--delete-offsets of the group tools: which offsets are deleted, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kafkalite.cli.consumer_group_tables import print_deleted_offsets, print_error
from kafkalite.cli.java_exceptions import CALL_ERRORS, described
from kafkalite.cli.offset_reset import parse_topic_argument
from kafkalite.client.admin import Admin, AdminTimeoutError
from kafkalite.client.group_admin import delete_offsets
from kafkalite.client.topic_offsets import partitions_of
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.identifiers import TopicPartition

_REFUSALS_OF_A_GROUP: Final = (
    ErrorCode.INVALID_GROUP_ID,
    ErrorCode.GROUP_ID_NOT_FOUND,
    ErrorCode.GROUP_AUTHORIZATION_FAILED,
    ErrorCode.NON_EMPTY_GROUP,
)
_REFUSALS_OF_A_PARTITION: Final = (
    ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC,
    ErrorCode.TOPIC_AUTHORIZATION_FAILED,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
)

Results = dict[TopicPartition, str | None]


def partitions_to_delete(admin: Admin, arguments: Sequence[str]) -> tuple[list[TopicPartition], Results]:
    """The partitions that "topic" and "topic:0,1" name, and what is wrong with topics that have none."""
    partitions = [partition for text in arguments if ":" in text for partition in parse_topic_argument(text)]
    results: Results = {}
    for topic in dict.fromkeys(text for text in arguments if ":" not in text):
        try:
            partitions += [TopicPartition(topic, index) for index, _ in partitions_of(admin, [topic])[topic]]
        except CALL_ERRORS as error:
            results[TopicPartition(topic, -1)] = described(error)
    return partitions, results


def delete_and_report(admin: Admin, group_id: str, partitions: Sequence[TopicPartition], results: Results) -> None:
    """Deletes a group's offsets and prints each partition's result, with those that are known already."""
    top_level = ErrorCode.NONE
    try:
        errors = delete_offsets(admin, group_id, partitions)
    except CALL_ERRORS as error:
        top_level = _code_of(error)
        results.update(dict.fromkeys(partitions, described(error)))
    else:
        for partition in partitions:
            code = errors.get(partition, ErrorCode.NONE)
            results[partition] = described(KafkaError(code)) if code else None
            top_level = top_level or code
    if not top_level:
        print(f"Request succeeded for deleting offsets from group {group_id}.")
    elif top_level in _REFUSALS_OF_A_GROUP:
        print_error(top_level.message)
    elif top_level in _REFUSALS_OF_A_PARTITION:
        print_error("Encountered some partition-level error, see the follow-up details.")
    else:
        print_error(f"Encountered some unknown error: {top_level.name}")
    print_deleted_offsets(results)


def _code_of(error: Exception) -> ErrorCode:
    if isinstance(error, KafkaError):
        return error.error
    return ErrorCode.REQUEST_TIMED_OUT if isinstance(error, AdminTimeoutError) else ErrorCode.UNKNOWN_SERVER_ERROR
