"""One client's connection: bytes in, frames to the dispatcher, answers out, in order and in bounded memory.

Reading. All connections of a loop read into one shared buffer, because each read is dealt with before the next one
begins: an idle connection owns no buffer. Only a frame that does not fit the bytes at hand gets a buffer of its own,
into which the rest is received directly. Who sends large frames may send more of them ahead (`sockets`).

Writing. The answers to all frames of a read leave in one `write`; records leave their file by `sendfile`. What the
socket does not take at once waits here, and meanwhile no further request of this connection is read or handled: a
client that does not read costs one batch of answers, whatever it asks for.

Order. As in Apache Kafka, a request is handled when the one before it has been answered. While a handler waits, what
arrives is kept as bytes, and reading pauses; of a large frame the whole is received, so that it is there when its turn
comes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import struct
from collections import deque
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from kafkalite.broker.purgatory import DelayedOperation
from kafkalite.network.response_buffer import ResponseBuffer
from kafkalite.network.sockets import widen_receive_buffer
from kafkalite.protocol.primitives import ProtocolError
from kafkalite.storage.log_slice import LogSlice

if TYPE_CHECKING:
    from kafkalite.broker.repeated_produce import PendingRun
    from kafkalite.broker.request_context import RequestContext
    from kafkalite.network.busy_poll import BusyPoll
    from kafkalite.network.gathered_produce import GatheredRequests, ProduceGatherer
    from kafkalite.network.request_dispatcher import PendingAnswer, RequestDispatcher

logger = logging.getLogger("kafkalite.network")

_unpack_size: Final = struct.Struct(">i").unpack_from
READ_SIZE: Final = 256 * 1024
"""Bytes of the shared buffer: what one read of small frames takes at most. What a handler that waits may still look at
is in larger frames (broker.log_appender), which have buffers of their own."""
READ_SIZE_BEHIND_LARGE_FRAME: Final = 16 * 1024
"""Where large frames follow each other, few bytes of the next one are read (and copied) before it has its buffer."""
LARGE_FRAME: Final = 64 * 1024
OUTPUT_LIMIT: Final = 1024 * 1024
"""Encoded answers that may gather before they are sent, while a client has many requests in flight."""
SMALL_READ: Final = 4 * 1024
"""What a client sends who waits for each answer, or not much more: others have the next one on its way anyhow."""
GATHERED_READ: Final = 64 * 1024
"""What may be gathered with what other connections have brought (network.gathered_produce): it is copied for that."""
SENDFILE_LIMIT: Final = 4 * 1024 * 1024
"""Bytes that one connection may send in a row before others get their turn."""


class Connection(asyncio.BufferedProtocol):
    """A client's connection on a listener; created by it, ended by the client, by an error or by the server's stop."""

    __slots__ = (
        "_backlog",
        "_busy_poll",
        "_context",
        "_dispatcher",
        "_fd",
        "_frame",
        "_frame_filled",
        "_gatherer",
        "_handled_frame",
        "_is_paused",
        "_listener",
        "_look_for_few",
        "_loop",
        "_may_widen",
        "_next_frame",
        "_pending",
        "_read_size",
        "_transport",
        "_unsent",
        "_writer_fd",
        "last_active_round",
    )

    def __init__(self, listener: Any, dispatcher: RequestDispatcher, loop: asyncio.AbstractEventLoop) -> None:
        self._listener = listener
        self._dispatcher = dispatcher
        self._look_for_few = listener.broker.fetch_purgatory.look_for_few
        self._loop = loop
        self._gatherer: ProduceGatherer = listener.gatherer
        self._busy_poll: BusyPoll | None = listener.busy_poll
        self._transport: Any = None
        self._context: RequestContext
        self._fd = -1  # -1: the connection has ended, or was not let in
        self._writer_fd = -1  # a duplicate of the socket, watched for room while something is unsent
        self._frame: memoryview | None = None
        self._frame_filled = 0
        self._next_frame: memoryview | None = None  # received while a handler waits
        self._handled_frame: memoryview | None = None  # what the handler that waits may still look at
        self._backlog: bytes | bytearray = b""
        self._read_size = READ_SIZE
        self._may_widen: bool = listener.widens_receive_buffers
        self._pending: asyncio.Future[Any] | DelayedOperation | GatheredRequests | None = None
        self._unsent: deque[memoryview | LogSlice] = deque()
        self._is_paused = False
        self.last_active_round = listener.round

    # --- the transport's side -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        context = self._listener.accept(self, transport)
        if context is None:
            self._transport.abort()
            return
        self._context = context
        self._fd = transport.get_extra_info("socket").fileno()

    def descriptors(self) -> tuple[int, int]:
        """The file descriptors of its socket, -1 where it has none."""
        sock = None if self._transport is None else self._transport.get_extra_info("socket")
        return -1 if sock is None else sock.fileno(), self._writer_fd

    def connection_lost(self, exc: Exception | None) -> None:
        self._fd = -1
        self._unwatch()
        self._unsent.clear()
        self._backlog = b""
        self._frame = self._next_frame = self._handled_frame = None
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()
        context: RequestContext | None = getattr(self, "_context", None)  # None where it was not let in
        if context is not None:
            for on_disconnect in context.disconnect_watchers:
                on_disconnect(context)
        self._listener.forget(self)

    def eof_received(self) -> bool:
        return False

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._frame is not None:
            return self._frame[self._frame_filled :]
        shared: memoryview = self._listener.read_buffer
        return shared if self._read_size == READ_SIZE else shared[: self._read_size]

    def buffer_updated(self, nbytes: int) -> None:
        self.last_active_round = self._listener.round
        frame = self._frame
        if frame is not None:
            self._frame_filled += nbytes
            if self._frame_filled < len(frame):
                return
            self._frame = None
            self._read_size = READ_SIZE_BEHIND_LARGE_FRAME if len(frame) > LARGE_FRAME else READ_SIZE
            if self._pending is not None or self._unsent:
                self._next_frame = frame
                self._pause()
            else:
                self._handle_frame(frame)
            return
        view: memoryview = self._listener.read_buffer[:nbytes]
        if self._pending is not None or self._unsent:
            has_more = self._unsent or self._backlog or self._next_frame is not None
            if has_more or not self._begins_large_frame(view):
                self._backlog = bytearray(self._backlog)
                self._backlog += view
                self._pause()
        elif self._backlog:
            joined = bytearray(self._backlog)
            joined += view
            self._backlog = b""
            self._handle_frames(memoryview(joined))
        else:
            repeated = self._context.repeated_produce
            if repeated is not None and nbytes <= GATHERED_READ:
                self._pending = self._gatherer.gather(self, repeated, view)
                if self._pending is not None:
                    return
            if self._busy_poll is None or nbytes > SMALL_READ:
                self._handle_frames(view)
                return
            asked_ns = perf_counter_ns()
            self._handle_frames(view)
            if self._pending is None and not self._unsent:
                self._busy_poll.wait(asked_ns)

    def pause_writing(self) -> None:
        self._pause()

    def resume_writing(self) -> None:
        self._resume()

    # --- requests -----------------------------------------------------------------------------------------------------

    def _begins_large_frame(self, view: memoryview) -> bool:
        """Whether `view` is the beginning of one large frame, which gets its buffer then."""
        if len(view) < 4:
            return False
        (size,) = _unpack_size(view)
        if not LARGE_FRAME < size <= self._listener.max_request_size or size + 4 <= len(view):
            return False
        self._keep_rest(view, 0, len(view))
        return True

    def _handle_frame(self, frame: memoryview) -> None:
        """Handles the one frame that has a buffer of its own, and lets go of that when nobody needs it any more."""
        self._handle_frames(frame)
        if self._pending is None:
            self._listener.frame_buffers.give_back(frame)
        else:
            self._handled_frame = frame

    def _handle_frames(self, view: memoryview) -> None:
        """Handles the whole frames of `view`, until one has to wait, and keeps the rest."""
        dispatch = self._dispatcher.dispatch
        max_size = self._listener.max_request_size
        context = self._context
        position, end = 0, len(view)
        out = ResponseBuffer()
        try:
            while end - position >= 4:
                repeated = context.repeated_produce
                if repeated is not None:
                    position = repeated.answer(view, position, end, max_size, out, self._send_plain)
                    if repeated.pending is not None:
                        run, repeated.pending = repeated.pending, None
                        self._wait(run, view[position:], out)
                        return
                    if end - position < 4:
                        break
                (size,) = _unpack_size(view, position)
                if not 0 <= size <= max_size:
                    raise ProtocolError(
                        f"Invalid receive (size = {size} larger than {max_size})"
                        if size > 0
                        else f"Invalid receive (size = {size})"
                    )
                behind = position + 4 + size
                if behind > end:
                    break
                pending = dispatch(context, view, position + 4, behind, out)
                position = behind
                if pending is not None:
                    self._wait(pending, view[position:], out)
                    return
                if len(out) > OUTPUT_LIMIT:
                    self._send(out)
                    if self._unsent:
                        self._backlog = bytes(view[position:])
                        self._pause()
                        return
                    out = ResponseBuffer()
        except ProtocolError as error:
            self._send(out)
            self._close(f"closed the connection: {error}")
            return
        except Exception:
            logger.exception("%s: a request (API key %d) failed", self, context.api_key)
            self._send(out)
            self._close(None)
            return
        if position < end:
            self._keep_rest(view, position, end)
        if out:
            self._look_for_few()
            self._send(out)

    def _keep_rest(self, view: memoryview, position: int, end: int) -> None:
        if end - position < 4:
            self._backlog = bytes(view[position:end])
            return
        (size,) = _unpack_size(view, position)
        if self._may_widen and size > LARGE_FRAME:
            self._may_widen = False
            widen_receive_buffer(self._transport.get_extra_info("socket"))
        frame = self._listener.frame_buffers.take(size + 4)
        filled = end - position
        frame[:filled] = view[position:end]
        self._frame, self._frame_filled = frame, filled

    def _wait(self, pending: PendingAnswer | PendingRun, rest: memoryview, out: ResponseBuffer) -> None:
        """Sends the answers that are there; `rest` is taken up after the one that is not."""
        self._backlog = bytes(rest)
        self._send(out)
        awaitable = pending.awaitable
        answer = awaitable if isinstance(awaitable, DelayedOperation) else asyncio.ensure_future(awaitable)
        self._pending = answer
        answer.add_done_callback(lambda done: self._answered(pending, done))

    def _answered(self, pending: PendingAnswer | PendingRun, done: asyncio.Future[Any] | DelayedOperation) -> None:
        if self._pending is not done:
            return  # the connection has gone
        self._pending = None
        frame, self._handled_frame = self._handled_frame, None
        try:
            response = done.result()
            if frame is not None:  # of a request that failed nobody knows who still looks at its bytes
                self._listener.frame_buffers.give_back(frame)
            out = ResponseBuffer()
            pending.encode(response, out)
            self._send(out)
        except Exception:
            logger.exception("%s: a request (API key %d) failed", self, self._context.api_key)
            self._close(None)
            return
        if not self._unsent:
            self._go_on()

    def send_gathered(self, gathered: GatheredRequests, answers: ResponseBuffer) -> None:
        """Sends what answers requests that were gathered with those of other connections."""
        if self._pending is gathered:
            self._pending = None
            self._send(answers)
            if self._is_paused and not self._unsent:  # something has come meanwhile
                self._go_on()

    def handle_alone(self, gathered: GatheredRequests) -> None:
        """Handles requests that were gathered and could not be appended with those of other connections."""
        if self._pending is gathered:
            self._pending = None
            self._handle_frames(gathered.frames)
            if self._pending is None and not self._unsent:
                self._go_on()

    def _go_on(self) -> None:
        """Nothing is awaited and nothing unsent: takes up what arrived meanwhile, then reads on."""
        if self._next_frame is not None:
            frame, self._next_frame = self._next_frame, None
            self._handle_frame(frame)
        if self._backlog and self._pending is None and not self._unsent:
            backlog, self._backlog = self._backlog, b""
            self._handle_frames(memoryview(backlog))
        if self._pending is None and not self._unsent:
            self._resume()

    # --- answers ------------------------------------------------------------------------------------------------------

    def _send(self, out: ResponseBuffer) -> None:
        if not out or self._fd < 0:
            return
        if out.slices is None and not self._unsent:
            try:
                written = os.write(self._fd, out)
            except BlockingIOError:
                written = 0
            except OSError:
                self._close(None)
                return
            if written < len(out):
                self._unsent.append(memoryview(out)[written:])
                self._watch()
            return
        self._enqueue(out)
        self._send_unsent()

    def _send_plain(self, answers: bytearray) -> None:
        """Sends answers that carry no records."""
        self._send(ResponseBuffer(answers))

    def _enqueue(self, out: ResponseBuffer) -> None:
        view = memoryview(out)
        position = 0
        for at, piece in out.slices or ():
            if at > position:
                self._unsent.append(view[position:at])
            self._unsent.append(piece)
            position = at
        if position < len(out):
            self._unsent.append(view[position:])

    def _send_unsent(self) -> None:
        """Sends what waits as far as the socket takes it; called again when the socket has room."""
        unsent = self._unsent
        budget = SENDFILE_LIMIT
        try:
            while unsent and budget > 0:
                piece = unsent[0]
                if isinstance(piece, memoryview):
                    written = os.write(self._fd, piece)
                    if written < len(piece):
                        unsent[0] = piece[written:]
                        break
                else:
                    file = piece.file.fileno() if piece.file is not None else None
                    if file is None:
                        unsent[0] = memoryview(piece.read())
                        continue
                    written = os.sendfile(self._fd, file, piece.position, min(len(piece), budget))
                    if written == 0:
                        self._close("a log was cut while it was being sent")
                        return
                    budget -= written
                    if written < len(piece):
                        unsent[0] = LogSlice(piece.file, piece.position + written, piece.size - written)
                        continue
                unsent.popleft()
        except BlockingIOError:
            pass
        except OSError:
            self._close(None)
            return
        self._watch_unsent()

    def _watch_unsent(self) -> None:
        """Has `_has_room` called when the socket has room again, as long as something waits."""
        if self._unsent:
            self._watch()
        elif self._writer_fd >= 0:
            self._unwatch()

    def _watch(self) -> None:
        if self._writer_fd < 0 and self._fd >= 0:
            self._writer_fd = os.dup(self._fd)
            self._loop.add_writer(self._writer_fd, self._has_room)

    def _unwatch(self) -> None:
        if self._writer_fd >= 0:
            self._loop.remove_writer(self._writer_fd)
            os.close(self._writer_fd)
            self._writer_fd = -1

    def _has_room(self) -> None:
        self._send_unsent()
        if not self._unsent and self._fd >= 0 and self._pending is None:
            self._go_on()

    # --- flow and end -------------------------------------------------------------------------------------------------

    def _pause(self) -> None:
        if not self._is_paused and not self._transport.is_closing():
            self._is_paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._is_paused and not self._transport.is_closing():
            self._is_paused = False
            self._transport.resume_reading()

    @property
    def client_host(self) -> str:
        """Where the client is."""
        return self._context.client_host

    @property
    def is_busy(self) -> bool:
        """Whether an answer is awaited or not yet sent."""
        return self._pending is not None or bool(self._unsent)

    def close(self) -> None:
        """Ends the connection; answers already handed to the socket still arrive."""
        self._unsent.clear()
        self._transport.close()

    def _close(self, reason: str | None) -> None:
        if reason is not None:
            logger.warning("%s: %s", self, reason)
        self._unsent.clear()
        self._unwatch()
        self._fd = -1
        self._transport.close()

    def __str__(self) -> str:
        context = self._context
        return f"{context.client_host}:{context.client_port} on {context.listener_name}"
