"""Answers on their way out: JSON, and problems in the form that their path promises."""

from __future__ import annotations

import json
from typing import Any

from starlette.types import Scope, Send

from appliance.serve.problems import Problem

JSON = (b"content-type", b"application/json")
_PROBLEM = (b"content-type", b"application/problem+json")
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def encode(content: Any) -> bytes:
    """Return JSON in UTF-8 without spaces. NaN and infinities, which JSON cannot hold, are bugs (`ValueError`)."""
    return _ENCODER.encode(content).encode()


async def send_whole(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """Send an answer in one piece."""
    await send(
        {"type": "http.response.start", "status": status, "headers": [*headers, (b"content-length", b"%d" % len(body))]}
    )
    await send({"type": "http.response.body", "body": body})


async def send_problem(problem: Problem, scope: Scope, request_id: str, send: Send) -> None:
    """Send a problem: the Open Inference Protocol's error object below `/v2`, RFC 9457 elsewhere."""
    if scope["path"].startswith("/v2"):
        # The protocol knows no 422: what a client sent wrong is 400 there.
        status = 400 if problem.status == 422 else problem.status
        await send_whole(send, status, [JSON, *problem.headers()], problem.protocol_body())
    else:
        await send_whole(send, problem.status, [_PROBLEM, *problem.headers()], problem.body(request_id))
