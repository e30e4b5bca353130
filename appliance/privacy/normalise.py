"""Undo what hides a number by accident, and remember where every character came from.

Full-width digits, spaces without width, ＠, ideographic full stops and combining accents become plain; an exact map leads
each offset back to the original text.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

__all__ = ["Plain", "normalise"]

# Format characters (Unicode Cf) and variation selectors: invisible, so they can split a number without anybody seeing it.
_INVISIBLE = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff"
# An ideographic full stop hides a dot between short groups; beside seven digits or more it ends a sentence.
_DOT = r"(?<=[0-9A-Za-z])(?<![0-9]{7})。(?![0-9]{7})(?=[0-9A-Za-z])"
_ODD = re.compile(rf"[^\x00-\x7f\u3001\u3002\u3400-\u4dbf\u4e00-\u9fff]|{_DOT}")
_HIDDEN = re.compile(f"[{_INVISIBLE}]")
_DASHES = dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u30fc\ufe58\ufe63\uff0d", "-")


@dataclass(frozen=True, slots=True)
class Plain:
    """A text made plain. `starts[i]`/`ends[i]` are the original offsets of plain character i; empty when nothing changed."""

    text: str = field(repr=False)
    starts: tuple[int, ...] = field(default=(), repr=False)
    ends: tuple[int, ...] = field(default=(), repr=False)

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return the original offsets of the plain span [start, end), in Unicode code points."""
        return (self.starts[start], self.ends[end - 1]) if self.starts else (start, end)


def normalise(text: str) -> Plain:
    """Return `text` with NFKC forms, ASCII digits and dashes, and without invisible characters (Unicode UAX #15), with the way back.

    A character and the combining marks after it are one unit; every plain character of a unit points at the whole unit.
    """
    if not _ODD.search(text):
        return Plain(text)
    characters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    position = 0
    for odd in _ODD.finditer(text):
        if odd.start() < position:
            continue
        start, end = odd.span()
        if unicodedata.combining(text[start]) and start > position:
            start -= 1  # the letter that the mark sits on
        while end < len(text) and unicodedata.combining(text[end]):
            end += 1
        characters.extend(text[position:start])
        starts.extend(range(position, start))
        ends.extend(range(position + 1, start + 1))
        plain = _plain(text, start, end)
        characters.extend(plain)
        starts.extend([start] * len(plain))
        ends.extend([end] * len(plain))
        position = end
    characters.extend(text[position:])
    starts.extend(range(position, len(text)))
    ends.extend(range(position + 1, len(text) + 1))
    return Plain("".join(characters), tuple(starts), tuple(ends))


def _plain(text: str, start: int, end: int) -> str:
    unit = text[start:end]
    if len(unit) == 1:
        if _HIDDEN.match(unit):
            return ""
        if unit == "。":
            return "."
        if unit in _DASHES:
            beside = text[max(0, start - 1) : start] + text[end : end + 1]
            return "-" if any(neighbour.isdecimal() for neighbour in beside) else unit
        if unit.isdecimal():
            return str(unicodedata.decimal(unit))
    return unicodedata.normalize("NFKC", unit)
