"""The routes that answer texts: bare endpoints without a validation layer or a response model, since every request passes here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter
from typing import Any

from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from appliance.engine.answers import row_of as answer_row
from appliance.engine.explain import effects, windows, without
from appliance.errors import ApplianceError, InputError
from appliance.schema import Prediction
from appliance.serve.body import Question, parse_predict, read_body
from appliance.serve.connection import ON_DISCONNECT
from appliance.serve.embeddings import parse_embeddings, require_embeddings, vectors
from appliance.serve.problems import Problem
from appliance.serve.reader import LARGE_BYTES, Parse, Reader
from appliance.serve.router import Served
from appliance.serve.sending import JSON, Headers, encode, send_whole
from appliance.serve.service import Answered, Call, Service, call_of, tell
from appliance.serve.tensors import parse_infer, tensors
from appliance.serve.workers import Answer, Job, Workers, late
from appliance.words import _

Write = Callable[[Question, Served, Job], tuple[Headers, bytes]]


def add_routes(app: FastAPI, service: Service) -> dict[str, ASGIApp]:
    """Add `/v1/predict`, `/v1/embeddings` and the inference routes of the Open Inference Protocol v2; return those whose path is fixed."""
    predict = Inference(app, service, parse_predict, _predictions)
    infer = Inference(app, service, parse_infer, tensors)
    paths = {
        "/v1/predict": predict,
        "/v1/embeddings": Inference(app, service, parse_embeddings, vectors, "embed"),
        "/v2/models/{model}/infer": infer,
        "/v2/models/{model}/versions/{version}/infer": infer,
    }
    for path, endpoint in paths.items():
        app.router.routes.append(Route(path, endpoint, methods=["POST"]))
    return {path: endpoint for path, endpoint in paths.items() if "{" not in path}


class Inference:
    """An ASGI endpoint: read a body, let its texts in, wait, answer, and then tell who looks on."""

    def __init__(self, app: FastAPI, service: Service, parse: Parse, write: Write, kind: str = "predict") -> None:
        self._app, self._service, self._parse, self._write, self._kind = app, service, parse, write, kind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Raises `Problem`."""
        service, call = self._service, call_of(scope)
        served: Served | None = None
        texts: list[str] = []
        try:
            if service.draining:
                raise draining()
            body = await read_body(call.headers, receive, service.settings.max_body_bytes)
            question = await self._question(body, call)
            wanted = scope.get("path_params", {})
            name, session = wanted.get("model") or question.model, call.headers.get(b"x-session", b"")
            served = service.router.pick(name, wanted.get("version"), call.key, session)
            if self._kind == "embed":
                require_embeddings(question, served)
            texts = _texts(question, served, service.settings.explain_words)
            workers: Workers = self._app.state.workers
            timeout = timeout_s(call.headers)
            deadline = None if timeout is None else perf_counter() + timeout
            job = workers.submit(served, texts, kind=self._kind, deadline=deadline)
            await _finished(job, workers, scope, timeout)
            job.answers = [
                served.abstain(answer) if isinstance(answer, Prediction) else answer for answer in job.answers
            ]
            headers, answer = self._write(question, served, job)
        except Exception as error:
            self._failed(error, call, served, texts)
            raise
        waited_s = job.started - job.arrived
        # Server-Timing (W3C working draft) in milliseconds
        timing = b"queue;dur=%.1f, infer;dur=%.1f" % (waited_s * 1000, sum(job.infer_s) * 1000)
        # where a body has no place to say so: tensors, vectors
        cut = [(b"x-truncated-texts", b"%d" % job.truncated)] if job.truncated else []
        await send_whole(scope, send, 200, [*headers, *about(served), *cut, (b"server-timing", timing)], answer)
        self._answered(call, served, job, waited_s, "explain" if question.explain else self._kind)

    async def _question(self, body: bytes, call: Call) -> Question:
        most = self._service.settings.max_inputs
        if len(body) <= LARGE_BYTES:
            return self._parse(body, call.headers, most)
        reader: Reader = self._app.state.reader
        return await reader.read(self._parse, body, call.headers, most)

    def _answered(self, call: Call, served: Served, job: Job, waited_s: float, kind: str) -> None:
        failed = sum(isinstance(answer, ApplianceError) for answer in job.answers)
        seconds = perf_counter() - call.began
        served.metrics.answered(seconds, waited_s, job.infer_s, job.truncated, failed)
        served.metrics.ran(job.tokens, job.tokenize_s, job.batch_texts, job.padding)
        if self._service.after:
            told = Answered(served, job.texts, job.answers, 200, seconds, call.id, call.key, kind, job.infer_s)
            tell(self._service, told)

    def _failed(self, error: Exception, call: Call, served: Served | None, texts: list[str]) -> None:
        status = error.status if isinstance(error, Problem) else 500
        names = (served.release.name, served.version) if served else ("", "")
        self._service.metrics.requests.labels(*names, status).inc()
        if served and self._service.after:
            seconds = perf_counter() - call.began
            unanswered: list[Answer | None] = [None] * len(texts)
            tell(self._service, Answered(served, texts, unanswered, status, seconds, call.id, call.key, self._kind))


def about(served: Served) -> Headers:
    """Return the headers that name the version that answers: its id's first 12 hex digits, and the whole of it."""
    return [
        (b"x-model-version", served.version.encode()),
        (b"x-model-sha256", served.sha256.encode()),
    ]


def timeout_s(headers: Mapping[bytes, bytes]) -> float | None:
    """Return the deadline of `X-Request-Timeout-Ms` in seconds, None without one. Raises `Problem` (422)."""
    given = headers.get(b"x-request-timeout-ms")
    if given is None:
        return None
    if not (given.isdigit() and len(given) <= 9 and int(given)):
        name = "X-Request-Timeout-Ms"
        raise Problem("invalid", _("`{field}` must be a whole number of milliseconds", field=name), field=name)
    return int(given) / 1000


def draining() -> Problem:
    """Return the problem of a server that shuts down."""
    return Problem("draining", _("the server is shutting down; ask again in a moment"), retry_after_s=1)


def _texts(question: Question, served: Served, most: int) -> list[str]:
    """The texts to run: for an explanation the text whole and then without each piece."""
    if not question.explain:
        return question.texts
    if served.engine.plan.task == "tag":
        raise Problem(
            "invalid", _("a model that marks stretches of a text has no one label to explain"), field="explain"
        )
    text = question.texts[0]
    try:
        return [text, *without(text, windows(text, most))]
    except InputError as error:
        raise Problem("invalid", str(error), field="inputs[0]") from error


async def _finished(job: Job, workers: Workers, scope: Scope, limit_s: float | None) -> None:
    scope[ON_DISCONNECT] = partial(_drop, workers, job, _gone)
    timer = None
    if limit_s is not None:
        timer = asyncio.get_running_loop().call_later(limit_s, _drop, workers, job, late)
    try:
        await job.done
    except asyncio.CancelledError:  # the time to drain is over
        _drop(workers, job, draining)
        raise draining() from None
    finally:
        if timer:
            timer.cancel()


def _drop(workers: Workers, job: Job, reason: Callable[[], Problem]) -> None:
    if not job.done.done():
        workers.drop(job, reason())


def _gone() -> Problem:
    return Problem("client-gone", _("the client went away before its answer was ready"))


def _predictions(question: Question, served: Served, job: Job) -> tuple[Headers, bytes]:
    content: dict[str, Any] = {"model": served.release.name, "version": served.version}
    if question.explain:
        rows = [_explained(question, served.engine.plan.task, job)]
    else:
        task = served.engine.plan.task
        rows = [row_of(answer, task, question.probabilities) for answer in job.answers]
    return [JSON], encode({"predictions": rows} | content)


def row_of(answer: Answer | None, task: str, probabilities: bool) -> dict[str, Any]:
    """Return one text's answer as JSON has it, or why it has none."""
    if isinstance(answer, Prediction):
        return answer_row(answer, task, probabilities)
    return {"error": {"type": "urn:skerry:problem:text", "detail": str(answer)}}


def _explained(question: Question, task: str, job: Job) -> dict[str, Any]:
    """The answer to the whole text with the pieces that moved it, in the text's order."""
    whole, *others = job.answers
    answers = [answer for answer in others if isinstance(answer, Prediction)]
    row = row_of(whole, task, question.probabilities)
    if not isinstance(whole, Prediction) or not whole.probabilities or len(answers) < len(others):
        return row
    text = question.texts[0]
    pieces = effects(text, windows(text, len(others)), whole, answers)
    names = ("start", "end", "word", "change", "label")
    return row | {"explanation": [{name: getattr(piece, name) for name in names} for piece in pieces]}
