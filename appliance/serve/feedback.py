"""`POST /v1/feedback`: which answers were right, as their readers say.

The newest answers are remembered by their request's id and the API key that asked, so that nobody judges another's.
What is said feeds the accuracy of each version, and is kept as a line in an encrypted file, without any text: the time,
the request's id, the version, the label's number, right or wrong.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from appliance import sealed
from appliance.errors import ApplianceError
from appliance.keys import Keys
from appliance.log import log, now
from appliance.monitor.prometheus import Metrics
from appliance.schema import Prediction
from appliance.serve.body import parse_json, read_body, take, take_object
from appliance.serve.describe import Described
from appliance.serve.problems import Problem
from appliance.serve.sending import JSON, encode, send_whole
from appliance.serve.service import Answered, Service, call_of
from appliance.settings import ReleaseSettings
from appliance.words import _

_PURPOSE = "feedback"
_FOLDER = "feedback"
_MOST_BODY_BYTES = 16 * 1024


class FeedbackRequest(BaseModel):
    """Which answer, and the label that would have been right."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"request_id": "a1", "label": "card"}})
    request_id: str | None = Field(None, description="The answer's `X-Request-Id`.")
    index: int = Field(0, ge=0, description="The text's place in the request.")
    prediction_id: str | None = Field(None, description="Both in one: `REQUEST_ID/INDEX`.")
    label: str = Field(description="The label that is right.")


class FeedbackResponse(BaseModel):
    """What became of it. `right` is null when the model had abstained; `counted` is false for an answer that was judged before."""

    request_id: str
    index: int
    model: str
    version: str
    right: bool | None
    counted: bool
    kept: bool


ROUTES = (
    Described(
        "post", "/v1/feedback", "feedback", "Tell whether an answer was right", FeedbackRequest, FeedbackResponse,
        failures=("400", "401", "404", "413", "422"),
    ),
)  # fmt: skip


@dataclass(slots=True)
class _Given:
    """The answers of one request, as far as they can be judged; nothing here keeps a model loaded."""

    release: str
    version: str  # the model's id
    labels: tuple[str, ...]
    answers: tuple[str | None, ...]
    drawn: bool
    judged: set[int] = field(default_factory=set)


class Feedback:
    """The answers that can still be judged, and the file of judgements of this run of the server."""

    def __init__(
        self,
        home: Path,
        project: str,
        keys: Keys,
        settings: ReleaseSettings,
        metrics: Metrics,
        judged: Callable[[str, str, bool], None],
    ) -> None:
        """`judged` is told of each judgement of an answer that the draw gave: release, model's id, right or wrong."""
        self._settings, self._metrics, self._judged = settings, metrics, judged
        self._given: OrderedDict[tuple[str, str], _Given] = OrderedDict()
        self._file = _File(home, project, keys, settings.feedback_bytes)

    def answered(self, answered: Answered) -> None:
        """Remember the answers of a request, and forget the oldest ones."""
        served = answered.served
        if answered.status != 200 or answered.kind != "predict" or served.engine.plan.task != "classify":
            return
        labels = tuple(one.label if isinstance(one, Prediction) else None for one in answered.answers)
        given = _Given(
            served.release.name, served.release.version, served.engine.labels, labels, served.drawn is not None
        )
        self._given[(answered.key, answered.request_id)] = given
        if len(self._given) > self._settings.feedback_requests:
            self._given.popitem(last=False)

    async def judge(self, key: str, request_id: str, index: int, label: str) -> dict[str, Any]:
        """Take one judgement. Raises `Problem`: 404 for an answer that is not remembered, 422 for a place or label it does not have."""
        given = self._given.get((key, request_id))
        if given is None:
            raise Problem("not-found", _("no answer to a request of this id and API key is remembered"))
        if index >= len(given.answers):
            raise Problem("invalid", _("`index` is beyond the texts of that request"), field="index")
        if label not in given.labels:
            raise Problem("invalid", _("`label` is none of the model's; see `GET /v1/models`"), field="label")
        said = given.answers[index]
        right = None if said is None else said == label
        counted = index not in given.judged
        kept = False
        if counted:
            given.judged.add(index)
            self._count(given, right)
            line = {
                "time": now(),
                "request_id": request_id,
                "index": index,
                "release": given.release,
                "version": given.version,
                "label": given.labels.index(label),
                "right": right,
            }
            kept = await asyncio.to_thread(self._file.add, line)
        found = {"request_id": request_id, "index": index, "model": given.release, "version": given.version[:12]}
        return found | {"right": right, "counted": counted, "kept": kept}

    def _count(self, given: _Given, right: bool | None) -> None:
        if right is None:
            return
        self._metrics.feedback.labels(given.release, given.version[:12], "right" if right else "wrong").inc()
        if given.drawn:
            self._judged(given.release, given.version, right)


class _File:
    """The judgements of this process: a file of encrypted frames of its own, made at the first one."""

    def __init__(self, home: Path, project: str, keys: Keys, most_bytes: int) -> None:
        self._folder, self._keys, self._most_bytes = _folder(home, project), keys, most_bytes
        self._path = self._folder / f"{time.time_ns():020d}-{os.getpid()}.sealed"
        self._lock = threading.Lock()
        self._number = 0

    def add(self, line: dict[str, Any]) -> bool:
        """Keep one judgement, durably; False when there is no room for it, or no key."""
        with self._lock:
            try:
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                if sum(path.stat().st_size for path in self._folder.iterdir()) >= self._most_bytes:
                    return False
                key = self._keys.derive(_PURPOSE)
                sealed.append(self._path, key, f"{_PURPOSE} {self._path.name}", self._number, json.dumps(line).encode())
            except (ApplianceError, OSError) as error:
                log("feedback not kept", error=type(error).__name__)
                return False
            self._number += 1
            return True


def read_feedback(home: Path, project: str, keys: Keys) -> Iterator[dict[str, Any]]:
    """Yield the kept judgements of a project, oldest first. Raises `IntegrityError` for a wrong key and changed bytes."""
    for path in sorted(_folder(home, project).glob("*.sealed")):
        for content in sealed.read(path, keys.derive(_PURPOSE), f"{_PURPOSE} {path.name}"):
            yield json.loads(content)


def _folder(home: Path, project: str) -> Path:
    return home / "projects" / project / _FOLDER


def add_routes(app: FastAPI, service: Service, feedback: Feedback) -> None:
    """Add `POST /v1/feedback`."""
    app.router.routes.append(Route("/v1/feedback", _Endpoint(service, feedback), methods=["POST"]))


class _Endpoint:
    """An ASGI endpoint: read a judgement, take it, say what became of it."""

    def __init__(self, service: Service, feedback: Feedback) -> None:
        self._service, self._feedback = service, feedback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Raises `Problem`."""
        call = call_of(scope)
        body = await read_body(call.headers, receive, min(_MOST_BODY_BYTES, self._service.settings.max_body_bytes))
        found = await self._feedback.judge(call.key, *parse_feedback(body))
        await send_whole(scope, send, 200, [JSON], encode(found))


def parse_feedback(body: bytes) -> tuple[str, int, str]:
    """Read `{"request_id", "index"?, "label"}` or `{"prediction_id", "label"}` into id, index and label. Raises `Problem` (400, 422)."""
    content = take_object(parse_json(body), "", {"request_id", "index", "prediction_id", "label"})
    label = cast("str", take(content, "label", str, required=True))
    both = take(content, "prediction_id", str)
    if both is not None:
        if "request_id" in content or "index" in content:
            raise Problem(
                "invalid", _("send `prediction_id` alone, or `request_id` and `index`"), field="prediction_id"
            )
        request_id, _slash, number = both.rpartition("/")
        if not (number.isascii() and number.isdigit() and len(number) <= 9):
            raise Problem("invalid", _("`prediction_id` is written `REQUEST_ID/INDEX`"), field="prediction_id")
        return request_id, int(number), label
    index = take(content, "index", int) or 0
    if index < 0:
        raise Problem("invalid", _("`index` is beyond the texts of that request"), field="index")
    return take(content, "request_id", str, required=True), index, label
