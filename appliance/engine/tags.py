"""Labels of tokens become marked stretches of a text.

The labels are `O`, `B-KIND` and `I-KIND` (Ramshaw and Marcus 1995, ACL W95-0107, with B on each first word: IOB2). A word
has the label of its first piece, as the network was taught; a stretch goes from its first word's start to its last one's
end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from appliance.engine.texts import Reading
from appliance.schema import Span

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


def kinds_of(labels: Sequence[str]) -> tuple[str, ...]:
    """Return what stretches can be: the part behind `B-` and `I-` of the labels, in their order."""
    return tuple(dict.fromkeys(label[2:] for label in labels if label[:2] in ("B-", "I-")))


def spans_of(reading: Reading, probabilities: Sequence[Array], labels: Sequence[str]) -> tuple[Span, ...]:
    """Join the words of a text into stretches. `probabilities` float64 (tokens, labels) of each window.

    Where windows overlap, a word is taken from the one in which more of the text stands around it. `I-KIND` that follows no stretch of KIND begins one. A score is
    the mean of its words'.
    """
    found: list[tuple[int, int, str, list[float]]] = []
    previous = "O"
    for start, end, row in _words(reading, probabilities):
        best = int(row.argmax())
        label, score = labels[best], float(row[best])
        if label.startswith("I-") and found and previous[2:] == label[2:]:
            first, _end, kind, scores = found[-1]
            found[-1] = (first, end, kind, [*scores, score])
        elif label[:2] in ("B-", "I-"):
            found.append((start, end, label[2:], [score]))
        previous = label
    return tuple(Span(start, end, kind, sum(scores) / len(scores)) for start, end, kind, scores in found)


def _words(reading: Reading, probabilities: Sequence[Array]) -> list[tuple[int, int, Array]]:
    """Return start, end (code points) and label probabilities (labels) of each word, in the order of the text."""
    words: dict[tuple[int | None, int], tuple[int, int, int, Array]] = {}  # by number, or where they have none by start
    for places, window in zip(reading.places, probabilities, strict=True):
        for number, (index, start, end, word) in enumerate(places):
            if number and word is not None and places[number - 1][3] == word:
                continue  # not its first piece
            last = number
            while last + 1 < len(places) and word is not None and places[last + 1][3] == word:
                last += 1
            around = min(number, len(places) - 1 - last)
            key = (word, -1) if word is not None else (None, start)
            if key not in words or around > words[key][2]:
                words[key] = (start, max(end, places[last][2]), around, window[index])
    return [(start, end, row) for start, end, _around, row in sorted(words.values(), key=lambda word: word[:2])]
