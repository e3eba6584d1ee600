"""What many producers send at the same time, appended together.

Of a hundred producers that wait for each answer, a read brings one record, and to append it costs several times what
receiving it does. So known requests (`broker.repeated_produce`) of small reads are gathered: as many as the loop meets
before it has dealt with all that had arrived. Those for the same partition are appended with one write, and answered
then.

With a hundred connections that doubles the requests a second, with ten it brings half as many again. Where hardly more
than one is there for a partition it would only cost, so what comes alone turns it off for a while, the longer the more
often.

Producers know nothing of each other: whatever one of them has sent that cannot be appended together with the rest is
found when each is handled alone.
"""

from __future__ import annotations

import logging
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from kafkalite.errors import KafkaError
from kafkalite.network.response_buffer import ResponseBuffer
from kafkalite.storage.unfinished_append import UnfinishedAppend

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from kafkalite.broker.broker import Broker
    from kafkalite.broker.repeated_produce import KnownRequest, RepeatedProduce, Run
    from kafkalite.network.busy_poll import BusyPoll
    from kafkalite.network.connection import Connection
    from kafkalite.storage.partition_log import PartitionLog

logger = logging.getLogger("kafkalite.network")

_MAX_SIZE: Final = 256 * 1024
"""Bytes that are gathered at most: a thousand reads of single records, five of batches of 10 KB."""
_ENOUGH: Final = 2
"""Reads for each partition in a round that are worth it."""
_FEW: Final = 256
"""Reads in a round up to which the next one will be over soon: that of ten thousand connections may take a second."""
_FIRST_PAUSE: Final = 8
_LONGEST_PAUSE: Final = 256


class GatheredRequests:
    """All that one read of a connection has brought, known requests of one beginning; the connection waits for them."""

    __slots__ = ("connection", "frames", "known", "run")

    def __init__(self, connection: Connection, frames: memoryview, known: KnownRequest, run: Run) -> None:
        self.connection = connection
        self.frames = frames
        self.known = known
        self.run = run

    def cancel(self) -> None:
        """The connection has gone. What it has sent is appended all the same."""


class ProduceGatherer:
    """Gathers what the connections of a listener bring. Used on the event loop's thread alone."""

    def __init__(
        self, broker: Broker, loop: AbstractEventLoop, busy_poll: BusyPoll | None, max_request_size: int
    ) -> None:
        self._broker = broker
        self._loop = loop
        self._busy_poll = busy_poll
        self._max_request_size = max_request_size
        self._latest: Connection | None = None
        self._gathered: list[GatheredRequests] = []
        self._size = 0
        self._reads_in_round = 0
        self._appends_in_round = 0
        self._round_began_ns = 0
        self._pause = _FIRST_PAUSE
        self._reads_to_leave = _FIRST_PAUSE

    def gather(self, connection: Connection, repeated: RepeatedProduce, view: memoryview) -> GatheredRequests | None:
        """Takes a copy of what a read has brought, if it is known requests of one beginning and nothing else. The
        connection is told of the answers in the loop's next round at the latest; None: it has to handle them itself."""
        if connection is self._latest:
            return None  # nobody else has sent anything since
        self._latest = connection
        if self._reads_to_leave:
            self._reads_to_leave -= 1
            return None
        frames = memoryview(bytes(view))
        end = len(frames)
        runs = list(repeated.recognise(frames, 0, end, self._max_request_size))
        if len(runs) != 1 or runs[0][2] < end or runs[0][0].pack_answer is None:
            self._leave_reads()
            return None
        if self._size + end > _MAX_SIZE:
            self._appends_in_round += self._append_gathered(may_put_off=False)
        if not self._reads_in_round:
            self._round_began_ns = perf_counter_ns()
            self._loop.call_soon(self._end_round)
        self._reads_in_round += 1
        known, run, _ = runs[0]
        gathered = GatheredRequests(connection, frames, known, run)
        self._gathered.append(gathered)
        self._size += end
        return gathered

    def forget(self, connection: Connection) -> None:
        """A connection has ended."""
        if self._latest is connection:
            self._latest = None

    def _end_round(self) -> None:
        """The loop has dealt with all that had arrived when the first requests were gathered."""
        reads, appends = self._reads_in_round, self._appends_in_round
        self._reads_in_round = self._appends_in_round = 0  # who is answered may go on at once, and begin the next round
        appends += self._append_gathered(may_put_off=reads <= _FEW)
        if reads >= _ENOUGH * appends:
            self._pause = _FIRST_PAUSE
        else:
            self._leave_reads()
        if self._busy_poll is not None:
            self._busy_poll.wait(self._round_began_ns)

    def _leave_reads(self) -> None:
        """To gather what is read was not worth it: nothing is gathered for a while."""
        self._reads_to_leave = self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _append_gathered(self, *, may_put_off: bool) -> int:
        """Appends and answers all that was gathered; returns to how many partitions.

        `may_put_off`: a worker thread may write where that takes long, of which the loop hears in its next round.
        """
        gathered, self._gathered = self._gathered, []
        self._size = 0
        by_partition: dict[object, list[GatheredRequests]] = {}
        for requests in gathered:
            by_partition.setdefault(requests.known.topic_id_partition, []).append(requests)
        for together in by_partition.values():
            try:
                if not self._append(together, may_put_off):
                    for requests in together:
                        requests.connection.handle_alone(requests)
            except Exception:
                logger.exception("Requests of %d connections (API key 0) failed", len(together))
                for requests in together:
                    requests.connection.close()
        return len(by_partition)

    def _append(self, together: list[GatheredRequests], may_put_off: bool) -> bool:
        """Appends requests for one partition and has them answered; returns false where nothing was appended."""
        broker = self._broker
        log = together[0].known.plain_log(broker)
        if log is None:
            return False
        batches = [(records, header) for requests in together for _, _, records, header in requests.run]
        size = sum([len(requests.frames) for requests in together])
        may_put_off = may_put_off and broker.log_appender.has_time_for(size)
        offset = log.append_plain(batches, broker.clock.now_ms(), may_put_off=may_put_off)
        if offset is None:
            return False
        if isinstance(offset, UnfinishedAppend):
            append = offset
            written = broker.log_appender.write(append)
            written.add_done_callback(lambda _: _answer_written(together, log, append))
        else:
            broker.fetch_purgatory.look_for_few()
            _answer(together, log, offset)
        return True


def _answer(together: list[GatheredRequests], log: PartitionLog, offset: int) -> None:
    """Answers requests of which the first one's batch went to `offset`."""
    log_start_offset = log.log_start_offset
    for requests in together:
        answers = ResponseBuffer()
        offset = requests.known.answer(requests.run, offset, log_start_offset, answers)
        requests.connection.send_gathered(requests, answers)


def _answer_written(together: list[GatheredRequests], log: PartitionLog, append: UnfinishedAppend) -> None:
    """Answers requests whose batches a worker thread has written, or could not write."""
    try:
        _answer(together, log, append.finish().first_offset)
    except KafkaError as error:
        for requests in together:
            answers = ResponseBuffer()
            requests.known.refuse(requests.run, error.error, answers)
            requests.connection.send_gathered(requests, answers)
