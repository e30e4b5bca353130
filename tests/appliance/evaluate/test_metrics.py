"""The arithmetic of metrics, held against scikit-learn and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sklearn

from appliance.evaluate.metrics import (
    abstain_curve,
    accuracy,
    bootstrap_macro_f1,
    calibration,
    confusion_matrix,
    macro_f1,
    macro_f1_interval,
    precision_recall_f1,
)


def rows(seed: int, count: int = 300, classes: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Truth and answers that are right about 60 % of the time; class 6 is never there, class 5 never predicted."""
    random = np.random.default_rng(seed)
    true = random.integers(0, classes - 1, count)
    guesses = random.permutation(np.array([0, 1, 2, 3, 4, 6] * count))[:count]
    return true, np.where((random.random(count) < 0.6) & (true != 5), true, guesses)


@pytest.mark.parametrize("seed", range(5))
def test_confusion_precision_recall_f1_are_those_of_sklearn(seed: int) -> None:
    true, predicted = rows(seed)
    confusion = confusion_matrix(true, predicted, 8)
    assert np.array_equal(confusion, sklearn.confusion_matrix(true, predicted, labels=range(8)))
    assert accuracy(confusion) == pytest.approx(sklearn.accuracy_score(true, predicted))
    expected = sklearn.precision_recall_fscore_support(true, predicted, labels=range(8), zero_division=0.0)
    for ours, theirs in zip(precision_recall_f1(confusion), expected[:3], strict=True):
        assert ours == pytest.approx(theirs)
    assert macro_f1(confusion) == pytest.approx(sklearn.f1_score(true, predicted, average="macro", zero_division=0.0))


def test_a_drawn_macro_f1_is_that_of_the_drawn_rows() -> None:
    """Counts drawn at once are the rows of a resample: sklearn gives the same figure for them."""
    true, predicted = rows(0, count=40)
    cells, counts = np.unique(np.stack([true, predicted]), axis=1, return_counts=True)
    drawn = np.random.default_rng(7).multinomial(40, counts / 40, size=20)
    expected = [
        sklearn.f1_score(np.repeat(cells[0], line), np.repeat(cells[1], line), average="macro", zero_division=0.0)
        for line in drawn
    ]
    assert bootstrap_macro_f1(true, [predicted], 7, 20, seed=7)[0] == pytest.approx(expected)


def test_the_bootstrap_is_as_wide_as_the_plain_loop() -> None:
    true, predicted = rows(1)
    random = np.random.default_rng(0)
    plain = []
    for _draw in range(1000):
        chosen = random.integers(0, len(true), len(true))
        plain.append(macro_f1(confusion_matrix(true[chosen], predicted[chosen], 7)))
    low, high = macro_f1_interval(true, predicted, 7, 4000, seed=0)
    assert (low, high) == pytest.approx(tuple(np.percentile(plain, [2.5, 97.5])), abs=0.006)
    assert low < macro_f1(confusion_matrix(true, predicted, 7)) < high


def test_the_bootstrap_repeats_itself_by_its_seed_and_pairs_the_models() -> None:
    true, predicted = rows(2)
    first = bootstrap_macro_f1(true, [predicted, predicted], 7, 200, seed=3)
    assert np.array_equal(first, bootstrap_macro_f1(true, [predicted, predicted], 7, 200, seed=3))
    assert np.array_equal(first[0], first[1])
    assert not np.array_equal(first, bootstrap_macro_f1(true, [predicted, predicted], 7, 200, seed=4))


def test_drawing_in_steps_counts_every_resample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.evaluate.metrics._CELLS_AT_ONCE", 100)
    true, predicted = rows(3)
    drawn = bootstrap_macro_f1(true, [predicted], 7, 50, seed=0)
    assert drawn.shape == (1, 50)
    assert (drawn > 0.3).all() and (drawn < 0.9).all()


def test_a_calibrated_model_has_a_small_error_and_a_boastful_one_a_large() -> None:
    random = np.random.default_rng(0)
    scores = random.uniform(0.3, 1.0, 20_000)
    error, table = calibration(scores, random.random(20_000) < scores)
    assert error < 0.015
    assert sum(line["rows"] for line in table) == 20_000
    for line in table:
        assert line["above"] < line["confidence"] <= line["up_to"]
    boastful, _table = calibration(np.full(1000, 0.99), np.arange(1000) < 500)
    assert boastful == pytest.approx(0.49)


def test_calibration_bins_are_closed_above_and_take_the_ends() -> None:
    error, table = calibration(np.array([0.0, 1 / 15, 1.0]), np.array([False, True, True]))
    assert [(line["rows"], line["accuracy"]) for line in table] == [(2, 0.5), (1, 1.0)]
    assert error == pytest.approx(2 / 3 * (0.5 - 1 / 30))


def test_abstaining_buys_accuracy_with_coverage() -> None:
    scores = np.array([0.2, 0.5, 0.8, 0.95])
    curve = {line["min_score"]: line for line in abstain_curve(scores, np.array([False, False, True, True]))}
    assert (curve[0.0]["coverage"], curve[0.0]["accuracy"]) == (1.0, 0.5)
    assert (curve[0.5]["coverage"], curve[0.5]["accuracy"]) == (0.75, pytest.approx(2 / 3))
    assert (curve[0.8]["coverage"], curve[0.8]["accuracy"]) == (0.5, 1.0)
    assert (curve[0.99]["coverage"], curve[0.99]["accuracy"]) == (0.0, None)
