"""What people agree on: the one answer of each record, and how far they agree beyond chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from appliance.annotations import answers
from appliance.schema import Annotation, LabelTask
from appliance.store import Store


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

    Of several labels or spans, each counts for itself. An answer that names a retired label waits for a new one and does not count.
    """
    retired = {label.id for label in task.labels if label.retired}
    by_record: dict[str, dict[tuple[str, bool], Annotation]] = {}
    for one in given:
        by_record.setdefault(one.record, {})[one.annotator, one.review] = one
    found = {record: _settle(task.kind, list(them.values()), retired) for record, them in by_record.items()}
    return {record: one for record, one in found.items() if one is not None}


def _settle(kind: str, given: list[Annotation], retired: set[str]) -> Settled | None:
    current = [one for one in given if not retired & {part[-1] for part in parts(kind, one.value)}]
    reviews = [one for one in current if one.review]
    if reviews:
        return Settled(reviews[-1].value, "review", len(current), 1)
    if not current:
        return None
    how = "single" if len(current) == 1 else "majority"
    votes = Counter(part for one in current for part in parts(kind, one.value))
    won = {part for part, count in votes.items() if 2 * count > len(current)}
    if kind == "single" and not won:
        return None
    tied = any(2 * count == len(current) for count in votes.values())
    if tied:
        return None
    agree = sum(parts(kind, one.value) == won for one in current)
    return Settled(_value(kind, won), how, len(current), agree)


def parts(kind: str, value: Mapping[str, Any]) -> set[tuple[Any, ...]]:
    """Return what an answer says as a set: `{(label,)}`, one a label, or `(start, end, label)` a span."""
    if kind == "single":
        return {(value["label"],)}
    if kind == "multi":
        return {(label,) for label in value["labels"]}
    return {(span["start"], span["end"], span["label"]) for span in value["spans"]}


def _value(kind: str, won: set[tuple[Any, ...]]) -> dict[str, Any]:
    ordered = sorted(won)
    if kind == "single":
        return {"label": ordered[0][0]}
    if kind == "multi":
        return {"labels": [label for (label,) in ordered]}
    return {"spans": [{"start": start, "end": end, "label": label} for start, end, label in ordered]}
