"""Smoothing: the same network, and less noise in 8 bits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from appliance import engine
from appliance.engine.plan import read_plan, write_plan
from appliance.export import to_int8 as quantiser
from appliance.export.smooth import smooth
from appliance.export.to_int8 import to_int8


def loud(source: Path, target: Path) -> Path:
    """Copy a model folder and make channel 3 between the feed-forward matrices 400 times as loud, as trained encoders have them."""
    model = onnx.load(source / "model.onnx")
    for item in model.graph.initializer:
        values = numpy_helper.to_array(item).copy()
        if values.shape == (32, 64) or item.name.endswith("intermediate.dense.bias"):
            values[..., 3] *= 400
        elif values.shape == (64, 32):
            values[3] /= 400
        item.CopyFrom(numpy_helper.from_array(values, item.name))
    target.mkdir()
    onnx.save(model, target / "model.onnx")
    (target / "tokenizer.json").write_bytes((source / "tokenizer.json").read_bytes())
    write_plan(target, read_plan(source))
    return target


def logits(folder: Path, rows: list[list[int]]) -> np.ndarray:
    model = engine.load(folder)
    return np.concatenate([model.forward(np.array([row]), np.ones((1, len(row)), np.int64)) for row in rows])


def test_smoothing_changes_no_bit_of_the_logits(
    exported: dict[str, Path], rows: list[list[int]], tmp_path: Path
) -> None:
    """Powers of two move exponents only, so nothing is rounded."""
    folder = loud(exported["onnx"], tmp_path / "loud")
    before = logits(folder, rows)
    model = onnx.load(folder / "model.onnx")
    smooth(model, rows[:10])
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, folder / "model.onnx")
    assert np.array_equal(logits(folder, rows), before)


def test_each_activation_is_divided_once_however_many_products_it_goes_into(
    exported: dict[str, Path], rows: list[list[int]]
) -> None:
    """Query, key and value share theirs: 4 activations a layer, 2 layers."""
    model = onnx.load(exported["onnx"] / "model.onnx")
    smooth(model, rows[:3])
    assert sum(node.output[0].endswith("_smooth") for node in model.graph.node) == 8
    factors = [
        numpy_helper.to_array(item) for item in model.graph.initializer if item.name.endswith("_smoothing_halves")
    ]
    assert all((np.log2(values) % 1 == 0).all() for values in factors)


def test_a_loud_channel_no_longer_drowns_the_others(
    exported: dict[str, Path], rows: list[list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = loud(exported["onnx"], tmp_path / "loud")
    exact = logits(folder, rows)
    write_plan(folder, replace(read_plan(folder), format="onnx-int8"))
    noise = {}
    (folder / "model.onnx").rename(folder / "exact.onnx")
    for name in ("smoothed", "plain"):
        if name == "plain":
            monkeypatch.setattr(quantiser, "smooth", lambda _model, _rows: None)
        to_int8(folder / "exact.onnx", folder / "model.onnx", False, rows[:30], 128)
        noise[name] = np.abs(logits(folder, rows) - exact).mean()
    assert noise["smoothed"] < noise["plain"] / 5


def test_a_channel_that_is_never_used_divides_by_no_zero(exported: dict[str, Path], rows: list[list[int]]) -> None:
    model = onnx.load(exported["onnx"] / "model.onnx")
    for item in model.graph.initializer:
        if "LayerNorm" in item.name:
            values = numpy_helper.to_array(item).copy()
            values[5] = 0
            item.CopyFrom(numpy_helper.from_array(values, item.name))
    smooth(model, rows[:2])
    assert all(np.isfinite(numpy_helper.to_array(item)).all() for item in model.graph.initializer)
