"""TensorRT: which engine file is whose, and ONNX Runtime in its place where there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from appliance import device, engine
from appliance.engine import on_tensorrt
from appliance.engine.on_tensorrt import engine_key
from appliance.engine.plan import read_plan, write_plan
from appliance.errors import InputError
from appliance.settings import home_folder
from tests.tiny_onnx import text, write_model

GPU = device.Gpu("H100", 80, 79, 9.0)
GIVEN = {"content": b"model", "gpu": GPU, "driver": "570.1", "version": "10.9.0", "max_tokens": 128}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model(tmp_path, "onnx")
    write_plan(tmp_path, replace(read_plan(tmp_path), format="tensorrt"))
    return tmp_path


@pytest.mark.parametrize(
    "other",
    [
        {"content": b"another"},
        {"gpu": replace(GPU, name="A10")},
        {"gpu": replace(GPU, capability=8.6)},
        {"driver": "580.2"},
        {"version": "11.0.0"},
        {"max_tokens": 64},
    ],
)
def test_an_engine_is_another_one_for_another_model_gpu_driver_or_version(other: dict[str, object]) -> None:
    assert engine_key(**GIVEN) == engine_key(**GIVEN)
    assert engine_key(**(GIVEN | other)) != engine_key(**GIVEN)


def test_free_memory_does_not_make_an_engine_another_one() -> None:
    assert engine_key(**(GIVEN | {"gpu": replace(GPU, free_bytes=1)})) == engine_key(**GIVEN)


@pytest.mark.parametrize("gpus", [(), (GPU,)])
def test_without_gpu_or_library_onnx_runtime_answers_and_the_log_says_so(
    folder: Path, gpus: tuple[device.Gpu, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(device, "gpus", lambda: gpus)
    monkeypatch.setitem(__import__("sys").modules, "tensorrt", None)  # as where it is not installed
    model = engine.load(folder)
    assert "tensorrt-unavailable" in capsys.readouterr().err
    write_plan(folder, replace(read_plan(folder), format="onnx"))
    assert np.array_equal(model.logits([text(5)]), engine.load(folder).logits([text(5)]))


def test_a_missing_file_is_told_not_replaced(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    with pytest.raises(InputError, match="cannot read"):
        engine.load(folder)


@pytest.mark.gpu
def test_an_engine_is_built_once_and_answers_like_onnx_runtime(folder: Path) -> None:
    """Untried so far: no machine with TensorRT was at hand."""
    pytest.importorskip("tensorrt")
    texts = [text(number % 20 + 1, number) for number in range(80)]
    first = on_tensorrt.load(folder)
    files = list((home_folder() / "cache" / "tensorrt").iterdir())
    again = on_tensorrt.load(folder)
    assert list((home_folder() / "cache" / "tensorrt").iterdir()) == files
    write_plan(folder, replace(read_plan(folder), format="onnx"))
    exact = engine.load(folder).logits(texts)
    for model in (first, again):
        assert np.abs(model.logits(texts) - exact).max() < 0.05
