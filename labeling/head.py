"""The fast head: a multinomial logistic regression on frozen embeddings, anew in each round of labeling."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance.engine.texts import softmax
from appliance.errors import InputError, MissingPartError
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["STRENGTH", "Head", "cross_validated", "fit", "scan"]

# Inverse strength of the L2 penalty over the summed loss: 10 and 30 do as well on normalised sentence embeddings, 1 and 100 do not.
STRENGTH = 20.0
_TOLERANCE = 1e-4
# So many embeddings are held as float32 at once: memory stays flat, and the matrix product is large enough to run at full speed.
_CHUNK_ROWS = 8_192


@dataclass(frozen=True, slots=True)
class Head:
    """softmax(weight x + bias) over the labels that have been seen.

    `weight` (seen, width) and `bias` (seen), float32; `seen` holds the number of each one's label, rising; `labels` counts all labels on offer: those that
    nobody has given yet have probability 0.
    """

    weight: Array
    bias: Array
    seen: Array
    labels: int

    def probabilities(self, embeddings: Array, rows: Sequence[int] | Array | None = None) -> Array:
        """Return float32 (rows, labels) for all embeddings (rows, width), or for the numbers in `rows`."""
        import numpy as np

        count = len(embeddings) if rows is None else len(rows)
        result = np.zeros((count, self.labels), np.float32)
        for start, chunk in _chunks(embeddings, rows):
            result[start : start + len(chunk), self.seen] = softmax(chunk @ self.weight.T + self.bias)
        return result


def fit(
    features: Array,
    targets: Sequence[int] | Array,
    labels: int,
    strength: float = STRENGTH,
    start: Head | None = None,
    weights: Array | None = None,
) -> Head:
    """Fit a head by L-BFGS (Liu and Nocedal 1989) with an L2 penalty of 1 / `strength` over the summed loss.

    `features` (rows, width), `targets` the number of each row's label, below `labels`; `start` is a head to start from, `weights` (rows) counts a row
    more or less. With one label seen that label has probability 1. Raises `InputError` without a row, `MissingPartError` without scikit-learn.
    """
    import numpy as np

    if not len(features):
        raise InputError(_("a head learns from labels, and there is none yet; label some records first"))
    seen, numbers = np.unique(np.asarray(targets), return_inverse=True)
    x = np.asarray(features, np.float32)
    if len(seen) == 1:
        return Head(np.zeros((1, x.shape[1]), np.float32), np.zeros(1, np.float32), seen, labels)
    model = _regression(strength, warm=start is not None)
    if start is not None:
        model.coef_, model.intercept_ = _carried_over(start, seen)
    _run(model, x, numbers, weights)
    weight, bias = model.coef_, model.intercept_
    if len(seen) == 2:  # one sigmoid; its halves with opposite signs give the same probabilities as a softmax of two
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return Head(weight.astype(np.float32), bias.astype(np.float32), seen, labels)


def _regression(strength: float, warm: bool) -> Any:
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingPartError(
            _("the head needs the extra `train`: install `skerry[train]` from the wheelhouse")
        ) from error
    return LogisticRegression(C=strength, max_iter=300, tol=_TOLERANCE, warm_start=warm)


def _run(model: Any, features: Array, numbers: Array, weights: Array | None) -> None:
    # One thread: the same sums on every machine, and busy cores do not slow it down. The last iterate is a fine head, and one record a label is how a task begins.
    from threadpoolctl import threadpool_limits

    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        model.fit(features, numbers, sample_weight=weights)


def _carried_over(start: Head, seen: Array) -> tuple[Array, Array]:
    # The rows of the labels that both know; a label that is new begins at zero.
    import numpy as np

    weight, bias = np.zeros((len(seen), start.weight.shape[1])), np.zeros(len(seen))
    _both, here, there = np.intersect1d(seen, start.seen, return_indices=True)
    weight[here], bias[here] = start.weight[there], start.bias[there]
    return (weight[1:] - weight[:1], bias[1:] - bias[:1]) if len(seen) == 2 else (weight, bias)


def scan(head: Head, embeddings: Array) -> tuple[Array, Array]:
    """Return the margin and the best label of every embedding (rows, width): float32 (rows), int32 (rows).

    Margin = best probability - second best (Scheffer et al. 2001), 1.0 where the head knows one label only. Works in chunks, so memory stays flat.
    """
    import numpy as np

    margins = np.ones(len(embeddings), np.float32)
    best = np.full(len(embeddings), head.seen[0], np.int32)
    if len(head.seen) == 1:
        return margins, best
    for start, chunk in _chunks(embeddings, None):
        logits = chunk @ head.weight.T + head.bias  # (chunk, seen)
        rows = np.arange(len(logits))
        first = logits.argmax(1)
        np.exp(logits - logits[rows, first][:, None], out=logits)  # the best becomes 1
        total = logits.sum(1)
        logits[rows, first] = 0
        margins[start : start + len(rows)] = (1 - logits.max(1)) / total
        best[start : start + len(rows)] = head.seen[first]
    return margins, best


def cross_validated(
    features: Array,
    targets: Sequence[int] | Array,
    labels: int,
    seed: int = 0,
    folds: int = 5,
    trusted: Array | None = None,
) -> Array:
    """Return float32 (rows, labels): the probabilities of each row by a head that did not learn from it.

    `features` (rows, width). The rows of each label are dealt to the folds in turn, in a random order drawn by `seed`; heads learn from `trusted` rows (rows,) alone,
    from all by default. A label with one row has probability 0 there.
    """
    import numpy as np

    numbers = np.asarray(targets)
    fold = dealt(numbers, folds, np.random.default_rng(seed))
    taught = np.ones(len(numbers), bool) if trusted is None else trusted
    result = np.zeros((len(numbers), labels), np.float32)
    for one in range(folds):
        out, rest = np.flatnonzero(fold == one), np.flatnonzero((fold != one) & taught)
        if len(out) and len(rest):  # from zero: the head of another fold has learned from these rows
            result[out] = fit(features[rest], numbers[rest], labels).probabilities(features, out)
    return result


def dealt(targets: Array, folds: int, generator: np.random.Generator) -> Array:
    """Return the fold of each row, int (rows): the rows of a label are spread over the folds as evenly as can be."""
    import numpy as np

    order = generator.permutation(len(targets))
    order = order[np.argsort(targets[order], kind="stable")]
    fold = np.empty(len(targets), np.int64)
    fold[order] = np.arange(len(targets)) % folds
    return fold


def _chunks(embeddings: Array, rows: Sequence[int] | Array | None) -> Iterator[tuple[int, Array]]:
    import numpy as np

    count = len(embeddings) if rows is None else len(rows)
    for start in range(0, count, _CHUNK_ROWS):
        end = min(count, start + _CHUNK_ROWS)
        chunk = embeddings[start:end] if rows is None else embeddings[np.asarray(rows[start:end])]
        yield start, np.asarray(chunk, np.float32)
