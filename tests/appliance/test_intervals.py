"""The interval of a share, against SciPy and published examples."""

import pytest
from scipy.stats import binomtest

from appliance.intervals import wilson


@pytest.mark.parametrize("total", [1, 5, 100, 3080])
def test_it_is_that_of_scipy(total: int) -> None:
    for correct in {0, 1, total // 2, total - 1, total}:
        expected = binomtest(correct, total).proportion_ci(method="wilson")
        assert wilson(correct, total) == pytest.approx((expected.low, expected.high), abs=1e-9)


# Wilson 1927 has no table; these are the values of R's prop.test(x, n, correct = FALSE).
@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_it_is_that_of_published_examples(right: int, total: int, low: float, high: float) -> None:
    """Newcombe 1998, Statistics in Medicine 17, table I, method 3."""
    assert wilson(right, total) == pytest.approx((low, high), abs=6e-5)


def test_nothing_at_all_tells_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("right", "count", "low", "high"), [(0, 0, 0, 1), (10, 10, 0.7225, 1), (0, 10, 0, 0.2775), (45, 50, 0.7864, 0.9565)]
)
def test_it_stays_within_a_share(right: int, count: int, low: float, high: float) -> None:
    """Values by Wilson's formula worked out by hand; they stay within 0 and 1."""
    assert wilson(right, count) == pytest.approx((low, high), abs=1e-4)


def test_eight_of_ten() -> None:
    """As published tables have it."""
    assert wilson(8, 10) == (pytest.approx(0.4902, abs=1e-3), pytest.approx(0.9433, abs=1e-3))
