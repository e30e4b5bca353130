"""Text classification: which rows teach, which rows judge, and how an answer is judged."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from appliance.errors import InputError
from appliance.schema import Record
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Lesson", "Rows", "hold_out", "measure", "read_lesson"]

_HELD_OUT = 0.1
_FEWEST_ROWS = 2


@dataclass(frozen=True, slots=True)
class Rows:
    """Texts and the number of each one's label; `subjects`, where they are known, tell whom each is about (None: nobody named)."""

    texts: tuple[str, ...] = field(repr=False)
    targets: tuple[int, ...] = field(repr=False)
    subjects: tuple[str | None, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.texts)

    def whom(self) -> tuple[str | None, ...]:
        """Return the subject of each row."""
        return self.subjects or (None,) * len(self)

    def __add__(self, other: Rows) -> Rows:
        return Rows(self.texts + other.texts, self.targets + other.targets, self.whom() + other.whom())


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a model is to learn.

    `held_out` tells that validation was cut from train; `without_label` counts rows left out, `unknown_label` the validation rows left out
    because train lacks their label, `unvalidated_labels` the labels that no validation row has.
    """

    labels: tuple[str, ...] = field(repr=False)
    train: Rows
    validation: Rows
    held_out: bool
    without_label: int
    unknown_label: int
    unvalidated_labels: int


def read_lesson(records: Iterable[Record], seed: int) -> Lesson:
    """Sort records into rows to learn from (split `train` or none) and rows to validate on; test rows are not looked at.

    Without a validation split, a seeded tenth of the train rows of each label is held out, groups and subjects in one piece.
    Raises `InputError` for no rows, one label only, and labels with fewer than 2 train rows.
    """
    train: list[Record] = []
    validation: list[Record] = []
    without_label = 0
    for record in records:
        if record.split == "test":
            continue
        if not record.label:
            without_label += 1
            continue
        (validation if record.split == "validation" else train).append(record)
    labels = _labels(train, without_label)
    held_out = not validation
    if held_out:
        units: list[Hashable] = [record.group or record.subject or number for number, record in enumerate(train)]
        held = hold_out([labels[str(record.label)] for record in train], units, seed)
        validation = [record for record, out in zip(train, held, strict=True) if out]
        train = [record for record, out in zip(train, held, strict=True) if not out]
    known = [record for record in validation if record.label in labels]
    return Lesson(
        labels=tuple(labels),
        train=_rows(train, labels),
        validation=_rows(known, labels),
        held_out=held_out,
        without_label=without_label,
        unknown_label=len(validation) - len(known),
        unvalidated_labels=len(labels) - len({record.label for record in known}),
    )


def _labels(train: Sequence[Record], without_label: int) -> dict[str, int]:
    counts = Counter(str(record.label) for record in train)
    rare = sum(count < _FEWEST_ROWS for count in counts.values())
    if not counts:
        raise InputError(
            _(
                "no row to train on ({without} have no label); name the label column at ingest with `--label-column`",
                without=without_label,
            )
        )
    if len(counts) == 1:
        raise InputError(_("all train rows have the same label; a classifier needs at least two"))
    if rare:
        raise InputError(
            _(
                "{rare} of {labels} labels have fewer than {fewest} train rows; give them more, merge them, or check that `--label-column` is no free text",
                rare=rare,
                labels=len(counts),
                fewest=_FEWEST_ROWS,
            )
        )
    return {label: number for number, label in enumerate(sorted(counts))}


def _rows(records: Sequence[Record], labels: dict[str, int]) -> Rows:
    return Rows(
        texts=tuple(record.text for record in records),
        targets=tuple(labels[str(record.label)] for record in records),
        subjects=tuple(record.subject for record in records),
    )


def hold_out(targets: Sequence[int], units: Sequence[Hashable], seed: int, share: float = _HELD_OUT) -> list[bool]:
    """Choose rows to hold out: about `share` of each label (at least one of a label with 3 rows or more), whole units only, and never a
    label's last rows. Units are taken in a seeded order, so that the choice depends on the order of the rows and on nothing else.
    """
    rows_of: dict[Hashable, list[int]] = {}
    for number, unit in enumerate(units):
        rows_of.setdefault(unit, []).append(number)
    counts = Counter(targets)
    wanted = {label: max(1, round(count * share)) if count > _FEWEST_ROWS else 0 for label, count in counts.items()}
    held = [False] * len(targets)
    order = list(rows_of.values())
    random.Random(seed).shuffle(order)  # noqa: S311  no secret: a sample
    for rows in order:
        inside = Counter(targets[row] for row in rows)
        if all(wanted[label] >= number for label, number in inside.items()):
            for row in rows:
                held[row] = True
            wanted = {label: left - inside[label] for label, left in wanted.items()}
    return held


def measure(logits: np.ndarray[Any, Any], targets: Sequence[int]) -> dict[str, float]:
    """Return accuracy, macro-F1 and mean cross-entropy of logits (rows, labels).

    macro-F1 = mean over the labels among `targets` of 2TP / (2TP + FP + FN) (van Rijsbergen 1979; Opitz and Burst 2019, arXiv 1911.03347).
    """
    import numpy as np

    truth = np.asarray(targets)
    guess = logits.argmax(1)
    scores = []
    for label in np.unique(truth):
        hits = int(((guess == label) & (truth == label)).sum())
        scores.append(2 * hits / (int((guess == label).sum()) + int((truth == label).sum())))
    shifted = logits.astype(np.float64) - logits.max(1, keepdims=True)
    likelihood = shifted[np.arange(len(truth)), truth] - np.log(np.exp(shifted).sum(1))
    return {
        "accuracy": float((guess == truth).mean()),
        "macro_f1": float(np.mean(scores)),
        "loss": float(-likelihood.mean()),
    }
