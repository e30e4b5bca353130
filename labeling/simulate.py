"""The loop against labels that are known already: what choosing would have saved over labeling at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from labeling.choose import Round, choose
from labeling.head import fit

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["LEVELS", "Known", "Run", "interval_of_ratio", "labels_to", "play", "rising"]

# Shares of the accuracy with every label: where the labels are counted.
LEVELS = (0.90, 0.95)
_DRAWS = 2_000


@dataclass(frozen=True, slots=True)
class Known:
    """Records with labels: a pool to choose from and rows to judge by. `embeddings` (rows, width) and `targets` (rows) below `labels`, each."""

    embeddings: Array = field(repr=False)
    targets: Array = field(repr=False)
    judge_embeddings: Array = field(repr=False)
    judge_targets: Array = field(repr=False)
    labels: int

    def accuracy(self, rows: Sequence[int] | None = None, targets: Array | None = None) -> float:
        """Return the accuracy of a head that learned from `rows` of the pool (None = all)."""
        chosen = slice(None) if rows is None else list(rows)
        head = fit(self.embeddings[chosen], (self.targets if targets is None else targets)[chosen], self.labels)
        return float((head.probabilities(self.judge_embeddings).argmax(1) == self.judge_targets).mean())


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the loop: (labels, accuracy) after each round, the rows in the order they were chosen, those that were drawn at random, and from how many labels on
    the strategy was given up (None = never)."""

    curve: list[tuple[int, float]]
    rows: list[int]
    control: list[int]
    fell_back: int | None


def play(known: Known, strategy: str, batch: int, seed: int, enough: float, lengths: Array | None = None) -> Run:
    """Run the loop with known answers until the accuracy was twice `enough` or more, or nothing is left to label."""
    rows: list[int] = []
    control: list[int] = []
    curve: list[tuple[int, float]] = []
    head, fell_back = None, None
    share = 1.0 if strategy == "random" else 0.1
    while len(rows) < len(known.targets) and sum(accuracy >= enough for _labels, accuracy in curve) < 2:
        targets = [int(one) for one in known.targets[rows]]
        chosen = choose(
            Round(
                known.embeddings, rows, targets, known.labels, batch, seed, lengths=lengths, control=control, head=head
            ),
            strategy,
            share,
        )
        rows += chosen.rows
        control += [row for row, reason in zip(chosen.rows, chosen.reasons, strict=True) if reason == "random"]
        if chosen.fell_back and fell_back is None:
            fell_back = len(rows)
        head = fit(known.embeddings[rows], known.targets[rows], known.labels, start=head)
        right = head.probabilities(known.judge_embeddings).argmax(1) == known.judge_targets
        curve.append((len(rows), float(right.mean())))
    return Run(curve, rows, control, fell_back)


def labels_to(curve: Sequence[tuple[int, float]], level: float) -> float:
    """Return at how many labels a curve first reaches `level`, read off its rising fit between the rounds; infinity where it does not."""
    import numpy as np

    counts, fitted = [float(count) for count, _accuracy in curve], rising([accuracy for _count, accuracy in curve])
    if not fitted or fitted[-1] < level:
        return float("inf")
    first = next(number for number, accuracy in enumerate(fitted) if accuracy >= level)
    if first == 0:
        return counts[0]
    return float(np.interp(level, fitted[first - 1 : first + 1], counts[first - 1 : first + 1]))


def rising(values: Sequence[float]) -> list[float]:
    """Return the nearest series that never falls, by pooling adjacent violators (Ayer et al. 1955): chance takes some rounds back, more labels do not."""
    blocks: list[tuple[float, int]] = []
    for value in values:
        blocks.append((value, 1))
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            (last, last_size), (before, size) = blocks.pop(), blocks.pop()
            blocks.append(((before * size + last * last_size) / (size + last_size), size + last_size))
    return [mean for mean, size in blocks for _one in range(size)]


def interval_of_ratio(ours: Sequence[float], theirs: Sequence[float], seed: int = 0) -> tuple[float, float, float]:
    """Return the ratio of the means of two series over the same seeds, and its 95 % percentile bootstrap interval (Efron 1979), seeds drawn in pairs."""
    import numpy as np

    a, b = np.array(ours), np.array(theirs)
    draws = np.random.default_rng(seed).integers(0, len(a), (_DRAWS, len(a)))
    ratios = a[draws].mean(1) / b[draws].mean(1)
    low, high = np.quantile(ratios, (0.025, 0.975))
    return float(a.mean() / b.mean()), float(low), float(high)
