"""Do texts and answers still look like those that a version was first asked?

The first `drift.window_texts` texts of a version are the reference; each later window of as many is compared with them in three ways:

- texts: a classifier is trained to tell the window from the reference, on vectors of the texts; how well it does on texts it has not seen is the
  drift (Lopez-Paz & Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017). 0.5 is a coin, 1 is another world.
- labels and scores: the population stability index between the shares, sum((p - q) ln(p / q)) (Yurdakul, "Statistical Properties of the Population
  Stability Index", 2018). Under no change it is about chi-squared / n, so small windows need more of it before it means anything.

A comparison is told as a ratio: 1 is where both the size and the evidence pass their limits. The reference is what the version was asked when it went
live and not what it was trained on: training texts are scrubbed, and a classifier would tell placeholders from names at once.
"""

from __future__ import annotations

import math
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from appliance.settings import DriftSettings

if TYPE_CHECKING:
    import numpy as np

    from appliance.schema import Prediction

__all__ = ["Comparison", "Window", "compare", "psi", "separation", "vectors"]

_WIDTH = 1024  # numbers of a hashed text
_CHARACTERS = 1000  # of a text that are looked at
_GRAMS = (1, 2, 3)
_FOLDS = 5
_RIDGE = 4.0
_LOTS = 30
_DECIMALS = 5  # of a classifier's scores: what differs less is the same
_EVIDENCE = 1e-4  # chance of a false alarm of one comparison when nothing has changed
_SIGMAS = NormalDist().inv_cdf(1 - _EVIDENCE)
_BINS = 10
_FEW = 5.0  # smallest expected count of a cell, below which cells are joined (Cochran 1954)
_WORD = re.compile(r"\s+")


@dataclass(slots=True)
class Window:
    """Texts as vectors (texts, width), float16, with the label and the score of each answer. No text is kept."""

    vectors: list[np.ndarray[Any, Any]] = field(default_factory=list, repr=False)
    labels: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.scores)

    def add(self, vector: np.ndarray[Any, Any], answer: Prediction) -> None:
        """Add one text's vector and answer; an answer that abstains has the label "" here."""
        self.vectors.append(vector.astype("float16"))
        self.labels.append(answer.label or "")
        self.scores.append(answer.score)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A window against the reference: `ratios` by what was compared, above 1 is a warning; `moved` are labels with their shares before and now, the most
    moved first.
    """

    ratios: dict[str, float]
    auc: float
    psi_labels: float
    psi_scores: float
    score_before: float
    score_now: float
    moved: tuple[tuple[str, float, float], ...]


def vectors(texts: Sequence[str]) -> np.ndarray[Any, Any]:
    """Return texts as float32 (texts, 1024) of length 1: counts of their pieces of 1 to 3 characters, hashed and damped.

    Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009: one bit of the hash is the sign, so that collisions cancel.
    """
    import numpy as np

    found = np.zeros((len(texts), _WIDTH), np.float32)
    for row, text in zip(found, texts, strict=True):
        seen = _WORD.sub(" ", unicodedata.normalize("NFKC", text[:_CHARACTERS]).casefold())
        padded = f" {seen} "
        pieces = Counter(padded[at : at + size] for size in _GRAMS for at in range(len(padded) - size + 1))
        for piece, count in pieces.items():
            hashed = zlib.crc32(piece.encode("utf-8", "replace"))
            row[hashed % _WIDTH] += (1 + math.log(count)) * (1 if hashed & 0x8000_0000 else -1)
    found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)
    return found


def separation(reference: np.ndarray[Any, Any], window: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Return the AUC, in [0, 1], with which a ridge classifier tells the rows of `window` from those of `reference`, each judged by one that has not
    seen it, and the AUC's standard deviation when nothing has changed.

    Ridge regression on +1 and -1 in its dual form: (rows, rows) products, whatever the width (Saunders et al., ICML 1998). AUC by ranks (Mann & Whitney
    1947). The deviation is that of the same rows with their sides drawn by lot (Fisher's permutation test); one factorisation serves them all.
    """
    import numpy as np

    rows = np.concatenate([reference, window]).astype(np.float32)
    rows -= rows.mean(axis=0)
    source = np.random.default_rng(0)
    side = np.concatenate([-np.ones(len(reference)), np.ones(len(window))])
    sides = np.stack([side, *(source.permutation(side) for _ in range(_LOTS))], axis=1).astype(
        np.float32
    )  # (rows, 1 + lots)
    products = rows @ rows.T  # (rows, rows)
    scores = np.empty_like(sides)
    fold = source.permutation(len(rows)) % _FOLDS
    for number in range(_FOLDS):
        held, seen = fold == number, fold != number
        known = products[np.ix_(seen, seen)]
        weights = np.linalg.solve(
            known + _RIDGE * np.eye(len(known), dtype=np.float32), sides[seen] - sides[seen].mean(axis=0)
        )
        # Each fold's scores are centred on what its own training rows get, so that folds can be ranked together.
        scores[held] = products[np.ix_(held, seen)] @ weights - (known @ weights).mean(axis=0)
    ranks = np.stack([_ranks(column) for column in scores.T.round(_DECIMALS)], axis=1)
    above = np.where(sides > 0, ranks, 0).sum(axis=0) - len(window) * (len(window) + 1) / 2
    aucs = above / (len(reference) * len(window))
    return float(aucs[0]), float(np.sqrt(((aucs[1:] - 0.5) ** 2).mean()))


def _ranks(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    # From 1 on; equal ones, such as those of a text that is sent again and again, share the mean of their ranks.
    import numpy as np

    _values, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: np.ndarray[Any, Any] = (counts.cumsum() - (counts - 1) / 2)[place]
    return ranks


def psi(before: Sequence[float], now: Sequence[float]) -> float:
    """Return the population stability index of two lists of counts of the same cells; half a count is added to each, so that none is empty."""
    total_before, total_now = sum(before) + len(before) / 2, sum(now) + len(now) / 2
    shares = [((a + 0.5) / total_before, (b + 0.5) / total_now) for a, b in zip(before, now, strict=True)]
    return sum((p - q) * math.log(p / q) for p, q in shares)


def compare(reference: Window, window: Window, settings: DriftSettings) -> Comparison:
    """Compare a window with the reference."""
    import numpy as np

    n, m = len(reference), len(window)
    auc, noise = separation(np.stack(reference.vectors), np.stack(window.vectors))
    labels = _cells(Counter(reference.labels), Counter(window.labels), n, m)
    scores = _score_cells(reference.scores, window.scores)
    psi_labels, psi_scores = psi(*labels), psi(*scores)
    ratios = {
        "texts": min((auc - 0.5) / (settings.max_separation - 0.5), (auc - 0.5) / max(noise * _SIGMAS, 1e-9)),
        "labels": min(psi_labels / settings.max_psi, psi_labels / _psi_noise(len(labels[0]), n, m)),
        "scores": min(psi_scores / settings.max_psi, psi_scores / _psi_noise(len(scores[0]), n, m)),
    }
    return Comparison(
        ratios={of: round(max(0.0, ratio), 4) for of, ratio in ratios.items()},
        auc=round(auc, 4),
        psi_labels=round(psi_labels, 4),
        psi_scores=round(psi_scores, 4),
        score_before=round(float(np.mean(reference.scores)), 4),
        score_now=round(float(np.mean(window.scores)), 4),
        moved=_moved(Counter(reference.labels), Counter(window.labels), n, m),
    )


def _psi_noise(cells: int, n: int, m: int) -> float:
    # PSI / (1/n + 1/m) is about chi-squared with one degree less than cells (Yurdakul 2018); its quantile by Wilson & Hilferty 1931.
    degrees = max(1, cells - 1)
    spread = 2 / (9 * degrees)
    quantile = degrees * (1 - spread + _SIGMAS * math.sqrt(spread)) ** 3
    return (1 / n + 1 / m) * quantile


def _cells(before: Counter[str], now: Counter[str], n: int, m: int) -> tuple[list[float], list[float]]:
    # Labels too rare to be judged alone are judged together.
    least = _FEW * (n + m) / min(n, m)
    both = before + now
    common = sorted(label for label, count in both.items() if count >= least)
    cells = [before[label] for label in common], [now[label] for label in common]
    rare = n - sum(cells[0]), m - sum(cells[1])
    return (
        ([*map(float, cells[0]), float(rare[0])], [*map(float, cells[1]), float(rare[1])])
        if any(rare)
        else ([*map(float, cells[0])], [*map(float, cells[1])])
    )


def _score_cells(before: Sequence[float], now: Sequence[float]) -> tuple[list[float], list[float]]:
    # Cells that hold a tenth of the reference each; equal scores fall into one.
    import numpy as np

    edges = np.unique(np.quantile(before, np.linspace(0, 1, _BINS + 1)[1:-1]))
    counts = [
        np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1) for values in (before, now)
    ]
    return counts[0].astype(float).tolist(), counts[1].astype(float).tolist()


def _moved(before: Counter[str], now: Counter[str], n: int, m: int) -> tuple[tuple[str, float, float], ...]:
    shares = [(label, round(before[label] / n, 4), round(now[label] / m, 4)) for label in sorted(before | now)]
    return tuple(sorted(shares, key=lambda row: -abs(row[1] - row[2]))[:5])
