"""What a variant is worth: figures that can be counted by hand, and costs of real folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from appliance import engine
from appliance.compress import measure
from appliance.compress.measure import fault, guesses, quality

LABELS = 3


def logits(guess: list[int], sure: float = 4.0) -> np.ndarray:
    """Logits (rows, 3) that answer so."""
    return np.eye(LABELS, dtype=np.float32)[guess] * sure


def test_answers_and_their_probabilities_are_those_of_a_softmax() -> None:
    guess, scores = guesses(np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]], np.float32))
    assert guess.tolist() == [2, 0]
    assert scores.tolist() == pytest.approx([np.e**2 / (1 + np.e + np.e**2), np.e**3 / (np.e**3 + 2)])


def test_lost_won_and_flipped_rows_are_counted_in_pairs() -> None:
    """Ten rows: one lost, two won, one wrong in another way: four flips, and the variant is the better one."""
    true = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 2])
    teacher = np.array([0, 0, 0, 1, 1, 1, 2, 1, 1, 1])
    variant = np.array([1, 0, 0, 1, 1, 1, 2, 2, 2, 0])
    found = quality(true, teacher, variant, np.full(10, 0.8))
    assert (found["lost"], found["won"], found["flips"]) == (1, 2, 4)
    assert found["metric"] == 0.8 and found["teacher_metric"] == 0.7
    assert found["drop"] == pytest.approx(-0.1) and found["agreement"] == pytest.approx(0.6)
    assert found["low"] < found["drop"] < found["high"]
    assert found["calibration_error"] == pytest.approx(0.0)


def test_integers_that_answer_otherwise_than_their_network_are_refused_with_the_difference() -> None:
    """3 of 100 rows with another label; 2 of 100 that cost two points; 2 of 100 that cost nothing."""
    true = np.zeros(100, int)
    before = logits([0] * 100)
    assert "97.0%" in str(fault(before, logits([1] * 3 + [0] * 97), true))
    assert "+0.0200" in str(fault(before, logits([1] * 2 + [0] * 98), true))
    assert fault(before, logits([1] + [0] * 99), true) is None


def test_integers_that_learned_on_may_answer_otherwise_but_not_worse() -> None:
    true = np.array([0] * 50 + [1] * 50)
    before = logits([0] * 40 + [1] * 60)
    assert fault(before, logits([0] * 50 + [1] * 40 + [0] * 10), true) is not None
    assert fault(before, logits([0] * 50 + [1] * 40 + [0] * 10), true, learned_on=True) is None
    assert fault(before, logits([1] * 100), true, learned_on=True) is not None


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """The tiny model as fp32 ONNX."""
    from appliance.export.export import export_folder
    from appliance.settings import ExportSettings
    from tests.fakes import tiny_records

    folder = tmp_path_factory.mktemp("exact")
    export_folder(model_folder, folder, ExportSettings(format="onnx"), [record.text for record in tiny_records(20)])
    return folder


def test_the_cost_of_a_folder_is_taken_in_turns_with_the_teacher(exact: Path) -> None:
    """Held against itself, a model is as large as it is; its times are there for each shape, its memory more than its file."""
    from appliance.train.classify import Rows
    from tests.fakes import tiny_records

    records = tiny_records(12)
    labels = engine.load(exact).labels
    rows = Rows(tuple(one.text for one in records), tuple(labels.index(str(one.label)) for one in records))
    held_against = measure.reference(exact, rows, rows.texts)
    assert {tokens: len(texts) > 0 for tokens, texts in held_against.texts.items()} == {16: True, 64: True}
    found = measure.cost(exact, held_against)
    assert found["size_ratio"] == 1.0 and found["format"] == "onnx"
    assert set(found["latency_ms"]) == {"1x16", "1x64", "32x16"} and min(found["latency_ms"].values()) > 0
    assert found["memory_bytes"] > found["size_bytes"] and found["texts_per_s"] > 0


def test_the_memory_is_that_of_the_child_not_of_this_process(exact: Path) -> None:
    """This process holds 400 MB more than the one that only serves the model."""
    ballast = np.ones(50_000_000)
    assert measure.memory_bytes(exact, ["my card"]) < 300e6 < ballast.nbytes


def test_a_model_that_cannot_be_served_is_named(tmp_path: Path) -> None:
    from appliance.errors import HardwareError

    with pytest.raises(HardwareError, match="only serves the model"):
        measure.memory_bytes(tmp_path, ["a"])
