"""People's answers into a data set: a child of the labelled one that `skerry train` learns from."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from appliance.annotations import ANSWERS, answers, queue, standing_for
from appliance.errors import InputError
from appliance.schema import Dataset, LabelTask, Record
from appliance.store import Store
from appliance.words import _
from labeling.agree import Settled, settle
from labeling.texts import dataset_of

_FEWEST_ROWS = 2  # a label with fewer train rows cannot be learned
_TEST = "test"
_TEST_SHARE = 0.25  # of the labelled rows, at most: what was drawn at random beyond that teaches


def apply(store: Store, task: LabelTask, name: str | None = None, test: bool = True) -> Dataset:
    """Make the labelled child of a task's data set, called like it unless `name` says otherwise.

    A record's label is a reviewer's answer, else that of most people, else the one that the data set has; records without any, and those
    that people still disagree on, stay out. Where no labelled record stands in a test split, those that were chosen at random become it, up to a quarter of all (not with `test=False`): an
    even sample, what the loop chose is not. One whose text, group or subject stands among the others stays with them. Labels with fewer than
    two train rows stay out, since nothing can be learned from them. `meta["answers"]` counts what became of all.

    Several labels or spans a record lie in `answers.jsonl` of the child, since a record has one label. Raises `InputError` when no record has an answer.
    """
    parent = dataset_of(store, task)
    given = list(answers(store, task))
    known = settle(task, given)
    if not known:
        raise InputError(_("no record of task `{task}` has an answer yet; see `skerry label show {task}`", task=task.name))  # fmt: skip
    waiting = {one.record for one in given} - set(known)
    chosen = [item.record for item in queue(store, task.name, review=False) if item.reason == "random"]
    sample = frozenset(chosen) if test else frozenset()

    def labelled() -> Iterator[Record]:
        return (one for one in _labelled(store, parent, task, known) if one.id not in waiting)

    fates, counts = _fates(labelled(), sample, task.kind)
    counts |= {"waiting": len(waiting), "answered": len(known)} | Counter(one.how for one in known.values())
    meta = {"stage": "curated", "scrubbed": True, "label_task": task.name, "label_kind": task.kind, "answers": counts}
    with store.draft("dataset", name or parent.name, (parent.id,), meta) as draft:
        draft.verb = "label-apply"
        tally = _Tally()
        store.write_records(draft, (tally.seen(replace(one, split=fates[one.id])) for one in labelled() if one.id in fates))  # fmt: skip
        draft.meta |= tally.counted()
        if task.kind != "single":
            (draft.folder / ANSWERS).write_text("".join(_lines(task, known, fates)), "utf-8")
    made: Dataset = draft.artifact
    return made


def _labelled(store: Store, parent: Dataset, task: LabelTask, known: Mapping[str, Settled]) -> Iterator[Record]:
    names = {label.id: label.name for label in task.labels}
    for record in store.records(parent):
        if task.kind != "single":
            if record.id in known:
                yield replace(record, label=None)
        elif record.id in known:
            yield replace(record, label=names[known[record.id].value["label"]])
        elif record.label:
            today = standing_for(task, record.label)
            if today is None or not today.retired:
                yield replace(record, label=today.name if today else record.label)


@dataclass(frozen=True, slots=True)
class _Row:
    """What the first pass keeps of a record: hashes of what must not stand on both sides of a split, no text."""

    id: str
    label: str | None
    split: str | None
    marks: frozenset[int]


def _fates(records: Iterable[Record], sample: frozenset[str], kind: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the split of each record that stays, and what was counted.

    The random sample becomes the test split where there is none; labels that are too rare to be learned go.
    """
    rows = [_Row(one.id, one.label, one.split, _marks(one)) for one in records]
    counts: dict[str, Any] = {"test_from": "splits", "kept_from_test": 0}
    tested: set[str] = set()
    if sample and not any(row.split == _TEST for row in rows):
        wanted = math.ceil(_TEST_SHARE * len(rows))
        drawn = sorted((row for row in rows if row.id in sample), key=lambda row: row.id)[:wanted]  # ids are random
        apart = {row.id for row in drawn}
        taught = {mark for row in rows if row.id not in apart for mark in row.marks}
        tested = {row.id for row in drawn if not taught & row.marks}
        counts = {"test_from": "random", "kept_from_test": len(drawn) - len(tested)}
    fates = {row.id: _TEST if row.id in tested else row.split or "train" for row in rows}
    learned = Counter(row.label for row in rows if fates[row.id] == "train")
    rare = {row.label for row in rows if learned[row.label] < _FEWEST_ROWS} if kind == "single" else set()
    counts["rare"] = dict(sorted(Counter(str(row.label) for row in rows if row.label in rare).items()))
    return {row.id: fates[row.id] for row in rows if row.label not in rare}, counts


def _marks(record: Record) -> frozenset[int]:
    text = ("text", " ".join(record.text.casefold().split()))
    others = [(name, value) for name, value in (("group", record.group), ("subject", record.subject)) if value]
    return frozenset(hash(mark) for mark in (text, *others))


class _Tally:
    """Counts labels, splits and languages of records as they pass."""

    def __init__(self) -> None:
        self.split_labels: dict[str, Counter[str]] = defaultdict(Counter)
        self.splits: Counter[str] = Counter()
        self.languages: Counter[str] = Counter()

    def seen(self, record: Record) -> Record:
        """Count a record and hand it on."""
        split = record.split or "train"
        self.splits[split] += 1
        self.languages[record.language] += bool(record.language)
        self.split_labels[split].update([record.label] if record.label else [])
        return record

    def counted(self) -> dict[str, Any]:
        """Return what was counted, as `curate` writes it."""
        labels = sum(self.split_labels.values(), Counter[str]())
        counters = {"labels": labels, "splits": self.splits, "languages": +self.languages}
        found: dict[str, Any] = {name: dict(sorted(counter.items())) for name, counter in counters.items()}
        return found | {"split_labels": {split: dict(sorted(one.items())) for split, one in sorted(self.split_labels.items())}}  # fmt: skip


def _lines(task: LabelTask, known: Mapping[str, Settled], kept: Iterable[str]) -> Iterator[str]:
    names = {label.id: label.name for label in task.labels}
    for record in sorted(kept):
        value = dict(known[record].value)
        if "labels" in value:
            value["labels"] = [names[label] for label in value["labels"]]
        else:
            value["spans"] = [dict(span) | {"label": names[span["label"]]} for span in value["spans"]]
        yield json.dumps({"record": record} | value, ensure_ascii=False, sort_keys=True) + "\n"
