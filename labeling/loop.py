"""One round of labeling: what people have answered teaches a head, the head is judged and proposes answers, what to ask next is chosen.

Nothing is kept between rounds but what stands in the store: head, judgement and advice are made anew from the answers, so that a round which was
killed is simply done again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance import engine
from appliance.annotations import answers, enqueue, queue
from appliance.annotations import suggest as propose
from appliance.annotations import task as find_task
from appliance.errors import InputError
from appliance.jobs import progress
from appliance.schema import Annotation, LabelTask, Model, QueueItem
from appliance.settings import LabelSettings
from appliance.store import Store
from appliance.words import _
from labeling import choose, prelabel
from labeling.advise import Advice, advise
from labeling.agree import settle
from labeling.embed import embed
from labeling.head import Head, fit
from labeling.texts import Texts, dataset_of

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Work", "next_batch", "records_of_a_round", "suggest", "wait", "waits"]

BLIND = ("random", "gold")  # asked without a suggestion: what they tell must not be helped by what is to be judged
_FEWEST_RECORDS = 20
_FEW_OF_A_LABEL = 20  # a label that was seeded is looked for until so many records have it
_POLLS_A_REPORT = 5


class Work:
    """A labeling task with all that a round asks of it, each read once. Labels are told by their number among `task.choices`."""

    def __init__(self, store: Store, name: str, model: Model | None = None) -> None:
        self.store, self.model = store, model
        self.task = find_task(store, name)
        self.texts = Texts(store, dataset_of(store, self.task))
        self.queue = queue(store, name, review=False)

    @cached_property
    def given(self) -> list[Annotation]:
        """What people have answered, skipped or flagged."""
        return list(answers(self.store, self.task))

    @cached_property
    def rows(self) -> dict[str, int]:
        """The rows of the records that people have dealt with, by id."""
        queued = {item.record: item.row for item in self.queue}
        dealt = {one.record for one in self.given}
        known = {record: queued[record] for record in dealt if record in queued}
        return known | (self.texts.rows_of(dealt - known.keys()) if len(known) < len(dealt) else {})

    @cached_property
    def answered(self) -> dict[int, int]:
        """Row -> label of the records on which people settled, in the order of the answers; empty for tasks of several labels or spans."""
        numbers = {label.id: number for number, label in enumerate(self.task.choices)}
        found = settle(self.task, (one for one in self.given if one.state == "submitted"))
        said = {self.rows[record]: one.value.get("label") for record, one in found.items() if record in self.rows}
        return {row: numbers[label] for row, label in said.items() if label in numbers}

    @cached_property
    def control(self) -> list[int]:
        """The rows of the control slice that have a label: they were drawn at random, so that what is measured on them holds for all."""
        drawn = {item.row for item in self.queue if item.reason == "random"}
        return [row for row in self.answered if row in drawn]

    @cached_property
    def closed(self) -> list[int]:
        """The rows that are not to be asked about: queued or dealt with already, or of a test split."""
        tests = (row for row, split in enumerate(self.texts.splits) if split == "test")
        return sorted({*tests, *self.rows.values(), *(item.row for item in self.queue)})

    @cached_property
    def embeddings(self) -> np.ndarray[Any, Any]:
        """The embeddings of all records (rows, width), by the model's own encoder where a torch classifier is given."""
        return embed(self.store, self.texts.dataset, self._encoder)

    @cached_property
    def examples(self) -> np.ndarray[Any, Any] | None:
        """The embeddings (examples, width) of what seeded labels look like, for as long as few records have them; None where there are none."""
        given, counts = self.task.settings.get("seeded", {}), Counter(self.answered.values())
        rows: set[int] = set()
        for number, label in enumerate(self.task.choices):
            if label.id in given and counts[number] < max(label.target or 0, _FEW_OF_A_LABEL):
                rows |= {
                    *self.texts.rows_of(given[label.id]).values(),
                    *(row for row, one in self.answered.items() if one == number),
                }
        return self.embeddings[sorted(rows)] if rows else None

    @cached_property
    def head(self) -> Head | None:
        """What tells the label of an embedding: the model's own head, else one that learns from the answers; None before there are any."""
        if self._encoder:
            return _head_of(self._encoder, self.task)
        if not self.answered:
            return None
        rows = list(self.answered)
        return fit(self.embeddings[rows], list(self.answered.values()), len(self.task.choices))

    @property
    def _encoder(self) -> Path | None:
        # Only a torch classifier has embeddings that its head reads; any other model proposes answers and chooses nothing.
        is_classifier = (
            self.model and self.model.format == "torch" and engine.read_plan(self.model.folder).task == "classify"
        )
        return self.model.folder if self.model and is_classifier and self.task.kind == "single" else None


def next_batch(
    store: Store,
    name: str,
    settings: LabelSettings,
    count: int | None = None,
    model: Model | None = None,
    budget: int | None = None,
    follow: bool = False,
) -> dict[str, Any]:
    """Let `count` records of a task wait for people (see `label.batch_records`), the most useful first; where as many wait already, none is added.

    Not more than `budget` records get a label in all; with `follow` nothing is added once the advice is to stop. Suggestions are made anew for all that
    waits. With a trained `model` those are its answers, and where it is a torch classifier its encoder and head choose, too.

    Returns `task`, `batch`, `queued` (new), `waiting`, `enough` (as many wait as were asked for), `labelled`, `reasons` of the new ones, `suggestions` by
    source, `fell_back` (why the strategy was not followed, else empty), `ended` (`advice`, `budget`, `all` or empty), and what `advise` tells.
    """
    work = Work(store, name, model)
    waiting, labelled = sum(map(waits, work.queue)), len(work.answered) or len(work.rows)
    wanted, judged = records_of_a_round(work.task, settings, count), _judged(work)
    left = len(work.texts) - len(work.closed)
    afford = left if budget is None else max(0, budget - labelled - waiting)
    advised = follow and judged is not None and judged.stop
    batch = 1 + max((item.batch for item in work.queue), default=0)
    chosen = _choose(work, 0 if advised else min(left, afford, max(0, wanted - waiting)))
    items = [
        QueueItem(name, work.texts.ids[row], row, batch, place, reason)
        for place, (row, reason) in enumerate(zip(chosen.rows, chosen.reasons, strict=True))
    ]
    waiting += enqueue(store, work.task, items)
    over = {"advice": advised, "budget": budget is not None and labelled >= budget, "all": not waiting and not left}
    found = {
        "task": name,
        "batch": batch if items else batch - 1,
        "queued": len(items),
        "waiting": waiting,
        "enough": waiting >= wanted,
        "labelled": labelled,
        "reasons": dict(Counter(chosen.reasons)),
        "suggestions": suggest(work),
        "fell_back": chosen.fell_back,
        "ended": next((why for why, is_so in over.items() if is_so), ""),
    } | (asdict(judged) if judged else {})
    told = {key: found[key] for key in ("batch", "queued", "labelled", "accuracy") if found.get(key) is not None}
    store.event("label-next", (work.texts.dataset.id,), task=name, **told)
    return found


def waits(item: QueueItem) -> bool:
    """Tell whether nobody has dealt with an item yet; a gold question waits for everybody and is not meant."""
    return not item.closed and not item.attempts and item.reason != "gold"


def records_of_a_round(task: LabelTask, settings: LabelSettings, count: int | None = None) -> int:
    """Return how many records are asked in one round: `count`, else the setting, else as many as there are labels, at least 20."""
    return count or settings.batch_records or max(_FEWEST_RECORDS, len(task.choices))


def _choose(work: Work, room: int) -> choose.Batch:
    """Choose `room` records that nobody was asked about."""
    if not room:
        return choose.Batch([], [], "")
    targets = [label.target or 0 for label in work.task.choices]
    asked = choose.Round(
        embeddings=work.embeddings,
        labelled=list(work.answered) or sorted(work.rows.values()),
        targets=list(work.answered.values()),
        labels=len(work.task.choices),
        batch=room,
        closed=work.closed,
        lengths=work.texts.lengths,
        wanted=targets if any(targets) else None,
        examples=work.examples,
        control=work.control,
        head=work.head,
    )
    return choose.choose(asked, "cluster-margin" if work.task.kind == "single" else "typiclust")


def _judged(work: Work) -> Advice | None:
    if not work.answered:
        return None
    rows, targets = list(work.answered), list(work.answered.values())
    return advise(work.embeddings, rows, targets, len(work.task.choices), work.control)


def suggest(work: Work) -> dict[str, int]:
    """Propose answers for what waits in the queue now, in the place of earlier proposals; returns how many of each source.

    The model's (or the head's) and the keyword rules' stand beside each other. Nothing is proposed where an answer is to measure something: in the
    control slice, for gold questions, and where several people answer the same record.
    """
    waiting = (item for item in queue(work.store, work.task.name, review=False) if waits(item))
    seen = sorted((item.row, item.record) for item in waiting if item.reason not in BLIND and item.needed == 1)
    texts = [work.texts.record(row).text for row, _record in seen] if seen else []
    by: dict[str, tuple[str, Iterable[prelabel.Value | None]]] = {
        "rule": ("keywords", prelabel.by_rules(work.task, prelabel.rules_of(work.task), texts))
    }
    if work.model:
        by["model"] = (work.model.reference, _answers_of(work.model, work.task, texts))
    elif work.head and seen:
        shares = work.head.probabilities(work.embeddings, [row for row, _record in seen])
        by["model"] = ("head", prelabel.by_probabilities([label.id for label in work.task.choices], shares))
    counts = {}
    for source, (who, values) in by.items():
        found = {record: value for (_row, record), value in zip(seen, values, strict=True) if value is not None}
        counts[source] = propose(work.store, work.task, source, who, found) if found else 0
    return counts


def _answers_of(model: Model, task: LabelTask, texts: Sequence[str]) -> Iterable[prelabel.Value | None]:
    return prelabel.by_model(task, engine.load(model.folder).predict(texts)) if texts else ()


def _head_of(folder: Path, task: LabelTask) -> Head:
    """Read the head of a torch classifier as one of the task's labels, known to it by name. Raises `InputError` when it knows none of them."""
    import numpy as np

    from appliance.engine.on_torch import load_network

    names = engine.read_plan(folder).labels
    linear: Any = load_network(folder, len(names))["head"]
    numbers = {label.name: number for number, label in enumerate(task.choices)}
    known = sorted((numbers[name], row) for row, name in enumerate(names) if name in numbers)
    if not known:
        raise InputError(
            _("the model knows none of the labels of task `{task}`; name one that was trained on them", task=task.name)
        )
    seen, rows = (np.array(column) for column in zip(*known, strict=True))
    weight, bias = (value.detach().numpy()[rows] for value in (linear.weight, linear.bias))
    return Head(weight, bias, seen, len(task.choices))


def wait(store: Store, name: str, leave: int, poll_s: float) -> dict[str, int]:
    """Wait until people have left no more than `leave` records of a task without an answer. Returns how many are `waiting` then."""
    first, told, reported = 0, -1, 0.0
    while True:
        waiting = sum(map(waits, queue(store, name, review=False)))
        first = max(first, waiting)
        if waiting != told or time.monotonic() - reported > _POLLS_A_REPORT * poll_s:
            progress("answers", first - waiting, first)
            told, reported = waiting, time.monotonic()
        if waiting <= leave:
            return {"waiting": waiting}
        time.sleep(poll_s)
