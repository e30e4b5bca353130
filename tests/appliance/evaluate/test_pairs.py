"""Paired comparison, held against scipy and against figures in print."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from appliance.evaluate.pairs import difference_interval, mcnemar


@pytest.mark.parametrize(
    ("only_a", "only_b"), [(0, 1), (3, 9), (12, 2), (40, 40), (0, 30), (513, 462), (20_000, 20_500)]
)
def test_mcnemar_is_the_exact_sign_test(only_a: int, only_b: int) -> None:
    expected = binomtest(only_a, only_a + only_b).pvalue
    assert mcnemar(only_a, only_b) == pytest.approx(expected, rel=1e-6)


def test_models_that_agree_are_not_told_apart() -> None:
    assert mcnemar(0, 0) == 1.0


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [
        # Newcombe 1998, table II, method 10
        ((36, 12, 2, 0), 0.0569, 0.3404),
        # Fagerland, Lydersen and Laake 2014 (Statistics in Medicine 33: 2850): airway hyper-responsiveness, square and add
        ((1, 1, 7, 12), -0.507, -0.026),
    ],
)
def test_the_interval_is_the_one_in_print(table: tuple[int, int, int, int], low: float, high: float) -> None:
    assert difference_interval(*table) == pytest.approx((low, high), abs=0.0005)


def test_the_interval_turns_round_with_the_models() -> None:
    low, high = difference_interval(700, 60, 40, 200)
    assert difference_interval(700, 40, 60, 200) == pytest.approx((-high, -low))
    assert low < 0.02 < high


@pytest.mark.parametrize(
    "table", [(50, 0, 0, 0), (0, 0, 0, 50), (0, 50, 0, 0), (0, 0, 50, 0), (1, 0, 0, 0), (25, 0, 0, 25)]
)
def test_the_interval_keeps_its_bounds_and_its_width_at_the_edges(table: tuple[int, int, int, int]) -> None:
    low, high = difference_interval(*table)
    difference = (table[1] - table[2]) / sum(table)
    assert -1 <= low <= difference <= high <= 1
    assert low < high


def test_the_interval_holds_the_truth_in_about_95_of_100_cases() -> None:
    shares = [0.85, 0.06, 0.03, 0.06]
    tables = np.random.default_rng(0).multinomial(400, shares, size=3000)
    intervals = [difference_interval(*map(int, table)) for table in tables]
    covered = np.mean([low <= 0.03 <= high for low, high in intervals])
    assert 0.935 <= covered <= 0.97
