"""`/v1/embeddings` as OpenAI's clients speak it (platform.openai.com/docs/api-reference/embeddings): texts in, vectors out."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping

from appliance.serve.body import Question, parse_json, take, take_object, take_texts
from appliance.serve.problems import Problem
from appliance.serve.router import Served
from appliance.serve.sending import JSON, encode
from appliance.serve.workers import Job
from appliance.words import _

_FIELDS = {"input", "model", "encoding_format", "dimensions", "user"}


def parse_embeddings(body: bytes, _headers: Mapping[bytes, bytes], max_inputs: int) -> Question:
    """Read `{"input": text or [text, ...], "model"?, "encoding_format"?: "float" or "base64"}`; token ids are not taken. Raises `Problem`."""
    content = take_object(parse_json(body), "", _FIELDS)
    single = type(content.get("input")) is str
    texts = [content["input"]] if single else take(content, "input", list, required=True)
    form = take(content, "encoding_format", str)
    if form not in (None, "float", "base64"):
        name = "encoding_format"
        raise Problem("invalid", _("`{field}` must be `{value}`", field=name, value="float, base64"), field=name)
    take(content, "user", str)
    dimensions = take(content, "dimensions", int)
    if dimensions is not None and dimensions < 1:
        raise Problem("invalid", _("`{field}` must be at least 1", field="dimensions"), field="dimensions")
    return Question(
        texts=take_texts(texts, "input", max_inputs),
        model=take(content, "model", str),
        base64=form == "base64",
        dimensions=dimensions,
    )


def require_embeddings(question: Question, served: Served) -> None:
    """Raise `Problem` (422) where the model has no embeddings, or not as many numbers as are asked for."""
    width = served.engine.embedding_width
    if not width:
        raise Problem("invalid", _("this release gives no embeddings; export its model again"), field="model")
    if question.dimensions not in (None, width):
        name = "dimensions"
        raise Problem("invalid", _("`{field}` must be `{value}`", field=name, value=width), field=name)


def vectors(question: Question, served: Served, job: Job) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return the vectors, float32 (texts, hidden). One text that cannot be read fails the request (`Problem`, 422): there is no place for its error."""
    rows = []
    for index, answer in enumerate(job.answers):
        if not isinstance(answer, bytes):
            place = f"input[{index}]"
            raise Problem("invalid", _("`{field}`: {reason}", field=place, reason=answer), field=place)
        vector = (
            base64.b64encode(answer).decode() if question.base64 else struct.unpack(f"<{len(answer) // 4}f", answer)
        )
        rows.append({"object": "embedding", "index": index, "embedding": vector})
    usage = {"prompt_tokens": job.tokens, "total_tokens": job.tokens}
    return [JSON], encode({"object": "list", "data": rows, "model": served.release.name, "usage": usage})
