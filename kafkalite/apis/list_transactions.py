"""ListTransactions: transactional ids by state and producer, from version 1 on by duration, from 2 on by a pattern."""

from __future__ import annotations

import re
from collections.abc import Callable

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.coordinator.topic_regex.pattern import TopicPattern
from kafkalite.coordinator.topic_regex.syntax import PatternSyntaxError
from kafkalite.coordinator.transaction_state import STATES_BY_TITLE
from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.protocol.messages.list_transactions import ListTransactionsRequest, ListTransactionsResponse


@serves(ListTransactionsRequest)
def list_transactions(context: RequestContext, request: ListTransactionsRequest) -> ListTransactionsResponse:
    try:
        matches = _matcher(request.transactional_id_pattern) if request.transactional_id_pattern else None
    except PatternSyntaxError:
        return ListTransactionsResponse(error_code=ErrorCode.INVALID_REGULAR_EXPRESSION)
    try:
        found = context.broker.transaction_coordinator.list_transactions(
            request.state_filters, request.producer_id_filters, request.duration_filter, matches
        )
    except KafkaError as error:
        return ListTransactionsResponse(error_code=error.error)
    return ListTransactionsResponse(
        unknown_state_filters=[title for title in dict.fromkeys(request.state_filters) if title not in STATES_BY_TITLE],
        transaction_states=found,
    )


def _matcher(text: str) -> Callable[[str], bool]:
    """Whether a transactional id matches a pattern of RE2's syntax as a whole; raises PatternSyntaxError."""
    pattern = TopicPattern(text)

    def matches(transactional_id: str) -> bool:
        if transactional_id.isascii():
            return pattern.matches(transactional_id)
        try:
            return re.fullmatch(text, transactional_id) is not None
        except re.error:
            return False

    return matches
