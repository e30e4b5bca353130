"""Tensors as the Open Inference Protocol has them: read strictly, written as JSON or as bytes behind it."""

from __future__ import annotations

import json
import struct
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.schema import Prediction, Span
from appliance.serve.body import Output, Question
from appliance.serve.inference import _texts
from appliance.serve.problems import Problem
from appliance.serve.protocol import _metadata
from appliance.serve.tensors import parse_infer, tensors

TEXT = {"name": "text", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]}
SECRET = "110101194912310021"


def elements(*texts: str) -> bytes:
    """Return texts as the binary extension has them."""
    return b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in texts)


def binary(behind: bytes, shape: list[int], size: int | None = None, **more: Any) -> tuple[bytes, dict[bytes, bytes]]:
    """Return a body with its data behind the JSON, and its header."""
    parameters = {"binary_data_size": len(behind) if size is None else size}
    tensor = {"name": "text", "shape": shape, "datatype": "BYTES", "parameters": parameters}
    head = json.dumps({"inputs": [tensor]} | more).encode()
    return head + behind, {b"inference-header-content-length": b"%d" % len(head)}


def test_infer_reads_texts_id_and_outputs() -> None:
    wanted = [{"name": "probabilities", "parameters": {"binary_data": True}}, {"name": "label"}]
    body = {"id": "7", "parameters": {"x": 1}, "inputs": [TEXT], "outputs": wanted}
    question = parse_infer(json.dumps(body).encode(), {}, 10)
    assert (question.texts, question.id) == (["a", "b"], "7")
    assert question.outputs == (Output("probabilities", True), Output("label"))


def test_infer_takes_a_column_too() -> None:
    body = {"inputs": [TEXT | {"shape": [2, 1], "data": [["a"], ["b"]]}]}
    assert parse_infer(json.dumps(body).encode(), {}, 10).texts == ["a", "b"]


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_bytes_behind_the_json_are_the_texts(texts: list[str]) -> None:
    body, headers = binary(elements(*texts), [len(texts)], parameters={"binary_data_output": True})
    question = parse_infer(body, headers, 10)
    assert question.texts == texts
    assert question.outputs == (Output("label", True), Output("score", True))


@pytest.mark.parametrize(
    ("behind", "shape", "size", "status"),
    [
        (elements("a"), [2], None, 422),
        (elements("a")[:-1], [1], None, 400),
        (elements("a") + b"\x01\x00", [1], None, 400),
        (b"\xff\xff\xff\xff", [1], None, 400),
        (struct.pack("<I", 1) + b"\xff", [1], None, 400),
        (elements("a"), [1], 4, 422),
        (b"", [0], None, 422),
    ],
    ids=["too few", "cut off", "half a length", "too long", "no UTF-8", "another size", "none"],
)
def test_bytes_that_are_no_texts_are_refused(behind: bytes, shape: list[int], size: int | None, status: int) -> None:
    body, headers = binary(behind, shape, size)
    with pytest.raises(Problem) as caught:
        parse_infer(body, headers, 10)
    assert caught.value.status == status


@pytest.mark.parametrize("length", [b"-1", b"x", b"999999", b"1.5"])
def test_a_length_of_the_json_that_cannot_be_is_refused(length: bytes) -> None:
    body, _headers = binary(elements("a"), [1])
    with pytest.raises(Problem) as caught:
        parse_infer(body, {b"inference-header-content-length": length}, 10)
    assert caught.value.field == "Inference-Header-Content-Length"


def test_bytes_that_no_tensor_asks_for_are_refused() -> None:
    head = json.dumps({"inputs": [TEXT]}).encode()
    with pytest.raises(Problem, match="behind the JSON"):
        parse_infer(head + b"more", {b"inference-header-content-length": b"%d" % len(head)}, 10)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"inputs": []}, "inputs"),
        ({"inputs": [TEXT, TEXT]}, "inputs"),
        ({"inputs": [3]}, "inputs[0]"),
        ({"inputs": [TEXT | {"name": "input0"}]}, "inputs[0].name"),
        ({"inputs": [TEXT | {"datatype": "FP32"}]}, "inputs[0].datatype"),
        ({"inputs": [TEXT | {"shape": [3]}]}, "inputs[0].shape"),
        ({"inputs": [TEXT | {"shape": [2.0]}]}, "inputs[0].shape"),
        ({"inputs": [TEXT | {"shape": [True, 2]}]}, "inputs[0].shape"),
        ({"inputs": [TEXT | {"data": "ab"}]}, "inputs[0].data"),
        ({"inputs": [TEXT | {"data": ["a", None]}]}, "inputs[0].data[1]"),
        ({"inputs": [TEXT | {"extra": 1}]}, "inputs[0]"),
        ({"outputs": [{"name": SECRET}]}, "outputs[0].name"),
        ({"outputs": {}}, "outputs"),
        ({"parameters": []}, "parameters"),
        ({"id": 7}, "id"),
        ({"id": "a\ud800"}, "id"),
    ],
)
def test_infer_refuses(change: dict[str, Any], field: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_infer(json.dumps({"inputs": [TEXT]} | change).encode(), {}, 10)
    assert (caught.value.status, caught.value.field) == (422, field)


@pytest.mark.parametrize("output", ["label", "probabilities", "error"])
def test_what_marks_stretches_has_no_tensors_and_no_label_to_explain(output: str) -> None:
    plan = SimpleNamespace(task="tag", labels=("O", "B-CARD"), format="onnx")
    release = SimpleNamespace(name="marks")
    served: Any = SimpleNamespace(engine=SimpleNamespace(plan=plan, labels=plan.labels), release=release)
    router: Any = SimpleNamespace(versions=lambda _name: [])
    assert _metadata(served, router)["outputs"] == []
    job: Any = SimpleNamespace(answers=[Prediction(None, 0.9, {}, False, (Span(0, 2, "CARD", 0.9),))])
    with pytest.raises(Problem) as caught:
        tensors(Question(["w1"], outputs=(Output(output),)), served, job)
    assert caught.value.kind == "invalid"
    with pytest.raises(Problem) as caught:
        _texts(Question(["w1 w2"], explain=True), served, 10)
    assert (caught.value.kind, caught.value.field) == ("invalid", "explain")
