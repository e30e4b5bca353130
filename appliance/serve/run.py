"""Start the server, follow the releases, drain and stop.

The order matters: first the environment is cleaned of everything that could make a library call out, then the models
begin to load in a thread while FastAPI is imported, then the socket opens. Until the models are warm the server says
that it is not ready.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import resource
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from appliance import device, environment
from appliance.errors import ApplianceError, BusyError, PolicyError, SettingsError
from appliance.log import log
from appliance.reasons import reason
from appliance.settings import ServeSettings, load
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
    if not auth and not _is_loopback(settings.host):
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
    context = _tls(tls_cert, tls_key)
    metrics = Metrics(home)
    with _listen(settings.host, settings.port) as listener:
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
    _raise_file_limit(settings.max_connections + 64)
    _log_like_us("uvicorn.error")
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=type("LimitedConnection", (Connection,), limits),
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_CLOSE_S,
        ssl_context_factory=(lambda _config, _default: context) if context else None,
    )
    host, port = listener.getsockname()[:2]
    log("listening", url=f"{'https' if context else 'http'}://{f'[{host}]' if ':' in host else host}:{port}")
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


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        kind: Callable[[str], ApplianceError] = BusyError if error.errno == errno.EADDRINUSE else SettingsError
        raise kind(
            _(
                "cannot listen on `{host}` port {port}: {error}; choose another with `--host` and `--port`",
                host=host,
                port=port,
                error=reason(error),
            )
        ) from error


def _tls(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise SettingsError(_("TLS needs both `--tls-cert` and `--tls-key`"))
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # BCP 195 (RFC 9325) forbids what came before
    try:
        context.load_cert_chain(cert, key, password=lambda: b"")
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            _(
                "cannot use the certificate `{cert}` with the key `{key}`: {error}; both are PEM files, the key without a password",
                cert=cert,
                key=key,
                error=reason(error),
            )
        ) from error
    return context


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _raise_file_limit(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class _Lines(logging.Handler):
    """A library's log records as our lines: the place and the kind of error, never its text, which could quote a request."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        log("library", place=f"{record.name}:{record.lineno}", level=record.levelname, error=error)


def _log_like_us(name: str) -> None:
    logger = logging.getLogger(name)
    logger.handlers, logger.propagate = [_Lines()], False
