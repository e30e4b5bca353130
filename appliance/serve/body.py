"""Request bodies: read within a limit, parsed strictly.

JSON as RFC 8259 means it: UTF-8, no NaN, and no name twice (its section 4 leaves open which one counts). An unknown field
is an error, so that a misspelt one is not ignored. Messages name fields of ours and places, never what a client sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from starlette.types import Receive

from appliance.serve.problems import Problem
from appliance.words import _

_JSON_TYPES = {str: "string", bool: "boolean", list: "array", dict: "object"}


# Every field that a body may have; a name of the client's own making is not repeated in an answer.
_FIELDS = {"inputs", "model", "probabilities", "id", "parameters", "outputs", "name", "shape", "datatype", "data"}


@dataclass(frozen=True, slots=True)
class Question:
    """What a client asks: the texts, and which parts of the answer."""

    texts: list[str] = field(repr=False)
    model: str | None = None
    probabilities: bool = False
    id: str | None = field(default=None, repr=False)
    outputs: tuple[str, ...] = ()


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


def parse_predict(body: bytes, max_inputs: int) -> Question:
    """Read `{"inputs": [text, ...], "model"?, "probabilities"?}`.

    Raises `Problem`: 400 for what is no JSON, 413 for more than `max_inputs` texts, 422 naming a field that is wrong.
    """
    content = _object(_json(body), "", {"inputs", "model", "probabilities"})
    return Question(
        texts=_texts(_typed(content, "inputs", list, required=True), "inputs", max_inputs),
        model=_typed(content, "model", str),
        probabilities=_typed(content, "probabilities", bool) or False,
    )


def parse_infer(body: bytes, max_inputs: int) -> Question:
    """Read an inference request of the Open Inference Protocol v2 with the one input `text`, BYTES [n] or [n, 1].

    `outputs` chooses among `label`, `score` and `probabilities`; without it label and score are given. Raises `Problem`.
    """
    content = _object(_json(body), "", {"id", "parameters", "inputs", "outputs"})
    _typed(content, "parameters", dict)
    inputs = _typed(content, "inputs", list, required=True)
    if len(inputs) != 1:
        raise Problem("invalid", _("`inputs` must hold the one tensor `text`"), field="inputs")
    tensor = _object(inputs[0], "inputs[0]", {"name", "shape", "datatype", "parameters", "data"})
    _typed(tensor, "parameters", dict, place="inputs[0].")
    for key, wanted in (("name", "text"), ("datatype", "BYTES")):
        if tensor.get(key) != wanted:
            raise Problem(
                "invalid",
                _("`{field}` must be `{value}`", field=f"inputs[0].{key}", value=wanted),
                field=f"inputs[0].{key}",
            )
    data = _typed(tensor, "data", list, required=True, place="inputs[0].")
    if data and all(isinstance(row, list) and len(row) == 1 for row in data):
        data = [row[0] for row in data]  # the protocol allows nested data for shape [n, 1]
    shape = _typed(tensor, "shape", list, required=True, place="inputs[0].")
    if any(type(size) is not int for size in shape) or shape not in ([len(data)], [len(data), 1]):
        raise Problem("invalid", _("`inputs[0].shape` must be [n] or [n, 1] for n texts"), field="inputs[0].shape")
    return Question(
        texts=_texts(data, "inputs[0].data", max_inputs),
        id=_identity(content),
        outputs=tuple(_outputs(_typed(content, "outputs", list) or [])),
    )


def _identity(content: Mapping[str, Any]) -> str | None:
    # It goes back as it came, in UTF-8, which has no half characters (lone surrogates).
    found: str | None = _typed(content, "id", str)
    if found and any("\ud800" <= character <= "\udfff" for character in found):
        raise Problem("invalid", _("`id` holds half a character (a lone surrogate)"), field="id")
    return found


def _outputs(wanted: Iterable[Any]) -> Iterable[str]:
    for index, one in enumerate(wanted):
        place = f"outputs[{index}]"
        output = _object(one, place, {"name", "parameters"})
        _typed(output, "parameters", dict, place=f"{place}.")
        name = output.get("name")
        if name not in ("label", "score", "probabilities"):
            raise Problem(
                "invalid",
                _("`{field}` must be `label`, `score` or `probabilities`", field=f"{place}.name"),
                field=f"{place}.name",
            )
        yield name


def _texts(texts: list[Any], place: str, max_inputs: int) -> list[str]:
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


def _typed(content: Mapping[str, Any], key: str, kind: type, *, required: bool = False, place: str = "") -> Any:
    if required and key not in content:
        raise Problem("invalid", _("`{field}` is missing", field=place + key), field=place + key)
    if not required and content.get(key) is None:
        return None
    if type(content[key]) is not kind:
        _wrong_type(place + key, kind)
    return content[key]


def _object(content: Any, place: str, known: set[str]) -> dict[str, Any]:
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


def _json(body: bytes) -> Any:
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
