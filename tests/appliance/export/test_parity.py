"""Parity: figures that numpy confirms, and limits that refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from appliance import engine
from appliance.errors import PolicyError
from appliance.export.parity import Parity, check_agreement, check_drop, check_exact, parity, sample
from appliance.schema import Record
from tests.fakes import tiny_records
from tests.tiny_onnx import text, write_model

TEXTS = [text(5 + number % 9, number) for number in range(150)]  # more than one batch


def test_a_model_agrees_with_itself(tmp_path: Path) -> None:
    model = engine.load(write_model(tmp_path))
    assert parity(model, model, TEXTS) == Parity(150, 0.0, 0.0, 1.0)


def test_differences_and_agreement_are_those_of_the_logits(tmp_path: Path) -> None:
    one, other = (engine.load(write_model(tmp_path / str(seed), "onnx", seed)) for seed in (0, 1))
    a, b = one.logits(TEXTS), other.logits(TEXTS)
    found = parity(one, other, TEXTS)
    assert found.rows == 150
    assert found.max_logit_difference == pytest.approx(np.abs(a - b).max())
    assert found.mean_logit_difference == pytest.approx(np.abs(a - b).mean())
    assert found.agreement == pytest.approx((a.argmax(1) == b.argmax(1)).mean())


def test_a_difference_over_the_limit_is_refused_with_its_figures() -> None:
    check_exact(Parity(64, 0.001, 0.0, 1.0), 0.001)
    with pytest.raises(PolicyError, match=r"64 real rows .* 0.002, allowed are 0.001"):
        check_exact(Parity(64, 0.002, 0.0, 1.0), 0.001)


def test_a_difference_that_is_no_number_is_refused() -> None:
    with pytest.raises(PolicyError, match="nan"):
        check_exact(Parity(64, float("nan"), 0.0, 1.0), 0.001)


def test_too_little_agreement_is_refused_with_the_next_step() -> None:
    check_agreement(Parity(100, 1.0, 0.1, 0.95), 0.95)
    with pytest.raises(PolicyError, match=r"94\.0%.*95\.0%.*--format onnx"):
        check_agreement(Parity(100, 1.0, 0.1, 0.94), 0.95)


def test_the_drop_counts_the_rows_whose_label_is_known(tmp_path: Path) -> None:
    one, other = (engine.load(write_model(tmp_path / str(seed), "onnx", seed)) for seed in (0, 1))
    guesses = [[model.labels[row] for row in model.logits(TEXTS).argmax(1)] for model in (one, other)]
    same = sum(first == second for first, second in zip(*guesses, strict=True)) / len(TEXTS)
    assert same < 1
    assert parity(one, other, TEXTS, guesses[0]).drop == pytest.approx(1 - same)
    assert parity(one, other, TEXTS, guesses[1]).drop == pytest.approx(same - 1)
    assert parity(one, other, TEXTS, [None] * 150).drop is None
    assert parity(one, other, TEXTS, [*guesses[0][:10], *[None] * 130, *["unheard of"] * 10]).drop == pytest.approx(
        sum(first != second for first, second in zip(guesses[0][:10], guesses[1], strict=False)) / 20
    )


def test_too_large_a_drop_is_refused_with_the_next_step() -> None:
    check_drop(Parity(100, 1.0, 0.1, 0.99), 0.01)
    check_drop(Parity(100, 1.0, 0.1, 0.99, drop=0.01, labelled=100), 0.01)
    check_drop(Parity(300, 1.0, 0.1, 0.99, drop=1 / 48, labelled=48), 0.01)  # one row alone is no evidence
    with pytest.raises(PolicyError, match=r"loses 0\.0200 .* allowed are 0\.01 .*--format onnx"):
        check_drop(Parity(100, 1.0, 0.1, 0.99, drop=0.02, labelled=100), 0.01)


def test_the_drawn_texts_are_an_even_sample_whatever_the_order() -> None:
    """Files are often sorted by label: the first rows would show a few labels only."""
    records: list[Record] = sorted(tiny_records(300), key=lambda record: record.label or "")
    drawn = sample(records, 90)
    assert drawn == sample(records[::-1], 90)
    labels = [record.label for record in drawn]
    assert min(labels.count(label) for label in set(labels)) > 15
    assert len(sample(records, 1000)) == 300
