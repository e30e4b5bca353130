"""Two classifiers on the same rows: what their difference is worth.

Only rows on which one is right and the other wrong tell them apart: `only_a` and `only_b`.
"""

from __future__ import annotations

import math

from appliance.evaluate.metrics import Interval
from appliance.intervals import wilson


def mcnemar(only_a: int, only_b: int) -> float:
    """Return the exact two-sided p of McNemar's test (1947): the sign test on the rows that tell the models apart."""
    rows = only_a + only_b
    if not rows:
        return 1.0
    tail = sum(math.exp(_log_binomial(rows, right)) for right in range(min(only_a, only_b) + 1))
    return min(1.0, 2 * tail)


def difference_interval(both: int, only_a: int, only_b: int, neither: int) -> Interval:
    """Return the 95 % interval of accuracy of a - accuracy of b, for rows in pairs (at least one).

    Newcombe 1998 (Statistics in Medicine 17: 2635), method 10: Wilson's intervals of both, joined by their correlation.
    It keeps to [-1, 1] and has a width even when the models agree on every row.
    """
    rows = both + only_a + only_b + neither
    a, b = (both + only_a) / rows, (both + only_b) / rows
    (a_low, a_high), (b_low, b_high) = wilson(both + only_a, rows), wilson(both + only_b, rows)
    correlation = _correlation(both, only_a, only_b, neither)
    below = _joined(a - a_low, b_high - b, correlation)
    above = _joined(a_high - a, b - b_low, correlation)
    return a - b - below, a - b + above


def _joined(one: float, other: float, correlation: float) -> float:
    return math.sqrt(max(0.0, one**2 - 2 * correlation * one * other + other**2))


def _correlation(both: int, only_a: int, only_b: int, neither: int) -> float:
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    if not margins:
        return 0.0
    product = float(both * neither - only_a * only_b)
    if product > 0:  # corrected for continuity, against a correlation that is too good
        product = max(0.0, product - (both + only_a + only_b + neither) / 2)
    return product / math.sqrt(margins)


def _log_binomial(rows: int, right: int) -> float:
    ways = math.lgamma(rows + 1) - math.lgamma(right + 1) - math.lgamma(rows - right + 1)
    return ways - rows * math.log(2)
