"""Undo what hides a number by accident, and remember where every character came from.

Full-width and circled digits, spaces without width, ＠, ideographic full stops, combining marks, letters that stand for digits (`138O0138OOO`), Chinese
numerals that spell a number and single digits set apart become plain; an exact map leads each offset back to the original text.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import cache

from appliance.privacy.glance import Glance

__all__ = ["Plain", "normalise"]

# Format, control and filler characters, variation selectors, enclosing marks (the box of a keycap digit): nobody sees them part a number.
_INVISIBLE = (
    "\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u20dd-\u20e0\u20e2-\u20e4\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e01ef"
)
_HIDDEN = re.compile(f"[{_INVISIBLE}]")
# Whatever is not known to be plain already: it is looked at character by character. Known are ASCII, Latin-1 and Latin Extended-A letters that
# have no compatibility form, quotation marks, dashes, bullets, CJK ideographs and their full stop and comma.
_ODD = re.compile(
    "[^\t\n\x0c\r\x20-\x7e\u00a1-\u00a7\u00a9\u00ab\u00ac\u00ae\u00b0\u00b1\u00b6\u00b7\u00bb\u00bf-\u0131\u0134-\u013e\u0141-\u0148\u014a-\u017e"
    "\u2010\u2012-\u2016\u2018-\u201f\u2022\u3001\u3002\u3005-\u3007\u3008-\u3011\u3400-\u4dbf\u4e00-\u9fff]"
)
_DASHES = "\u2010-\u2015\u2212\u30fc\ufe58\ufe63\uff0d"
_DASH = re.compile(f"(?<=[0-9])[{_DASHES}]|[{_DASHES}](?=[0-9])")
# An ideographic full stop hides a dot between short groups; beside seven digits or more it ends a sentence.
_MIDDLE_DOT = re.compile("(?<=[0-9])[·•・](?=[0-9])")
_DOT = re.compile("(?<=[0-9A-Za-z])(?<![0-9]{7})[。｡](?![0-9]{7})(?=[0-9A-Za-z])")
# Letters that look like a digit, in a number that is otherwise one: Latin, Cyrillic and Greek O, I and l.
_ALIKE = dict.fromkeys(map(ord, "OoОоΟο"), "0") | dict.fromkeys(map(ord, "IlІӀΙ"), "1")
_LETTERS = "".join(map(chr, _ALIKE))
_TOUCHING = re.compile(f"[0-9][{_LETTERS}]")
_LOOKS_ALIKE = re.compile(
    rf"(?<![^\W_])[0-9][0-9{_LETTERS}]{{1,19}}(?:[ .\-][0-9{_LETTERS}]{{2,8}}){{0,4}}(?![0-9A-Za-z{_LETTERS}])"
)
# Numerals in words without a unit (十, 百, 千): eight or more in a row are a number, not an amount, nor a year.
_NUMERALS = dict(
    zip(map(ord, "〇零一二三四五六七八九幺两壹贰叁肆伍陆柒捌玖"), "00123456789" + "12123456789", strict=True)
)
_SPELLED = re.compile(rf"[{''.join(map(chr, _NUMERALS))}](?:[\- ]?[0-9{''.join(map(chr, _NUMERALS))}]){{7,29}}")
# Single digits set apart by one separator: 1 3 8 0 0 1 3 8 0 0 0.
_APART = re.compile(
    r"(?<![0-9A-Za-z])(?<![0-9A-Za-z][ .·_*\-])[0-9](?:([ .·_*\-])[0-9])(?:\1[0-9]){8,28}(?!\1?[0-9A-Za-z])"
)
# A number of digits and letters with a space behind each of its characters, its own separators too: G B 2 9   N W B K, 0 2 1 - 6 2 3 4 5 6 7 8.
_SPACED = re.compile(
    r"(?<![0-9A-Za-z])(?<![0-9] )[0-9A-Z(](?: [0-9A-Za-z.:/()+@·_\- ]){5,80} (?:[0-9)]|[A-Za-z](?! [A-Za-z]{2}))(?![0-9A-Za-z])"
)
# What either of the two needs, at a glance.
_SINGLES = re.compile(r" [^\n] [^\n] [^\n] |[0-9][.·_*\-][0-9][.·_*\-][0-9][.·_*\-][0-9]|[0-9] [0-9] [0-9] [0-9]")
_DIGITS_ENOUGH = 0.6  # of the characters of a number


@dataclass(frozen=True, slots=True)
class Plain:
    """A text made plain. `starts[i]`/`ends[i]` are the original offsets of plain character i; empty when every character kept its place."""

    text: str = field(repr=False)
    starts: tuple[int, ...] = field(default=(), repr=False)
    ends: tuple[int, ...] = field(default=(), repr=False)

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return the original offsets of the plain span [start, end), in Unicode code points."""
        return (self.starts[start], self.ends[end - 1]) if self.starts else (start, end)


class _Single(dict[int, str]):
    """What `str.translate` puts in the place of a character, learned as characters come: its NFKC form where that is one character as well."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        form = unicodedata.normalize("NFKC", character)
        if 0xD800 <= code < 0xE000:
            form = "\ufffd"  # half a character, which no model reads
        elif unicodedata.digit(character, None) is not None and form == character:
            form = str(unicodedata.digit(character))  # ❶, ٣: NFKC leaves them
        kept = form if len(form) == 1 and not _HIDDEN.match(character) else character
        if len(self) < 65_536:  # a text cannot make it grow without end
            self[code] = kept
        return kept


_SINGLE = _Single()


def normalise(text: str) -> Plain:
    """Return `text` with NFKC forms, ASCII digits and dashes, and without invisible characters (Unicode UAX #15), with the way back.

    A character and the combining marks after it are one unit; every plain character of a unit points at the whole unit.
    """
    if not _glance()(text):
        return Plain(text)
    plain = Plain(text)
    if _ODD.search(text):
        text = text.translate(_SINGLE)
        plain = _by_units(text) if _ODD.search(text) else Plain(text)
    return _joined(Plain(_alike(plain.text), plain.starts, plain.ends))


@cache
def _glance() -> Glance[str]:
    """Return what tells that there is something to undo in a text."""
    return Glance([{"rough": (_ODD, _TOUCHING, _SINGLES, _DASH, _MIDDLE_DOT, _DOT, _SPELLED)}])


def _alike(text: str) -> str:
    """Return `text` with each character that hides a digit, a dash or a dot in its place exchanged for it."""
    if not text.isascii():
        text = _DASH.sub("-", text)
        text = _DOT.sub(".", _MIDDLE_DOT.sub(".", text))
        text = _SPELLED.sub(lambda match: match[0].translate(_NUMERALS), text)
    return _LOOKS_ALIKE.sub(_as_number, text) if _TOUCHING.search(text) else text


def _as_number(match: re.Match[str]) -> str:
    run = match[0]
    digits = sum(map(str.isdigit, run))
    characters = sum(map(str.isalnum, run))
    return run.translate(_ALIKE) if characters >= 8 and digits >= _DIGITS_ENOUGH * characters else run


def _by_units(text: str) -> Plain:
    """Take `text` apart into units and put their plain forms together."""
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
        plain = _plain(text[start:end])
        characters.extend(plain)
        starts.extend([start] * len(plain))
        ends.extend([end] * len(plain))
        position = end
    characters.extend(text[position:])
    starts.extend(range(position, len(text)))
    ends.extend(range(position + 1, len(text) + 1))
    return Plain("".join(characters), tuple(starts), tuple(ends))


def _plain(unit: str) -> str:
    if _HIDDEN.fullmatch(unit):
        return ""
    if unit[0] in "0123456789":  # a digit that is struck through or underlined
        return unit[0]
    return unicodedata.normalize("NFKC", unit)


def _joined(plain: Plain) -> Plain:
    """Return `plain` with digits, and digits among letters, that stand apart, one by one, in one number."""
    if not _SINGLES.search(plain.text):
        return plain
    dropped = {
        place
        for match in _APART.finditer(plain.text)
        for place in range(*match.span())
        if not plain.text[place].isdigit()
    }
    for match in _SPACED.finditer(plain.text):
        digits, characters = sum(map(str.isdigit, match[0])), sum(map(str.isalnum, match[0]))
        if 3 * digits >= characters and 2 * digits <= len(match[0]):  # bare digits are the rule above
            dropped.update(range(match.start() + 1, match.end(), 2))
    if not dropped:
        return plain
    kept = [place for place in range(len(plain.text)) if place not in dropped]
    spans = [plain.original(place, place + 1) for place in kept]
    text = "".join(plain.text[place] for place in kept)
    return Plain(text, tuple(start for start, _end in spans), tuple(end for _start, end in spans))
