"""A student on disk and back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from appliance import engine
from appliance.compress import heads_and_ffn, layers, student
from appliance.compress.student import Student
from appliance.engine.on_torch import in_batches, logits
from appliance.engine.plan import write_plan
from appliance.errors import InputError
from tests.fakes import TEXTS


def test_a_student_is_written_and_read_back_bit_for_bit(tiny: Student, tmp_path: Path) -> None:
    """What is written has the same weights and answers, and the same student gives the same files."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        student.write(tiny, tmp_path / name)
    again = student.read(tmp_path / "one")
    ids = tiny.ids(TEXTS)
    assert np.array_equal(in_batches(logits, tiny.network, ids), in_batches(logits, again.network, ids))
    for file in sorted((tmp_path / "one").iterdir()):
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_uneven_widths_reload_exactly(tiny: Student, tmp_path: Path) -> None:
    """A network whose layers have other widths than its config's fields is served from disk with the same answers."""
    kept = heads_and_ffn.Kept(((0, 1), (1,)), (tuple(range(0, 32)), tuple(range(16, 64))))
    narrow = heads_and_ffn.narrow(layers.keep_layers(tiny, [1, 0]), kept)
    student.write(narrow, tmp_path)
    assert json.loads((tmp_path / "config.json").read_bytes())["widths"] == [
        {"heads": 2, "neurons": 32},
        {"heads": 1, "neurons": 48},
    ]
    wanted = in_batches(logits, narrow.network, narrow.ids(TEXTS))
    np.testing.assert_allclose(engine.load(tmp_path).logits(TEXTS), wanted, atol=1e-6)


def test_parameters_are_counted_apart(tiny: Student) -> None:
    """Embedding tables and the rest add up to all."""
    found = tiny.parameters
    assert found["embedding"] + found["encoder"] == sum(value.numel() for value in tiny.network.parameters())
    assert found["embedding"] > 32 * 1000


def test_a_model_of_another_format_is_refused(tiny: Student, tmp_path: Path) -> None:
    """An exported model holds no weights to cut."""
    write_plan(tmp_path, replace(tiny.plan, format="onnx"))
    with pytest.raises(InputError, match="format `onnx`"):
        student.read(tmp_path)
