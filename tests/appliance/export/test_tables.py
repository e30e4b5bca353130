"""Embedding tables in few bits: what numpy says they hold, and a model that reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from appliance import engine
from appliance.engine.plan import read_plan, write_plan
from appliance.export.tables import pack_tables, rows_in_4_bits, rows_in_8_bits

TABLE = np.random.default_rng(0).normal(0, np.geomspace(0.01, 10, 300)[:, None], (300, 64)).astype(np.float32)


def relative_error(found: np.ndarray, table: np.ndarray = TABLE) -> float:
    return float((((found - table) ** 2).sum(1) / (table**2).sum(1)).mean() ** 0.5)


def unpack(packed: np.ndarray, scales: np.ndarray) -> np.ndarray:
    return ((np.concatenate([packed & 15, packed >> 4], axis=1) - 7.5) * scales).astype(np.float32)


def test_8_bits_lose_half_a_step_at_most_whatever_the_size_of_a_row() -> None:
    packed, scales = rows_in_8_bits(TABLE)
    assert packed.dtype == np.int8 and int(packed.min()) >= -127 and scales.shape == (300, 1)
    assert (np.abs(packed * scales - TABLE) <= scales * 0.5001).all()


def test_4_bits_come_close_to_the_best_that_equal_steps_can_do_on_a_normal_law() -> None:
    """0.01154 of the power is lost at best (Max 1960, table II), 0.107 of the amplitude."""
    packed, scales = rows_in_4_bits(TABLE)
    assert packed.shape == (300, 32) and packed.dtype == np.uint8
    assert 0.09 < relative_error(unpack(packed, scales)) < 0.118


def test_4_bits_err_less_than_by_the_largest_value_alone() -> None:
    scales = np.abs(TABLE).max(1, keepdims=True) / 7.5
    plain = (np.clip(np.floor(TABLE / scales) + 8, 0, 15) - 7.5) * scales
    assert relative_error(unpack(*rows_in_4_bits(TABLE))) < relative_error(plain)


@pytest.mark.parametrize("rows", [rows_in_8_bits, rows_in_4_bits])
def test_a_row_of_zeros_stays_finite_and_near_zero(rows: object) -> None:
    packed, scales = rows(np.zeros((2, 4), np.float32))  # type: ignore[operator]
    assert np.isfinite(scales).all() and float(np.abs(8 * scales).max()) < 1e-3 and packed.shape[0] == 2


@pytest.mark.parametrize("bits", [8, 4])
def test_a_model_reads_its_packed_rows_with_operators_of_the_standard(
    exported: dict[str, Path], rows: list[list[int]], tmp_path: Path, bits: int
) -> None:
    """Its logits are those of the same network with the rows as numpy unpacks them."""
    model = onnx.load(exported["onnx"] / "model.onnx")
    pack_tables(model, 128, bits)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, tmp_path / "model.onnx")
    expected = onnx.load(exported["onnx"] / "model.onnx")
    tables = {item.name.split(".")[-2]: item for item in expected.graph.initializer if "_embeddings." in item.name}
    words, positions, types = (
        numpy_helper.to_array(tables[f"{kind}_embeddings"]) for kind in ("word", "position", "token_type")
    )
    packed, scales = (rows_in_8_bits if bits == 8 else rows_in_4_bits)(words)
    change(tables["word_embeddings"], packed * scales if bits == 8 else unpack(packed, scales))
    change(tables["position_embeddings"], np.multiply(*rows_in_8_bits(positions + types[0])))
    change(tables["token_type_embeddings"], types * 0)
    onnx.save(expected, tmp_path / "expected.onnx")
    found, wanted = (logits(exported, tmp_path / f"{name}.onnx", rows) for name in ("model", "expected"))
    assert np.abs(found - wanted).max() < 1e-4


def change(item: onnx.TensorProto, values: np.ndarray) -> None:
    item.CopyFrom(numpy_helper.from_array(values.astype(np.float32), item.name))


def logits(exported: dict[str, Path], path: Path, rows: list[list[int]]) -> np.ndarray:
    folder = path.parent / path.stem
    folder.mkdir()
    path.rename(folder / "model.onnx")
    (folder / "tokenizer.json").write_bytes((exported["onnx"] / "tokenizer.json").read_bytes())
    write_plan(folder, read_plan(exported["onnx"]))
    model = engine.load(folder)
    return np.concatenate([model.forward(np.array([row]), np.ones((1, len(row)), np.int64)) for row in rows[:20]])


def test_positions_that_no_text_reaches_are_gone(exported: dict[str, Path], tmp_path: Path) -> None:
    model = onnx.load(exported["onnx"] / "model.onnx")
    pack_tables(model, 40, 8)
    shapes = {item.name: tuple(item.dims) for item in model.graph.initializer}
    assert shapes["position_table"] == (40, 32)
    assert not [name for name in shapes if "embeddings.weight" in name]
