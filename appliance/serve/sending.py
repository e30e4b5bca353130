"""Answers on their way out: JSON, and problems in the form that their path promises."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from starlette.types import Scope, Send

from appliance.serve.problems import Problem

Headers = list[tuple[bytes, bytes]]
Straight = Callable[[int, Headers, bytes], bool]  # status, headers, body -> whether the answer was written so
STRAIGHT = "skerry.straight"  # where the ASGI scope has it
JSON = (b"content-type", b"application/json")
_PROBLEM = (b"content-type", b"application/problem+json")
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def encode(content: Any) -> bytes:
    """Return JSON in UTF-8 without spaces. NaN and infinities, which JSON cannot hold, are bugs (`ValueError`)."""
    return _ENCODER.encode(content).encode()


async def send_whole(scope: Scope, send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send an answer in one piece: in one write, where the connection offers it in the scope."""
    headers = [*headers, (b"content-length", b"%d" % len(body))]
    straight = scope.pop(
        STRAIGHT, None
    )  # it leads back to the scope: a circle that only the garbage collector would find
    if straight is None or not straight(status, headers, body):
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def written(problem: Problem, path: str, request_id: str) -> tuple[Headers, bytes]:
    """Return the headers and the body that tell a problem: the Open Inference Protocol's error object below `/v2`, RFC 9457 elsewhere."""
    protocol = path.startswith("/v2")
    body = problem.protocol_body() if protocol else problem.body(request_id)
    return [JSON if protocol else _PROBLEM, *problem.headers()], body


async def send_problem(problem: Problem, scope: Scope, request_id: str, send: Send) -> None:
    """Send a problem as its path promises it."""
    headers, body = written(problem, scope["path"], request_id)
    # The Open Inference Protocol knows no 422: what a client sent wrong is 400 there.
    status = 400 if problem.status == 422 and scope["path"].startswith("/v2") else problem.status
    await send_whole(scope, send, status, headers, body)
