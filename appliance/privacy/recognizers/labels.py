"""Words that tell what the number beside them is: looked up word by word, so that hundreds of them cost no more than one.

English phrases are found by their first word; Chinese ones by one expression that looks at the first character only until that fits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import chain
from typing import Generic, TypeVar

from appliance.privacy.glance import loosened

__all__ = ["BETWEEN", "Labels", "words"]

Row = TypeVar("Row")
# What people and forms put between a label and its number: colons, brackets, quotation marks, the edge of a table's cell, `is`, 填的是.
BETWEEN = (
    r"(?:[ \t\r\n]{1,4}|[:：;；=#|“”\"'‘’「」『』【】\[\]()（）<>《》*_\-–—]|→|"
    r"(?:is|was|are|were|reads|as|given|given as|given is|number is)(?![A-Za-z])|(?:填写|填|写|登记|录入|显示|记录|记|标|印)?的?(?:为|是|成|作|着)|填写?|栏填?写?|一栏|就是|系|即|尾号)"
)
_WORD = re.compile("[A-Za-z\u00c0-\u024f]+")
_HAN = re.compile("[\u4e00-\u9fff]")


class Labels(Generic[Row]):
    """Phrases with what they stand for. `phrases` is (phrases with commas between them, row).

    A phrase in small letters is found in any case, one with capitals only as it stands; a space in it stands for a space, a hyphen or an underscore. What follows
    the first word may be an expression (`driver'?s licen[cs]e`). A phrase that begins with a Han character is found anywhere.
    """

    def __init__(self, phrases: Iterable[tuple[str, Row]]) -> None:
        self._words: dict[str, list[tuple[re.Pattern[str], Row]]] = {}
        self._chinese: dict[str, list[Row]] = {}
        for alternatives, row in phrases:
            for phrase in alternatives.split(", "):
                first = _WORD.match(phrase)
                if first:
                    self._words.setdefault(first[0].casefold(), []).append((_english(phrase), row))
                else:
                    self._chinese.setdefault(phrase, []).append(row)
        self._union = _union(self._chinese)

    def find(self, text: str) -> Iterator[tuple[int, int, Row]]:
        """Yield (start, end, row) of each label in `text`; of labels that start together the longest, with each of its rows."""
        known = self._words.keys() & words(text)
        for start, first in sorted((start, word) for word in known for start in _places(word, text)):
            matches = [
                (match.end(), row) for pattern, row in self._words[first] if (match := pattern.match(text, start))
            ]
            longest = max((end for end, _row in matches), default=0)
            yield from ((start, end, row) for end, row in matches if end == longest)
        if self._union and not text.isascii():
            for match in self._union.finditer(text):
                yield from ((match.start(), match.end(), row) for row in self._chinese[match[0]])

    def loosened(self, behind: Callable[[Row], str]) -> list[str]:
        """Return expressions of RE2 (`glance`) that match where a label stands, and directly behind it what `behind` gives for its row."""
        labels: dict[tuple[str, str], set[str]] = {}
        for pattern, row in chain.from_iterable(self._words.values()):
            key = r"(?:\A|[^A-Za-z\x{c0}-\x{24f}])", behind(row)
            labels.setdefault(key, set()).add(loosened(pattern, left=False, right=False))
        for phrase, rows in self._chinese.items():
            for row in rows:
                labels.setdefault(("", behind(row)), set()).add(re.escape(phrase))
        return [f"{before}(?:{'|'.join(sorted(phrases))}){rest}" for (before, rest), phrases in labels.items()]


@lru_cache(maxsize=1)
def words(text: str) -> frozenset[str]:
    """Return the words of a text in small letters; the recognizers ask for the same text one after another."""
    if text.isascii():
        return frozenset(_WORD.findall(text.lower()))
    return frozenset(map(str.casefold, _WORD.findall(text)))


def _places(word: str, text: str) -> Iterator[int]:
    """Yield where `word`, one of `words(text)`, starts in `text`."""
    if not text.isascii():
        yield from (match.start() for match in _WORD.finditer(text) if match[0].casefold() == word)
        return
    small, length = text.lower(), len(text)
    start = small.find(word)
    while start >= 0:
        end = start + len(word)
        if not (start and small[start - 1].isalpha()) and not (end < length and small[end].isalpha()):
            yield start
        start = small.find(word, end)


def _english(phrase: str) -> re.Pattern[str]:
    spaced = phrase.replace(" ", r"[ \t_\-]{1,2}")
    return re.compile(rf"(?:{spaced})(?![A-Za-z])", 0 if phrase != phrase.lower() else re.IGNORECASE)


def _union(phrases: Iterable[str]) -> re.Pattern[str] | None:
    listed = sorted(phrases, key=len, reverse=True)
    if not listed:
        return None
    first = "".join(sorted({phrase[0] for phrase in listed}))
    return re.compile(f"(?=[{first}])(?:{'|'.join(map(re.escape, listed))})")
