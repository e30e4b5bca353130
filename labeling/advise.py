"""When to stop labeling: what the labels still to be had are expected to bring, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance.intervals import wilson
from appliance.words import _
from labeling.agree import cohen
from labeling.head import cross_validated, fit

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["Advice", "advise", "cohen_kappa"]

# Where all labels still to be had bring less than this, in accuracy, the advice is to stop.
_ENOUGH = 0.015
_FEWEST_LABELS = 40
_SAMPLE_ROWS = 4_000
# What a doubling of the labels brings over what the one before brought, and the share of a head's expected gain that came true, set on train rows of banking77 and
# medical_abstracts; from the least to the most it held the true gap in 11 of 15 rounds there.
_DECAY = 0.5
_COMES_TRUE, _LEAST, _MOST = 0.6, 0.1, 1.2
# Powers of the probabilities that are tried when they are calibrated: below 1 the head was too sure, above it too unsure.
_POWERS = (0.1, 0.15, 0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0)


@dataclass(frozen=True, slots=True)
class Advice:
    """Whether to go on, and why. All figures are shares of 1.

    `accuracy` with `low` and `high` (95 %) is that of heads on rows of the control slice which they did not learn from; None before the slice has a label. `gap` with
    `gap_low` and `gap_high` (about 75 %) is what the labels of all other records would add to it, `gain` what the next hundred would. `agreement` is Cohen's kappa between
    the head of half the labels and that of all. `control` counts the labelled rows of the slice.
    """

    stop: bool
    sentence: str
    accuracy: float | None
    low: float
    high: float
    gap: float
    gap_low: float
    gap_high: float
    gain: float
    agreement: float
    control: int


def advise(
    embeddings: Array,
    labelled: Sequence[int],
    targets: Sequence[int],
    labels: int,
    control: Collection[int],
    seed: int = 0,
) -> Advice:
    """Tell what labeling on would bring. It is made anew from what is labelled; nothing is kept between rounds.

    `embeddings` (rows, width); `labelled` rows in the order they were given a label, with their `targets` below `labels`; `control` the rows that were drawn at random.

    What the second half of the labels brought is seen on records without a label: where the head of all labels answers otherwise than the head of the first half,
    by how much its calibrated probability (Guo et al. 2017, arXiv 1706.04599) of the new answer lies above that of the old one. Each doubling
    brings a fixed share of the one before, as learning curves do (Hestness et al. 2017, arXiv 1712.00409), until every record has a label.
    """
    import numpy as np

    rows, given = np.asarray(labelled, np.int64), np.asarray(targets, np.int64)
    held_out = cross_validated(embeddings[rows], given, labels, seed)
    drawn = np.isin(rows, list(control))
    right, count = int((held_out[drawn].argmax(1) == given[drawn]).sum()), int(drawn.sum())
    accuracy, (low, high) = right / count if count else None, wilson(right, count)
    if len(rows) < _FEWEST_LABELS or len(np.unique(given)) < 2:
        sentence = _("too early to tell: {count} labels so far, the advice needs {least} and two different ones", count=len(rows), least=_FEWEST_LABELS)  # fmt: skip
        return Advice(False, sentence, accuracy, low, high, 1.0, 0.0, 1.0, 1.0, 0.0, count)
    brought, agreement = _last_doubling(embeddings, rows, given, labels, _power(held_out, given), seed)
    gap, least, most = (
        share * brought * _to_come(len(rows), len(embeddings)) for share in (_COMES_TRUE, _LEAST, _MOST)
    )
    gain = _COMES_TRUE * brought * _to_come(len(rows), min(len(rows) + 100, len(embeddings)))
    stop = gap < _ENOUGH
    return Advice(
        stop, _sentence(stop, gap, least, most, gain), accuracy, low, high, gap, least, most, gain, agreement, count
    )


def cohen_kappa(one: Array, other: Array) -> float:
    """Return Cohen's kappa (1960) of two series of answers: agreement beyond chance, 1.0 where both always give the same single answer."""
    import numpy as np

    given = np.eye(int(max(one.max(), other.max())) + 1)
    kappa = float(cohen(given[one], given[other])[0])
    return 1.0 if np.isnan(kappa) else kappa


def _last_doubling(
    embeddings: Array, rows: Array, given: Array, labels: int, power: float, seed: int
) -> tuple[float, float]:
    # Expected gain in accuracy from the first half of the labels to all, and Cohen's kappa of the two heads.
    import numpy as np

    half = len(rows) // 2
    count = min(_SAMPLE_ROWS, len(embeddings))
    sample = np.sort(np.random.default_rng(seed).choice(len(embeddings), count, replace=False))
    before = fit(embeddings[rows[:half]], given[:half], labels).probabilities(embeddings, sample).argmax(1)
    now = _calibrated(fit(embeddings[rows], given, labels).probabilities(embeddings, sample), power)
    after, every = now.argmax(1), np.arange(count)
    brought = float((now[every, after] - now[every, before]).mean())
    return brought, cohen_kappa(before, after)


def _to_come(count: int, rows: int) -> float:
    # Sum of the shares that the doublings from `count` labels to `rows` bring over the last one.
    doublings = math.log2(max(1.0, rows / count))
    return _DECAY * (1 - math.pow(_DECAY, doublings)) / (1 - _DECAY)


def _power(probabilities: Array, targets: Array) -> float:
    # The power with the best log likelihood on held-out probabilities (rows, labels).
    import numpy as np

    rows = np.arange(len(targets))

    def likelihood(power: float) -> float:
        right = _calibrated(probabilities, power)[rows, targets]
        return float(np.log(np.maximum(right, 1e-4)).mean())

    return max(_POWERS, key=likelihood)


def _calibrated(probabilities: Array, power: float) -> Array:
    import numpy as np

    raised = np.maximum(probabilities, 1e-9) ** power
    result: Array = raised / raised.sum(1, keepdims=True)
    return result


def _sentence(stop: bool, gap: float, low: float, high: float, gain: float) -> str:
    values = {"gap": 100 * gap, "low": 100 * low, "high": 100 * high, "gain": 100 * gain}
    if stop:
        return _(
            "stop here: labels of all other records would bring about {gap:.1f} points more ({low:.1f} to {high:.1f}), the next hundred {gain:.1f}",
            **values,
        )
    return _(
        "go on: labels of all other records would bring about {gap:.1f} points more ({low:.1f} to {high:.1f}), the next hundred {gain:.1f}",
        **values,
    )
