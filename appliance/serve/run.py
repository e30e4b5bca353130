"""Start the server, follow the releases, drain and stop.

The order matters: first the environment is cleaned of everything that could make a library call out, then the models
begin to load in a thread while FastAPI is imported, then the socket opens. Until the models are warm the server says
that it is not ready.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from appliance import device, environment
from appliance.errors import ApplianceError, PolicyError
from appliance.log import log
from appliance.settings import ServeSettings, load
from appliance.web.listener import (
    address,
    is_loopback,
    listen,
    log_like_us,
    raise_file_limit,
    tls_context,
    uvicorn_options,
)
from appliance.words import _

if TYPE_CHECKING:
    import ssl

    from appliance.serve.router import Router
    from appliance.serve.service import Service

_POLL_S = 1.0
_LOADING_S = 5.0  # for a load that was cut off to be noticed
_CLOSE_S = 1  # for connections to close once their requests are done


def serve(
    home: Path,
    project: str,
    settings: ServeSettings,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    auth: bool = True,
) -> None:
    """Serve the live releases of a project until SIGTERM or SIGINT, then finish open requests and return.

    Raises `PolicyError` when there is no API key, or none is wanted and `settings.host` is not loopback;
    `NotFoundError` when no release is live; `IntegrityError` when a model is not what was promoted; `SettingsError`
    for a certificate or an address that cannot be used; `BusyError` when the port is taken.
    """
    environment.clean()
    if not auth and not is_loopback(settings.host):
        raise PolicyError(
            _(
                "`--no-auth` is for loopback only, not for `{host}`; make a key with `skerry key add NAME`",
                host=settings.host,
            )
        )
    from appliance.monitor.prometheus import Metrics
    from appliance.monitor.watch import Watch
    from appliance.serve.access import Access
    from appliance.serve.embedder import Embedder
    from appliance.serve.engine_process import EngineProcess
    from appliance.serve.router import Router

    access = Access(home, project) if auth else None
    if access:
        access.require_keys()
    context = tls_context(tls_cert, tls_key)
    metrics = Metrics(home)
    with listen(settings.host, settings.port) as listener:
        engines = EngineProcess(settings, device.threads(settings.threads))
        try:
            router = Router(home, project, settings.min_score, metrics, engines.load)
            embedder = Embedder(router)
            watch = Watch(home, project, load(home), metrics, embedder)
            loading = _Loading(router)
            from appliance.keys import open_keys
            from appliance.serve.batches import Batches
            from appliance.serve.service import Service

            service = Service(settings, router, metrics, access, engines)
            service.embedder = embedder
            service.after.append(watch.observe)
            metrics.watch_engine(lambda: engines.pid, lambda: engines.restarts)
            service.batches = Batches(home, project, open_keys(home, load(home).store.key_folder))
            _look_on(service, home, project)
            with watch:
                _run(service, loading, listener, context)
        finally:
            engines.stop()  # a load that is under way ends with its process
        loading.join(_LOADING_S)
    if loading.error and not service.draining:
        raise loading.error


def _look_on(service: Service, home: Path, project: str) -> None:
    # What is told of answers once they are sent: the guard of canaries, the mirror of shadows, those that feedback can judge.
    from appliance.keys import open_keys
    from appliance.serve.feedback import Feedback
    from appliance.serve.rollout import Rollout
    from appliance.serve.shadow import Mirror
    from appliance.spool import Spool

    settings, metrics = load(home), service.metrics
    service.rollout = Rollout(service.router, settings.release, Spool(home, project, "guard"), metrics)
    service.mirror = Mirror(service.router, settings.release.shadow_texts, metrics)
    service.after += [service.rollout.answered, service.mirror.answered]
    if settings.release.feedback_requests:
        keys = open_keys(home, settings.store.key_folder)
        service.feedback = Feedback(home, project, keys, settings.release, metrics, service.rollout.judged)
        service.after.append(service.feedback.answered)


class _Loading(threading.Thread):
    """Loads the models while the rest of the server is put together."""

    def __init__(self, router: Router) -> None:
        super().__init__(name="loading", daemon=True)
        self._router = router
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Load, and keep what went wrong for the main thread."""
        try:
            self._router.load()
            log("ready")
        except BaseException as error:
            self.error = error


def _run(service: Service, loading: _Loading, listener: socket.socket, context: ssl.SSLContext | None) -> None:
    import uvicorn

    from appliance.serve.api import build_app
    from appliance.serve.connection import MAX_HEAD_BYTES, Connection

    class Server(uvicorn.Server):
        """Drains before it stops: not ready at once, open requests finish, exit 0."""

        drain_until: float | None = None

        def handle_exit(self, sig: int, frame: Any) -> None:
            if service.draining:  # asked twice
                self.force_exit = self.should_exit = True
            service.draining = True
            self.drain_until = monotonic() + service.settings.drain_s

        async def on_tick(self, counter: int) -> bool:
            now = monotonic()
            if counter % 5 == 0:  # every half second
                for connection in list(self.server_state.connections):
                    connection.check(now)  # type: ignore[union-attr]
            drained = self.drain_until is not None and (not self.server_state.tasks or now > self.drain_until)
            return await super().on_tick(counter) or drained or loading.error is not None

    settings, app = service.settings, build_app(service)
    limits = {
        "read_s": settings.read_s,
        "max_request_bytes": 2 * settings.max_body_bytes + MAX_HEAD_BYTES,
        "max_upload_bytes": 2 * settings.max_batch_bytes + MAX_HEAD_BYTES,
        "max_connections": settings.max_connections,
        "turn_away": staticmethod(app.turn_away),
    }
    raise_file_limit(settings.max_connections + 64)
    log_like_us("uvicorn.error")
    config = uvicorn.Config(
        app,
        http=type("LimitedConnection", (Connection,), limits),
        lifespan="on",
        timeout_graceful_shutdown=_CLOSE_S,
        **uvicorn_options(context),
    )
    log("listening", url=address(listener, context))
    with _following(service):
        Server(config).run(sockets=[listener])
    log("stopped")


@contextlib.contextmanager
def _following(service: Service) -> Any:
    # Pointers and keys are looked at once a second, by a thread, so that loading a model delays nobody.
    over = threading.Event()

    def follow() -> None:
        while not over.wait(_POLL_S):
            if service.router.ready:
                service.router.refresh()
                if service.rollout:
                    service.rollout.check()
            if service.access:
                try:
                    service.access.reload()
                except ApplianceError as error:
                    log("keys unreadable", error=type(error).__name__)

    thread = threading.Thread(target=follow, name="following", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
