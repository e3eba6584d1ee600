"""Producer ids: none is given twice, and the next block is there before the last one is used up."""

from __future__ import annotations

from collections.abc import Callable

from kafkalite.broker.producer_ids import PREFETCH_REMAINING, ProducerIds
from kafkalite.protocol.messages.init_producer_id import InitProducerIdRequest
from offline_broker import OfflineBroker


class Blocks:
    """Reserves a thousand ids at a time; what is requested comes when the test lets it come."""

    def __init__(self) -> None:
        self.end = 0
        self.reserved = 0
        self.requests: list[Callable[[range | None], None]] = []

    def reserve(self) -> range:
        self.reserved += 1
        return self.claim()

    def claim(self) -> range:
        self.end += 1_000
        return range(self.end - 1_000, self.end)


def test_the_next_block_is_asked_for_once_before_the_last_one_is_used_up() -> None:
    blocks = Blocks()
    ids = ProducerIds(blocks.reserve, blocks.requests.append)
    given = [ids.next_id() for _ in range(1_000 - PREFETCH_REMAINING - 1)]
    assert (blocks.reserved, len(blocks.requests)) == (1, 0)
    given.append(ids.next_id())
    assert len(blocks.requests) == 1
    blocks.requests.pop()(blocks.claim())
    given += [ids.next_id() for _ in range(1_000)]
    assert given == list(range(len(given)))
    assert (blocks.reserved, len(blocks.requests)) == (1, 1)


def test_a_block_that_comes_too_late_is_used_later() -> None:
    blocks = Blocks()
    ids = ProducerIds(blocks.reserve, blocks.requests.append)
    given = [ids.next_id() for _ in range(1_001)]
    assert blocks.reserved == 2
    (request,) = blocks.requests
    request(blocks.claim())
    given += [ids.next_id() for _ in range(2_000)]
    assert given == list(range(3_001))


def test_what_could_not_be_reserved_is_asked_for_when_it_is_needed() -> None:
    blocks = Blocks()
    ids = ProducerIds(blocks.reserve, lambda take: take(None))
    assert [ids.next_id() for _ in range(2_500)] == list(range(2_500))
    assert blocks.reserved == 3


async def test_ids_go_on_over_blocks_and_restarts(offline_broker: OfflineBroker) -> None:
    request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000)
    given = [offline_broker.ask(request).producer_id for _ in range(2_100)]
    offline_broker.restart()
    given += [offline_broker.ask(request).producer_id for _ in range(10)]
    assert given[:2_100] == list(range(2_100))
    assert len(set(given)) == len(given)
