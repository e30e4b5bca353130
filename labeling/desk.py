"""What a person at the labeling page has before them: cards, keys, guidelines, their last answers.

Plain data for templates. A card holds what one record needs; its text reaches the browser with as many code points as the record has, so that a
span marked there is a span of the record.
"""

from __future__ import annotations

import string
import threading
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from appliance import annotations as ledger
from appliance.errors import InputError
from appliance.schema import Annotation, LabelName, LabelTask, QueueItem
from appliance.store import Store
from appliance.words import _, language
from labeling.texts import Texts, dataset_of

__all__ = ["COMMANDS", "Card", "Choice", "Desk", "Recent", "choices", "guidelines"]

# undo, skip, flag, note, accept: letters that no label has
COMMANDS = "zsfna"
_KEYS = "123456789" + "".join(one for one in string.ascii_lowercase if one not in COMMANDS)
_COLOURS = 12  # in label.css
_TASKS_OPEN = 4
_RECENT = 12


@dataclass(frozen=True, slots=True)
class Choice:
    """A label as the page offers it: `name` in the reader's language, `other` in the other one; `key` is empty where there are more labels than keys."""

    id: str
    name: str
    other: str
    key: str
    color: str
    number: int
    description: str


@dataclass(frozen=True, slots=True)
class Card:
    """One record before a person: the item of the queue, its text, what models and rules suggest, and for a reviewer what others answered."""

    item: QueueItem
    text: str = field(repr=False)
    language: str
    suggestions: Sequence[Annotation] = ()
    answers: Sequence[Annotation] = ()
    before: Mapping[str, Any] = field(default_factory=dict)
    note: str = field(default="", repr=False)

    @property
    def about(self) -> dict[str, Any]:
        """What the page's script needs to know of it; `length` is in code points."""
        suggested = [{"value": dict(one.value), "source": one.source} for one in self.suggestions]
        return {
            "record": self.item.record,
            "review": self.item.review,
            "length": len(self.text),
            "suggestions": suggested,
            "before": dict(self.before),
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Recent:
    """One of a person's last answers: `labels` are those that it names, in the order of the value, each once."""

    id: str
    state: str
    created: str
    labels: Sequence[Choice]


def choices(task: LabelTask) -> list[Choice]:
    """Return the labels on offer, each with a key of its own: the one chosen for it, else digits, then letters.

    With more labels than keys none has one: the page offers a search instead, and digits for what it finds.
    """
    offered = task.choices
    wanted = {one.key.lower(): one.id for one in reversed(offered) if one.key.lower() in set(_KEYS)}
    taken = {identity: key for key, identity in wanted.items()}
    free = iter([key for key in _KEYS if key not in wanted])
    keyed = len(offered) <= len(_KEYS)
    return [
        _choice(one, number, (taken.get(one.id) or next(free)) if keyed else "") for number, one in enumerate(offered)
    ]


def _choice(label: LabelName, number: int, key: str) -> Choice:
    pair = (label.name, label.chinese) if language() == "en" or not label.chinese else (label.chinese, label.name)
    return Choice(label.id, pair[0], pair[1], key, label.color, number % _COLOURS, label.description)


def guidelines(text: str) -> list[tuple[str, str]]:
    """Split guidelines into (`heading` | `item` | `paragraph`, text): the little of Markdown that is shown as more than text."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        plain = line.strip()
        if plain.startswith("#"):
            found.append(("heading", plain.lstrip("#").strip()))
        elif plain.startswith(("- ", "* ")):
            found.append(("item", plain[2:].strip()))
        elif plain:
            found.append(("paragraph", plain))
    return found


class Desk:
    """The work of one server: opens each task's texts once and puts cards together. Threads may share it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._texts: OrderedDict[str, Texts] = OrderedDict()
        self._guard = threading.Lock()
        self.writing = (
            threading.Lock()
        )  # one thread writes at a time: SQLite lets others wait by sleeping, and not in turn

    def cards(
        self, task: LabelTask, person: str, reviewer: bool, count: int = 3, have: Sequence[str] = ()
    ) -> list[Card]:
        """Lease the person's next records and return their cards, without those that their page holds already (`record:review`)."""
        with self.writing:
            items = ledger.lease_next(self.store, task.name, person, count, reviewer)
        return [self.card(task, item) for item in items if f"{item.record}:{int(item.review)}" not in have]

    def card(self, task: LabelTask, item: QueueItem, before: Annotation | None = None) -> Card:
        """Return the card of an item; `before` is an answer that is taken back: its value and its note stand on the card."""
        with self._guard:
            record = self._open(task).record(item.row)
        suggested = ledger.answers(self.store, task, item.record, ledger.SUGGESTIONS)
        given = ledger.answers(self.store, task, item.record) if item.review else ()
        others = [one for one in given if not one.review]
        return Card(
            item,
            record.text,
            record.language,
            list(suggested),
            others,
            before.value if before else {},
            before.note if before else "",
        )

    def check_places(self, answer: Annotation) -> None:
        """Raise `InputError` where a span of an answer ends behind the text of its record."""
        task = ledger.task(self.store, answer.task)
        row = ledger.row_of(self.store, task.name, answer.record)
        with self._guard:
            length = 0 if row is None else len(self._open(task).record(row).text)
        if any(span["end"] > length for span in answer.value["spans"]):
            raise InputError(_("a span ends behind the text, which has {length} characters", length=length))

    def raw(self, task: LabelTask, row: int, who: str, why: str) -> str:
        """Return a record's text before the scrub, for a reviewer: the look writes an event first."""
        with self._guard:
            texts = self._open(task)
        return texts.raw(row, who, why)

    def excerpt(self, task: LabelTask, row: int, characters: int = 140) -> str:
        """Return the beginning of a record's text."""
        with self._guard:
            text = self._open(task).record(row).text
        return text if len(text) <= characters else text[:characters] + "…"

    def recent(self, task: LabelTask, person: str) -> list[Recent]:
        """Return the person's last answers, newest first."""
        offered = {one.id: one for one in choices(task)}
        last = deque(ledger.answers(self.store, task, annotator=person, sources=("human",)), _RECENT)
        return [
            Recent(one.id, one.state, one.created, [offered[label] for label in _named(task, one) if label in offered])
            for one in reversed(last)
        ]

    def _open(self, task: LabelTask) -> Texts:
        if task.dataset not in self._texts:
            self._texts[task.dataset] = Texts(self.store, dataset_of(self.store, task))
            if len(self._texts) > _TASKS_OPEN:
                self._texts.popitem(last=False)
        return self._texts[task.dataset]


def _named(task: LabelTask, answer: Annotation) -> list[str]:
    return list(dict.fromkeys(ledger.labels_of(task, answer.value))) if answer.value else []
