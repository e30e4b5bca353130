"""What a drop in accuracy is at most: an exact one-sided bound from rows in pairs, and how many rows a decision would need.

Two models answer the same rows. `lost` rows are those on which only the first is right, `won` those on which only the second is; drop = (lost - won) / rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["Z", "bounds", "rows_needed", "upper_bound"]

_ALPHA = 0.05
_GAMMA = 0.001  # spent on the share of rows on which just one model is right
Z = 1.6448536269514722  # the 95 % point of the normal distribution
_PLACES = 7  # shares looked at within their confidence limits
_STEPS = 10  # halvings: the bound is rounded up by less than 1e-3 of its distance from the drop
_TINY = 1e-300
_TAIL = 6.0  # standard deviations (and so many counts) beyond which nothing is summed up: less than 1e-8


def bounds(lost: int, won: int, rows: int) -> tuple[float, float]:
    """Return the lower and the upper one-sided 95 % bound of the drop: each holds by itself in at least 95 of 100 cases."""
    return -upper_bound(won, lost, rows), upper_bound(lost, won, rows)


def upper_bound(lost: int, won: int, rows: int) -> float:
    """Return the smallest drop that the rows (at least one) rule out with 95 % confidence, everything above it too.

    Exact for any number of rows: a drop d is ruled out when the chance of a score statistic (Tango 1998, Statistics in Medicine 17: 891) as low as the one
    seen stays below 5 % for every share of discordant rows that is not itself ruled out at 0.1 % (Berger and Boos 1994, J. Am. Stat. Assoc. 89: 1012),
    that 0.1 % added. Lloyd and Moldovan 2007 (Statistics in Medicine 26: 3369) treat such limits.
    """
    low, high = (lost - won) / rows, 1.0
    reach = Z * math.sqrt(lost + won + 1) / rows  # about the normal bound, and outwards from there
    while low + reach < 1 and _chance(lost, won, rows, low + reach) >= _ALPHA:
        low += reach
    high = min(1.0, low + reach)
    for _step in range(_STEPS):
        middle = (low + high) / 2
        if _chance(lost, won, rows, middle) < _ALPHA:
            high = middle
        else:
            low = middle
    return high


def rows_needed(lost: int, won: int, rows: int, max_drop: float) -> int | None:
    """Return how many rows would put the bound on the right side of `max_drop`, were the shares seen the true ones; None when they lie on it.

    From the normal approximation of the paired difference (Tango 1998), in half of the cases enough.
    """
    drop, shares = (lost - won) / rows, (lost + won + 1) / rows
    if drop == max_drop:
        return None
    return max(rows + 1, math.ceil(Z**2 * (shares - drop**2) / (max_drop - drop) ** 2))


def _chance(lost: int, won: int, rows: int, drop: float) -> float:
    # the p-value of "the drop is `drop` or more"
    import numpy as np

    seen = _score(np.array([lost]), np.array([won]), rows, drop)[0]
    least, most = _share_limits(lost + won, rows)
    shares = np.linspace(max(least, abs(drop)), max(most, abs(drop)), _PLACES)
    return max(_chance_at(seen, rows, drop, float(share)) for share in np.unique(shares)) + _GAMMA


def _share_limits(discordant: int, rows: int) -> tuple[float, float]:
    # Clopper and Pearson 1934 (Biometrika 26: 404), two-sided at _GAMMA: the shares under which so many, or so few, are that rare
    import numpy as np

    factorials = _log_factorials(rows)
    counts = np.arange(rows + 1)
    ways = factorials[rows] - factorials - factorials[::-1]

    def tail(share: float, chosen: slice) -> float:
        logs = ways + counts * math.log(share) + (rows - counts) * math.log1p(-share)
        return float(np.exp(logs[chosen]).sum())

    def root(rare: Callable[[float], bool]) -> float:
        low, high = 0.0, 1.0
        for _step in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if rare(middle) else (low, middle)
        return (low + high) / 2

    least = root(lambda share: tail(share, slice(discordant, None)) < _GAMMA / 2) if discordant else 0.0
    most = root(lambda share: tail(share, slice(discordant + 1)) >= _GAMMA / 2) if discordant < rows else 1.0
    return least, most


def _chance_at(seen: float, rows: int, drop: float, share: float) -> float:
    """Return P(score <= seen) when a row is lost with (share + drop) / 2 and won with (share - drop) / 2: a sum over all likely (lost, won)."""
    import numpy as np

    chances = max(0.0, (share + drop) / 2), max(0.0, (share - drop) / 2), max(0.0, 1 - share)
    ranges = [_likely(rows, chance) for chance in chances[:2]]
    lost, won = np.meshgrid(*ranges, indexing="ij")  # (lost counts, won counts)
    rest = rows - lost - won
    inside = rest >= 0
    lost, won, rest = lost[inside], won[inside], rest[inside]
    factorials = _log_factorials(rows)
    logs = np.full(lost.shape, factorials[rows])
    for count, chance in zip((lost, won, rest), chances, strict=True):
        logs += count * math.log(max(chance, _TINY)) - factorials[count]
    as_low = _score(lost, won, rows, drop) <= seen + 1e-9
    return float(np.exp(logs[as_low]).sum())


@cache
def _log_factorials(rows: int) -> Array:
    import numpy as np

    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, rows + 1)))])


def _likely(rows: int, chance: float) -> Array:
    import numpy as np

    reach = _TAIL * math.sqrt(rows * chance * (1 - chance)) + _TAIL
    return np.arange(max(0, math.floor(rows * chance - reach)), min(rows, math.ceil(rows * chance + reach)) + 1)


def _score(lost: Array, won: Array, rows: int, drop: float) -> Array:
    """Return Tango's score statistic of the hypothesis that the drop is `drop` (Tango 1998, formulas 4 to 6): low = a smaller drop."""
    import numpy as np

    # the likeliest chance of a won row under the hypothesis: the root of 2 rows q^2 + b q - won drop (1 - drop) = 0, here with drop = lost - won
    b = -lost - won + (2 * rows - lost + won) * drop
    c = -won * drop * (1 - drop)
    q = (np.sqrt(np.maximum(b**2 - 8 * rows * c, 0.0)) - b) / (4 * rows)
    variance = rows * (2 * q + drop * (1 - drop))
    return (lost - won - rows * drop) / np.sqrt(np.maximum(variance, _TINY))
