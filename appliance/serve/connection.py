"""One client's connection: HTTP/1.1 as uvicorn and httptools speak it, with the limits they leave open.

httptools bounds neither the size of a head nor the time in which a request arrives, so that a client could hold
connections or memory for nothing (slow-loris). And when a client goes away, the work it waits for is given up.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any, cast

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from appliance.serve.problems import Problem
from appliance.serve.sending import send_problem
from appliance.words import _

MAX_HEAD_BYTES = 32 * 1024
ON_DISCONNECT = "skerry.on_disconnect"  # in the ASGI scope: what to call when the client goes away


class Connection(HttpToolsProtocol):
    """A connection that counts what a request sends and since when. Subclass it to set the limits."""

    max_request_bytes: int
    max_upload_bytes: int  # of a batch
    max_connections: int
    read_s: float

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
        self.app = cast("Any", _turn_away) if full else self.config.loaded_app
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that the request has arrived whole."""
        self._reading_since, self._received_bytes = None, 0
        super().on_message_complete()
        self.flow.resume_reading()  # a large body has paused it, and a paused connection does not see its client go

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
