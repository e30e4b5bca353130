"""The HTTP interface: FastAPI for what is asked rarely, bare routes for the two that answer texts.

Every request passes the `Gate`: it gives it an id, checks the API key and turns what is raised into an answer.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from time import perf_counter
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import appliance
from appliance.errors import ApplianceError
from appliance.log import log
from appliance.monitor.prometheus import Metrics
from appliance.schema import Prediction
from appliance.serve import describe
from appliance.serve.access import Access
from appliance.serve.body import Question, parse_infer, parse_predict, read_body
from appliance.serve.connection import ON_DISCONNECT
from appliance.serve.problems import Problem
from appliance.serve.router import Router, Served
from appliance.serve.workers import Answer, Job, Workers
from appliance.settings import ServeSettings
from appliance.words import _

_LOOPBACK_HOST = re.compile(rb"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_JSON = (b"content-type", b"application/json")
_CALL = "skerry.call"
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


@dataclass(slots=True)
class Service:
    """What the routes work with."""

    settings: ServeSettings
    router: Router
    metrics: Metrics
    access: Access | None  # None: no key is asked for
    threads: int
    draining: bool = False


@dataclass(slots=True)
class Call:
    """One request: its id, its headers (lower-case names) and when it began, in seconds of `perf_counter`."""

    id: str
    headers: Mapping[bytes, bytes]
    began: float
    key: str = ""


class Gate:
    """The outermost layer: request ids, API keys, and problems as answers."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service
        self._boot, self._numbers = secrets.token_hex(6).encode(), itertools.count(1)  # no system call a request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        identity = given if given and _REQUEST_ID.fullmatch(given) else b"%s-%x" % (self._boot, next(self._numbers))
        call = scope[_CALL] = Call(identity.decode(), headers, perf_counter())
        started = 0

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", identity),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        try:
            self._admit(scope["path"], call)
            await self._app(scope, receive, send_with_id)
        except Problem as problem:
            self._service.metrics.rejected.labels(problem.kind).inc()
            await _send_problem(problem, scope, call, send_with_id)
        except Exception as error:  # the last line: an answer without details, and a line with the kind of fault
            log("request failed", id=call.id, error=type(error).__name__)
            if started:
                raise
            await _send_problem(
                Problem("internal", _("the server failed; its log has the id of this request")),
                scope,
                call,
                send_with_id,
            )
        if self._service.settings.log_requests:
            log("request", id=call.id, key=call.key, status=started, ms=round((perf_counter() - call.began) * 1000, 1))

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
            call.key = key.id


def build_app(service: Service) -> FastAPI:
    """Make the application. Its workers start and end with it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.workers = Workers(service.threads, service.settings.queue_texts)
        service.metrics.queue_texts.set_function(lambda: app.state.workers.waiting)
        yield
        app.state.workers.stop()

    app = FastAPI(
        title="Skerry", version="1", summary="Text classification on this machine.",
        telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},
        docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan,
    )  # fmt: skip
    app.add_middleware(Gate, service=service)
    app.add_exception_handler(HTTPException, _http_problem)
    _add_inference(app, service)
    _add_own(app, service)
    _add_protocol(app, service)
    return app


# -- texts: bare routes, no validation layer, no response model ---------------------------------------------------------


class Inference:
    """An ASGI endpoint: read a body, let its texts in, wait, answer."""

    def __init__(
        self,
        app: FastAPI,
        service: Service,
        parse: Callable[[bytes, int], Question],
        answer: Callable[[Question, Served, Job], bytes],
    ) -> None:
        self._app, self._service, self._parse, self._answer = app, service, parse, answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Raises `Problem`."""
        service, call = self._service, scope[_CALL]
        names = ("", "")
        try:
            if service.draining:
                raise _draining()
            body = await read_body(call.headers, receive, service.settings.max_body_bytes)
            question = self._parse(body, service.settings.max_inputs)
            wanted = scope["path_params"]
            served = service.router.pick(wanted.get("model") or question.model, wanted.get("version"))
            names = (served.release.name, served.version)
            timeout_s = _timeout_s(call.headers)
            workers: Workers = self._app.state.workers
            job = workers.submit(served.predict, question.texts)
            await _finished(job, workers, scope, timeout_s)
            answer = self._answer(question, served, job)
        except Exception as error:
            status = error.status if isinstance(error, Problem) else 500
            service.metrics.requests.labels(*names, status).inc()
            raise
        waited_s = job.started - job.arrived
        failed = sum(isinstance(answer, ApplianceError) for answer in job.answers)
        truncated = sum(isinstance(answer, Prediction) and answer.truncated for answer in job.answers)
        served.metrics.answered(perf_counter() - call.began, waited_s, job.infer_s, truncated, failed)
        # Server-Timing (W3C working draft) in milliseconds
        timing = b"queue;dur=%.1f, infer;dur=%.1f" % (waited_s * 1000, sum(job.infer_s) * 1000)
        await _send(
            send, 200, [_JSON, (b"x-model-version", served.version.encode()), (b"server-timing", timing)], answer
        )


def _timeout_s(headers: Mapping[bytes, bytes]) -> float | None:
    given = headers.get(b"x-request-timeout-ms")
    if given is None:
        return None
    if not (given.isdigit() and len(given) <= 9 and int(given)):
        name = "X-Request-Timeout-Ms"
        raise Problem("invalid", _("`{field}` must be a whole number of milliseconds", field=name), field=name)
    return int(given) / 1000


async def _finished(job: Job, workers: Workers, scope: Scope, timeout_s: float | None) -> None:
    scope[ON_DISCONNECT] = partial(_drop, workers, job, _gone)
    timer = None
    if timeout_s is not None:
        timer = asyncio.get_running_loop().call_later(timeout_s, _drop, workers, job, _late)
    try:
        await job.done
    except asyncio.CancelledError:  # the time to drain is over
        _drop(workers, job, _draining)
        raise _draining() from None
    finally:
        if timer:
            timer.cancel()


def _drop(workers: Workers, job: Job, reason: Callable[[], Problem]) -> None:
    if not job.done.done():
        workers.drop(job, reason())


def _gone() -> Problem:
    return Problem("client-gone", _("the client went away before its answer was ready"))


def _late() -> Problem:
    return Problem("deadline-passed", _("the deadline passed; the texts that still waited were not run"))


def _draining() -> Problem:
    return Problem("draining", _("the server is shutting down; ask again in a moment"), retry_after_s=1)


def _predictions(question: Question, served: Served, job: Job) -> bytes:
    rows = [_row(answer, question.probabilities) for answer in job.answers]
    return _encode({"predictions": rows, "model": served.release.name, "version": served.version})


def _row(answer: Answer | None, probabilities: bool) -> dict[str, Any]:
    if not isinstance(answer, Prediction):
        return {"error": {"type": "urn:skerry:problem:text", "detail": str(answer)}}
    row = {"label": answer.label, "score": answer.score, "truncated": answer.truncated}
    return row | ({"probabilities": dict(answer.probabilities)} if probabilities else {})


def _tensors(question: Question, served: Served, job: Job) -> bytes:
    answers: list[Prediction] = []
    for index, answer in enumerate(job.answers):
        if not isinstance(answer, Prediction):
            place = f"inputs[0].data[{index}]"
            raise Problem("invalid", _("`{field}`: {reason}", field=place, reason=answer), field=place)
        answers.append(answer)
    content = {
        "model_name": served.release.name,
        "model_version": served.version,
        "outputs": [_tensor(name, answers, served.engine.labels) for name in question.outputs or ("label", "score")],
    }
    return _encode(content | ({"id": question.id} if question.id is not None else {}))


def _tensor(name: str, answers: list[Prediction], labels: tuple[str, ...]) -> dict[str, Any]:
    count = len(answers)
    if name == "label":
        return {"name": name, "shape": [count], "datatype": "BYTES", "data": [answer.label or "" for answer in answers]}
    if name == "score":
        return {"name": name, "shape": [count], "datatype": "FP32", "data": [answer.score for answer in answers]}
    rows = [answer.probabilities[label] for answer in answers for label in labels]  # (texts, labels), row by row
    shape = [count, len(labels)]
    return {"name": name, "shape": shape, "datatype": "FP32", "data": rows, "parameters": {"labels": labels}}


def _add_inference(app: FastAPI, service: Service) -> None:
    predict = Inference(app, service, parse_predict, _predictions)
    infer = Inference(app, service, parse_infer, _tensors)
    paths = {
        "/v1/predict": predict,
        "/v2/models/{model}/infer": infer,
        "/v2/models/{model}/versions/{version}/infer": infer,
    }
    for path, endpoint in paths.items():
        app.router.routes.append(Route(path, endpoint, methods=["POST"]))


# -- the Open Inference Protocol's other routes --------------------------------------------------------------------------


def _add_protocol(app: FastAPI, service: Service) -> None:
    router = service.router

    @app.get("/v2", response_model=describe.ServerMetadata, summary="Who serves", tags=["v2"])
    async def metadata() -> Any:
        return {"name": "skerry", "version": appliance.__version__, "extensions": []}

    @app.get("/v2/health/live", response_model=describe.Live, summary="Does the server answer", tags=["v2"])
    async def live() -> Any:
        return {"live": True}

    @app.get(
        "/v2/health/ready",
        response_model=describe.Ready,
        responses={503: {"model": describe.Ready}},
        summary="May requests come",
        tags=["v2"],
    )
    async def ready(response: Response) -> Any:
        yes = router.ready and not service.draining
        response.status_code = 200 if yes else 503
        return {"ready": yes}

    described: dict[str, Any] = {"response_model": describe.ModelMetadata, "responses": _V2_ERRORS, "tags": ["v2"]}

    @app.get("/v2/models/{model}", summary="What a model reads and gives", **described)
    async def model_metadata(model: str) -> Any:
        return _metadata(router.pick(model))

    @app.get("/v2/models/{model}/versions/{version}", summary="What a version reads and gives", **described)
    async def version_metadata(model: str, version: str) -> Any:
        return _metadata(router.pick(model, version))

    described |= {"response_model": describe.ModelReady}

    @app.get("/v2/models/{model}/ready", summary="Does a model serve", **described)
    async def model_ready(model: str) -> Any:
        return {"name": router.pick(model).release.name, "ready": not service.draining}

    @app.get("/v2/models/{model}/versions/{version}/ready", summary="Does a version serve", **described)
    async def version_ready(model: str, version: str) -> Any:
        return {"name": router.pick(model, version).release.name, "ready": not service.draining}


_V2_ERRORS: dict[int | str, dict[str, Any]] = {
    404: {"model": describe.ProtocolError},
    503: {"model": describe.ProtocolError},
}


def _metadata(served: Served) -> dict[str, Any]:
    outputs = [
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
        {"name": "score", "datatype": "FP32", "shape": [-1]},
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, len(served.engine.labels)]},
    ]
    return {
        "name": served.release.name,
        "versions": [served.version],
        "platform": "skerry_ngrams" if served.engine.plan.format == "ngrams" else "onnx_onnxruntime",
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
        "outputs": outputs,
    }


# -- models, metrics, description ----------------------------------------------------------------------------------------


def _add_own(app: FastAPI, service: Service) -> None:
    document = cache(lambda: _encode(describe.describe(app)))

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


async def _send_problem(problem: Problem, scope: Scope, call: Call, send: Send) -> None:
    if scope["path"].startswith("/v2"):
        # The protocol knows no 422: what a client sent wrong is 400 there.
        status = 400 if problem.status == 422 else problem.status
        await _send(send, status, [_JSON, *problem.headers()], problem.protocol_body())
    else:
        await _send(
            send,
            problem.status,
            [(b"content-type", b"application/problem+json"), *problem.headers()],
            problem.body(call.id),
        )


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send(
        {"type": "http.response.start", "status": status, "headers": [*headers, (b"content-length", b"%d" % len(body))]}
    )
    await send({"type": "http.response.body", "body": body})


def _encode(content: Any) -> bytes:
    return _ENCODER.encode(content).encode()
