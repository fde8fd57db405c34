"""Connections of the HTTP server, each held to limits.

uvicorn leaves limits and timeouts to a proxy in front. This API is reached without a proxy, too, so
a connection has limits of its own: on the size of a request's head, on the time for head and body,
on requests that are sent ahead, on answers that are not read, and on the number of connections.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from cloud.api.middleware.headers import security_headers
from cloud.api.middleware.observation import ENDED_AS, HUNG_UP
from cloud.api.problems import STATUS, problem
from cloud.api.serving.limits import Limits
from cloud.contract import ProblemCode

log = structlog.get_logger("cloud.api")


class _Refused(Exception):  # noqa: N818 (never seen outside: httptools wraps it)
    """Ends the parsing of what a client sends."""

    def __init__(self, code: ProblemCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Connections:
    """All connections of a process: what they may do, and which of them wait for a request.

    Args:
        limits: what a client may ask.
        refused: called with a problem's code, or another reason, for each client sent away.
        over_tls: whether browsers reach the API over https.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        refused: Callable[[str], None] = lambda _: None,
        over_tls: bool = False,
    ) -> None:
        self.limits = limits or Limits()
        self.open: set[Connection] = set()
        self.waiting: dict[Connection, None] = {}
        self._count = refused
        self._headers = [
            *security_headers(over_tls=over_tls),
            (b"connection", b"close"),
        ]

    def sweep(self, now: float) -> None:
        """Send away who is late at `now`, by the event loop's clock."""
        for connection in list(self.open):
            connection.check(now)

    def note(self, reason: str, peer: object) -> None:
        """Count a client that was sent away, and write one line about it."""
        self._count(reason)
        log.info("connection_ended", reason=reason, peer=peer)

    def answer(self, code: ProblemCode, detail: str, date: list[tuple[bytes, bytes]]) -> bytes:
        """Return a whole answer that says why the connection ends."""
        made = problem(code, detail)
        lines = [
            name + b": " + value + b"\r\n"
            for name, value in (*date, *made.raw_headers, *self._headers)
        ]
        return b"".join([STATUS_LINE[made.status_code], *lines, b"\r\n", bytes(made.body)])


class Connection(HttpToolsProtocol):
    """One connection, held to its limits.

    What is late is found by a sweep over all connections: a timer for each part of each request
    would cost more than the parsing.
    """

    def __init__(self, *args: Any, all_of_them: Connections, **others: Any) -> None:
        super().__init__(*args, **others)
        self._all = all_of_them
        self._limits = all_of_them.limits
        self._active: RequestResponseCycle | None = None  # who is answered; `cycle` is the latest
        self._deaf = False  # nothing that still comes is read
        self._ignored = 0
        self._heard = False
        self._head: int | None = 0  # bytes of the head so far; None while a body comes
        self._begun = False
        self._ended = False  # whether a request ended in what is parsed just now
        self._due: float | None = None
        self._idle_due: float | None = None
        self._framing = 0
        self._body = 0
        self._unread = 0
        self._unread_due: float | None = None

    # What asyncio calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request; at the limit, another connection makes room."""
        super().connection_made(transport)
        others = self._all
        others.open.add(self)
        self._due = self.loop.time() + self._limits.head_s
        if len(others.open) > self._limits.connections:
            longest = next(iter(others.waiting), None)
            if longest is None:
                self._refuse(
                    ProblemCode.TOO_MANY_CONNECTIONS, "as many connections are open as may be"
                )
                return
            longest.make_room()
        others.waiting[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell every request that is not answered that nobody waits for it."""
        self._all.open.discard(self)
        self._all.waiting.pop(self, None)
        waiting = [cycle for cycle, _ in self.pipeline]
        self.pipeline.clear()
        for cycle in (self._active, *waiting):
            if cycle is not None and not cycle.response_complete:
                if not cycle.response_started:
                    cycle.scope["state"].setdefault(ENDED_AS, HUNG_UP)
                cycle.disconnected = True
                cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, in parts that are no larger than a head may be."""
        if self._deaf:
            self._ignored += len(data)
            if self._ignored > self._limits.linger_bytes:
                self.transport.abort()
            return
        self._unset_keepalive_if_required()
        size = self._limits.head_bytes
        if len(data) <= size:
            self._parse(data)
            return
        for start in range(0, len(data), size):
            self._parse(data[start : start + size])
            if self._deaf:
                return

    # What uvicorn calls.

    def shutdown(self) -> None:
        """Finish the request in hand, if there is one and its client does its part."""
        hurry = self._limits.hurry_s
        soon = self.loop.time() + hurry
        self._limits = replace(
            self._limits,
            idle_s=min(self._limits.idle_s, hurry),
            unread_s=min(self._limits.unread_s, hurry),
        )
        self._due = min(soon, self._due) if self._due is not None else None
        self._idle_due = min(soon, self._idle_due) if self._idle_due is not None else None
        self._unread_due = min(soon, self._unread_due) if self._unread_due is not None else None
        if self._deaf and (self._active is None or self._active.response_complete):
            self.transport.close()
        else:
            super().shutdown()

    def on_response_complete(self) -> None:
        """Go on with the next request, or begin to wait for it."""
        super().on_response_complete()
        answering = self._active is not None and not self._active.response_complete
        if not answering and not self.transport.is_closing():
            self._all.waiting[self] = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._active = cycle
        super()._start_asgi_task(cycle, app)

    def _should_upgrade(self) -> bool:
        return False  # no other protocol is spoken here; RFC 9110 section 7.8 lets us say nothing

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Note that a head has begun."""
        super().on_message_begin()
        self._begun = True

    def on_url(self, url: bytes) -> None:
        """Take the request target, or a part of it."""
        self.url += url
        if len(self.url) > self._limits.target_bytes:
            raise _Refused(
                ProblemCode.TARGET_TOO_LONG,
                f"a request target may have {self._limits.target_bytes} bytes at most",
            )

    def on_headers_complete(self) -> None:
        """Hand the request on, unless its head asks too much."""
        limits = self._limits
        if len(self.headers) > limits.fields:
            raise _Refused(
                ProblemCode.HEADER_FIELDS_TOO_LARGE,
                f"a request may have {limits.fields} header fields at most",
            )
        if self._head:  # it came in more than one part
            size = sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size + len(self.url) > limits.head_bytes:
                raise self._too_large()
        if self.parser.should_upgrade() and self._announces_a_body():
            raise _Refused(
                ProblemCode.HTTP_INVALID,
                "this server speaks HTTP/1.1 alone: send a body without Upgrade, and no CONNECT",
            )
        if len(self.pipeline) >= limits.ahead:
            raise _Refused(
                ProblemCode.HTTP_INVALID, f"{limits.ahead} requests wait already for their answers"
            )
        super().on_headers_complete()
        # Trailers are no header fields (RFC 9110 section 6.5.1): the request keeps its list.
        self.headers = []
        self._head = None
        self._due = None
        self._all.waiting.pop(self, None)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the next head may follow."""
        super().on_message_complete()
        self._head = 0
        self._begun = False
        self._ended = True
        self._due = self._idle_due = None
        self._framing = 0

    # Our own.

    def check(self, now: float) -> None:
        """Send the client away if at `now` it is late with a request, or with reading an answer."""
        if self._due is not None and now >= self._due:
            self._late()
        elif self._idle_due is not None and now >= self._idle_due:
            if self.flow.read_paused:  # it is we who do not read
                self._idle_due = now + self._limits.idle_s
            else:
                self._late()
        self._check_reading(now)

    def make_room(self) -> None:
        """End, for a newer connection: no request has come here for the longest time."""
        self._all.waiting.pop(self, None)
        self._all.open.discard(self)
        self._deaf = True
        self._all.note("make_room", self.client)
        self.transport.abort()

    def _parse(self, data: bytes) -> None:
        self._heard = True
        self._ended = False
        self._body = 0
        in_body = self._head is None
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The request is answered as if it had not asked; what follows it is not HTTP/1.1.
            self._deaf = True
            if self.cycle is not None:
                self.cycle.keep_alive = False
            return
        except httptools.HttpParserError as error:
            reason = error.__context__
            if isinstance(reason, _Refused):
                self._refuse(reason.code, reason.detail)
            else:
                self._refuse(ProblemCode.HTTP_INVALID, "this is not a request of HTTP/1.1")
            return
        if self._head is not None:
            self._count_head(len(data))
        else:
            self._count_body(len(data) if in_body else 0)

    def _count_head(self, size: int) -> None:
        """Count the bytes of a head.

        Bytes that follow the end of a request in the same read are not counted; they are fewer than
        a head may have.
        """
        if self._ended:
            if not self._begun:
                return
            size = 0
        self._head = (self._head or 0) + size
        if self._due is None:
            self._due = self.loop.time() + self._limits.head_s
        if self._head > self._limits.head_bytes:
            error = self._too_large()
            self._refuse(error.code, error.detail)

    def _count_body(self, size: int) -> None:
        now = self.loop.time()
        limits = self._limits
        if self._due is None:
            self._due = now + limits.body_s
        self._idle_due = now + limits.idle_s
        self._framing += max(0, size - self._body)
        if self._framing > limits.framing_bytes:
            self._refuse(ProblemCode.HTTP_INVALID, "the chunks of this body say too much")
        elif self.cycle.response_complete:
            # It was answered before it was all here: what is left is read for a while, so that the
            # client comes to read the answer, and kept nowhere.
            self._due = min(self._due, now + limits.linger_s)

    def _too_large(self) -> _Refused:
        return _Refused(
            ProblemCode.HEADER_FIELDS_TOO_LARGE,
            f"request line and header fields may have {self._limits.head_bytes} bytes together",
        )

    def _announces_a_body(self) -> bool:
        return self.parser.get_method() == b"CONNECT" or any(
            name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0 \t"))
            for name, value in self.headers
        )

    def _late(self) -> None:
        answered_before_its_end = (
            self._head is None and self.cycle is not None and self.cycle.response_complete
        )
        if self._deaf or answered_before_its_end:
            self._due = self._idle_due = None
            self.transport.abort()
            return
        if not self._heard:
            self._due = None
            self.transport.close()
            return
        self._refuse(
            ProblemCode.REQUEST_TIMEOUT,
            "the request's head took too long"
            if self._head is not None
            else "the request's body took too long",
        )

    def _check_reading(self, now: float) -> None:
        unread = self.transport.get_write_buffer_size()
        if not unread:
            self._unread_due = None
        elif self._unread_due is None or unread <= self._unread - self._limits.unread_bytes:
            self._unread = unread
            self._unread_due = now + self._limits.unread_s
        elif now >= self._unread_due:
            self._unread_due = None
            self._all.note("answer_unread", self.client)
            self.transport.abort()

    def _refuse(self, code: ProblemCode, detail: str) -> None:
        """Answer a client that asks too much, once, and end the connection.

        Where answers are owed to earlier requests, the connection ends after these, without
        another word.
        """
        self._deaf = True
        self._due = self._idle_due = None
        self._all.waiting.pop(self, None)
        self._all.note(code.value, self.client)
        active = self._active
        if active is not None and not active.response_complete:
            in_body = self._head is None
            if not in_body or self.cycle is not active:
                if in_body:
                    self.pipeline.popleft()  # the latest, whose body is what is refused
                last = self.pipeline[0][0] if self.pipeline else active
                last.keep_alive = False
                return
            active.disconnected = True
            active.message_event.set()
            if active.response_started:
                self.transport.abort()
                return
            active.scope["state"][ENDED_AS] = STATUS[code]
        self._unset_keepalive_if_required()
        said = self._all.answer(code, detail, self.server_state.default_headers)
        self.transport.write(said)
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self._due = self.loop.time() + self._limits.linger_s
            self.flow.resume_reading()
        else:
            self.transport.close()
