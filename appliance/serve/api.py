"""The HTTP interface: FastAPI for what is asked rarely, bare routes for the two that answer texts.

Every request passes the `Gate`: it gives it an id, checks the API key and turns what is raised into an answer.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from appliance.log import log
from appliance.serve import batch_routes, describe, describe_batches, feedback, inference, protocol, release_routes
from appliance.serve.batch_work import BatchWork
from appliance.serve.problems import Problem
from appliance.serve.reader import Reader
from appliance.serve.router import Served
from appliance.serve.sending import STRAIGHT, Headers, Straight, encode, send_problem, written
from appliance.serve.service import Call, Service, set_call
from appliance.serve.workers import Workers
from appliance.words import _

_LOOPBACK_HOST = re.compile(rb"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
# W3C Trace Context, 3.2.2 and 4.3: version, trace id, parent id, flags; a later version may go on behind a dash.
_TRACE = re.compile(rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?")


class Gate:
    """What stands before an application: request ids, API keys, and problems as answers."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service
        self._boot, self._numbers = secrets.token_hex(6).encode(), itertools.count(1)  # no system call a request
        metrics = service.metrics
        self._refused, self._answered_429 = metrics.rejected.labels("queue-full"), metrics.requests.labels("", "", 429)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call, own = self._greet(scope["headers"])
        set_call(scope, call)
        started = 0
        write: Straight | None = scope.get(STRAIGHT)

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = message["status"]
                message["headers"] = [*message["headers"], *own]
            await send(message)

        if write is not None:

            def straight(status: int, headers: Headers, body: bytes) -> bool:
                nonlocal started
                started = status
                return write(status, [*headers, *own], body)

            scope[STRAIGHT] = straight
        try:
            self._admit(scope["path"], call)
            await self._app(scope, receive, send_with_id)
        except Problem as problem:
            self._service.metrics.rejected.labels(problem.kind).inc()
            await send_problem(problem, scope, call.id, send_with_id)
        except Exception as error:  # the last line: an answer without details, and a line with the kind of fault
            log("request failed", id=call.id, error=type(error).__name__)
            if started:
                raise
            fault = Problem("internal", _("the server failed; its log has the id of this request"))
            await send_problem(fault, scope, call.id, send_with_id)
        self._log(call, started)

    def turn_away(self, path: str, headers: Headers, workers: Workers) -> tuple[int, Headers, bytes] | None:
        """Return the answer to a request that finds no room whatever its body says, None where it is to be read.

        Under a load that is too high most requests are these, so that what they cost is taken from the others.
        """
        if not workers.full or self._service.draining:
            return None
        call, own = self._greet(headers)
        with suppress(Problem):  # who may not ask is told so on the usual way
            self._admit(path, call)
            problem = workers.no_room()
            self._refused.inc()
            self._answered_429.inc()
            self._log(call, problem.status)
            found, body = written(problem, path, call.id)
            return problem.status, [*found, *own], body
        return None

    def _greet(self, given: Headers) -> tuple[Call, Headers]:
        """Return the request and the headers that its answer has, whatever it is."""
        headers = dict(given)
        wanted = headers.get(b"x-request-id", b"")
        identity = wanted if wanted and _REQUEST_ID.fullmatch(wanted) else b"%s-%x" % (self._boot, next(self._numbers))
        call = Call(identity.decode(), headers, perf_counter())
        return call, [(b"x-request-id", identity), (b"x-content-type-options", b"nosniff"), *_traced(call)]

    def _log(self, call: Call, status: int) -> None:
        if self._service.settings.log_requests:
            took_ms = round((perf_counter() - call.began) * 1000, 1)
            log("request", id=call.id, trace=call.trace, key=call.key, status=status, ms=took_ms)

    def _admit(self, path: str, call: Call) -> None:
        access = self._service.access
        if access is None:
            # Without keys only this machine may ask; a page in its browser that plays another host's name may not.
            if not _LOOPBACK_HOST.fullmatch(call.headers.get(b"host", b"localhost")):
                raise Problem("misdirected", _("without API keys the server answers to loopback names only"))
        elif not path.startswith(describe.OPEN_PATHS):
            key = access.owner_of(call.headers.get(b"authorization"))
            if key is None:
                raise Problem("unauthorized", _("send `Authorization: Bearer KEY` with a key that is in force"))
            call.key, call.owner = key.id, key.owner


def _traced(call: Call) -> list[tuple[bytes, bytes]]:
    """Go on with the caller's trace: note its id and return a `traceparent` with a span id of ours."""
    given = _TRACE.fullmatch(call.headers.get(b"traceparent", b""))
    if given is None or (given[1] == b"00" and len(given[0]) != 55):
        return []
    call.trace = given[2].decode()
    return [(b"traceparent", b"00-%b-%b-%b" % (given[2], secrets.token_hex(8).encode(), given[3]))]


def build_app(service: Service) -> Entrance:
    """Make the application. Its workers start and end with it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.workers = Workers(service.engines, service.settings)
        app.state.reader = Reader()
        service.metrics.queue_texts.set_function(lambda: app.state.workers.waiting)
        service.metrics.queue_tokens.set_function(lambda: app.state.workers.waiting_tokens)
        if service.embedder:
            service.embedder.connect(app.state.workers)
        async with _working_on_batches(app, service), _mirroring(app, service):
            yield
        app.state.reader.stop()
        app.state.workers.stop()

    app = FastAPI(
        title="Skerry", version="1", summary="Text classification on this machine.",
        telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},
        docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan,
    )  # fmt: skip
    straight = inference.add_routes(app, service)
    app.add_middleware(Gate, service=service)
    app.add_exception_handler(HTTPException, _http_problem)
    if service.batches:
        batch_routes.add_routes(app, service, service.batches)
    if service.feedback:
        feedback.add_routes(app, service, service.feedback)
    _add_own(app, service)
    release_routes.add_routes(app, service)
    protocol.add_routes(app, service)
    return Entrance(app, {path: Gate(endpoint, service) for path, endpoint in straight.items()})


class Entrance:
    """Lets what is asked most go past the framework's layers and its search for a route."""

    def __init__(self, app: FastAPI, straight: Mapping[str, Gate]) -> None:
        self._app, self._straight = app, straight
        self._gate = next(iter(straight.values()))

    def turn_away(self, url: bytes, headers: Headers) -> tuple[int, Headers, bytes] | None:
        """Return the answer to a POST that finds the line full, before its body has come; None where it is to be read."""
        path = url.decode("ascii", "replace")
        if path not in self._straight and not (path.startswith("/v2/models/") and path.endswith("/infer")):
            return None
        return self._gate.turn_away(path, headers, self._app.state.workers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        hot = scope["type"] == "http" and scope["method"] == "POST"
        await (self._straight.get(scope["path"], self._app) if hot else self._app)(scope, receive, send)


@asynccontextmanager
async def _working_on_batches(app: FastAPI, service: Service) -> AsyncIterator[None]:
    if service.batches is None:
        yield
        return
    app.state.batch_work = BatchWork(service.batches, service, app.state.workers)
    work = asyncio.create_task(app.state.batch_work.run())
    yield
    work.cancel()  # what it has answered is on the disk
    with suppress(asyncio.CancelledError):
        await work


@asynccontextmanager
async def _mirroring(app: FastAPI, service: Service) -> AsyncIterator[None]:
    if service.mirror is None:
        yield
        return
    work = asyncio.create_task(service.mirror.run(app.state.workers))
    yield
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work


# -- models, metrics, description ----------------------------------------------------------------------------------------


def _add_own(app: FastAPI, service: Service) -> None:
    routes: tuple[describe.Described, ...] = (
        *describe.INFERENCE,
        *(describe_batches.ROUTES if service.batches else ()),
    )
    routes += feedback.ROUTES if service.feedback else ()
    document = cache(lambda: encode(describe.describe(app, routes)))

    @app.get("/v1/models", response_model=describe.ModelList, summary="The releases that serve", tags=["v1"])
    async def models() -> Any:
        return {"data": [_card(served) for served in service.router.all()]}

    @app.get("/metrics", response_class=Response, summary="Prometheus metrics", tags=["operation"])
    async def metrics(request: Request) -> Response:
        page, content_type = service.metrics.page(request.headers.get("accept", ""))
        return Response(page, headers={"content-type": content_type})

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return Response(document(), media_type="application/json")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(
            describe.PAGE,
            headers={"content-security-policy": describe.CONTENT_POLICY, "referrer-policy": "no-referrer"},
        )

    app.mount("/docs/static", StaticFiles(directory=Path(__file__).parent / "static"))


def _card(served: Served) -> dict[str, Any]:
    plan, release = served.engine.plan, served.release
    return {
        "id": release.name,
        "created": int(datetime.fromisoformat(release.changed).timestamp()),
        "version": served.version,
        "task": plan.task,
        "format": plan.format,
        "labels": list(plan.labels),
        "languages": list(plan.languages),
        "max_tokens": plan.max_tokens,
        "min_score": served.min_score,
        "min_scores": dict(served.min_scores),
        "embedding_width": served.engine.embedding_width,
    }


# -- sending -------------------------------------------------------------------------------------------------------------


async def _http_problem(_request: Request, error: Exception) -> Response:
    # What the router itself refuses: an unknown path, a wrong method.
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        raise Problem(
            "method-not-allowed", _("this path answers {methods}", methods=(error.headers or {}).get("Allow", "GET"))
        )
    raise Problem("not-found", _("no such path; see `/docs`"))
