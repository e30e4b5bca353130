"""Words that tell what the number beside them is: looked up word by word, so that hundreds of them cost no more than one.

English phrases are found by their first word; Chinese ones by one expression that looks at the first character only until that fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Generic, TypeVar

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
        places = words(text)
        known = self._words.keys() & places.keys()
        for start, first in sorted((start, word) for word in known for start in places[word]):
            matches = [
                (match.end(), row) for pattern, row in self._words[first] if (match := pattern.match(text, start))
            ]
            longest = max((end for end, _row in matches), default=0)
            yield from ((start, end, row) for end, row in matches if end == longest)
        if self._union and not text.isascii():
            for match in self._union.finditer(text):
                yield from ((match.start(), match.end(), row) for row in self._chinese[match[0]])


@lru_cache(maxsize=1)
def words(text: str) -> dict[str, list[int]]:
    """Return the words of a text in small letters with their places; the recognizers ask for the same text one after another."""
    places: dict[str, list[int]] = {}
    for word in _WORD.finditer(text):
        places.setdefault(word[0].casefold(), []).append(word.start())
    return places


def _english(phrase: str) -> re.Pattern[str]:
    spaced = phrase.replace(" ", r"[ \t_\-]{1,2}")
    return re.compile(rf"(?:{spaced})(?![A-Za-z])", 0 if phrase != phrase.lower() else re.IGNORECASE)


def _union(phrases: Iterable[str]) -> re.Pattern[str] | None:
    listed = sorted(phrases, key=len, reverse=True)
    if not listed:
        return None
    first = "".join(sorted({phrase[0] for phrase in listed}))
    return re.compile(f"(?=[{first}])(?:{'|'.join(map(re.escape, listed))})")
