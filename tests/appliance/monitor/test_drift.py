"""Is a window still like the first one? With texts of which that is known."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from appliance.monitor import drift
from appliance.schema import Prediction
from appliance.settings import DriftSettings
from tests.fakes import tiny_records

SETTINGS = DriftSettings(window_texts=300)


def window(texts: list[str], labels: list[str], scores: list[float]) -> drift.Window:
    made = drift.Window()
    for vector, label, score in zip(drift.vectors(texts), labels, scores, strict=True):
        made.add(vector, Prediction(label, score))
    return made


def asked(
    count: int, seed: int, topics: tuple[str, ...] = ("card", "transfer"), language: str = "en", sure: float = 0.9
) -> drift.Window:
    source = random.Random(seed)
    records = tiny_records(count, topics, seed, (language,))
    scores = [min(1.0, source.betavariate(20 * sure, 20 * (1 - sure))) for _ in records]
    return window([record.text for record in records], [record.label or "" for record in records], scores)


def test_more_of_the_same_is_calm() -> None:
    """Eight windows of the same kind of text: none comes near a warning."""
    first = asked(300, 0)
    worst = max(max(drift.compare(first, asked(300, seed), SETTINGS).ratios.values()) for seed in range(1, 9))
    assert worst < 1


@pytest.mark.parametrize("language", ["en", "zh"])
def test_other_texts_are_seen_in_both_languages(language: str) -> None:
    first = asked(300, 0, language=language)
    found = drift.compare(first, asked(300, 1, ("medicine", "appointment"), language), SETTINGS)
    assert found.ratios["texts"] > 1
    assert found.auc > 0.9


def test_a_third_of_other_texts_is_seen() -> None:
    first, other = asked(300, 0), asked(100, 1, ("medicine", "appointment"))
    mixed = asked(200, 2)
    for vector, label, score in zip(other.vectors, mixed.labels, mixed.scores, strict=False):
        mixed.add(vector, Prediction(label, score))
    found = drift.compare(first, mixed, SETTINGS)
    assert found.ratios["texts"] > 1
    assert found.ratios["labels"] < 1


def test_labels_that_come_more_often_are_named() -> None:
    first = asked(300, 0, ("card", "transfer", "account"))
    shifted = drift.Window(first.vectors, ["card"] * 200 + ["transfer"] * 60 + ["account"] * 40, first.scores)
    found = drift.compare(first, shifted, SETTINGS)
    assert found.ratios["labels"] > 1 > found.ratios["texts"]
    assert found.moved[0] == ("card", pytest.approx(1 / 3, abs=0.01), pytest.approx(2 / 3, abs=0.01))


def test_a_model_that_is_less_sure_is_seen() -> None:
    first = asked(300, 0)
    unsure = drift.Window(first.vectors, first.labels, asked(300, 3, sure=0.6).scores)
    found = drift.compare(first, unsure, SETTINGS)
    assert found.ratios["scores"] > 1 > found.ratios["labels"]
    assert found.score_now < found.score_before


@pytest.mark.parametrize("different", [1, 2, 3])
def test_the_same_few_texts_again_and_again_are_no_drift(different: int) -> None:
    """What a probe sends: texts that are equal cannot be told apart, whatever their order."""
    source = random.Random(0)
    first, later = (
        window([f"are you there {source.randrange(different)}" for _ in range(300)], ["a"] * 300, [0.9] * 300)
        for _ in range(2)
    )
    found = drift.compare(first, later, SETTINGS)
    assert found.auc == pytest.approx(0.5, abs=0.06)
    assert max(found.ratios.values()) < 0.7


def test_psi_is_the_sum_over_the_shares() -> None:
    """By hand for 20 and 80 against 40 and 60, half a count added to each."""
    p, q = np.array([20.5, 80.5]) / 101, np.array([40.5, 60.5]) / 101
    assert drift.psi([20, 80], [40, 60]) == pytest.approx(float(((p - q) * np.log(p / q)).sum()))
    assert drift.psi([5, 5], [50, 50]) == pytest.approx(0, abs=1e-9)


def test_many_labels_alone_are_no_drift() -> None:
    """77 labels, 300 answers: the raw index lies above its limit though nothing has changed, and the evidence does not."""
    source = random.Random(0)
    first, again = ([f"label{source.randrange(77)}" for _ in range(300)] for _ in range(2))
    vectors = [np.eye(1, 4, dtype=np.float16)[0]] * 300
    found = drift.compare(
        drift.Window(vectors, first, [0.5] * 300), drift.Window(vectors, again, [0.5] * 300), SETTINGS
    )
    cells = sorted(Counter(first))
    assert (
        drift.psi([Counter(first)[cell] for cell in cells], [Counter(again)[cell] for cell in cells]) > SETTINGS.max_psi
    )
    assert found.ratios["labels"] < 1
    assert found.ratios["scores"] == 0


def test_separation_ranks_rows_by_one_that_has_not_seen_them() -> None:
    """Two clouds apart are told apart always; one cloud never, however many numbers a row has."""
    source = np.random.default_rng(0)
    near, far = source.normal(size=(120, 400)), source.normal(size=(120, 400)) + 1
    assert drift.separation(near[:60], far[:60])[0] > 0.98
    auc, noise = drift.separation(near[:60], near[60:])
    assert abs(auc - 0.5) < 3 * noise < 0.3


def test_a_vector_hangs_on_the_text_alone() -> None:
    both = drift.vectors(["my card", "我的银行卡"])
    assert (both[1] == drift.vectors(["我的银行卡"])[0]).all()
    assert np.linalg.norm(both, axis=1) == pytest.approx([1, 1])
    assert (drift.vectors(["ＭＹ  Card"])[0] == both[0]).all()
    assert not drift.vectors(["", " \n"])[0].any() or np.isfinite(drift.vectors([""])).all()


def test_a_long_text_costs_no_more_than_its_beginning() -> None:
    assert (drift.vectors(["ab " * 10**6])[0] == drift.vectors(["ab " * 334])[0]).sum() > 1000
