"""DescribeTransactions: state, producer and partitions of transactional ids."""

from __future__ import annotations

from kafkalite.broker.api_registry import serves
from kafkalite.broker.request_context import RequestContext
from kafkalite.protocol.messages.describe_transactions import (
    DescribeTransactionsRequest,
    DescribeTransactionsResponse,
)


@serves(DescribeTransactionsRequest)
def describe_transactions(
    context: RequestContext, request: DescribeTransactionsRequest
) -> DescribeTransactionsResponse:
    describe = context.broker.transaction_coordinator.describe
    return DescribeTransactionsResponse(
        transaction_states=[describe(transactional_id) for transactional_id in request.transactional_ids]
    )
