"""Look into an ONNX file before anything runs it, with a little protobuf, since a serving box lacks the `onnx` package; then open it.

Wire format: protobuf.dev/programming-guides/encoding. Messages and field numbers: onnx/onnx, `onnx.proto`, IR 13.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from appliance.errors import InputError, MissingPartError
from appliance.words import _

# message -> {field number: the message in it}: the parts of a model that can hold operators or tensors
_PARTS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_NODE_DOMAIN, _TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 7, 13, 14
_DOMAINS = (b"", b"ai.onnx")
_DEPTH = 32


def open_session(content: bytes, path: Path, exact: bool = False, provider: str = "CPUExecutionProvider") -> Any:
    """Open a self-contained model, on the CPU unless `provider` names another of the runtime's; `exact` asks for 8-bit products without overflow (`on_onnx.saturates`). `path` is for messages alone.

    One thread a text, and as many callers as cores; spinning would halve the throughput of a shared machine. Raises `InputError` for what ONNX Runtime cannot
    run and for what `check_self_contained` refuses, `MissingPartError` without onnxruntime.
    """
    check_self_contained(content, path)
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingPartError(
            _("running a model needs the extra `cpu`: install `skerry[cpu]` from the wheelhouse")
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    if exact:
        options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        providers = list(dict.fromkeys((provider, "CPUExecutionProvider")))
        return onnxruntime.InferenceSession(content, options, providers=providers)
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise InputError(_("`{path}` is no model that ONNX Runtime can run; export it again", path=path)) from error


def check_self_contained(content: bytes, path: Path) -> None:
    """Raise `InputError` unless no tensor lies in another file and every operator is of the ONNX standard."""
    try:
        for message, field, value in _fields(memoryview(content), "model", 0):
            if message == "tensor" and (
                field == _TENSOR_EXTERNAL_DATA or (field == _TENSOR_DATA_LOCATION and _varint(value, 0)[0])
            ):
                raise InputError(_("`{path}` keeps weights in another file; export it as one file", path=path))
            if message == "node" and field == _NODE_DOMAIN and bytes(value) not in _DOMAINS:
                raise InputError(
                    _("`{path}` uses operators outside the ONNX standard; only the standard's own are run", path=path)
                )
    except (IndexError, ValueError) as error:
        raise InputError(_("`{path}` is no ONNX file", path=path)) from error


def embedding_output(content: bytes, path: Path) -> str | None:
    """Return the name of the tensor that the head of a network reads: the embedding of length 1, (batch, hidden).

    It is the one that normalisation gives (`LpNormalization`, or the division by the length that `to_onnx` writes) nearest to `logits`; None where
    there is none. Raises `InputError` for what is no ONNX file.
    """
    try:
        makers = {output: (kind, inputs) for kind, inputs, outputs in _nodes(memoryview(content)) for output in outputs}
    except (IndexError, ValueError, UnicodeDecodeError) as error:
        raise InputError(_("`{path}` is no ONNX file", path=path)) from error
    near, seen = ["logits"], {"logits"}
    while near:
        following = []
        for name in near:
            kind, inputs = makers.get(name, ("", []))
            if kind in ("LpNormalization", "Div"):
                return name
            following += [source for source in inputs if source not in seen]
            seen.update(inputs)
        near = following
    return None


def with_output(content: bytes, name: str) -> bytes:
    """Return the model with one more output of the graph, float32 of two axes.

    Two parts of one message merge when they follow each other (protobuf.dev/programming-guides/encoding, "Last One Wins"), so that the file itself stays as it
    is: field 7 of the model is its graph, 12 of a graph an output, 1 and 2 of that its name and type, 1 of that a tensor, whose field 1 is its element type.
    """
    shape = _message(2, _message(1, b"") + _message(1, b""))
    value = _message(1, name.encode()) + _message(2, _message(1, b"\x08\x01" + shape))
    return content + _message(7, _message(12, value))


def _message(field: int, content: bytes) -> bytes:
    length, size = b"", len(content)
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([field << 3 | 2]) + length + bytes([size]) + content


def _nodes(data: memoryview) -> Iterator[tuple[str, list[str], list[str]]]:
    # the operator, inputs and outputs of each node of the main graph: fields 4, 1 and 2
    for message, field, graph in _level(data):
        if (message, field) == (2, 7):
            for wire, number, node in _level(graph):
                if (wire, number) == (2, 1):
                    parts = [
                        (key, bytes(value).decode())
                        for kind, key, value in _level(node)
                        if kind == 2 and key in (1, 2, 4)
                    ]
                    named = {key: [value for other, value in parts if other == key] for key in (1, 2, 4)}
                    yield "".join(named[4]), named[1], named[2]


def _level(data: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    # wire type, number and content of each field of one message
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        start, position = _value(data, position, key & 7)
        yield key & 7, key >> 3, data[start:position]


def _fields(data: memoryview, message: str, depth: int) -> Iterator[tuple[str, int, memoryview]]:
    if depth > _DEPTH:
        raise ValueError("nested too deep")
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        start, position = _value(data, position, key & 7)
        value = data[start:position]
        inner = _PARTS[message].get(key >> 3)
        if inner:
            if key & 7 != 2:
                raise ValueError("a message that is no message")
            yield from _fields(value, inner, depth + 1)
        else:
            yield message, key >> 3, value


def _value(data: memoryview, position: int, wire: int) -> tuple[int, int]:
    # where a field's value starts and ends; a varint is returned as its bytes
    if wire == 0:
        return position, _varint(data, position)[1]
    if wire == 2:
        length, position = _varint(data, position)
    elif wire in (1, 5):
        length = 8 if wire == 1 else 4
    else:
        raise ValueError("groups are not part of ONNX")
    if position + length > len(data):
        raise ValueError("cut short")
    return position, position + length


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 64, 7):
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
    raise ValueError("a number without an end")
