"""Run an application of pages: uvicorn on an open socket, until SIGTERM or SIGINT; open requests finish first."""

from __future__ import annotations

import importlib.util
import socket
from typing import TYPE_CHECKING, Any

from appliance.errors import MissingPartError, PolicyError
from appliance.log import log
from appliance.web.listener import address, is_loopback, log_like_us, raise_file_limit, uvicorn_options
from appliance.words import _

if TYPE_CHECKING:
    import ssl

__all__ = ["require_private", "require_templates", "run"]

_DRAIN_S = 10
_READ_S = 15.0  # a request that has not arrived after twice this time never will


def require_templates() -> None:
    """Raise `MissingPartError` where the library that makes pages is not installed."""
    if importlib.util.find_spec("jinja2") is None:
        raise MissingPartError(_("pages need an extra; install `skerry[label]` from the wheelhouse"))


def require_private(host: str, context: ssl.SSLContext | None) -> None:
    """Raise `PolicyError` where passwords and records would cross a network in the clear."""
    if context is None and not is_loopback(host):
        raise PolicyError(
            _(
                "`{host}` is reached over a network: give `--tls-cert` and `--tls-key`, or listen on 127.0.0.1 behind a proxy that speaks TLS",
                host=host,
            )
        )


def run(app: Any, listener: socket.socket, context: ssl.SSLContext | None, max_connections: int) -> None:
    """Answer on an open socket until SIGTERM or SIGINT, then let open requests finish."""
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Impatient(H11Protocol):
        """Closes a connection whose request does not arrive whole in time, so that nobody holds connections for nothing (slow-loris)."""

        _reading: object = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.loop.call_later(_READ_S, self._check)

        def _check(self) -> None:
            if self.transport.is_closing():
                return
            reads = self.cycle is None or self.cycle.response_complete or self.cycle.more_body
            if reads and self._reading == (self.cycle,):  # nothing new since the last look
                self.transport.close()
                return
            self._reading = (self.cycle,) if reads else None
            self.loop.call_later(_READ_S, self._check)

    class Server(uvicorn.Server):
        """Ends with exit code 0 when it is asked to; asked twice, at once."""

        def handle_exit(self, sig: int, frame: Any) -> None:
            self.force_exit, self.should_exit = self.should_exit, True

    raise_file_limit(max_connections + 64)
    log_like_us("uvicorn.error")
    config = uvicorn.Config(
        app,
        http=Impatient,
        lifespan="off",
        limit_concurrency=max_connections,
        h11_max_incomplete_event_size=32 * 1024,
        timeout_graceful_shutdown=_DRAIN_S,
        **uvicorn_options(context),
    )
    log("listening", url=address(listener, context))
    Server(config).run(sockets=[listener])
    log("stopped")
