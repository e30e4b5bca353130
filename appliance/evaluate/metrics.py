"""Metrics of a classifier and their 95 % intervals, as numpy arithmetic on class numbers.

`true` and `predicted` are int arrays (rows); a class is a number below `classes`. A confusion matrix is
(true class, predicted class) -> rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Interval = tuple[float, float]
_PERCENTILES = (2.5, 97.5)
_BINS = 15
_MIN_SCORES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
_CELLS_AT_ONCE = 4_000_000


def confusion_matrix(true: Array, predicted: Array, classes: int) -> Array:
    """Count the rows of each (true class, predicted class): int (classes, classes)."""
    import numpy as np

    return np.bincount(true * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def accuracy(confusion: Array) -> float:
    """Return the share of rows on the diagonal."""
    return float(confusion.trace() / confusion.sum())


def precision_recall_f1(confusion: Array) -> tuple[Array, Array, Array]:
    """Return precision, recall and F1 of each class (van Rijsbergen 1979); 0 where nothing was predicted or nothing is there."""
    right, predicted, support = confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)
    return _ratio(right, predicted), _ratio(right, support), _ratio(2 * right, predicted + support)


def macro_f1(confusion: Array) -> float:
    """Return the mean F1 of the classes that are there or were predicted, as scikit-learn's `f1_score(average="macro")`."""
    right, predicted, support = confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)
    return float(_macro(right, predicted + support))


def macro_f1_interval(true: Array, predicted: Array, classes: int, resamples: int, seed: int) -> Interval:
    """Return the 95 % percentile bootstrap interval of macro-F1 (Efron and Tibshirani 1993, chapter 13)."""
    return percentiles(bootstrap_macro_f1(true, [predicted], classes, resamples, seed)[0])


def bootstrap_macro_f1(true: Array, predictions: list[Array], classes: int, resamples: int, seed: int) -> Array:
    """Draw the rows again, `resamples` times, and return each model's macro-F1 in each draw: (models, resamples).

    Every model sees the same draws, so that differences are paired. Rows alike in truth and in all predictions are
    drawn together: their counts in a resample are multinomial, which is the same bootstrap without its loop.
    """
    import numpy as np

    cells, counts = np.unique(np.stack([true, *predictions]), axis=1, return_counts=True)  # (1 + models, cells)
    random = np.random.default_rng(seed)
    shares = counts / counts.sum()
    found = np.empty((len(predictions), resamples))
    step = max(1, _CELLS_AT_ONCE // len(counts))
    for start in range(0, resamples, step):
        drawn = random.multinomial(counts.sum(), shares, size=min(step, resamples - start))  # (draws, cells)
        support = _by_class(drawn, cells[0], classes)
        for model, predicted in enumerate(cells[1:]):
            right = _by_class(drawn[:, predicted == cells[0]], cells[0][predicted == cells[0]], classes)
            found[model, start : start + len(drawn)] = _macro(right, support + _by_class(drawn, predicted, classes))
    return found


def percentiles(draws: Array) -> Interval:
    """Return the 2.5 and 97.5 % points of bootstrap draws."""
    import numpy as np

    low, high = np.percentile(draws, _PERCENTILES)
    return float(low), float(high)


def calibration(scores: Array, right: Array) -> tuple[float, list[dict[str, float]]]:
    """Return the expected calibration error and the reliability table, 15 bins of equal width (Guo et al. 2017, equation 3)."""
    import numpy as np

    bins = np.minimum(np.ceil(scores * _BINS).astype(int) - 1, _BINS - 1).clip(
        0
    )  # each bin is open below, closed above
    table, error = [], 0.0
    for number in range(_BINS):
        inside = bins == number
        rows = int(inside.sum())
        if rows:
            confidence, share = float(scores[inside].mean()), float(right[inside].mean())
            error += rows / len(scores) * abs(share - confidence)
            line = {"above": number / _BINS, "up_to": (number + 1) / _BINS, "rows": rows}
            table.append(line | {"confidence": confidence, "accuracy": share})
    return error, table


def abstain_curve(scores: Array, right: Array) -> list[dict[str, float | None]]:
    """Return what `min_score` buys: the share of rows answered and the accuracy of those (None when no row is left)."""
    curve: list[dict[str, float | None]] = []
    for min_score in _MIN_SCORES:
        answered = scores >= min_score
        share = float(right[answered].mean()) if answered.any() else None
        curve.append({"min_score": min_score, "coverage": float(answered.mean()), "accuracy": share})
    return curve


def _ratio(part: Array, whole: Array) -> Array:
    import numpy as np

    return np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0)


def _macro(right: Array, seen: Array) -> Any:
    # F1 = 2 right / (predicted + support); classes that are neither there nor predicted do not count
    import numpy as np

    return _ratio(2 * right, seen).sum(axis=-1) / np.maximum((seen > 0).sum(axis=-1), 1)


def _by_class(drawn: Array, classes_of_cells: Array, classes: int) -> Array:
    # (draws, cells) -> (draws, classes)
    import numpy as np

    return drawn @ np.eye(classes)[classes_of_cells]
