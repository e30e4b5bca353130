"""What to ask people next: one function a strategy, and the batch that is made of them.

Every batch holds a random share, so that what a strategy gains is measured and not promised. The random records are the next of one random order of the
data set, which the seed draws: together they are a simple random sample of what no strategy had taken before, however often choosing is given again. Where most
records get a label, the strategy has taken hard ones out of that order, and the sample is easier than the whole.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from appliance.errors import MissingPartError, SettingsError
from appliance.words import _
from labeling.head import Head, cross_validated, fit, scan

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
    Strategy = Callable[["Round"], list[int]]

__all__ = [
    "STRATEGIES",
    "Batch",
    "Round",
    "choose",
    "cluster_margin",
    "kmeans",
    "like",
    "margin",
    "random",
    "typiclust",
]

# Of so many records for each that is asked for, the least certain, the most useful are taken.
_CANDIDATES = 20
# More records than these are not clustered: the least certain, or a random sample, stand for all.
_SAMPLE_ROWS = 20_000
# Clusters of a cold start are made in so many dimensions, those in which the records differ most: as good as all, in a fifth of the time.
_DIMENSIONS = 64
_PASSES = 10
_MOST_CLUSTERS = 500  # TypiClust's own limit
# A record is typical where its so many nearest neighbours within the cluster are near; they are looked for among so many.
_NEIGHBOURS, _REFERENCE_ROWS = 50, 1_000
# With so few labels a larger share is drawn at random. Where heads that learned from the random rows alone are right nearly as often as those that learned from
# all labels (measured on so many random rows or more), few labels are enough however they are chosen; a label rarer than that share may still be worth looking for.
_FEW_LABELS, _FEW_SHARE = 10, 0.5
_NEARLY, _FEWEST_CONTROL, _RARE = 0.95, 20, 0.03
# Two records with a cosine beyond this are near duplicates: one of them is asked about. New rows are held against so many known ones, the latest.
_NEAR = 0.98
_KNOWN_ROWS = 2_000
# Half of what is not random may go to rare or wanted labels.
_SPECIAL_SHARE = 0.5
# By how much a text of twice the median length counts as further away.
_LENGTH_WEIGHT = 0.2


@dataclass(frozen=True)
class Round:
    """What is known when a batch is chosen. Rows are counted from 0 in the data set, labels from 0 to `labels` - 1.

    `embeddings` (rows, width), each of length 1; `labelled` the rows that have a label, in the order they were given one, with their `targets`; `batch` how many
    rows are wanted. `asked` rows wait for their label, `closed` rows are not to be asked about. `lengths` (rows) are the characters of each text: of two that teach as much, the
    shorter one is asked about. `wanted` is how many records of each label are wanted (0 = no matter), `examples` (examples, width) the embeddings of what rare labels look
    like. `control` are the labelled rows that were drawn at random. `head` is the model that tells labels from embeddings; without one a head is fitted.
    """

    embeddings: Array = field(repr=False)
    labelled: Sequence[int]
    targets: Sequence[int]
    labels: int
    batch: int
    seed: int = 0
    asked: Sequence[int] = ()
    closed: Sequence[int] = ()
    lengths: Array | None = field(default=None, repr=False)
    wanted: Sequence[int] | None = None
    examples: Array | None = field(default=None, repr=False)
    control: Sequence[int] = ()
    head: Head | None = field(default=None, repr=False)

    @property
    def generator(self) -> np.random.Generator:
        """Random numbers that differ from batch to batch and are the same when a batch is chosen again."""
        import numpy as np

        return np.random.default_rng([self.seed, len(self.labelled), len(self.asked)])

    @cached_property
    def known(self) -> Array:
        """The rows that have a label or wait for one."""
        import numpy as np

        return np.array([*self.labelled, *self.asked], np.int64)

    @cached_property
    def open(self) -> Array:
        """The rows that may be asked about, rising."""
        import numpy as np

        free = np.ones(len(self.embeddings), bool)
        free[self.known] = False
        free[np.asarray(self.closed, np.int64)] = False
        return np.flatnonzero(free)


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows to ask about next, the most useful first, and for each the reason: `random` (the control slice), `seed`, `target`, the name of a strategy, or
    `fallback` (drawn at random, too, in the place of a strategy that saves nothing).

    `fell_back` says why the strategy was not followed; empty where it was.
    """

    rows: list[int]
    reasons: list[str]
    fell_back: str = ""


def choose(round: Round, strategy: str = "cluster-margin", share: float = 0.1) -> Batch:
    """Choose a batch: the `share` at random, then what is like the examples of rare labels, what the wanted labels still lack, and the rest by the strategy.

    With few labels there is often nothing to save: there half is drawn at random, to notice, and all of it once the random rows alone teach nearly as much as all.
    Returns as many rows as are wanted, or all that are open. Raises `SettingsError` for a strategy that is not known.
    """
    if strategy not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise SettingsError(
            _("no strategy `{strategy}` of choosing records; there are: {known}", strategy=strategy, known=known)
        )
    count = min(round.batch, len(round.open))
    fell_back = _saves_nothing(round) if strategy != "random" else ""
    if round.labels <= _FEW_LABELS and round.examples is None:
        share = max(share, _FEW_SHARE)
    found: dict[int, str] = {}

    def take(reason: str, by: Strategy, wanted: int) -> None:
        asked = (*round.asked, *found)
        rows = by(replace(round, batch=min(wanted, count - len(found)), asked=asked)) if wanted else []
        found.update(dict.fromkeys(rows, reason))

    take("random", random, math.ceil(share * count))
    special = int(_SPECIAL_SHARE * (count - len(found)))
    if fell_back:
        take("fallback", random, count)
    elif round.examples is not None and len(set(round.targets)) < 2:
        take("seed", _like_examples, special)
    elif round.wanted is not None:
        take("target", _lacking, min(special, sum(_deficits(round))))
    take(strategy, STRATEGIES[strategy], count - len(found))
    rows, reasons = _mixed(found)
    return Batch(rows, reasons, fell_back)


def random(round: Round) -> list[int]:
    """Take the next rows of the one random order that the seed draws."""
    import numpy as np

    order = np.random.default_rng(round.seed).permutation(len(round.embeddings))
    free = np.zeros(len(order), bool)
    free[round.open] = True
    return [int(row) for row in order[free[order]][: round.batch]]


def margin(round: Round) -> list[int]:
    """Take the rows with the smallest margin between the best two labels (Scheffer et al. 2001), no near duplicates among them."""
    head = _head(round)
    if head is None:
        return typiclust(round)
    rows, _margins = _least_certain(round, head, 2 * round.batch)
    return _topped_up(round, rows)


def kmeans(round: Round) -> list[int]:
    """Take the row nearest to the centre of each of `batch` clusters of the open rows."""
    rows = _sample(round, round.open)
    if not len(rows):
        return []
    points = _reduced(round.embeddings, rows)
    return _topped_up(round, _central(round, rows, points, _clusters(points, round.batch, round.generator)))


def typiclust(round: Round) -> list[int]:
    """Take the most typical row of the largest clusters that hold no known row (Hacohen et al. 2022, arXiv 2202.02794): the cold start."""
    import numpy as np

    if not len(round.open):
        return []
    known = round.known[-_SAMPLE_ROWS:]
    rows = np.union1d(_sample(round, round.open), known)
    points = _reduced(round.embeddings, rows)
    most = max(_MOST_CLUSTERS, 2 * round.batch)
    cluster = _clusters(points, min(len(known) + round.batch, most), round.generator)
    is_open = ~np.isin(rows, known)
    sizes, taken = np.bincount(cluster), np.bincount(cluster[~is_open], minlength=int(cluster.max(initial=0)) + 1)
    chosen: list[int] = []
    for one in np.lexsort((-sizes, taken)):
        members = np.flatnonzero((cluster == one) & is_open)
        if len(members) and len(chosen) < round.batch:
            chosen.append(int(rows[members[_most_typical(points[members])]]))
    return _topped_up(round, chosen)


def cluster_margin(round: Round) -> list[int]:
    """Take the central rows of clusters of the least certain ones: TypiClust first, then weighted k-means over the 20 x `batch` rows of smallest margin.

    Citovsky et al. 2021 (arXiv 2107.14263) ask for diversity among the rows of smallest margin; Zhdanov 2019 (arXiv 1901.05954) weighs each row by how
    uncertain it is. While one label only is known, it is TypiClust still.
    """
    head = _head(round)
    if head is None or not len(round.open):
        return typiclust(round)
    rows, margins = _least_certain(round, head, min(_CANDIDATES * round.batch, max(_SAMPLE_ROWS, round.batch)))
    points = round.embeddings[rows].astype("float32")
    weights = 1.01 - margins / max(float(margins[-1]), 1e-9)
    cluster = _clusters(points, round.batch, round.generator, weights)
    return _topped_up(round, [*_central(round, rows, points, cluster, weights), *rows])


STRATEGIES: dict[str, Strategy] = {
    "random": random,
    "margin": margin,
    "kmeans": kmeans,
    "typiclust": typiclust,
    "cluster-margin": cluster_margin,
}


def like(embeddings: Array, examples: Array, taken: Iterable[int], count: int) -> list[int]:
    """Return up to `count` rows that are most like one of the `examples` (examples, width), no near duplicates among them and none of `taken`.

    `embeddings` (rows, width), all of length 1; likeness is the cosine.
    """
    import numpy as np

    likeness = np.full(len(embeddings), -np.inf, np.float32)
    for start in range(0, len(embeddings), _SAMPLE_ROWS):
        chunk = np.asarray(embeddings[start : start + _SAMPLE_ROWS], np.float32)
        likeness[start : start + len(chunk)] = (chunk @ np.asarray(examples, np.float32).T).max(1)
    likeness[list(taken)] = -np.inf
    best = np.argsort(-likeness, kind="stable")[: 4 * count]
    best = best[np.isfinite(likeness[best])]
    apart = _apart(embeddings, best, count)
    return apart + [int(row) for row in best if row not in set(apart)][: count - len(apart)]


def _saves_nothing(round: Round) -> str:
    # The sentence that tells why the rest is drawn at random; empty where choosing may save.
    import numpy as np

    control = np.isin(round.labelled, list(round.control))
    rows, targets = np.asarray(round.labelled, np.int64)[: len(round.targets)], np.asarray(round.targets, np.int64)
    if round.labels > _FEW_LABELS or round.examples is not None or not len(targets):
        return ""
    drawn = targets[control]
    shares = np.bincount(drawn, minlength=round.labels)[np.unique(targets)] / max(1, len(drawn))
    if len(drawn) < _FEWEST_CONTROL or len(shares) < 2 or shares.min() < _RARE:
        return ""
    alone = cross_validated(round.embeddings[rows[control]], drawn, round.labels).argmax(1) == drawn
    every = cross_validated(round.embeddings[rows], targets, round.labels)[control].argmax(1) == drawn
    if alone.mean() < _NEARLY * every.mean():
        return ""
    return _(
        "choosing saves nothing here: on the {count} records drawn at random, what learned from these alone is right in {alone:.0%}, what learned from all {labels} labels in {every:.0%}; the rest is drawn at random",
        count=len(drawn),
        alone=float(alone.mean()),
        labels=len(targets),
        every=float(every.mean()),
    )


def _like_examples(round: Round) -> list[int]:
    assert round.examples is not None
    closed = [*round.known, *round.closed]
    return like(round.embeddings, round.examples, closed, min(round.batch, len(round.open)))


def _lacking(round: Round) -> list[int]:
    # For each label that lacks records, those that are most surely of it, as many as its part of what is lacking.
    import numpy as np

    head, deficits = _head(round), _deficits(round)
    if head is None:
        return []
    margins, best = scan(head, round.embeddings)
    chosen: list[int] = []
    for label in sorted(np.flatnonzero(deficits), key=lambda label: -deficits[label]):
        part = math.ceil(deficits[label] / sum(deficits) * round.batch)
        rows = round.open[best[round.open] == label]
        rows = rows[np.argsort(-margins[rows], kind="stable")][: 2 * part]
        chosen += _apart(round.embeddings, rows, min(part, round.batch - len(chosen)))
    return chosen


def _deficits(round: Round) -> list[int]:
    given = [0] * round.labels
    for target in round.targets:
        given[target] += 1
    return [max(0, wanted - have) for wanted, have in zip(round.wanted or (), given, strict=False)]


def _mixed(found: dict[int, str]) -> tuple[list[int], list[str]]:
    # The random rows are spread over the batch, so that a batch which is answered in part still holds its share of them.
    drawn = [row for row, reason in found.items() if reason == "random"]
    rows = [row for row in found if found[row] != "random"]
    for number, row in enumerate(drawn):
        rows.insert(number * len(found) // len(drawn), row)
    return rows, [found[row] for row in rows]


def _head(round: Round) -> Head | None:
    # None while fewer than two labels are known: there is nothing to be uncertain between.
    if round.head is None and len(set(round.targets)) > 1:
        return fit(round.embeddings[list(round.labelled)], round.targets, round.labels)
    return round.head if round.head is not None and len(round.head.seen) > 1 else None


def _least_certain(round: Round, head: Head, count: int) -> tuple[Array, Array]:
    # The open rows of smallest margin, rising: rows and margins.
    import numpy as np

    margins, _best = scan(head, round.embeddings)
    margins = margins[round.open]
    least = np.argpartition(margins, count)[:count] if count < len(margins) else np.arange(len(margins))
    least = least[np.argsort(margins[least], kind="stable")]
    return round.open[least], margins[least]


def _sample(round: Round, rows: Array) -> Array:
    import numpy as np

    if len(rows) <= _SAMPLE_ROWS:
        return rows
    return np.sort(round.generator.choice(rows, _SAMPLE_ROWS, replace=False))


def _reduced(embeddings: Array, rows: Array) -> Array:
    # The principal components of the rows: float32 (rows, dimensions).
    import numpy as np

    points = np.asarray(embeddings[rows], np.float32)
    points -= points.mean(0)
    _values, vectors = np.linalg.eigh(points.T @ points)  # rising
    reduced: Array = points @ vectors[:, ::-1][:, :_DIMENSIONS]
    return reduced


def _clusters(points: Array, count: int, generator: np.random.Generator, weights: Array | None = None) -> Array:
    # Weighted k-means: the number of each point's cluster. Copies of a point make fewer clusters than were wanted.
    import numpy as np

    if count >= len(points):
        return np.arange(len(points))
    try:
        from sklearn.cluster import KMeans
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise MissingPartError(
            _("choosing records needs the extra `train`: install `skerry[train]` from the wheelhouse")
        ) from error
    with warnings.catch_warnings(), threadpool_limits(1):  # one thread: the same sums on every machine
        warnings.simplefilter("ignore")
        model = KMeans(count, n_init=1, max_iter=_PASSES, random_state=int(generator.integers(2**31)))
        cluster: Array = model.fit_predict(points, sample_weight=weights)
    return cluster


def _central(round: Round, rows: Array, points: Array, cluster: Array, weights: Array | None = None) -> list[int]:
    # The row of each cluster that lies nearest to its weighted centre; a long text counts as further away.
    import numpy as np

    weight = np.ones(len(rows)) if weights is None else weights
    cost = np.ones(len(rows)) if round.lengths is None else _costs(round.lengths[rows])
    chosen = []
    for one in np.unique(cluster):
        members = np.flatnonzero(cluster == one)
        centre = np.average(points[members], axis=0, weights=weight[members])
        distance = ((points[members] - centre) ** 2).sum(1) * cost[members]
        chosen.append(int(members[distance.argmin()]))
    return [int(row) for row in rows[sorted(chosen)]]


def _costs(lengths: Array) -> Array:
    # What a text costs beside one of median length. It counts little: a long text may be the one that teaches.
    import numpy as np

    return 1 + _LENGTH_WEIGHT * (lengths / max(1.0, float(np.median(lengths))) - 1)


def _most_typical(points: Array) -> int:
    # The point with the smallest mean distance to its nearest neighbours.
    import numpy as np

    reference = points[:: max(1, len(points) // _REFERENCE_ROWS)]
    squares = (points**2).sum(1)[:, None] + (reference**2).sum(1)[None] - 2 * points @ reference.T
    near = min(_NEIGHBOURS, len(reference))
    squares.partition(near - 1, axis=1)
    return int(np.sqrt(np.maximum(squares[:, :near], 0)).mean(1).argmin())


def _apart(embeddings: Array, rows: Sequence[int] | Array, count: int, known: Sequence[int] | Array = ()) -> list[int]:
    # The first `count` rows that are no near duplicate of one before or of a known one.
    import numpy as np

    kept = np.empty((len(known) + count, embeddings.shape[1]), np.float32)
    kept[: len(known)] = embeddings[np.asarray(known, np.int64)]
    chosen: list[int] = []
    for row in rows:
        if len(chosen) == count:
            break
        point, end = embeddings[row].astype(np.float32), len(known) + len(chosen)
        if not end or float((kept[:end] @ point).max()) < _NEAR:
            kept[end] = point
            chosen.append(int(row))
    return chosen


def _topped_up(round: Round, rows: Sequence[int] | Array) -> list[int]:
    # Exactly as many as are wanted, or all that are open: the first that are no near duplicates, then those, then at random.
    wanted = min(round.batch, len(round.open))
    kept = dict.fromkeys(_apart(round.embeddings, rows, wanted, round.known[-_KNOWN_ROWS:]))
    if len(kept) < wanted:
        kept |= dict.fromkeys(map(int, rows))
    if len(kept) < wanted:
        kept |= dict.fromkeys(map(int, round.generator.permutation(round.open)))
    return list(kept)[:wanted]
