"""Static int8: the same bits in any company, close to its source, and what TensorRT asks of a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from appliance import engine
from appliance.engine.plan import read_plan, write_plan
from appliance.errors import PolicyError
from appliance.export.export import export_folder
from appliance.export.parity import check_company, differ_in_company
from appliance.export.to_int8 import FORMATS, Kind, to_int8
from appliance.settings import ExportSettings
from tests.fakes import tiny_records


@pytest.fixture(scope="module", params=["static", "symmetric"])
def made(
    request: pytest.FixtureRequest,
    exported: dict[str, Path],
    rows: list[list[int]],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Kind, Path]:
    folder, kind = tmp_path_factory.mktemp(request.param), request.param
    to_int8(exported["onnx"] / "model.onnx", folder / "model.onnx", False, rows, 128, kind)
    (folder / "tokenizer.json").write_bytes((exported["onnx"] / "tokenizer.json").read_bytes())
    write_plan(folder, replace(read_plan(exported["onnx"]), format=FORMATS[kind]))
    return kind, folder


def test_the_answers_are_close_to_those_of_its_source(made: tuple[Kind, Path], exported: dict[str, Path]) -> None:
    texts = [record.text for record in tiny_records(60, languages=("en", "zh"), seed=9)]
    exact, small = (engine.load(folder).logits(texts) for folder in (exported["onnx"], made[1]))
    assert float((exact.argmax(1) == small.argmax(1)).mean()) > 0.9
    assert np.abs(exact - small).mean() < np.abs(exact).mean() / 10


def test_an_answer_does_not_depend_on_the_batch(made: tuple[Kind, Path], rows: list[list[int]]) -> None:
    """Bit for bit; the dynamic artefact has no such property, see `tests/appliance/engine`."""
    kind, folder = made
    model = engine.load(folder)
    assert isinstance(model, engine.Network)
    if kind == "static":
        assert differ_in_company(model, rows) == 0


def test_a_dynamic_artefact_is_found_out(exported: dict[str, Path], rows: list[list[int]]) -> None:
    model = engine.load(exported["onnx-int8"])
    assert isinstance(model, engine.Network)
    assert differ_in_company(model, rows) > 0


def test_an_fp32_model_too_answers_alike_in_any_company(exported: dict[str, Path], rows: list[list[int]]) -> None:
    model = engine.load(exported["onnx"])
    assert isinstance(model, engine.Network)
    assert differ_in_company(model, rows) == 0


def test_company_that_changes_answers_is_refused() -> None:
    check_company(0, 100)
    with pytest.raises(PolicyError, match="3 of 100 real rows"):
        check_company(3, 100)


def test_a_symmetric_file_is_what_tensorrt_takes(made: tuple[Kind, Path]) -> None:
    """Zero points of 0 and int8 throughout; no packed table; each product between two DequantizeLinear nodes."""
    kind, folder = made
    model = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    makers = {node.output[0]: node.op_type for node in model.graph.node}
    constants = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    products = [node for node in model.graph.node if makers.get(node.input[-1]) == "DequantizeLinear" or node.op_type == "Gemm"]  # fmt: skip
    products = [node for node in products if node.op_type in ("MatMul", "Gemm")]
    assert len(products) == 13
    if kind == "symmetric":
        assert all(makers[name] == "DequantizeLinear" for node in products for name in node.input[:2])
        zeros = [value for name, value in constants.items() if name.endswith("_zero")]
        assert len(zeros) == 9 and all(value.dtype == np.int8 and value == 0 for value in zeros)
        assert "word_table" not in constants


def test_the_step_writes_a_static_artefact_and_checks_its_company(learned: Path, tmp_path: Path) -> None:
    settings = ExportSettings(format="onnx-int8-static", parity_rows=60, min_agreement=0.8)
    found, gain = export_folder(learned, tmp_path, settings, [record.text for record in tiny_records(60)])
    assert read_plan(tmp_path).format == "onnx-int8-static" and found.rows == 60 and gain["size_ratio"] > 2.5
