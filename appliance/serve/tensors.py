"""The tensors of the Open Inference Protocol v2 (kserve/open-inference-protocol, `inference_rest.md`): texts in, labels and scores out.

With its extension `binary_tensor_data` (triton-inference-server/server, `protocol/extension_binary_data.md`) the data stand as
bytes behind the JSON, whose length the header `Inference-Header-Content-Length` gives; Triton's own client speaks so by default.
A BYTES element is its length as 4 bytes, least first, and its bytes; FP32 are 4 bytes, least first.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any

from appliance.schema import Prediction
from appliance.serve.body import Output, Question, parse_json, take, take_object, take_texts
from appliance.serve.problems import Problem
from appliance.serve.router import Served
from appliance.serve.sending import JSON, encode
from appliance.serve.workers import Job
from appliance.words import _

OUTPUTS = ("label", "score", "probabilities", "error")
BINARY_SIZE = b"inference-header-content-length"
_DATA = "inputs[0].data"


def parse_infer(body: bytes, headers: Mapping[bytes, bytes], max_inputs: int) -> Question:
    """Read an inference request with the one input `text`, BYTES [n] or [n, 1].

    `outputs` chooses among `label`, `score`, `probabilities` and `error`; without it label and score are given. Raises `Problem`.
    """
    size = _json_bytes(headers, body)
    content = take_object(parse_json(body[:size]), "", {"id", "parameters", "inputs", "outputs"})
    parameters = take(content, "parameters", dict) or {}
    inputs = take(content, "inputs", list, required=True)
    if len(inputs) != 1:
        raise Problem("invalid", _("`inputs` must hold the one tensor `text`"), field="inputs")
    tensor = take_object(inputs[0], "inputs[0]", {"name", "shape", "datatype", "parameters", "data"})
    for key, wanted in (("name", "text"), ("datatype", "BYTES")):
        if tensor.get(key) != wanted:
            place = f"inputs[0].{key}"
            raise Problem("invalid", _("`{field}` must be `{value}`", field=place, value=wanted), field=place)
    data = _data(tensor, body[size:])
    shape = take(tensor, "shape", list, required=True, place="inputs[0].")
    if any(type(length) is not int for length in shape) or shape not in ([len(data)], [len(data), 1]):
        raise Problem("invalid", _("`inputs[0].shape` must be [n] or [n, 1] for n texts"), field="inputs[0].shape")
    return Question(
        texts=take_texts(data, _DATA, max_inputs),
        id=_identity(content),
        outputs=tuple(_outputs(take(content, "outputs", list), parameters.get("binary_data_output") is True)),
    )


def tensors(question: Question, served: Served, job: Job) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return the headers and body of an inference response.

    The protocol knows no error of one element: with the output `error` a text that has no answer gets an empty label, the
    score 0 and its reason there, and without it the whole request is refused (`Problem`, 400). So is one to a model that marks stretches.
    """
    if served.engine.plan.task == "tag":
        raise Problem(
            "invalid", _("this release marks stretches of a text, which no tensor holds; ask `POST /v1/predict`")
        )
    if "error" not in {output.name for output in question.outputs}:
        for index, answer in enumerate(job.answers):
            if not isinstance(answer, Prediction):
                place = f"{_DATA}[{index}]"
                raise Problem("invalid", _("`{field}`: {reason}", field=place, reason=answer), field=place)
    described, parts = [], []
    for output in question.outputs:
        tensor = _tensor(output.name, job, served.engine.labels)
        if output.binary:
            part = _to_bytes(tensor)
            parts.append(part)
            tensor["parameters"] = tensor.get("parameters", {}) | {"binary_data_size": len(part)}
        described.append(tensor)
    content = {"model_name": served.release.name, "model_version": served.version, "outputs": described}
    head = encode(content | ({"id": question.id} if question.id is not None else {}))
    if not parts:
        return [JSON], head
    sizes = [(b"content-type", b"application/octet-stream"), (BINARY_SIZE, b"%d" % len(head))]
    return sizes, b"".join((head, *parts))


def _json_bytes(headers: Mapping[bytes, bytes], body: bytes) -> int:
    given = headers.get(BINARY_SIZE)
    if given is None:
        return len(body)
    if not (given.isdigit() and len(given) <= 12 and int(given) <= len(body)):
        name = "Inference-Header-Content-Length"
        raise Problem("invalid", _("`{field}` must be the number of bytes of the JSON", field=name), field=name)
    return int(given)


def _data(tensor: Mapping[str, Any], behind: bytes) -> list[Any]:
    parameters = take(tensor, "parameters", dict, place="inputs[0].") or {}
    if "binary_data_size" not in parameters:
        if behind:
            raise Problem("invalid", _("bytes stand behind the JSON that no tensor asks for"), field=_DATA)
        found: list[Any] = take(tensor, "data", list, required=True, place="inputs[0].")
        if found and all(isinstance(row, list) and len(row) == 1 for row in found):
            return [row[0] for row in found]  # the protocol allows nested data for shape [n, 1]
        return found
    if "data" in tensor or parameters["binary_data_size"] != len(behind):
        place = "inputs[0].parameters.binary_data_size"
        raise Problem("invalid", _("`{field}` must be the number of bytes behind the JSON", field=place), field=place)
    return list(_from_bytes(behind))


def _from_bytes(data: bytes) -> Iterable[str]:
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "little")
        if at + 4 > len(data) or end > len(data):
            raise Problem("malformed", _("a BYTES element is cut off"), field=_DATA)
        try:
            yield data[at + 4 : end].decode()
        except UnicodeDecodeError as error:
            raise Problem("malformed", _("a BYTES element is no UTF-8"), field=_DATA) from error
        at = end


def _identity(content: Mapping[str, Any]) -> str | None:
    # It goes back as it came, in UTF-8, which has no half characters (lone surrogates).
    found: str | None = take(content, "id", str)
    if found and any("\ud800" <= character <= "\udfff" for character in found):
        raise Problem("invalid", _("`id` holds half a character (a lone surrogate)"), field="id")
    return found


def _outputs(wanted: list[Any] | None, binary: bool) -> Iterable[Output]:
    if not wanted:
        yield from (Output("label", binary), Output("score", binary))
    for index, one in enumerate(wanted or ()):
        place = f"outputs[{index}]"
        output = take_object(one, place, {"name", "parameters"})
        parameters = take(output, "parameters", dict, place=f"{place}.") or {}
        name = output.get("name")
        if name not in OUTPUTS:
            known = ", ".join(f"`{output}`" for output in OUTPUTS)
            where = f"{place}.name"
            raise Problem("invalid", _("`{field}` must be one of {known}", field=where, known=known), field=where)
        yield Output(name, parameters.get("binary_data", binary) is True)


def _tensor(name: str, job: Job, labels: tuple[str, ...]) -> dict[str, Any]:
    answers = [answer if isinstance(answer, Prediction) else None for answer in job.answers]
    shape = [len(answers)]
    if name == "label":
        data: list[Any] = [(answer.label or "") if answer else "" for answer in answers]
        return {"name": name, "shape": shape, "datatype": "BYTES", "data": data}
    if name == "error":
        data = ["" if isinstance(answer, Prediction) else str(answer) for answer in job.answers]
        return {"name": name, "shape": shape, "datatype": "BYTES", "data": data}
    if name == "score":
        return {
            "name": name, "shape": shape, "datatype": "FP32", "data": [answer.score if answer else 0.0 for answer in answers],
        }  # fmt: skip
    # (texts, labels), row by row
    rows = [answer.probabilities[label] if answer else 0.0 for answer in answers for label in labels]
    about = {"parameters": {"labels": labels}}
    return {"name": name, "shape": [len(answers), len(labels)], "datatype": "FP32", "data": rows} | about


def _to_bytes(tensor: dict[str, Any]) -> bytes:
    data = tensor.pop("data")
    if tensor["datatype"] == "FP32":
        return struct.pack(f"<{len(data)}f", *data)
    elements = (element.encode() for element in data)
    return b"".join(len(element).to_bytes(4, "little") + element for element in elements)
