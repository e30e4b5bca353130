"""The int8 file: small, weights per channel, no file of the quantiser left."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from appliance.export.to_int8 import to_int8


def integer_weights(path: Path) -> list[np.ndarray]:
    """The int8 matrices of a model, tiny ones (zero points) left out."""
    arrays = [numpy_helper.to_array(item) for item in onnx.load(path).graph.initializer]
    return [array for array in arrays if array.dtype == np.int8 and array.size > 500]


@pytest.mark.parametrize(("reduce_range", "largest"), [(True, 64), (False, 127)])
def test_weights_keep_to_their_range(
    exported: dict[str, Path], rows: list[list[int]], tmp_path: Path, reduce_range: bool, largest: int
) -> None:
    to_int8(exported["onnx"] / "model.onnx", tmp_path / "model.onnx", reduce_range, rows, 128)
    matrices = [weights for weights in integer_weights(tmp_path / "model.onnx") if weights.shape[0] <= 64]
    found = max(int(np.abs(weights.astype(int)).max()) for weights in matrices)
    assert largest - 1 <= found <= largest


def test_all_matrices_and_embeddings_become_integers(exported: dict[str, Path]) -> None:
    model = onnx.load(exported["onnx-int8"] / "model.onnx")
    operators = [node.op_type for node in model.graph.node]
    assert operators.count("MatMulInteger") == 13  # 2 layers of query, key, value, output, up, down; the head
    floats = [numpy_helper.to_array(item) for item in model.graph.initializer if item.data_type == 1]
    words = 3934  # each has a scale
    assert max(array.size for array in floats if array.shape != (words, 1)) < 1000  # what stays: norms, biases, scales


def test_each_channel_has_its_own_scale(exported: dict[str, Path]) -> None:
    model = onnx.load(exported["onnx-int8"] / "model.onnx")
    scales = [item.dims[0] for item in model.graph.initializer if item.name.endswith("_scale") and item.dims]
    assert scales.count(32) == 10 and scales.count(64) == 2


def test_the_file_is_about_a_quarter(exported: dict[str, Path]) -> None:
    sizes = {form: (exported[form] / "model.onnx").stat().st_size for form in ("onnx", "onnx-int8")}
    assert 0.25 < sizes["onnx-int8"] / sizes["onnx"] < 0.35


def test_the_same_source_gives_the_same_bytes_and_no_file_is_left(
    exported: dict[str, Path], rows: list[list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even in the folder for temporary files, which may be another disk and another reader's."""
    (tmp_path / "temporary").mkdir()
    (tmp_path / "target").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    before = {path.name for path in exported["onnx"].iterdir()}
    to_int8(exported["onnx"] / "model.onnx", tmp_path / "target" / "model.onnx", True, rows, 128)
    again = (tmp_path / "target" / "model.onnx").read_bytes()
    assert again == (exported["onnx-int8"] / "model.onnx").read_bytes()
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["model.onnx"]
    assert list((tmp_path / "temporary").iterdir()) == []
    assert {path.name for path in exported["onnx"].iterdir()} == before
