"""What stands around a finding, as a shape: enough to see why it was found, nothing that was written there.

Letters become X or x, Han characters 中, digits d; runs are cut to three, so that not even the length of a word is told. Three words on each side.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from appliance.privacy.kinds import KINDS

__all__ = ["Shapes", "shape"]

_MARK = re.compile(rf"<({'|'.join(each.name for each in KINDS)})_[0-9]{{1,6}}>")
_RUN = re.compile(r"(.)\1{3,}")
_REACH = 60  # characters looked at on each side
_WORDS = 3
_SEEN = 2_000  # shapes counted of a kind, and
_KEPT = 200  # different ones kept: bounds time and memory
_SHOWN = 5


class Shapes:
    """The most frequent shapes of each kind, from a bounded number of records."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}

    def see(self, shown: str) -> None:
        """Count the shapes of one text in which placeholders stand (`Written.shown`)."""
        for mark in _MARK.finditer(shown):
            counts = self._counts.setdefault(mark[1], Counter())
            if counts.total() < _SEEN:
                found = shape(shown, *mark.span())
                if found in counts or len(counts) < _KEPT:
                    counts[found] += 1

    def as_dict(self) -> dict[str, list[dict[str, Any]]]:
        """Return for each kind its most frequent shapes: `{"shape", "count"}`."""
        return {
            kind: [{"shape": each, "count": count} for each, count in counts.most_common(_SHOWN)]
            for kind, counts in sorted(self._counts.items())
        }


def shape(shown: str, start: int, end: int) -> str:
    """Return the shape around the placeholder at [start, end) of a text in which placeholders stand."""
    before = _plain(shown[max(0, start - _REACH) : start]).split(" ")
    after = _plain(shown[end : end + _REACH]).split(" ")
    mark = _MARK.sub(r"<\1>", shown[start:end])
    return f"{' '.join(before[-_WORDS:])}{mark}{' '.join(after[:_WORDS])}".strip()


def _plain(text: str) -> str:
    pieces, position = [], 0
    for mark in _MARK.finditer(text):
        pieces += [_classes(text[position : mark.start()]), f"<{mark[1]}>"]
        position = mark.end()
    return "".join([*pieces, _classes(text[position:])])


def _classes(text: str) -> str:
    return _RUN.sub(r"\1\1\1", "".join(map(_class, text)))


def _class(character: str) -> str:
    if character.isspace():
        return " "
    if character.isnumeric() and not "\u4e00" <= character <= "\u9fff":
        return "d"
    if "\u3400" <= character <= "\u9fff" or character >= "\U00020000":
        return "中"
    if character.isalpha():
        return "X" if character.isupper() else "x"
    return character if character.isprintable() and character not in "<>" else "·"
