"""One client's connection: HTTP/1.1 as uvicorn and httptools speak it, with the limits they leave open.

httptools bounds neither the size of a head nor the time in which a request arrives, so that a client could hold
connections or memory for nothing (slow-loris). And when a client goes away, the work it waits for is given up.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import monotonic
from types import SimpleNamespace
from typing import Any, cast

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from appliance.serve.problems import Problem
from appliance.serve.sending import STRAIGHT, Headers, send_problem
from appliance.words import _

MAX_HEAD_BYTES = 32 * 1024
ON_DISCONNECT = "skerry.on_disconnect"  # in the ASGI scope: what to call when the client goes away


# What stands for a request that was answered before its body came.
_ANSWERED: Any = SimpleNamespace(
    response_started=True, response_complete=True, disconnected=False, scope={}, message_event=SimpleNamespace(set=lambda: None)
)  # fmt: skip


class Connection(HttpToolsProtocol):
    """A connection that counts what a request sends and since when. Subclass it to set the limits."""

    max_request_bytes: int
    max_upload_bytes: int  # of a batch
    max_connections: int
    read_s: float
    turn_away: Callable[
        [bytes, Headers], tuple[int, Headers, bytes] | None
    ]  # URL and headers of a POST -> its answer, where it has one already

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._reading_since: float | None = monotonic()
        self._in_head, self._received_bytes, self._most_bytes = True, 0, self.max_request_bytes

    def data_received(self, data: bytes) -> None:
        """Feed the parser, unless the request has grown too large."""
        self._received_bytes += len(data)
        self._reading_since = self._reading_since or monotonic()
        super().data_received(data)
        if self._in_head and self._received_bytes > MAX_HEAD_BYTES:
            self.refuse(
                Problem("head-too-large", _("the request's head is larger than {limit} bytes", limit=MAX_HEAD_BYTES))
            )
        elif self._received_bytes > self._most_bytes:
            self.refuse(
                Problem("content-too-large", _("the request is larger than {limit} bytes", limit=self._most_bytes))
            )

    def on_message_begin(self) -> None:
        """Start to count a request."""
        super().on_message_begin()
        self._reading_since = self._reading_since or monotonic()
        self._in_head = True

    def on_headers_complete(self) -> None:
        """Note that the head has arrived, and turn the request away when there are too many."""
        self._in_head = False
        uploads = self.url == b"/v1/batches" or self.url.startswith(b"/v1/batches?")
        self._most_bytes = self.max_upload_bytes if uploads else self.max_request_bytes
        full = max(len(self.connections), len(self.tasks)) > self.max_connections
        if not full and self._turned_away():
            return
        self.app = cast("Any", _turn_away) if full else self.config.loaded_app
        super().on_headers_complete()
        cast("Scope", self.scope)[STRAIGHT] = partial(self._write, self.cycle)

    def on_message_complete(self) -> None:
        """Note that the request has arrived whole."""
        self._reading_since, self._received_bytes = None, 0
        super().on_message_complete()
        if self.cycle is _ANSWERED:
            self.on_response_complete()
        self.flow.resume_reading()  # a large body has paused it, and a paused connection does not see its client go

    def _turned_away(self) -> bool:
        """Answer a request now whose body need not be read: what follows of it is thrown away."""
        if self.parser.get_method() != b"POST" or self.expect_100_continue or not self.parser.should_keep_alive():
            return False
        if self.cycle is not None and not self.cycle.response_complete:  # its turn has not come
            return False
        answer = self.turn_away(self.url, self.headers)
        if answer is None:
            return False
        self.cycle = _ANSWERED
        status, headers, body = answer
        self._answer(status, [*headers, (b"content-length", b"%d" % len(body))], body)
        return True

    def _write(self, cycle: RequestResponseCycle, status: int, headers: Headers, body: bytes) -> bool:
        """Write an answer whole: one system call, one waking of the client. False where it must wait or is too late."""
        if self.flow.write_paused or cycle.disconnected or cycle.response_started or cycle.scope["method"] == "HEAD":
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        self._answer(status, headers if cycle.keep_alive else [*headers, (b"connection", b"close")], body)
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
        return True

    def _answer(self, status: int, headers: Headers, body: bytes) -> None:
        lines = [b"%b: %b\r\n" % header for header in (*self.server_state.default_headers, *headers)]
        self.transport.write(b"".join((STATUS_LINE[status], *lines, b"\r\n", body)))

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up the work that this client waits for."""
        gone: Callable[[], None] | None = self.cycle.scope.get(ON_DISCONNECT) if self.cycle else None  # type: ignore[assignment]
        super().connection_lost(exc)
        if gone is not None:
            gone()

    def check(self, now: float) -> None:
        """Refuse a request that takes longer than `read_s` to arrive. `now` is `time.monotonic`."""
        if self._reading_since is not None and now - self._reading_since > self.read_s:
            self.refuse(Problem("request-timeout", _("the request did not arrive within {limit} s", limit=self.read_s)))

    def refuse(self, problem: Problem) -> None:
        """Answer with a problem, unless an answer is on its way already, and close."""
        if self.transport.is_closing():
            return
        # One answer a request: a second one would be taken for the answer to the client's next request.
        if self.cycle is None or (self.cycle.response_complete if self._in_head else not self.cycle.response_started):
            body = problem.body("-")
            head = f"HTTP/1.1 {problem.status} -\r\ncontent-type: application/problem+json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            self.transport.write(head.encode() + body)
        self.transport.close()


async def _turn_away(scope: Scope, _receive: Receive, send: Send) -> None:
    """The application in place of ours while there are too many connections."""
    problem = Problem("busy", _("the server has too many connections; ask again in a moment"), retry_after_s=1)
    await send_problem(problem, scope, "-", send)
