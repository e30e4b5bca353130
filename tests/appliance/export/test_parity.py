"""Parity: figures that numpy confirms, and limits that refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from appliance import engine
from appliance.errors import PolicyError
from appliance.export.parity import Parity, check_agreement, check_exact, parity, sample_texts
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


def test_the_drawn_texts_are_an_even_sample_whatever_the_order() -> None:
    """Files are often sorted by label: the first rows would show a few labels only."""
    records: list[Record] = sorted(tiny_records(300), key=lambda record: record.label or "")
    drawn = sample_texts(records, 90)
    assert drawn == sample_texts(records[::-1], 90)
    labels = [record.label for record in records if record.text in drawn]
    assert min(labels.count(label) for label in set(labels)) > 15
    assert len(sample_texts(records, 1000)) == 300
