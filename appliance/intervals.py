"""The interval of a share: one formula for every report."""

from __future__ import annotations

__all__ = ["wilson"]

_Z = 1.959963984540054  # the 97.5 % point of the normal distribution


def wilson(right: float, total: float) -> tuple[float, float]:
    """Return the 95 % score interval of a proportion (Wilson 1927, J. Am. Stat. Assoc. 22:209-212); (0, 1) for none at all.

    `total` may be an effective sample size, and then needs not be whole.
    """
    if total <= 0:
        return 0.0, 1.0
    share, square = right / total, _Z**2 / total
    middle = (share + square / 2) / (1 + square)
    half = _Z / (1 + square) * (max(0.0, share * (1 - share)) / total + square / (4 * total)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)
