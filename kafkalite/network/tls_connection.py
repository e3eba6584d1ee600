"""A client's connection over TLS: what arrives is opened before, and what leaves is sealed after the plain connection.

OpenSSL works on memory, not on the socket: so one read of the socket brings many TLS records, and many leave with one
write, which costs half of what a system call for each record of 16 KiB does. All connections of a listener read into
one shared buffer and seal from another; between two reads a connection owns what OpenSSL keeps for it.

A read may bring several large frames. Their answers leave together when all is opened: each write of its own would cost
as much as opening half a frame of 100 KB.

Memory. Answers wait unsealed, and records wait in their files; at most SEAL_SIZE bytes are sealed ahead of what the
socket takes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from typing import TYPE_CHECKING, Any, Final, cast

from kafkalite.network.connection import SENDFILE_LIMIT, Connection
from kafkalite.storage.log_slice import LogSlice

if TYPE_CHECKING:
    from kafkalite.network.request_dispatcher import RequestDispatcher
    from kafkalite.network.response_buffer import ResponseBuffer
    from kafkalite.network.ssl_channel_builder import SslChannelBuilder

logger = logging.getLogger("kafkalite.network")

SEAL_SIZE: Final = 96 * 1024
"""Bytes that are sealed before they are written: about what a socket takes at once, and less than what the C library
takes from the system and gives back each time (128 KiB), which would cost a third more."""
OPEN_SIZE: Final = 64 * 1024
"""Bytes that OpenSSL is given to open at a time: it keeps a buffer of that size for each connection."""
HANDSHAKE_TIMEOUT_S: Final = 30.0
"""A client that has not shaken hands by then is gone, or means no good."""


class TlsConnection(Connection):
    """A connection whose bytes are TLS's; the principal is that of the client's certificate, if it shows one."""

    __slots__ = (
        "_channels",
        "_handshake_timer",
        "_held",
        "_holds_answers",
        "_incoming",
        "_is_established",
        "_is_front_sealed",
        "_outgoing",
        "_tls",
    )

    def __init__(
        self, listener: Any, dispatcher: RequestDispatcher, loop: asyncio.AbstractEventLoop, channels: SslChannelBuilder
    ) -> None:
        super().__init__(listener, dispatcher, loop)
        self._channels = channels
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = channels.context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._is_established = False
        self._holds_answers = False
        self._held: ResponseBuffer | None = None  # answers that leave when all that the read has brought is opened
        self._is_front_sealed = False  # the first of `_unsent` is TLS records; it was sealed before the others
        self._handshake_timer: asyncio.TimerHandle | None = None

    # --- the transport's side -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._fd >= 0:
            self._handshake_timer = self._loop.call_later(HANDSHAKE_TIMEOUT_S, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_handshake()
        super().connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._channels.sealed_buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._fd < 0:
            return
        self.last_active_round = self._listener.round
        arrived = self._channels.sealed_buffer[:nbytes]
        if self._is_established:
            self._open(arrived)
            return
        self._incoming.write(arrived)
        if self._shake_hands():
            self._open(arrived[:0])

    # --- the handshake ------------------------------------------------------------------------------------------------

    def _shake_hands(self) -> bool:
        """Takes the handshake as far as the client's bytes go; returns whether it is over."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._send_sealed()
            return False
        except ssl.SSLError as error:
            self._fail(error)
            return False
        self._send_sealed()
        self._is_established = True
        self._end_handshake()
        try:
            self._context.principal = self._channels.principal(self._tls)
            # The certificate is for that name: the client is told to come by it again.
            self._context.local_host = getattr(self._tls, "requested_name", None) or self._context.local_host
        except ValueError as error:
            self._close(f"closed the connection: {error}")
        return self._fd >= 0

    def _end_handshake(self) -> None:
        if self._handshake_timer is not None:
            self._handshake_timer.cancel()
            self._handshake_timer = None

    def _give_up(self) -> None:
        self._handshake_timer = None
        self._close(f"closed the connection: no SSL handshake within {HANDSHAKE_TIMEOUT_S:g} s")

    def _fail(self, error: ssl.SSLError) -> None:
        """Ends the connection where the client does not keep to TLS, or its certificate is not good enough."""
        reason = getattr(error, "verify_message", None) or (error.reason or str(error)).replace("_", " ").lower()
        self._close(f"{'SSL failed' if self._is_established else 'SSL handshake failed'}: {reason}")

    # --- what arrives -------------------------------------------------------------------------------------------------

    def _open(self, arrived: memoryview) -> None:
        """Hands on what can be opened of that which has arrived, as long as the connection takes it."""
        read, incoming, tls = self._tls.read, self._incoming, self._tls
        position = 0
        is_dry = is_over = False
        failure: ssl.SSLError | None = None
        while not (is_dry or is_over or self._is_paused) and self._fd >= 0:
            buffer = super().get_buffer(-1)
            filled, size = 0, len(buffer)
            while filled < size:
                if not incoming.pending and not tls.pending():
                    if position == len(arrived):
                        is_dry = True
                        break
                    position += incoming.write(arrived[position : position + OPEN_SIZE])
                try:
                    count = int(read(size - filled, buffer[filled:]))
                except ssl.SSLWantReadError:
                    if position == len(arrived):
                        is_dry = True
                        break
                    position += incoming.write(arrived[position : position + OPEN_SIZE])
                    continue
                except ssl.SSLError as error:
                    failure, is_over = error, True
                    break
                if not count:  # the client has said its last word
                    is_over = True
                    break
                filled += count
            if filled and failure is None:
                # Behind a frame that has a buffer of its own there may be another one.
                self._holds_answers = self._frame is not None and (position < len(arrived) or self._held is not None)
                super().buffer_updated(filled)
        if failure is None and (self._holds_answers or self._held is not None):
            self._send_held()
        if self._fd < 0:
            return
        if failure is not None:
            self._held = None  # OpenSSL seals no more answers; its own last word is ready
            self._fail(failure)
        elif is_over:
            self.close()
        else:
            if position < len(arrived):
                incoming.write(arrived[position:])
            if self._outgoing.pending:  # what TLS itself has to say: a change of keys
                self._send_sealed()

    def _resume(self) -> None:
        super()._resume()
        if not self._is_paused and (self._incoming.pending or self._tls.pending()):
            self._open(memoryview(b""))

    # --- what leaves --------------------------------------------------------------------------------------------------

    def _send(self, out: ResponseBuffer) -> None:
        if not out or self._fd < 0:
            return
        if self._holds_answers and out.slices is None and len(out) <= SEAL_SIZE:
            if self._held is None:
                self._held = out
            else:
                self._held += out
            return
        if self._held is not None:
            self._send_held()
        if out.slices is None and not self._unsent and len(out) <= SEAL_SIZE:
            self._tls.write(out)
            self._send_sealed()
            return
        self._enqueue(out)
        self._send_unsent()

    def _send_held(self) -> None:
        self._holds_answers = False
        held, self._held = self._held, None
        if held is not None:
            self._send(held)

    def _send_sealed(self) -> None:
        """Sends the records that OpenSSL has made; what the socket does not take waits before all else."""
        data = self._outgoing.read()
        if not data or self._fd < 0:
            return
        if self._is_front_sealed:
            self._unsent[0] = memoryview(bytes(cast("memoryview", self._unsent[0])) + data)
            return
        written = 0
        try:
            written = os.write(self._fd, data)
        except BlockingIOError:
            pass
        except OSError:
            self._close(None)
            return
        if written < len(data):
            self._unsent.appendleft(memoryview(data)[written:])
            self._is_front_sealed = True
            self._watch()

    def _send_unsent(self) -> None:
        unsent = self._unsent
        budget = SENDFILE_LIMIT
        try:
            while unsent and budget > 0:
                if not self._is_front_sealed:
                    budget -= self._seal()
                    if self._fd < 0:
                        return
                sealed = cast("memoryview", unsent[0])
                written = os.write(self._fd, sealed)
                if written < len(sealed):
                    unsent[0] = sealed[written:]
                    break
                unsent.popleft()
                self._is_front_sealed = False
        except BlockingIOError:
            pass
        except OSError:
            self._close(None)
            return
        self._watch_unsent()

    def _seal(self) -> int:
        """Makes TLS records of the next SEAL_SIZE bytes that wait and puts them to the front; returns their number."""
        unsent = self._unsent
        size = 0
        while unsent and size < SEAL_SIZE:
            piece = unsent.popleft()
            room = SEAL_SIZE - size
            rest: memoryview | LogSlice
            if isinstance(piece, memoryview):
                part, rest = piece[:room], piece[room:]
            else:
                file = piece.file.fileno() if piece.file is not None else None
                if file is None:
                    unsent.appendleft(memoryview(piece.read()))
                    continue
                part = self._channels.plain_buffer[: min(room, len(piece))]
                part = part[: os.preadv(file, [part], piece.position)]
                if not part:
                    self._close("a log was cut while it was being sent")
                    return size
                rest = LogSlice(piece.file, piece.position + len(part), piece.size - len(part))
            if len(rest):
                unsent.appendleft(rest)
            self._tls.write(part)
            size += len(part)
        unsent.appendleft(memoryview(self._outgoing.read()))
        self._is_front_sealed = True
        return size

    # --- end ----------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        self._say_last_word()
        self._unwatch()
        self._fd = -1  # nothing can follow the last word
        super().close()

    def _close(self, reason: str | None) -> None:
        if reason is not None:
            logger.warning("%s: %s", self, reason)
        self._say_last_word()
        super()._close(None)

    def _say_last_word(self) -> None:
        """Tells the client why it was refused, or that nothing more comes; unless something is still on its way."""
        self._send_held()
        if self._fd < 0 or self._unsent:
            return
        if self._is_established:
            self._is_established = False
            try:
                self._tls.unwrap()
            except ssl.SSLError:
                pass  # the client has not said its own last word yet, and need not
        data = self._outgoing.read()
        if data:
            try:
                os.write(self._fd, data)
            except OSError:
                pass
