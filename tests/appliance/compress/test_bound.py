"""The bound of a drop: it holds as often as it says, and it is not much wider than it must be."""

from __future__ import annotations

import math

import pytest

from appliance.compress.bound import bounds, rows_needed, upper_bound

ROWS = 14


@pytest.fixture(scope="module")
def of_every_outcome() -> dict[tuple[int, int], float]:
    """The bound for each (lost, won) that 14 rows can give."""
    return {(lost, won): upper_bound(lost, won, ROWS) for lost in range(ROWS + 1) for won in range(ROWS + 1 - lost)}


def covered(of_every_outcome: dict[tuple[int, int], float], drop: float, share: float) -> float:
    """Sum the trinomial chances of all outcomes whose bound lies at the true drop or above."""
    lost_chance, won_chance = (share + drop) / 2, (share - drop) / 2
    total = 0.0
    for (lost, won), bound in of_every_outcome.items():
        same = ROWS - lost - won
        ways = math.factorial(ROWS) / (math.factorial(lost) * math.factorial(won) * math.factorial(same))
        if bound >= drop - 1e-12:
            total += ways * lost_chance**lost * won_chance**won * max(0.0, 1 - share) ** same
    return total


@pytest.mark.parametrize("drop", [-0.1, 0.0, 0.02, 0.05, 0.1, 0.2, 0.4])
@pytest.mark.parametrize("more", [0.0, 0.03, 0.1, 0.3, 0.55])
def test_it_lies_above_the_true_drop_in_95_of_100_cases(
    of_every_outcome: dict[tuple[int, int], float], drop: float, more: float
) -> None:
    """Summed over every outcome of 14 rows, whatever the share of rows on which just one model is right."""
    assert covered(of_every_outcome, drop, abs(drop) + more) >= 0.95


def test_it_is_tight_where_the_normal_bound_is_known_to_be_good() -> None:
    """With many discordant rows it lies within a few hundredths of a standard error of the normal bound."""
    lost, won, rows = 170, 130, 1000
    drop = (lost - won) / rows
    error = math.sqrt((lost + won) / rows - drop**2) / math.sqrt(rows)
    low, high = bounds(lost, won, rows)
    assert high == pytest.approx(drop + 1.645 * error, abs=0.05 * error)
    assert low == pytest.approx(drop - 1.645 * error, abs=0.05 * error)


def test_two_models_that_agree_on_every_row_may_differ_by_the_rule_of_three() -> None:
    """Hanley and Lippman-Hand 1983: nothing seen in n rows leaves up to 3 / n."""
    low, high = bounds(0, 0, 3000)
    assert high == pytest.approx(3 / 3000, rel=0.02)
    assert low == -high


def test_more_lost_rows_raise_it_and_more_rows_lower_it() -> None:
    assert upper_bound(12, 5, 1000) > upper_bound(9, 5, 1000) > upper_bound(9, 5, 2000)


def test_every_row_lost_bounds_nothing() -> None:
    assert upper_bound(10, 0, 10) == 1.0


def test_the_rows_that_are_needed_decide_as_often_as_not() -> None:
    """With ten times the rows and the same shares, the bound clears the limit; the number asked for lies between."""
    lost, won, rows, limit = 24, 20, 400, 0.02
    assert upper_bound(lost, won, rows) > limit
    needed = rows_needed(lost, won, rows, limit)
    assert needed is not None and rows < needed < 10 * rows
    assert upper_bound(10 * lost, 10 * won, 10 * rows) < limit


def test_a_drop_on_the_limit_is_never_decided() -> None:
    assert rows_needed(15, 5, 1000, 0.01) is None
