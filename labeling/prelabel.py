"""Pre-labels: what a model or a keyword rule would answer.

Each is marked with its source (`model`, `rule`) and none is ever counted as a person's answer: a page shows it, a person takes or leaves it.
A value has the shape of an annotation's and a `score` in [0, 1]; None is no pre-label.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from appliance.annotations import named, resolved
from appliance.errors import InputError
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np

    from appliance.schema import LabelTask, Prediction

__all__ = ["Rule", "by_model", "by_probabilities", "by_rules", "holds", "rules_of", "with_rule"]

Value = Mapping[str, Any]
_HALF = 0.5
# A word character that is no Han: what may not stand beside a keyword's own letters. Chinese has no blanks between its words.
_BESIDE = r"[^\W\u3400-\u4dbf\u4e00-\u9fff]"


@dataclass(frozen=True, slots=True)
class Rule:
    """Keywords that speak for a label (`label` is its id); case, width and the size of blanks do not matter."""

    label: str
    words: tuple[str, ...] = field(repr=False)


def rules_of(task: LabelTask) -> tuple[Rule, ...]:
    """Return the keyword rules of a task; those of a merged label speak for the one it went into, those of a label that is gone are left out."""
    words: dict[str, tuple[str, ...]] = {}
    for rule in task.settings.get("rules", ()):
        label = resolved(task, rule["label"])
        if not label.retired:
            words[label.id] = (*words.get(label.id, ()), *rule["words"])
    return tuple(Rule(label, given) for label, given in words.items())


def with_rule(task: LabelTask, label: str, words: Iterable[str]) -> list[dict[str, Any]]:
    """Return the task's rules, as its settings keep them, with these words for a label (name or id) added.

    Raises `InputError` for a label that is not on offer and for words without a character that can be seen.
    """
    chosen, given = named(task, label), [word for word in map(_folded, words) if word]
    if not given:
        raise InputError(_("a keyword needs characters that can be seen; these are blanks only"))
    rules = {rule.label: rule.words for rule in rules_of(task)}
    rules[chosen.id] = tuple(dict.fromkeys((*rules.get(chosen.id, ()), *given)))
    return [{"label": key, "words": list(value)} for key, value in rules.items()]


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


class _Finder:
    """The keywords of all rules as one expression, the longest first."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.labels: dict[str, list[str]] = {}
        for rule in rules:
            for word in filter(None, map(_folded, rule.words)):
                self.labels.setdefault(word, []).append(rule.label)
        words = sorted(self.labels, key=len, reverse=True)
        self.pattern = re.compile("|".join(map(_bounded, words)) or r"(?!)")

    def hits(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield start, end (code points of `text`) and label id of each keyword in it."""
        if not self.pattern.search(unicodedata.normalize("NFKC", text).casefold()):
            return
        folded, places = _with_places(text)
        for match in self.pattern.finditer(folded):
            for label in self.labels[" ".join(match[0].split())]:
                yield places[match.start()][0], places[match.end() - 1][1], label


def _bounded(word: str) -> str:
    body = r"\s+".join(map(re.escape, word.split()))
    before = f"(?<!{_BESIDE})" if re.match(_BESIDE, word) else ""
    after = f"(?!{_BESIDE})" if re.match(_BESIDE, word[-1]) else ""
    return f"{before}{body}{after}"


def _with_places(text: str) -> tuple[str, list[tuple[int, int]]]:
    # A letter with its marks folds as one, perhaps into several characters (`ß`, `㎏`): each remembers the stretch it came from.
    starts = [place for place, character in enumerate(text) if not place or not unicodedata.combining(character)]
    stretches = list(pairwise([*starts, len(text)]))
    pieces = [unicodedata.normalize("NFKC", text[start:end]).casefold() for start, end in stretches]
    places = [stretch for stretch, piece in zip(stretches, pieces, strict=True) for _character in piece]
    return "".join(pieces), places


def holds(words: Iterable[str], texts: Iterable[str]) -> Iterator[bool]:
    """Tell of each text whether one of the words stands in it."""
    pattern = _Finder([Rule("", tuple(words))]).pattern
    return (pattern.search(unicodedata.normalize("NFKC", text).casefold()) is not None for text in texts)


def by_rules(task: LabelTask, rules: Sequence[Rule], texts: Iterable[str]) -> Iterator[Value | None]:
    """Answer each text by the keywords in it.

    One label: the one that most keywords speak for, none at a tie; `score` is its share of them. Several labels: all that a keyword speaks for. Spans: each
    keyword where it stands.
    """
    finder = _Finder(rules)
    for text in texts:
        yield _value(task, list(finder.hits(text)))


def _value(task: LabelTask, hits: list[tuple[int, int, str]]) -> Value | None:
    if not hits:
        return None
    if task.kind == "spans":
        return {"spans": [{"start": start, "end": end, "label": label} for start, end, label in hits], "score": 1.0}
    votes = Counter(label for _start, _end, label in hits)
    if task.kind == "multi":
        return {"labels": [label.id for label in task.choices if label.id in votes], "score": 1.0}
    (label, most), *others = votes.most_common()
    return None if others and others[0][1] == most else {"label": label, "score": most / votes.total()}


def by_probabilities(labels: Sequence[str], probabilities: np.ndarray[Any, Any]) -> list[Value]:
    """Answer by a head's probabilities (rows, labels) of a task with one label a text; `labels` are the ids in their order."""
    best = probabilities.argmax(1)
    return [
        {"label": labels[which], "score": float(row[which])} for which, row in zip(best, probabilities, strict=True)
    ]


def by_model(task: LabelTask, predictions: Iterable[Prediction]) -> Iterator[Value | None]:
    """Answer by a trained model's predictions; its labels are the task's by name, and one that is not on offer is no pre-label."""
    ids = {label.name: label.id for label in task.choices}
    for prediction in predictions:
        yield _of_prediction(task.kind, ids, prediction)


def _of_prediction(kind: str, ids: Mapping[str, str], prediction: Prediction) -> Value | None:
    if kind == "spans":
        spans = [
            {"start": span.start, "end": span.end, "label": ids[span.label], "score": span.score}
            for span in prediction.spans
            if span.label in ids
        ]
        return {"spans": spans, "score": prediction.score}
    if kind == "multi":
        sure = [ids[name] for name, share in prediction.probabilities.items() if name in ids and share >= _HALF]
        return {"labels": sure, "score": prediction.score}
    label = ids.get(prediction.label or "")
    return {"label": label, "score": prediction.score} if label else None
