"""From a torch folder to a small ONNX folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from appliance import engine
from appliance.compress.quantize import quantize
from appliance.engine.plan import read_plan
from appliance.engine.texts import Reader
from tests.fakes import tiny_model, tiny_records

TEXTS = [record.text for record in tiny_records(40, languages=("en", "zh"))]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("source"))


@pytest.mark.parametrize(("bits", "agreement"), [(8, 0.95), (4, 0.75)])
def test_the_folder_serves_and_answers_like_its_source(
    source: Path, tmp_path: Path, bits: int, agreement: float
) -> None:
    reader = Reader(source, read_plan(source))
    quantize(source, tmp_path, "dynamic", [reader.read(text)[0] for text in TEXTS], bits, reduce_range=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.onnx", "tokenizer.json"]
    plan = read_plan(tmp_path)
    assert (plan.format, plan.reduce_range, plan.labels) == ("onnx-int8", True, read_plan(source).labels)
    exact, small = (engine.load(folder).logits(TEXTS) for folder in (source, tmp_path))
    assert float((exact.argmax(1) == small.argmax(1)).mean()) >= agreement
    assert np.abs(exact - small).max() > 0
