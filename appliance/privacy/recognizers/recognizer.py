"""What a recognizer is: a rule's name, a cheap trigger, and a function from plain text to hits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from appliance.privacy.glance import Expression, Glance

__all__ = [
    "END",
    "START",
    "Hit",
    "Recognizer",
    "beside",
    "compact",
    "follows",
    "group_ends",
    "overlapping",
    "regular",
    "slips",
]

# `\b` sees no edge between a digit and a Chinese character, so edges are spelled out.
START = r"(?<![0-9A-Za-z])"
END = r"(?![0-9A-Za-z])"

_MEMORY_BYTES = 2 * 1024**2  # of what tells whether one expression can match
_SENTENCE = re.compile(r"[;；。!?！？\n]|\.\s")
_GROUP = re.compile("[0-9A-Za-z]+")
_SEPARATORS = re.compile(r"[\s.\-_/·•()]+")
# Numbers with these labels are no personal numbers, whatever their shape.
_OTHER = re.compile(
    r"(?:订单|运单|单号|流水|交易|发票|税票|快递|物流|批号|批次|条码|货号|型号|版本|端口|序号|序列|金额|余额|价格|合计|编码|期刊|专利"
    r"|(?<![A-Za-z])(?:order|invoice|tracking|shipment|transaction|version|firmware|build|batch|lot|sku|item|part|model|amount|total|price|isbn|issn|doi|pmid|v))"
    r"(?:[\s:：#=\"'(（]|号码?|编号|代码|no\.?|number|num|id|code|is|was|为|是)*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Hit:
    """One find in a plain text: [start, end), a kind of `kinds.KINDS`, a score in [0, 1], and which of `kinds.FORMS` it is, where that is known."""

    start: int
    end: int
    kind: str
    score: float
    form: str = ""


@dataclass(frozen=True, slots=True)
class Recognizer:
    """One recognizer. It runs on a text with at least `min_digits` digits in which `trigger` (if any) is found.

    One of `expressions` (if any) matches in every text in which `find` finds something, so that one look at a text (`glance`) tells that most recognizers need not read it.

    `strong` kinds are searched a second time in the scrubbed text: a find there holds the record back. Recognizers of `names` are left out in the
    mode `structured-only`. `eager` runs in place of `find` in the mode `max-recall`: the same and more, at the price of precision.
    """

    rule: str
    find: Callable[[str], Iterable[Hit]]
    min_digits: int = 0
    trigger: re.Pattern[str] | None = None
    strong: bool = False
    names: bool = False
    eager: Callable[[str], Iterable[Hit]] | None = None
    expressions: Sequence[Expression] = ()


def beside(text: str, start: int, end: int, words: re.Pattern[str], before: int = 40, after: int = 0) -> bool:
    """Tell whether one of `words` stands within `before` characters ahead of the span, or `after` characters behind it in the same sentence."""
    if _can_stand(words, text[max(0, start - before) : start]) and words.search(text, max(0, start - before), start):
        return True
    if not after:
        return False
    behind = _SENTENCE.split(text[end : end + after], maxsplit=1)[0]
    return _can_stand(words, behind) and bool(words.search(behind))


def follows(text: str, start: int, label: re.Pattern[str], reach: int = 40) -> bool:
    """Tell whether `label` (a pattern that ends with `$`) stands directly ahead of `start`."""
    ahead = text[max(0, start - reach) : start]
    return _can_stand(label, ahead) and bool(label.search(ahead))


def _can_stand(words: re.Pattern[str], piece: str) -> bool:
    """Tell whether `words` can match in a piece of text: RE2 tells it in a tenth of the time."""
    return bool(_glance(words)(piece))


@cache
def _glance(words: re.Pattern[str]) -> Glance[str]:
    return Glance([{"words": (words,)}], memory_bytes=_MEMORY_BYTES)


def slips(text: str, start: int) -> bool:
    """Tell whether the number at `start` is labelled as an order, an invoice, a version or the like."""
    return follows(text, start, _OTHER)


def compact(text: str) -> str:
    """Return `text` in capitals without the separators that people put into numbers."""
    return _SEPARATORS.sub("", text).upper()


def overlapping(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of group 1 of a look-ahead `pattern`: every start is tried, so that a digit ahead of a number hides nothing."""
    for match in pattern.finditer(text):
        yield match.span(1)


def group_ends(text: str, start: int, end: int) -> list[int]:
    """Return where a number at [start, end) may end, longest first: behind every group of its digits."""
    return [start + match.end() for match in _GROUP.finditer(text[start:end])][::-1]


def regular(number: str) -> bool:
    """Tell whether the groups of a written number look like one number: equal groups (the last may differ), or none under 3 digits."""
    sizes = [len(group) for group in _GROUP.findall(number)]
    return len(set(sizes[:-1])) <= 1 or min(sizes) >= 3
