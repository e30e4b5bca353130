"""The loop against labels that are known already: what choosing would have saved over labeling at random."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.base.safetensors_file import writing_to
from appliance.errors import InputError
from appliance.jobs import progress
from appliance.pictures import blank, write
from appliance.schema import Dataset
from appliance.store import Store
from appliance.words import _
from labeling.choose import Round, choose
from labeling.embed import embed
from labeling.head import fit

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = [
    "LEVELS",
    "Known",
    "Plan",
    "Run",
    "interval_of_ratio",
    "known_of",
    "labels_to",
    "play",
    "rising",
    "simulate",
    "write_simulation",
]

# Shares of the accuracy with every label: where the labels are counted.
LEVELS = (0.90, 0.95)
_DRAWS = 2_000
_JUDGED_SHARE = 0.2  # held out to judge by where the data set has no test split


@dataclass(frozen=True, slots=True)
class Known:
    """Records with labels: a pool to choose from and rows to judge by. `embeddings` (rows, width) and `targets` (rows) below `labels`, each; `lengths` in characters."""

    embeddings: Array = field(repr=False)
    targets: Array = field(repr=False)
    judge_embeddings: Array = field(repr=False)
    judge_targets: Array = field(repr=False)
    labels: int
    lengths: Array | None = field(default=None, repr=False)

    def noisy(self, share: float, seed: int) -> Known:
        """Return the same with a random `share` of the pool's labels turned into another label; those to judge by stay."""
        import numpy as np

        generator = np.random.default_rng([seed, 1])
        wrong = generator.random(len(self.targets)) < share
        turned = (self.targets + generator.integers(1, max(2, self.labels), len(self.targets))) % self.labels
        return replace(self, targets=np.where(wrong, turned, self.targets))

    def accuracy(self) -> float:
        """Return the accuracy of a head that learned every label of the pool."""
        head = fit(self.embeddings, self.targets, self.labels)
        return float((head.probabilities(self.judge_embeddings).argmax(1) == self.judge_targets).mean())


@dataclass(frozen=True, slots=True)
class Plan:
    """What is simulated: a strategy of `choose`, records of a round, seeds (each draws a random order of its own), and the share of labels turned wrong."""

    strategy: str = "cluster-margin"
    batch: int = 20
    seeds: int = 10
    noise: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the loop: (labels, accuracy) after each round, the rows in the order they were chosen, those that were drawn at random, and at how many labels the
    strategy was given up (None = never)."""

    curve: list[tuple[int, float]]
    rows: list[int]
    control: list[int]
    fell_back: int | None


def known_of(store: Store, dataset: Dataset, seed: int = 0) -> Known:
    """Read what is known about a labelled data set: judged by its test rows, or by a random fifth where it has none.

    Raises `InputError` for fewer than two labels or no rows to judge by.
    """
    import numpy as np

    rows = [(row, one.label, one.split, len(one.text)) for row, one in enumerate(store.records(dataset)) if one.label]
    names = sorted({str(label) for _row, label, _split, _length in rows})
    if len(names) < 2:
        raise InputError(
            _("`{dataset}` has fewer than two labels; a simulation needs a labelled data set", dataset=dataset.reference)
        )  # fmt: skip
    numbers = {name: number for number, name in enumerate(names)}
    places, lengths = np.array([row[0] for row in rows]), np.array([row[3] for row in rows])
    targets = np.array([numbers[str(row[1])] for row in rows])
    judges = np.array([row[2] == "test" for row in rows])
    if not judges.any():
        judges = np.random.default_rng(seed).random(len(rows)) < _JUDGED_SHARE
    if judges.all() or not judges.any():
        raise InputError(
            _("`{dataset}` leaves no rows to choose from or to judge by; give it a train and a test split", dataset=dataset.reference)
        )  # fmt: skip
    vectors = embed(store, dataset)
    return Known(vectors[places[~judges]], targets[~judges], vectors[places[judges]], targets[judges], len(names), lengths[~judges])  # fmt: skip


def simulate(
    known: Known, plan: Plan, once: Callable[[str, Callable[[], Any]], Any] = lambda _name, work: work()
) -> dict[str, Any]:
    """Run the loop over every seed, by the strategy and at random, and tell what the strategy saved.

    `once(name, work)` does a piece of work and keeps its JSON result, so that a killed simulation goes on. Returns `full_accuracy` (a head that learned every
    label of the pool); for 90 and 95 % of it the labels needed in each seed (`labels_90`, `random_labels_90`), the ratio of their means `ratio_90` and
    its 95 % interval `ratio_90_low`, `ratio_90_high`; `fell_back` (in how many runs the strategy was given up), `saved` (only where both intervals lie
    below 1), `sentence`, and `curve` (see `_curve`).
    """
    runs: list[dict[str, Any]] = []
    for seed in range(plan.seeds):
        progress("simulate", seed, plan.seeds)
        runs.append(once(f"seed {seed}", lambda seed=seed: _both(known, plan, seed)))  # type: ignore[misc]
    found: dict[str, Any] = {
        "strategy": plan.strategy,
        "batch": plan.batch,
        "seeds": plan.seeds,
        "noise": plan.noise,
        "rows": len(known.targets),
        "labels": known.labels,
        "full_accuracy": round(sum(run["full"] for run in runs) / len(runs), 4),
        "fell_back": sum(run["fell_back"] is not None for run in runs),
    }
    for level in LEVELS:
        found |= _saved_at(level, runs, len(known.targets))
    found["saved"] = all(found[f"ratio_{round(100 * level)}_high"] < 1 for level in LEVELS)
    found["sentence"] = _sentence(found)
    return found | {"curve": _curve(runs)}


def play(known: Known, strategy: str, batch: int, seed: int, enough: float) -> Run:
    """Run the loop with known answers until two rounds were as accurate as `enough`, or nothing is left to label."""
    rows: list[int] = []
    control: list[int] = []
    curve: list[tuple[int, float]] = []
    head, fell_back = None, None
    while len(rows) < len(known.targets) and sum(accuracy >= enough for _labels, accuracy in curve) < 2:
        given = [int(one) for one in known.targets[rows]]
        asked = Round(
            known.embeddings, rows, given, known.labels, batch, seed, lengths=known.lengths, control=control, head=head
        )
        chosen = choose(asked, strategy)
        rows = rows + chosen.rows
        control = control + [row for row, why in zip(chosen.rows, chosen.reasons, strict=True) if why == "random"]
        if chosen.fell_back and fell_back is None:
            fell_back = len(rows)
        head = fit(known.embeddings[rows], known.targets[rows], known.labels, start=head)
        right = head.probabilities(known.judge_embeddings).argmax(1) == known.judge_targets
        curve.append((len(rows), float(right.mean())))
    return Run(curve, rows, control, fell_back)


def labels_to(curve: Sequence[Sequence[float]], level: float) -> float:
    """Return at how many labels a curve first reaches `level`, read off its rising fit between the rounds; infinity where it does not."""
    import numpy as np

    counts, fitted = [float(point[0]) for point in curve], rising([point[1] for point in curve])
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
    low, high = np.quantile(a[draws].mean(1) / b[draws].mean(1), (0.025, 0.975))
    return float(a.mean() / b.mean()), float(low), float(high)


def write_simulation(found: Mapping[str, Any], folder: Path, cache: Path) -> list[str]:
    """Write what `simulate` found as `simulation.json`, its curves as `curve.svg` and `curve.png`, in `folder`; return their paths.

    `cache` is a folder for matplotlib's list of fonts. Raises `MissingPartError` without matplotlib, `HardwareError` where nothing can be written.
    """
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "simulation.json").write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", "utf-8")
        _draw(found, folder, cache)
    return [str(folder / name) for name in ("curve.png", "curve.svg", "simulation.json")]


def _draw(found: Mapping[str, Any], folder: Path, cache: Path) -> None:
    figure = blank(8, 5, cache)
    axes = figure.add_subplot()
    for name, colour, title in (("accuracy", "#2a7f3f", found["strategy"]), ("random", "#777777", "random")):
        points = [point for point in found["curve"] if point[name] is not None]
        counts = [point["labels"] for point in points]
        axes.plot(counts, [point[name] for point in points], color=colour, marker="o", markersize=3, label=title)
        low, high = ([point[f"{name}_{side}"] for point in points] for side in ("low", "high"))
        axes.fill_between(counts, low, high, color=colour, alpha=0.2, linewidth=0)
    for level in LEVELS:
        axes.axhline(level * found["full_accuracy"], color="#b03030", linewidth=0.8, linestyle=":")
    axes.set_xlabel("records with a label")
    axes.set_ylabel("accuracy (dotted: 90 and 95 % of that with every label)")
    axes.legend(loc="lower right")
    for name in ("curve.svg", "curve.png"):
        write(figure, folder / name)


def _both(known: Known, plan: Plan, seed: int) -> dict[str, Any]:
    noisy = known.noisy(plan.noise, seed) if plan.noise else known
    full = noisy.accuracy()
    ours, drawn = (play(noisy, name, plan.batch, seed, LEVELS[-1] * full) for name in (plan.strategy, "random"))
    return {"full": full, "ours": ours.curve, "random": drawn.curve, "fell_back": ours.fell_back}


def _saved_at(level: float, runs: Sequence[Mapping[str, Any]], rows: int) -> dict[str, Any]:
    # A run that does not get there has used every label.
    percent = round(100 * level)
    ours, theirs = (
        [min(labels_to(run[name], level * run["full"]), rows) for run in runs] for name in ("ours", "random")
    )
    ratio, low, high = (round(value, 3) for value in interval_of_ratio(ours, theirs))
    return {
        f"labels_{percent}": [round(value, 1) for value in ours],
        f"random_labels_{percent}": [round(value, 1) for value in theirs],
        f"ratio_{percent}": ratio,
        f"ratio_{percent}_low": low,
        f"ratio_{percent}_high": high,
    }


def _sentence(found: Mapping[str, Any]) -> str:
    values = {key: found[key] for key in ("ratio_90", "ratio_90_low", "ratio_90_high", "ratio_95", "ratio_95_low", "ratio_95_high", "strategy")}  # fmt: skip
    if found["saved"]:
        return _(
            "`{strategy}` needed {ratio_90:.2f} ({ratio_90_low:.2f} to {ratio_90_high:.2f}) of the labels that random needed for 90 % of the full accuracy, {ratio_95:.2f} ({ratio_95_low:.2f} to {ratio_95_high:.2f}) for 95 %",
            **values,
        )
    return _(
        "on this data set `{strategy}` saved nothing that can be told from chance: {ratio_90:.2f} ({ratio_90_low:.2f} to {ratio_90_high:.2f}) of the labels that random needed for 90 % of the full accuracy, {ratio_95:.2f} ({ratio_95_low:.2f} to {ratio_95_high:.2f}) for 95 %",
        **values,
    )


def _curve(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    # For each round that any run has: `labels`, mean `accuracy` and that at `random`, each with `_low` and `_high` (mean -+ 1.96 standard errors over the seeds,
    # within 0 to 1); None where half of the runs had ended, and no line where both had.
    counts = sorted({int(point[0]) for run in runs for name in ("ours", "random") for point in run[name]})
    points: dict[int, dict[str, Any]] = {}
    for name, key in (("ours", "accuracy"), ("random", "random")):
        for count in counts:
            values = [point[1] for run in runs for point in run[name] if point[0] == count]
            points[count] = points.get(count, {"labels": count}) | _band(key, values, 2 * len(values) > len(runs))
    return [point for point in points.values() if point["accuracy"] is not None or point["random"] is not None]


def _band(key: str, values: Sequence[float], enough: bool) -> dict[str, Any]:
    import numpy as np

    if not enough:
        return {key: None, f"{key}_low": None, f"{key}_high": None}
    mean = float(np.mean(values))
    error = 1.96 * float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else 0.0
    low, high = max(0.0, mean - error), min(1.0, mean + error)
    return {key: round(mean, 4), f"{key}_low": round(low, 4), f"{key}_high": round(high, 4)}
