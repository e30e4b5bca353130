"""Labels that are likely wrong: confident learning on probabilities of heads that have not seen the record, and near duplicates that disagree.

Confident learning: Northcutt, Jiang and Chuang (2021), Journal of Artificial Intelligence Research 70. A first pass of cross-validation finds
what is confidently another label; a second one learns without these, as the paper's cleaning does. Written from the paper.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from appliance.annotations import enqueue, queue, standing_for, suggest
from appliance.errors import InputError
from appliance.jobs import progress
from appliance.schema import LabelTask, QueueItem
from appliance.store import Store
from appliance.words import _
from labeling.agree import settled
from labeling.embed import embed
from labeling.head import cross_validated
from labeling.texts import Texts, dataset_of

Array = npt.NDArray[Any]

ALIKE = 0.97  # cosine from which two records should have the same label
_FEWEST_ROWS = 3  # a label with fewer records is too little known to be doubted
_BUCKET_ROWS = 1_000
_TABLES = 12


@dataclass(frozen=True, slots=True)
class Ranking:
    """How far each label is to be doubted, all arrays (rows,).

    `doubt` = log(p of the best other label / p of the label given), the mean of both passes: above 0 another label is likelier.
    `proposed` is that label, `off` tells who is confidently another label, `expected` estimates how many labels are wrong.
    """

    doubt: Array
    proposed: Array
    off: Array
    expected: int

    @property
    def order(self) -> Array:
        """The rows, the most doubtful first."""
        return np.argsort(-self.doubt, kind="stable")


def rank(features: Array, targets: Sequence[int] | Array, labels: int, seed: int = 0) -> Ranking:
    """Rank rows by how likely their label is wrong. `features` (rows, width), `targets` (rows,) below `labels`."""
    given = np.asarray(targets)
    progress("suspects", 0, 2)
    first = cross_validated(features, given, labels, seed).astype(float)
    trusted = ~_off(first, given)
    for label in np.unique(given):  # one that would lose all its rows is learned from them all
        there = given == label
        trusted[there] |= trusted[there].sum() < 2
    progress("suspects", 1, 2)
    second = cross_validated(features, given, labels, seed + 1, trusted=trusted).astype(float)
    others = first * second
    others[np.arange(len(given)), given] = -1
    doubts = (doubt(first, given) + doubt(second, given)) / 2
    return Ranking(doubts, others.argmax(axis=1), _off(second, given), round(errors(second, given)))


def thresholds(probabilities: Array, targets: Array) -> Array:
    """Return (labels,): the mean probability of a label over the rows that have it (equation 2 of the paper); 1 for one that no row has."""
    found = np.ones(probabilities.shape[1])
    for label in np.unique(targets):
        found[label] = probabilities[targets == label, label].mean()
    return found


def confident(probabilities: Array, targets: Array) -> Array:
    """Return (rows,): the label that a row is confidently one of, the likeliest at or above its threshold, or -1 (equation 1)."""
    above = np.where(probabilities >= thresholds(probabilities, targets), probabilities, -1.0)
    found: Array = np.where(above.max(axis=1) >= 0, above.argmax(axis=1), -1)
    return found


def errors(probabilities: Array, targets: Array) -> float:
    """Estimate how many labels are wrong: the confident joint, each row of it calibrated to the count of its label (equation 3), off its diagonal."""
    joint = np.zeros((probabilities.shape[1],) * 2)  # (given label, true label)
    sure = confident(probabilities, targets)
    np.add.at(joint, (targets[sure >= 0], sure[sure >= 0]), 1)
    seen, kept = joint.sum(axis=1), np.diag(joint)
    counts = np.bincount(targets, minlength=len(joint))
    return float(np.where(seen > 0, counts * (seen - kept) / np.maximum(seen, 1), 0).sum())


def _off(probabilities: Array, targets: Array) -> Array:
    # confidently another label, and likelier that one than the one given
    sure = confident(probabilities, targets)
    found: Array = (sure >= 0) & (sure != targets) & (probabilities.argmax(axis=1) != targets)
    return found


def doubt(probabilities: Array, targets: Array) -> Array:
    """Return (rows,): log of the probability of the best other label over that of the label given; above 0 the other is likelier."""
    rows, tiny = np.arange(len(targets)), 1e-9
    others = probabilities.copy()
    others[rows, targets] = -1
    found: Array = np.log(others.max(axis=1) + tiny) - np.log(probabilities[rows, targets] + tiny)
    return found


def conflicts(
    features: Array, targets: Sequence[int] | Array, alike: float = ALIKE, seed: int = 0
) -> list[tuple[int, int]]:
    """Return the pairs of rows whose embeddings have a cosine of `alike` or more and whose labels differ, in order.

    `features` (rows, width) of length 1. Many rows are compared within buckets of the same side of random planes (Charikar 2002, STOC): of pairs
    at a cosine of 0.97 among a million rows, 1 in 500 is missed.
    """
    given, found = np.asarray(targets), set[tuple[int, int]]()
    planes = max(0, math.ceil(math.log2(max(1, len(given)) / _BUCKET_ROWS)))
    for rows in _buckets(features, planes, np.random.default_rng(seed)):
        here = np.asarray(features[rows], np.float32)
        close = np.triu(here @ here.T >= alike, 1) & (given[rows][:, None] != given[rows])
        found.update(zip(*(rows[side].tolist() for side in np.nonzero(close)), strict=True))
    return sorted(found)


def _buckets(features: Array, planes: int, generator: np.random.Generator) -> Iterator[Array]:
    if not planes:
        yield np.arange(len(features))
        return
    for _table in range(_TABLES):
        normals = generator.standard_normal((features.shape[1], planes)).astype(np.float32)
        sides = [np.asarray(features[start : start + 8192], np.float32) @ normals > 0 for start in range(0, len(features), 8192)]  # fmt: skip
        code = np.concatenate(sides) @ (1 << np.arange(planes))
        order = np.argsort(code, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(code[order])) + 1):
            for start in range(0, len(rows), 4 * _BUCKET_ROWS):  # a bucket that many fall into is cut
                yield np.sort(rows[start : start + 4 * _BUCKET_ROWS])


def suspects(store: Store, task: LabelTask, count: int = 100, enqueued: bool = False, seed: int = 0) -> dict[str, Any]:
    """Find the `count` records whose label is most likely wrong, and those whose near duplicates have another one.

    A record's label is what people settled on, else the data set's own; what a reviewer has decided is not doubted again. With
    `enqueued` they wait for a reviewer, with the likelier label as a suggestion. Raises `InputError` for several labels or spans a record, and
    for fewer than two labels with three records each.
    """
    if task.kind != "single":
        raise InputError(_("likely wrong labels are found for one label a record; task `{task}` asks for {kind}", task=task.name, kind=task.kind))  # fmt: skip
    dataset = dataset_of(store, task)
    texts = Texts(store, dataset)
    known, reviewed = _labels(store, task, texts)
    rows, targets, names = _enough(task, known)
    features = np.asarray(embed(store, dataset)[rows], np.float32)
    ranking = rank(features, targets, len(names), seed)
    apart = {row for pair in conflicts(features, targets) for row in pair}
    listed: list[dict[str, Any]] = []
    for place in ranking.order.tolist():
        doubtful, torn = ranking.doubt[place] > 0, place in apart
        if len(listed) < count and (doubtful or torn) and texts.ids[rows[place]] not in reviewed:
            given, proposed = names[targets[place]], names[ranking.proposed[place]]
            about = {"record": texts.ids[rows[place]], "row": int(rows[place]), "label": given, "proposed": proposed}
            listed.append(about | {"doubt": round(float(ranking.doubt[place]), 3), "reason": "conflict" if torn else "suspect"})  # fmt: skip
    queued = _queue(store, task, listed) if enqueued else 0
    counts = {"rows": len(rows), "expected": ranking.expected, "conflicts": len(apart), "queued": queued}
    return {"task": task.name, **counts, "suspects": listed}


def _labels(store: Store, task: LabelTask, texts: Texts) -> tuple[dict[int, str], set[str]]:
    # the name of each row's label, and the records that a reviewer has decided on
    known: dict[int, str] = {}
    for row, label in enumerate(texts.labels):
        today = standing_for(task, label) if label else None
        if today is not None and not today.retired:
            known[row] = today.name
    names = {label.id: label.name for label in task.labels}
    answered = settled(store, task)
    for record, row in texts.rows_of(answered.keys()).items():
        known[row] = names[answered[record].value["label"]]
    return known, {record for record, one in answered.items() if one.how == "review"}


def _enough(task: LabelTask, known: dict[int, str]) -> tuple[Array, Array, list[str]]:
    counts: dict[str, int] = {}
    for name in known.values():
        counts[name] = counts.get(name, 0) + 1
    names = sorted(name for name, count in counts.items() if count >= _FEWEST_ROWS)
    if len(names) < 2:
        raise InputError(
            _("task `{task}` has fewer than two labels with {fewest} records each; label more first", task=task.name, fewest=_FEWEST_ROWS)
        )  # fmt: skip
    rows = np.array([row for row, name in sorted(known.items()) if name in set(names)])
    return rows, np.array([names.index(known[row]) for row in rows.tolist()]), names


def _queue(store: Store, task: LabelTask, listed: list[dict[str, Any]]) -> int:
    ids = {label.name: label.id for label in task.choices}
    waiting = {item.record for item in queue(store, task.name, review=True) if not item.closed}
    new = [one for one in listed if one["record"] not in waiting]
    items = [QueueItem(task.name, one["record"], one["row"], place=place, reason=one["reason"], review=True) for place, one in enumerate(new)]  # fmt: skip
    suggest(store, task, "model", "cross-validation", {one["record"]: {"label": ids[one["proposed"]], "score": round(1 / (1 + math.exp(-one["doubt"])), 4)} for one in new if one["proposed"] in ids})  # fmt: skip
    return enqueue(store, task, items, again=True)
