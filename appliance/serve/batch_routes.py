"""`/v1/batches`: upload texts, look how far they are, take the answers, cancel, go on, delete.

A batch belongs to the owner of the API key that made it; for everybody else there is none.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import asdict
from typing import IO, Any

from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.routing import Route

from appliance.errors import IntegrityError, MissingPartError, NotFoundError
from appliance.log import now
from appliance.serve.batch_work import BatchWork
from appliance.serve.batches import OPEN, Batch, Batches, Draft, Row
from appliance.serve.body import parse_json, read_body, take, take_object, take_texts
from appliance.serve.describe_batches import JSON_LINES, PARQUET
from appliance.serve.inference import draining
from appliance.serve.problems import Problem
from appliance.serve.sending import encode
from appliance.serve.service import Service, call_of
from appliance.words import _

_RETRY_S = 60
_OPTIONS = {"model": str, "probabilities": bool, "time_limit_s": int}


class Desk:
    """The endpoints."""

    def __init__(self, app: FastAPI, service: Service, batches: Batches) -> None:
        self._app, self._service, self._batches = app, service, batches

    async def create(self, request: Request) -> Response:
        """Take an upload in. Raises `Problem`."""
        if self._service.draining:
            raise draining()
        await self._require_room()
        lines = request.headers.get("content-type", "").partition(";")[0].strip().lower() in JSON_LINES
        batch = await (self._from_lines(request) if lines else self._from_json(request))
        self._work().wake()
        return _answer(_shown(batch), 202, {"location": f"/v1/batches/{batch.id}"})

    async def _require_room(self) -> None:
        waiting = [batch for batch in await asyncio.to_thread(self._batches.all) if batch.state in OPEN]
        if len(waiting) >= self._service.settings.max_batches:
            raise Problem("queue-full", _("{count} batches wait already", count=len(waiting)), retry_after_s=_RETRY_S)

    async def list(self, request: Request) -> Response:
        """List the caller's batches, newest first."""
        found = await asyncio.to_thread(self._batches.all, self._owner(request))
        return _answer({"object": "list", "data": [_shown(batch) for batch in reversed(found)]})

    async def show(self, request: Request) -> Response:
        """Tell how far a batch is."""
        return _answer(_shown(self._find(request)))

    async def cancel(self, request: Request) -> Response:
        """Stop a batch; what it has answered stays until it is deleted."""
        batch = self._find(request)
        if batch.state not in OPEN:
            raise Problem("conflict", _("the batch has ended: {state}", state=batch.state))
        return _answer(_shown(await self._work().stop(batch, state="cancelled", ended=now())))

    async def resume(self, request: Request) -> Response:
        """Go on with a batch that was cancelled, ran out of time or failed; its time begins anew."""
        batch = self._find(request)
        if batch.state in (*OPEN, "done"):
            raise Problem("conflict", _("the batch is not to be resumed: {state}", state=batch.state))
        await self._require_room()
        changed = self._batches.update(batch, state="queued", ended=None, reason=None, used_s=0.0)
        self._work().wake()
        return _answer(_shown(changed))

    async def delete(self, request: Request) -> Response:
        """Destroy a batch with its answers."""
        batch = self._find(request)
        await self._work().delete(batch)
        return Response(status_code=204)

    async def results(self, request: Request) -> Response:
        """Send the answers of a batch that has ended, in the rows' order: JSON lines, or Parquet with `?format=parquet`."""
        batch = self._find(request)
        if batch.state in OPEN:
            raise Problem("conflict", _("the batch is not finished: {state}", state=batch.state))
        try:
            self._batches.require_key(batch)
        except (NotFoundError, IntegrityError) as error:
            raise _no_keys() from error
        form = request.query_params.get("format", "jsonl")
        if form == "jsonl":
            return StreamingResponse(self._batches.answers(batch), media_type=JSON_LINES[0])
        if form != "parquet":
            raise Problem(
                "invalid", _("`{field}` must be `{value}`", field="format", value="jsonl, parquet"), field="format"
            )
        content = await asyncio.to_thread(_parquet, self._batches.answers(batch))
        return StreamingResponse(content, media_type=PARQUET)

    def _work(self) -> BatchWork:
        work: BatchWork = self._app.state.batch_work
        return work

    def _owner(self, request: Request) -> str | None:
        return call_of(request.scope).owner if self._service.access else None

    def _find(self, request: Request) -> Batch:
        try:
            return self._batches.find(request.path_params["batch"], self._owner(request))
        except NotFoundError as error:
            raise Problem("not-found", str(error)) from error

    async def _from_json(self, request: Request) -> Batch:
        settings = self._service.settings
        body = await read_body(call_of(request.scope).headers, request.receive, settings.max_body_bytes)
        content = take_object(parse_json(body), "", {"inputs", *_OPTIONS})
        texts = take_texts(take(content, "inputs", list, required=True), "inputs", settings.max_batch_texts)
        async with self._draft(request, *(take(content, key, kind) for key, kind in _OPTIONS.items())) as draft:
            for text in texts:
                draft.add(_row(text, None))
            return await asyncio.to_thread(draft.finish)

    async def _from_lines(self, request: Request) -> Batch:
        settings = self._service.settings
        given = request.query_params
        options = (given.get("model"), _flag(given.get("probabilities")), _whole(given.get("time_limit_s")))
        async with self._draft(request, *options) as draft:
            async for lines in _lines(request, settings.max_batch_bytes, settings.max_body_bytes):
                await asyncio.to_thread(_take_in, draft, lines, settings.max_batch_texts)
            if not draft.total:
                raise Problem("invalid", _("the batch is empty; send at least one line"))
            return await asyncio.to_thread(draft.finish)

    @asynccontextmanager
    async def _draft(
        self, request: Request, model: str | None, probabilities: bool | None, limit_s: int | None
    ) -> AsyncIterator[Draft]:
        if limit_s is not None and limit_s < 1:
            raise Problem("invalid", _("`{field}` must be at least 1", field="time_limit_s"), field="time_limit_s")
        served = self._service.router.pick(model)
        draft: Draft | None = None
        try:
            draft = await asyncio.to_thread(
                self._batches.begin, self._owner(request) or "", served.release.name, probabilities or False, limit_s
            )
            yield draft
        except BaseException as error:
            if draft:
                draft.abandon()
            if isinstance(error, ClientDisconnect):
                raise Problem("client-gone", _("the client went away before its request was whole")) from error
            if isinstance(error, OSError):
                raise Problem("no-room", _("this machine has no room for the batch")) from error
            if isinstance(error, NotFoundError | IntegrityError):
                raise _no_keys() from error
            raise


def add_routes(app: FastAPI, service: Service, batches: Batches) -> None:
    """Add the routes."""
    desk = Desk(app, service, batches)
    one = "/v1/batches/{batch}"
    routes: list[tuple[str, str, Callable[..., Any]]] = [
        ("POST", "/v1/batches", desk.create),
        ("GET", "/v1/batches", desk.list),
        ("GET", one, desk.show),
        ("DELETE", one, desk.delete),
        ("POST", f"{one}/cancel", desk.cancel),
        ("POST", f"{one}/resume", desk.resume),
        ("GET", f"{one}/results", desk.results),
    ]
    for method, path, endpoint in routes:
        app.router.routes.append(Route(path, endpoint, methods=[method]))


def _no_keys() -> Problem:
    return Problem("no-keys", _("the server's key file cannot be read; see `skerry doctor`"))


def _answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(encode(content), status, headers, "application/json")


def _shown(batch: Batch) -> dict[str, Any]:
    content = asdict(batch) | {"object": "batch"}
    del content["owner"]
    return content


async def _lines(request: Request, most_bytes: int, longest_bytes: int) -> AsyncIterator[list[bytes]]:
    """Yield the lines of a body as it arrives; split at line feeds alone, which JSON holds escaped only."""
    declared = request.headers.get("content-length", "0")
    size, rest = 0, bytearray()
    async for part in request.stream():
        size += len(part)
        if max(size, int(declared) if declared.isdigit() else 0) > most_bytes:
            raise Problem("content-too-large", _("the upload is larger than {limit} bytes", limit=most_bytes))
        rest += part
        whole: list[bytes] = []
        if b"\n" in part:  # else a long line that comes in small pieces would be copied for each
            *whole, last = bytes(rest).split(b"\n")
            rest = bytearray(last)
        if any(len(line) > longest_bytes for line in (*whole, rest)):
            raise Problem("content-too-large", _("a line is larger than {limit} bytes", limit=longest_bytes))
        if whole:
            yield whole
    yield [bytes(rest)]


def _take_in(draft: Draft, lines: list[bytes], most: int) -> None:
    for line in lines:
        if line.strip():
            if draft.total >= most:
                raise Problem("content-too-large", _("a batch holds at most {most} texts", most=most))
            draft.add(_line(line))


def _line(line: bytes) -> Row:
    """Read `"text"` or `{"text", "id"?}`; what is neither becomes a row with an error, since the others are not to fail with it."""
    try:
        found = parse_json(line)
        content = {"text": found} if isinstance(found, str) else take_object(found, "", {"text", "id"})
        return _row(take(content, "text", str, required=True), take(content, "id", str))
    except Problem as problem:
        return Row("", None, problem.detail)


def _row(text: str, identity: str | None) -> Row:
    try:
        text.encode()
        (identity or "").encode()
    except UnicodeEncodeError:
        return Row("", None, _("the text holds half a character (a lone surrogate); send valid UTF-8"))
    return Row(text, identity)


def _flag(given: str | None) -> bool | None:
    if given not in (None, "true", "false"):
        raise Problem("invalid", _("`{field}` must be `true` or `false`", field="probabilities"), field="probabilities")
    return given == "true"


def _whole(given: str | None) -> int | None:
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= 9):
        raise Problem(
            "invalid", _("`{field}` must be a whole number of seconds", field="time_limit_s"), field="time_limit_s"
        )
    return int(given)


def _parquet(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Turn JSON lines into Parquet, in a process of its own: the server loads no pyarrow. Raises `Problem` where it is not installed."""
    with ExitStack() as stack:
        out = stack.enter_context(tempfile.TemporaryFile())  # no name: it goes with us, whatever happens
        command = [sys.executable, "-P", "-c", "from appliance.engine.answers import main; main()"]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.DEVNULL)
        assert child.stdin is not None
        with suppress(BrokenPipeError), child.stdin:  # its exit code says why
            for part in lines:
                child.stdin.write(part)
        if code := child.wait():
            raise _unwritten(code)
        out.seek(0)
        stack.pop_all()
    return _parts(out)


def _unwritten(code: int) -> Problem:
    if code == MissingPartError.exit_code:
        return Problem("part-missing", _("Parquet needs the extra `data`: install `skerry[data]`, or take JSON lines"))
    return Problem("internal", _("the server failed; its log has the id of this request"))


def _parts(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while part := file.read(1024**2):
            yield part
