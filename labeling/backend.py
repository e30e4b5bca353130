"""What Label Studio calls: its webhooks, and the protocol of an ML backend (labelstud.io/guide/ml_create; tried against 1.23.2).

A webhook is a hint and nothing more: what it says is not believed but fetched with our own token. It is let in by the secret in its header (RFC 9110, 11:
compared in constant time), for our project only, and once: what was taken is kept, so that a replay is refused after a restart, too. The
routes of the model ask for the same secret as the password of HTTP Basic (RFC 7617), which Label Studio sends.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.annotations import answers
from appliance.annotations import task as find_task
from appliance.engine import Engine, load
from appliance.errors import ApplianceError, BusyError, InputError, NotFoundError
from appliance.log import log
from appliance.schema import LabelTask, Model
from appliance.store import Store
from appliance.words import _
from labeling import prelabel, studio, studio_json
from labeling.link import Seen, read_link

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.types import ASGIApp

__all__ = ["Backend", "build_app", "serve"]

USER = "skerry"
MAX_BODY_BYTES = 32 * 1024**2
UNTRAINED = "untrained"
_EVERY_S = 60.0  # a webhook that got lost is made up for
_STEP_S = 1.0
_MAX_CONNECTIONS = 64

Train = Callable[[str], Mapping[str, Any]]  # hash of the answers -> the job


class Backend:
    """One task as Label Studio sees it: a model that answers, a training that can be asked for, answers that are fetched."""

    def __init__(self, store: Store, task: str, model: str, train: Train) -> None:
        """`model` names the trained model that answers, its newest version each time; `train` queues the training of a new one.

        Raises `NotFoundError` for a task that has no project in Label Studio.
        """
        link = read_link(store, task)
        if not link.project:
            raise NotFoundError(_("task `{task}` has no project in Label Studio yet; first run `skerry label push {task}`", task=task))  # fmt: skip
        self.store, self.task, self.model, self.train = store, task, model, train
        self.project, self._secret = link.project, link.secret
        self._seen = Seen(store, task)
        self._lock = threading.Lock()
        self._loaded: tuple[str, Engine] | None = None
        self.wake, self.over = threading.Event(), threading.Event()

    # -- who may come in -----------------------------------------------------------------------------------------------

    def knows_secret(self, header: str | None) -> bool:
        """Tell whether a webhook's header is the one that we gave Label Studio."""
        return header is not None and hmac.compare_digest(header.encode(), self._secret.encode())

    def knows_password(self, authorization: str | None) -> bool:
        """Tell whether an `Authorization` header carries our user and password (HTTP Basic)."""
        kind, _blank, given = (authorization or "").partition(" ")
        try:
            user, _colon, password = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return False
        return (
            kind.lower() == "basic"
            and hmac.compare_digest(user.encode(), USER.encode())
            and self.knows_secret(password)
        )

    # -- the model -----------------------------------------------------------------------------------------------------

    def version(self) -> str:
        """Return the version that answers now."""
        newest = self._newest()
        return newest.reference if newest else UNTRAINED

    def predict(self, tasks: list[Mapping[str, Any]]) -> dict[str, Any]:
        """Answer tasks of Label Studio. A text without a suggestion gets an empty one: it is the least sure."""
        asked = find_task(self.store, self.task)
        texts = [_text(one) for one in tasks]
        model = self._newest()
        values = [None] * len(texts) if model is None else list(self._values(model, asked, texts))
        version = model.reference if model else UNTRAINED
        found = [
            studio_json.prediction_json(asked, text, value, version)
            if value
            else {"result": [], "score": 0.0, "model_version": version}
            for text, value in zip(texts, values, strict=True)
        ]
        return {"results": found, "model_version": version}

    def _values(self, model: Model, asked: LabelTask, texts: list[str]) -> list[prelabel.Value | None]:
        with self._lock:
            if self._loaded is None or self._loaded[0] != model.id:
                self._loaded = (model.id, load(model.folder))
                log("backend model", model=model.reference)
            engine = self._loaded[1]
        return list(prelabel.by_model(asked, engine.predict(texts))) if texts else []

    def _newest(self) -> Model | None:
        try:
            return self.store.model(self.model)
        except NotFoundError:
            return None

    # -- webhooks ------------------------------------------------------------------------------------------------------

    def hear(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Take a webhook that was let in; return the HTTP status and the answer."""
        said = _object(body)
        project = said.get("project")
        if not isinstance(project, dict) or project.get("id") != self.project:
            return 403, {"error": _("this is another project's webhook")}
        action = said.get("action")
        if action == "START_TRAINING":
            return 201, self._start_training()
        if action not in studio.ACTIONS:
            return 200, {"status": "ignored"}
        with self._lock:
            if not self._seen.take(body):
                log("webhook refused", task=self.task, why="replayed")
                return 409, {"error": _("this webhook was taken before")}
        self.wake.set()
        return 200, {"status": "taken"}

    def _start_training(self) -> dict[str, Any]:
        learnt = _digest(self.store, find_task(self.store, self.task))
        if any(
            row["verb"] == "label_train" and (row["result"] or {}).get("answers") == learnt for row in self.store.jobs()
        ):
            return {"status": "nothing new to learn from"}
        try:
            return {"status": "queued", **self.train(learnt)}
        except BusyError:
            return {"status": "running"}

    def follow(self) -> None:
        """Fetch answers whenever a webhook came, and every minute; until `over`. What fails is tried again."""
        while not self.over.is_set():
            self.wake.wait(_EVERY_S)
            self.wake.clear()
            if self.over.is_set():
                return
            try:
                pulled = studio.pull(self.store, self.task)
                if pulled["new"] or pulled["changed"] or pulled["withdrawn"]:
                    log("pulled", task=self.task, **{key: pulled[key] for key in ("new", "changed", "withdrawn")})
            except ApplianceError as error:
                log("pull failed", task=self.task, error=type(error).__name__)
                self.over.wait(_STEP_S)


def _digest(store: Store, task: LabelTask) -> str:
    """Hash which answers there are, in which versions: a training on the same ones would make the same model."""
    made = hashlib.sha256()
    for one in answers(store, task):
        made.update(f"{one.id} {one.version}\n".encode())
    return made.hexdigest()[:16]


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError(_("the request is no JSON")) from error
    if not isinstance(said, dict):
        raise InputError(_("the request is no JSON object"))
    return said


def _text(task: Mapping[str, Any]) -> str:
    data = task.get("data") if isinstance(task, Mapping) else None
    text = data.get("text") if isinstance(data, Mapping) else None
    return studio_json.screen_text(text) if isinstance(text, str) else ""


def build_app(backend: Backend) -> ASGIApp:
    """Make the application: `/`, `/health`, `/setup`, `/predict`, `/versions` and `/webhook`."""
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def health(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "UP", "model_class": "skerry"})

    async def setup(request: Request) -> JSONResponse:
        said = _object(await _body(request))
        if str(said.get("project")).partition(".")[0] != str(backend.project):
            return JSONResponse({"error": _("this backend answers for another project")}, 403)
        return JSONResponse({"model_version": await run_in_threadpool(backend.version)})

    async def versions(_request: Request) -> JSONResponse:
        return JSONResponse({"versions": [await run_in_threadpool(backend.version)]})

    async def predict(request: Request) -> JSONResponse:
        tasks = _object(await _body(request)).get("tasks")
        if not isinstance(tasks, list):
            raise InputError(_("the request names no `tasks`"))
        return JSONResponse(await run_in_threadpool(backend.predict, tasks))

    async def webhook(request: Request) -> JSONResponse:
        body = await _body(request)
        status, answer = await run_in_threadpool(backend.hear, body)
        return JSONResponse(answer, status)

    async def fault(_request: Request, error: Exception) -> JSONResponse:
        status = error.http_status if isinstance(error, ApplianceError) else 500
        log("backend request failed", error=type(error).__name__)
        return JSONResponse({"error": str(error) if isinstance(error, ApplianceError) else _("the backend failed")}, status)  # fmt: skip

    async def _body(request: Request) -> bytes:
        found = bytearray()
        async for chunk in request.stream():
            found += chunk
            if len(found) > MAX_BODY_BYTES:
                raise InputError(_("the request is larger than {limit} bytes", limit=MAX_BODY_BYTES))
        return bytes(found)

    routes = [Route("/", health), Route("/health", health), Route("/versions", versions)]
    routes += [Route(path, work, methods=["POST"]) for path, work in (("/setup", setup), ("/predict", predict), ("/webhook", webhook))]  # fmt: skip
    return _Gate(Starlette(routes=routes, exception_handlers={Exception: fault, ApplianceError: fault}), backend)


class _Gate:
    """Lets in who knows the secret; whether the backend lives, everybody may ask."""

    def __init__(self, app: ASGIApp, backend: Backend) -> None:
        self._app, self._backend = app, backend

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on, or answer 401."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        path = scope["path"]
        let_in = path in ("/", "/health") or self._backend.knows_password(headers.get("authorization"))
        let_in = let_in or (
            path == "/webhook" and self._backend.knows_secret(headers.get(studio.SECRET_HEADER.lower()))
        )
        if not let_in:
            from starlette.responses import JSONResponse

            log("backend request refused", path=path[:32])
            refused = JSONResponse({"error": _("who are you?")}, 401, {"www-authenticate": 'Basic realm="skerry"'})
            await refused(scope, receive, send)
            return
        await self._app(scope, receive, send)


def serve(
    backend: Backend,
    host: str,
    port: int,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    reached_at: str = "",
) -> None:
    """Answer Label Studio until SIGTERM or SIGINT. It is told to call `reached_at` (default: the address that we listen on).

    Raises `PolicyError` for a network address without TLS, `BusyError` when the port is taken or Label Studio does not answer, `SettingsError`.
    """
    from appliance.web.listener import address, listen, tls_context
    from appliance.web.run import require_private, run

    context = tls_context(tls_cert, tls_key)
    require_private(host, context)
    with listen(host, port) as listener:
        here = reached_at or address(listener, context)
        threads = [
            threading.Thread(target=backend.follow, name="follow", daemon=True),
            threading.Thread(target=_introduce, args=(backend, here), name="introduce", daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            run(build_app(backend), listener, context, _MAX_CONNECTIONS)
        finally:
            backend.over.set()
            backend.wake.set()
            threads[0].join(2 * _STEP_S)


def _introduce(backend: Backend, here: str) -> None:
    # Label Studio asks back at once (`/health`, `/setup`), so that we must be listening already.
    while not backend.over.is_set():
        try:
            told = studio.hook(backend.store, backend.task, here, backend.model)
            log("introduced", task=backend.task, url=told["backend"])
            backend.wake.set()
            return
        except ApplianceError as error:
            log("not introduced", task=backend.task, error=type(error).__name__)
            backend.over.wait(5 * _STEP_S)
