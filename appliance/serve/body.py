"""Request bodies: read within a limit, parsed strictly.

JSON as RFC 8259 means it: UTF-8, no NaN, and no name twice (its section 4 leaves open which one counts). An unknown field
is an error, so that a misspelt one is not ignored. Messages name fields of ours and places, never what a client sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from starlette.types import Receive

from appliance.serve.problems import Problem
from appliance.words import _

_JSON_TYPES = {str: "string", bool: "boolean", int: "integer", list: "array", dict: "object"}


# Every field that a body may have; a name of the client's own making is not repeated in an answer.
_FIELDS = {
    "inputs",
    "input",
    "model",
    "probabilities",
    "explain",
    "id",
    "parameters",
    "outputs",
    "name",
    "shape",
    "datatype",
}
_FIELDS |= {
    "data",
    "encoding_format",
    "dimensions",
    "user",
    "time_limit_s",
    "request_id",
    "prediction_id",
    "index",
    "label",
}


@dataclass(frozen=True, slots=True)
class Output:
    """A tensor that is asked for, and whether its data shall come as bytes behind the JSON."""

    name: str
    binary: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What a client asks: the texts, and which parts of the answer."""

    texts: list[str] = field(repr=False)
    model: str | None = None
    probabilities: bool = False
    explain: bool = False
    id: str | None = field(default=None, repr=False)
    outputs: tuple[Output, ...] = ()
    base64: bool = False
    dimensions: int | None = None


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, limit_bytes: int) -> bytes:
    """Read a whole body. Raises `Problem` (413) as soon as it is known to be longer than `limit_bytes`."""
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > limit_bytes:
        _too_large(limit_bytes)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Problem("client-gone", _("the client went away before its request was whole"))
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit_bytes:
            _too_large(limit_bytes)
        if not message.get("more_body"):
            return b"".join((*parts, part))
        parts.append(part)


def parse_predict(body: bytes, _headers: Mapping[bytes, bytes], max_inputs: int) -> Question:
    """Read `{"inputs": [text, ...], "model"?, "probabilities"?, "explain"?}`; `explain` goes with one text alone.

    Raises `Problem`: 400 for what is no JSON, 413 for more than `max_inputs` texts, 422 naming a field that is wrong.
    """
    content = take_object(parse_json(body), "", {"inputs", "model", "probabilities", "explain"})
    question = Question(
        texts=take_texts(take(content, "inputs", list, required=True), "inputs", max_inputs),
        model=take(content, "model", str),
        probabilities=take(content, "probabilities", bool) or False,
        explain=take(content, "explain", bool) or False,
    )
    if question.explain and len(question.texts) > 1:
        raise Problem("invalid", _("`explain` takes one text at a time"), field="inputs")
    return question


def take_texts(texts: list[Any], place: str, max_inputs: int) -> list[str]:
    """Return a list of at least one and at most `max_inputs` strings. Raises `Problem`: 413, 422."""
    if not texts:
        raise Problem("invalid", _("`{field}` is empty; send at least one text", field=place), field=place)
    if len(texts) > max_inputs:
        raise Problem(
            "content-too-large",
            _(
                "`{field}` holds {count} texts, the most is {most}; send several requests",
                field=place,
                count=len(texts),
                most=max_inputs,
            ),
            field=place,
        )
    for index, text in enumerate(texts):
        if type(text) is not str:
            _wrong_type(f"{place}[{index}]", str)
    return texts


def take(content: Mapping[str, Any], key: str, kind: type, *, required: bool = False, place: str = "") -> Any:
    """Return the field `key` of the JSON type `kind`; None where it is absent or null and not `required`. Raises `Problem` (422)."""
    if required and key not in content:
        raise Problem("invalid", _("`{field}` is missing", field=place + key), field=place + key)
    if not required and content.get(key) is None:
        return None
    if type(content[key]) is not kind:
        _wrong_type(place + key, kind)
    return content[key]


def take_object(content: Any, place: str, known: set[str]) -> dict[str, Any]:
    """Return a JSON object that has no field but the `known`; `place` is empty for the body itself. Raises `Problem` (422)."""
    if type(content) is not dict:
        _wrong_type(place, dict)
    if content.keys() - known:
        fields = ", ".join(f"`{name}`" for name in sorted(known))
        where = place or _("the body")
        raise Problem(
            "invalid",
            _("{where} has an unknown field; the known ones are {fields}", where=where, fields=fields),
            field=place or None,
        )
    found: dict[str, Any] = content
    return found


def _wrong_type(place: str, kind: type) -> NoReturn:
    raise Problem(
        "invalid",
        _(
            "{where} must be of the JSON type `{kind}`",
            where=f"`{place}`" if place else _("the body"),
            kind=_JSON_TYPES[kind],
        ),
        field=place or None,
    )


def _too_large(limit_bytes: int) -> NoReturn:
    raise Problem(
        "content-too-large", _("the body is larger than {limit} bytes; send fewer texts at once", limit=limit_bytes)
    )


def parse_json(body: bytes) -> Any:
    """Return what a body holds. Raises `Problem`: 400 for what is no JSON in UTF-8, 422 for a name that stands twice."""
    try:
        return _DECODER.decode(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Problem("malformed", _("the body is no JSON in UTF-8 (RFC 8259)")) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) == len(pairs):
        return content
    seen: set[str] = set()
    twice = next(name for name, _value in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    raise Problem("invalid", _("a field stands twice in one object"), field=twice if twice in _FIELDS else None)


def _no_constant(_name: str) -> NoReturn:
    raise ValueError  # NaN and Infinity, which Python would take


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
