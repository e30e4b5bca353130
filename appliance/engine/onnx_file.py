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


def open_session(content: bytes, path: Path, exact: bool = False) -> Any:
    """Open a self-contained model on the CPU; `exact` asks for 8-bit products without overflow (`on_onnx.saturates`). `path` is for messages alone.

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
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
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
