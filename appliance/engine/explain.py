"""Why a text got its label: what happens to the score when a piece of the text is left out.

Occlusion (Zeiler & Fergus, Visualizing and Understanding Convolutional Networks, 2014, section 4.2), which for text leaves words
out (Li et al., Understanding Neural Networks through Representation Erasure, 2016). It needs answers alone, nothing of a
network's inside. Each piece goes alone: words that only together decide, or that stand twice, may look unimportant.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from appliance.engine import Engine
from appliance.errors import InputError
from appliance.schema import Prediction
from appliance.words import _

# A word of letters and digits; of Han, kana and Hangul each character, since no spaces tell their words apart.
_CHARACTER = "\u3005\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U000323af"
_WORD = re.compile(rf"[{_CHARACTER}]|[^\W{_CHARACTER}]+(?:['’.-][^\W{_CHARACTER}]+)*")


@dataclass(frozen=True, slots=True)
class Piece:
    """A word, or a run of words, and what it did: `change` = score of the label with it minus without it, in [-1, 1].

    `start` and `end` are code points of the text, end exclusive; `label` is the label without the piece.
    """

    start: int
    end: int
    word: str = field(repr=False)
    change: float
    label: str | None


def explain(engine: Engine, text: str, most: int) -> tuple[Prediction, list[Piece]]:
    """Answer a text whole and once without each of at most `most` pieces. Raises `InputError` for a text without words or for a tagger."""
    if engine.plan.task == "tag":
        raise InputError(_("a model that marks stretches of a text has no one label to explain"))
    found = windows(text, most)
    whole, *answers = engine.predict([text, *without(text, found)])
    return whole, effects(text, found, whole, answers)


def windows(text: str, most: int) -> list[tuple[int, int]]:
    """Return the code points (start, end) of at most `most` pieces: words, or runs of as many words as it takes.

    Raises `InputError` when the text holds no word.
    """
    words = [found.span() for found in _WORD.finditer(text)]
    if not words:
        raise InputError(_("the text holds no word to leave out"))
    size = math.ceil(len(words) / most)
    runs = [words[at : at + size] for at in range(0, len(words), size)]
    return [(run[0][0], run[-1][1]) for run in runs]


def without(text: str, found: Sequence[tuple[int, int]]) -> list[str]:
    """Return the text once for each piece, the piece left out."""
    return [text[:start] + text[end:] for start, end in found]


def effects(
    text: str, found: Sequence[tuple[int, int]], whole: Prediction, answers: Sequence[Prediction]
) -> list[Piece]:
    """Return what each piece did to the label that has the best score on the `whole` text, in the text's order.

    `answers` belong to `without(text, found)`.
    """
    label = max(whole.probabilities, key=lambda name: whole.probabilities[name])
    return [
        Piece(
            start, end, text[start:end], whole.probabilities[label] - answer.probabilities.get(label, 0.0), answer.label
        )
        for (start, end), answer in zip(found, answers, strict=True)
    ]
