"""What people agree on: the one answer of each record, how far they agree beyond chance, who is often right, how long it takes.

The measures for one or several labels a record are those of Cohen (1960), Fleiss (1971) and Krippendorff (2011, nominal data). Spans have no
count of what nobody marked, so that chance cannot be told: there F1 between people stands instead, which kappa comes
close to as the unmarked text grows (Hripcsak and Rothschild 2005, JAMIA 12(3)).
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from appliance.annotations import answers, enqueue, gold_answers, parts, queue
from appliance.intervals import wilson
from appliance.schema import Annotation, LabelTask, QueueItem
from appliance.store import Store
from labeling.texts import Texts, dataset_of

Array = npt.NDArray[np.float64]
Statistic = Callable[[Array], Array]  # weights (draws, units) -> values (draws,), NaN where it is not defined

_DRAWS = 1_000
_CHUNK = 100  # draws at a time: 100 x 10,000 units are 8 MB
_SEED = 1


# -- the answer of each record -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Settled:
    """The answer that counts for a record: a reviewer's (`how` is `review`), that of one person (`single`) or of most (`majority`).

    `people` have answered, `agree` of them so.
    """

    value: Mapping[str, Any]
    how: str
    people: int
    agree: int


def settled(store: Store, task: LabelTask) -> dict[str, Settled]:
    """Return the answer of each record that has one: a reviewer's, else that of more than half of the people. Ties are left out."""
    return settle(task, answers(store, task, states=("submitted",)))


def settle(task: LabelTask, given: Iterable[Annotation]) -> dict[str, Settled]:
    """Return the answer of each record out of people's answers (see `settled`); each person counts once, by the newest answer.

    Of several labels or spans each counts for itself. An answer that names a retired label waits for a new one and does not count.
    """
    found = {record: _settle(task.kind, them) for record, them in _by_record(task, given, reviews=True).items()}
    return {record: one for record, one in found.items() if one is not None}


def _by_record(task: LabelTask, given: Iterable[Annotation], reviews: bool) -> dict[str, list[Annotation]]:
    retired = {label.id for label in task.labels if label.retired}
    found: dict[str, dict[tuple[str, bool], Annotation]] = {}
    for one in given:
        names_retired = retired and retired & {part[-1] for part in parts(one.value)}
        if one.state == "submitted" and not names_retired and (reviews or not one.review):
            found.setdefault(one.record, {})[one.annotator, one.review] = one
    return {record: list(them.values()) for record, them in found.items()}


def _settle(kind: str, given: list[Annotation]) -> Settled | None:
    said = [parts(one.value) for one in given if not one.review]
    reviewed = [one.value for one in given if one.review]
    if reviewed:
        return Settled(reviewed[-1], "review", len(said), said.count(parts(reviewed[-1])))
    votes = Counter(part for one in said for part in one)
    won = {part for part, count in votes.items() if 2 * count > len(said)}
    if (kind == "single" and not won) or any(2 * count == len(said) for count in votes.values()):
        return None
    return Settled(_value(kind, won), "single" if len(said) == 1 else "majority", len(said), said.count(won))


def _value(kind: str, won: set[tuple[Any, ...]]) -> dict[str, Any]:
    ordered = sorted(won)
    if kind == "single":
        return {"label": ordered[0][0]}
    if kind == "multi":
        return {"labels": [label for (label,) in ordered]}
    return {"spans": [{"start": start, "end": end, "label": label} for start, end, label in ordered]}


# -- measures on counts ------------------------------------------------------------------------------------------------


def alpha(counts: Array, weights: Array | None = None) -> Array:
    """Krippendorff's alpha for nominal data, for each row of `weights` (draws, units); without them one value.

    `counts` (units, labels) says how many people gave each label; units of fewer than two answers say nothing. Source: Krippendorff
    (2011), Computing Krippendorff's Alpha-Reliability, section C: 1 - observed over expected disagreement. NaN where all answers are the same.
    """
    people = counts.sum(axis=1)  # (units,)
    counts = np.where(people[:, None] > 1, counts, 0.0)
    people = counts.sum(axis=1)
    each = (people**2 - (counts**2).sum(axis=1)) / np.maximum(people - 1, 1)  # disagreeing pairs of a unit
    weights = np.ones((1, len(counts))) if weights is None else weights
    total, given = weights @ people, weights @ counts  # (draws,), (draws, labels)
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = weights @ each / total
        expected = (total**2 - (given**2).sum(axis=1)) / (total * (total - 1))
        return np.asarray(np.where(expected > 0, 1 - observed / expected, np.nan))


def fleiss(counts: Array, weights: Array | None = None) -> Array:
    """Fleiss' kappa for each row of `weights` (draws, units) from `counts` (units, labels).

    Source: Fleiss (1971), Psychological Bulletin 76(5), equations 1 to 7; where units have different numbers of answers, the mean over units
    and the shares over answers stand for his, and are equal to them where they do not. NaN where all answers are the same.
    """
    counts = counts[counts.sum(axis=1) > 1] if weights is None else counts
    people = counts.sum(axis=1)
    agreeing = (counts * (counts - 1)).sum(axis=1) / np.maximum(people * (people - 1), 1)
    weights = np.ones((1, len(counts))) if weights is None else weights
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = weights @ agreeing / weights.sum(axis=1)
        shares = weights @ counts / (weights @ people)[:, None]
        expected = (shares**2).sum(axis=1)
        return np.asarray(np.where(expected < 1, (observed - expected) / (1 - expected), np.nan))


def cohen(first: Array, second: Array, weights: Array | None = None) -> Array:
    """Cohen's kappa of two people for each row of `weights` (draws, units); `first` and `second` (units, labels) are 1 at the label given.

    Source: Cohen (1960), Educational and Psychological Measurement 20(1). NaN where chance alone explains all.
    """
    weights = np.ones((1, len(first))) if weights is None else weights
    with np.errstate(divide="ignore", invalid="ignore"):
        units = weights.sum(axis=1)
        observed = weights @ (first * second).sum(axis=1) / units
        expected = ((weights @ first) * (weights @ second)).sum(axis=1) / units**2
        return np.asarray(np.where(expected < 1, (observed - expected) / (1 - expected), np.nan))


def f1(both: Array, either: Array, weights: Array | None = None) -> Array:
    """F1 of marked spans: `both` (units,) counts those that two people marked alike, `either` those of the one and of the other together."""
    weights = np.ones((1, len(both))) if weights is None else weights
    with np.errstate(divide="ignore", invalid="ignore"):
        total = weights @ either
        return np.asarray(np.where(total > 0, 2 * (weights @ both) / total, np.nan))


def interval(
    statistic: Statistic, units: int, draws: int = _DRAWS, seed: int = _SEED
) -> tuple[float | None, float | None]:
    """Return the 95 % interval of a statistic over `units`, drawn again with replacement: the percentile bootstrap.

    Source: Zapf et al. (2016), BMC Medical Research Methodology 16:93, who find it right for alpha and Fleiss' kappa where the asymptotic ones
    are not. None where fewer than two units are there or the statistic is not defined.
    """
    found = [statistic(weights) for weights in _drawn(units, draws, seed)] if units > 1 else []
    values = np.concatenate(found) if found else np.empty(0)
    values = values[~np.isnan(values)]
    if not len(values):
        return None, None
    low, high = np.quantile(values, (0.025, 0.975))
    return _rounded(low), _rounded(high)


@lru_cache(maxsize=2)
def _drawn(units: int, draws: int, seed: int) -> list[Array]:
    # how often each unit is drawn, (chunk, units) a chunk; the measures of one report share them
    generator = np.random.default_rng(seed)
    drawn = (generator.integers(units, size=(_CHUNK, units)) for _chunk in range(0, draws, _CHUNK))
    return [np.stack([np.bincount(row, minlength=units) for row in each]).astype(float) for each in drawn]


def _measured(name: str, statistic: Statistic, units: int) -> dict[str, float | None]:
    value = statistic(np.ones((1, units)))[0] if units else math.nan
    low, high = interval(statistic, units)
    return {name: _rounded(value), f"{name}_low": low, f"{name}_high": high}


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 4)


# -- the report --------------------------------------------------------------------------------------------------------


def agree(store: Store, task: LabelTask) -> dict[str, Any]:
    """Measure how far people agree on a task: all together, by label, by pair, by person; gold questions and reviewers' answers do not count.

    With `labels` and `annotators` come the time an answer takes (median seconds), and each person's share of gold questions answered right.
    """
    gold = gold_answers(store, task)
    known = {one.id for one in gold}
    given = [one for one in answers(store, task, states=("submitted",)) if not one.review and one.id not in known]
    by_record = _by_record(task, given, reviews=False)
    several = {record: them for record, them in by_record.items() if len(them) > 1}
    found: dict[str, Any] = {"task": task.name, "kind": task.kind, "records": len(by_record), "compared": len(several)}
    found |= _overall(task, list(several.values()))
    found["labels"] = _labels(task, list(several.values()), given)
    found["pairs"] = _pairs(task, several)
    found["annotators"] = _annotators(by_record, given, _gold_scores(task, settled(store, task), gold))
    return found


def _overall(task: LabelTask, several: list[list[Annotation]]) -> dict[str, Any]:
    exact = [a == b for them in several for a, b in combinations([parts(one.value) for one in them], 2)]
    found: dict[str, Any] = {"agreement": _share(sum(exact), len(exact))}
    if task.kind == "spans":
        both, either = _span_counts(several)
        return found | _measured("f1", lambda weights: f1(both, either, weights), len(several))
    if task.kind == "single":
        counts = _counts(task, several)
        found |= _measured("alpha", lambda weights: alpha(counts, weights), len(counts))
        return found | _measured("fleiss", lambda weights: fleiss(counts, weights), len(counts))
    binary = [one for one in (_yes_no(several, label.id) for label in task.choices) if one[:, 0].any()]

    def mean(weights: Array) -> Array:  # of the labels that somebody gave
        values = np.array([alpha(one, weights) for one in binary])
        known = ~np.isnan(values)
        return np.where(known.any(axis=0), np.where(known, values, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1), np.nan)  # fmt: skip

    return found | _measured("alpha", mean, len(several) if binary else 0)


def _counts(task: LabelTask, several: list[list[Annotation]]) -> Array:
    # (units, labels): how many people gave each label
    place = {label.id: number for number, label in enumerate(task.labels)}
    counts = np.zeros((len(several), len(place)))
    for number, them in enumerate(several):
        for one in them:
            counts[number, place[one.value["label"]]] += 1
    return counts


def _yes_no(several: list[list[Annotation]], label: str) -> Array:
    # (units, 2): how many people gave the label, how many did not
    yes = np.array([sum((label,) in parts(one.value) for one in them) for them in several], float)
    people = np.array([len(them) for them in several], float)
    return np.stack([yes, people - yes], axis=1)


def _span_counts(several: list[list[Annotation]], label: str | None = None) -> tuple[Array, Array]:
    # over the pairs of people of each unit: spans marked alike, spans of the one and of the other
    both, either = np.zeros(len(several)), np.zeros(len(several))
    for number, them in enumerate(several):
        marked = [{part for part in parts(one.value) if label in (None, part[-1])} for one in them]
        for a, b in combinations(marked, 2):
            both[number] += len(a & b)
            either[number] += len(a) + len(b)
    return both, either


def _labels(task: LabelTask, several: list[list[Annotation]], given: list[Annotation]) -> list[dict[str, Any]]:
    theirs: dict[str, list[Annotation]] = {label.id: [] for label in task.labels}
    for one in given:
        for label in {part[-1] for part in parts(one.value)}:
            theirs[label].append(one)
    counts = _counts(task, several) if task.kind == "single" else np.zeros((0, 0))
    people, place = counts.sum(axis=1), {label.id: number for number, label in enumerate(task.labels)}
    rows = []
    for label in task.choices:
        row = {"label": label.name, "answers": len(theirs[label.id]), "median_s": _median(theirs[label.id])}
        if task.kind == "single":
            yes = counts[:, place[label.id]]
            rows.append(row | _label(task, label.id, several, np.stack([yes, people - yes], axis=1)))
        else:
            rows.append(row | _label(task, label.id, several, None))
    return rows


def _label(task: LabelTask, label: str, several: list[list[Annotation]], counts: Array | None) -> dict[str, Any]:
    if task.kind == "spans":
        both, either = _span_counts(several, label)
        return _measured("f1", lambda weights: f1(both, either, weights), len(several))
    known = _yes_no(several, label) if counts is None else counts
    return _measured("alpha", lambda weights: alpha(known, weights), len(several))


def _pairs(task: LabelTask, several: dict[str, list[Annotation]]) -> list[dict[str, Any]]:
    shared: dict[tuple[str, str], list[list[Annotation]]] = {}
    for them in several.values():
        for a, b in combinations(sorted(them, key=lambda one: one.annotator), 2):
            shared.setdefault((a.annotator, b.annotator), []).append([a, b])
    return [{"a": a, "b": b} | _pair(task, units) for (a, b), units in sorted(shared.items())]


def _pair(task: LabelTask, units: list[list[Annotation]]) -> dict[str, Any]:
    alike = sum(parts(a.value) == parts(b.value) for a, b in units)
    found: dict[str, Any] = {"records": len(units), "agreement": _share(alike, len(units))}
    if task.kind == "single":
        first, second = (_counts(task, [[unit[side]] for unit in units]) for side in (0, 1))
        return found | _measured("kappa", lambda weights: cohen(first, second, weights), len(units))
    if task.kind == "spans":
        both, either = _span_counts(units)
        return found | _measured("f1", lambda weights: f1(both, either, weights), len(units))
    return found


def _annotators(by_record: dict[str, list[Annotation]], given: list[Annotation], gold: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:  # fmt: skip
    with_others: dict[str, list[bool]] = {}
    for them in by_record.values():
        for a, b in combinations(them, 2):
            for one in (a, b):
                with_others.setdefault(one.annotator, []).append(parts(a.value) == parts(b.value))
    rows = []
    for name in sorted({one.annotator for one in given} | set(gold)):
        theirs, alike = [one for one in given if one.annotator == name], with_others.get(name, [])
        row = {"annotator": name, "answers": len(theirs), "agreement": _share(sum(alike), len(alike))}
        rows.append(row | {"median_s": _median(theirs)} | gold.get(name, _score([])))
    return rows


def _gold_scores(task: LabelTask, known: dict[str, Settled], given: list[Annotation]) -> dict[str, dict[str, Any]]:
    right: dict[str, list[bool]] = {}
    for one in given:
        if one.record in known:
            right.setdefault(one.annotator, []).append(parts(one.value) == parts(known[one.record].value))
    return {name: _score(theirs) for name, theirs in right.items()}


def _score(right: list[bool]) -> dict[str, Any]:
    low, high = (round(side, 4) for side in wilson(sum(right), len(right))) if right else (None, None)
    return {"gold": len(right), "gold_right": _share(sum(right), len(right)), "gold_low": low, "gold_high": high}


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _median(given: list[Annotation]) -> float | None:
    seconds = [one.seconds for one in given if one.seconds is not None]
    return round(statistics.median(seconds), 2) if seconds else None


# -- what follows from it ----------------------------------------------------------------------------------------------


def ask_reviewers(store: Store, task: LabelTask) -> int:
    """Queue for a reviewer the records that people disagree on, and have no reviewer's answer; returns how many are new.

    Answers of queued records get there by themselves; this is for what was imported.
    """
    by_record = _by_record(task, answers(store, task, states=("submitted",)), reviews=True)
    open_ones = [record for record, them in by_record.items() if _differ(them)]
    rows = Texts(store, dataset_of(store, task)).rows_of(open_ones)
    items = [QueueItem(task.name, record, row, reason="disagreement", review=True) for record, row in rows.items()]
    return enqueue(store, task, items)


def _differ(them: list[Annotation]) -> bool:
    return not any(one.review for one in them) and any(parts(one.value) != parts(them[0].value) for one in them)


def make_gold(store: Store, task: LabelTask, count: int, seed: int = _SEED) -> int:
    """Make gold questions of `count` records whose answer is sure: a reviewer's, or that of two people or more who all agree.

    Reviewed ones come first; those drawn at random stay in the control slice, which would lose the sure ones. Each is asked of everybody who has not answered it, at the
    task's `gold_share`. Returns how many were made.
    """
    taken = {item.record for item in queue(store, task.name, review=False) if item.reason in ("gold", "random")}
    known = {record: one for record, one in settled(store, task).items() if record not in taken}
    sure = [record for record, one in known.items() if one.how == "review" or (one.people > 1 and one.agree == one.people)]  # fmt: skip
    np.random.default_rng(seed).shuffle(sure)
    chosen = sorted(sure, key=lambda record: known[record].how != "review")[:count]
    rows = Texts(store, dataset_of(store, task)).rows_of(chosen)
    return enqueue(store, task, [QueueItem(task.name, record, row, reason="gold") for record, row in rows.items()])
