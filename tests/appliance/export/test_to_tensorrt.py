"""Files for TensorRT: typed by themselves, and close to their source where ONNX Runtime runs them."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from appliance.engine.plan import read_plan
from appliance.export.export import export_folder
from appliance.export.to_tensorrt import Precision, to_tensorrt
from appliance.settings import ExportSettings
from tests.fakes import tiny_records


@pytest.mark.parametrize(("precision", "nodes"), [("int8", 9), ("fp16", 0)])
def test_every_number_is_fp16_or_int8_and_the_logits_are_fp32(
    exported: dict[str, Path], rows: list[list[int]], tmp_path: Path, precision: Precision, nodes: int
) -> None:
    to_tensorrt(exported["onnx"] / "model.onnx", tmp_path / "model.onnx", rows, 128, precision, "error")
    model = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert onnx.TensorProto.FLOAT not in {item.data_type for item in model.graph.initializer}
    assert sum(node.op_type == "QuantizeLinear" for node in model.graph.node) == nodes
    assert model.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT


def test_the_step_writes_a_folder_that_answers_like_its_source(learned: Path, tmp_path: Path) -> None:
    settings = ExportSettings(format="tensorrt", parity_rows=60, min_agreement=0.8)
    found, _gain = export_folder(learned, tmp_path, settings, [record.text for record in tiny_records(60)])
    assert (read_plan(tmp_path).format, read_plan(tmp_path).reduce_range) == ("tensorrt", False)
    assert found.agreement >= 0.8 and found.mean_logit_difference > 0
