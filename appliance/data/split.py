"""Splits without leaks: whatever belongs together stands on one side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.errors import SettingsError
from appliance.words import _

__all__ = ["SPLITS", "assign", "components", "parse_shares", "straddling"]

SPLITS = ("train", "validation", "test")


def parse_shares(split: str) -> tuple[float, float, float]:
    """Read `0.8/0.1/0.1` as the shares of train, validation and test.

    Raises `SettingsError` when they do not add up to 1 or leave nothing to train on.
    """
    train, validation, test = (float(share) for share in split.split("/"))
    if abs(train + validation + test - 1) > 1e-6 or train <= 0:
        raise SettingsError(
            _("split `{split}`: the shares of train/validation/test must add up to 1, train above 0", split=split)
        )
    return train, validation, test


def components(links: Sequence[NDArray[Any]], rows: int) -> NDArray[np.int64]:
    """Return for each row the smallest row that it hangs together with: connected components by union-find.

    Each of `links` is (rows,): rows of one number hang together, -1 hangs together with nothing. Union-find with path
    halving: Tarjan and van Leeuwen, 1984.
    """
    parent = list(range(rows))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for link in links:
        for first, row in _linked(link):
            one, other = sorted((root(first), root(row)))
            parent[other] = one
    return np.array([root(row) for row in range(rows)], dtype=np.int64)


def _linked(link: NDArray[Any]) -> Iterator[tuple[int, int]]:
    order = np.argsort(link, kind="stable")
    order = order[link[order] >= 0]
    same = np.flatnonzero(link[order][1:] == link[order][:-1])
    yield from zip(order[same].tolist(), order[same + 1].tolist(), strict=True)


def assign(
    texts: NDArray[Any],
    links: Sequence[NDArray[Any]],
    labels: NDArray[Any],
    given: NDArray[Any],
    shares: tuple[float, float, float],
) -> NDArray[np.int8]:
    """Return for each row its side: 0 train, 1 validation, 2 test.

    All arrays are (rows,). `texts` numbers the texts in a random order that hangs on nothing but text and seed (see
    `dedup.key`); rows that share a text or a number in `links` (subject, group) go to one side. `labels` is -1 where
    unlabelled. `given` is -1 where the source gave no split, else kept as it is. A row without one joins the given rows
    of its text, else of its component (train, where those stand on several sides: a test set from outside is not made
    larger by rows that leak). The other components fill the sides up to `shares` of all rows, so that a test set given
    in full gets no more.
    """
    sides = _joined(texts, given)
    roots = components((texts, *links), len(texts))
    sides = _joined(roots, sides)
    free = np.flatnonzero(sides < 0)
    if len(free):
        here = np.bincount(sides[sides >= 0], minlength=3)
        wanted = np.maximum(np.array(shares) * len(sides) - here, 0)
        _fill(sides, free, roots, texts, labels, wanted / wanted.sum())
    return sides


def _joined(link: NDArray[Any], sides: NDArray[Any]) -> NDArray[np.int8]:
    """Give rows without a side the lowest one among the rows of their number."""
    lowest = np.full(link.max(initial=-1) + 1, 3, dtype=np.int8)
    told = sides >= 0
    np.minimum.at(lowest, link[told], sides[told].astype(np.int8))
    found = lowest[link]
    return np.where(told, sides, np.where(found < 3, found, -1)).astype(np.int8)


def _fill(
    sides: NDArray[np.int8],
    free: NDArray[Any],
    roots: NDArray[Any],
    texts: NDArray[Any],
    labels: NDArray[Any],
    shares: NDArray[np.float64],
) -> None:
    """Hand out whole components, the largest first, each to the side that lags most behind its share.

    The lag is that of the component's labels plus that of all rows: a greedy stratification after Sechidis, Tsoumakas
    and Vlahavas, 2011, with groups in the place of rows.
    """
    open_sides = [side for side in range(3) if shares[side] > 0]
    filled: Counter[tuple[int, int | None]] = Counter()  # (side, label), or (side, None) for all rows
    seen: Counter[int | None] = Counter()

    def lag(side: int, label: int | None) -> float:
        return float(shares[side]) * seen[label] - filled[side, label]

    for rows in _by_component(free, roots, texts):
        counts: dict[int | None, int] = {**Counter(labels[rows].tolist()), None: len(rows)}
        seen.update(counts)
        # each label weighs by its part of the component
        side = max(open_sides, key=lambda side: sum(lag(side, label) * count for label, count in counts.items()))
        filled.update({(side, label): count for label, count in counts.items()})
        sides[rows] = side


def _by_component(free: NDArray[Any], roots: NDArray[Any], texts: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield the rows of each component: larger ones first, then by their first text."""
    numbers = np.unique(roots[free], return_inverse=True)[1]
    sizes = np.bincount(numbers)
    first_text = np.full(len(sizes), np.iinfo(np.int64).max)
    np.minimum.at(first_text, numbers, texts[free])
    order = np.lexsort((numbers, first_text[numbers], -sizes[numbers]))
    starts = np.flatnonzero(np.diff(numbers[order])) + 1
    for start, end in pairwise((0, *starts.tolist(), len(order))):
        yield free[order[start:end]]


def straddling(link: NDArray[Any], sides: NDArray[Any]) -> int:
    """Count the subjects (or groups) that stand on several sides, as only given splits can bring about."""
    known = link >= 0
    pairs = np.unique(np.stack([link[known], sides[known]]), axis=1)
    return int((np.unique(pairs[0], return_counts=True)[1] > 1).sum())
