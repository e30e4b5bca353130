"""Dates and ages in Chinese texts (GB/T 7408.1-2023 for the numeric forms; 年月日 forms with Arabic and Chinese numerals)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.recognizers.recognizer import Hit, Recognizer, beside

_DIGIT = "[〇零○一二三四五六七八九]"
_YEAR = rf"(?:(?<![0-9])(?:1[5-9]|20|21)[0-9]{{2}}|{_DIGIT}{{4}}|(?<![0-9])[0-9]{{2}})"
_MONTH = r"(?:1[0-2]|0?[1-9]|十[一二]?|[一二三四五六七八九元正腊])"
_DAY = r"(?:3[01]|[12][0-9]|0?[1-9]|三十一?|二?十[一二三四五六七八九]?|[一二三四五六七八九]|廿[一二三四五六七八九]?|初[一二三四五六七八九十])"
_CLOCK = r"(?:\s*(?:上午|下午|晚上?|凌晨|中午)?\s*[0-2]?[0-9](?::[0-5][0-9](?::[0-5][0-9])?|[时点](?:[0-5]?[0-9]分)?))?"
_DATES = (
    re.compile(rf"{_YEAR}\s?年\s?{_MONTH}\s?月(?:份|\s?{_DAY}\s?[日号])?{_CLOCK}"),
    re.compile(rf"(?<![0-9]){_MONTH}\s?月\s?{_DAY}\s?[日号]{_CLOCK}"),
    re.compile(r"(?<![0-9])(?:1[89]|20)[0-9]{2}年(?![前后来间半内])"),
    re.compile(rf"[一二]{_DIGIT}{{3}}年"),
)
_COMPACT = re.compile(r"(?<![0-9A-Za-z])(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?![0-9A-Za-z])")
_BIRTH = re.compile(r"出生|生日|生于|诞生|诞辰|年生|月生|日生|[Bb]orn|DOB")
_DATE_LABEL = re.compile(r"日期|时间|出生|生日|生于|有效期|入院|出院|就诊")
_AGES = (
    re.compile(r"(?<![0-9.])(1[01][0-9]|[1-9]?[0-9])\s?(?:周岁|岁半|岁)(?!月)"),
    re.compile(r"(?<![0-9.])([1-9][0-9]?)\s?(?:月龄|日龄|周龄|个月大|天大)"),
    re.compile(r"年龄\s?[:为是]?\s?(1[01][0-9]|[1-9]?[0-9])(?![0-9.%])"),
    re.compile(
        r"([一二三四五六七八九]?十[一二三四五六七八九]?|[一二三四五六七八九])(?:周岁|岁)(?=[,，。;；、 )）的男女]|$)"
    ),
)


def find(text: str) -> Iterator[Hit]:
    """Yield dates (.8, years alone .5; BIRTH_DATE beside a word for birth) and ages (.75, the number alone)."""
    for index, pattern in enumerate(_DATES):
        for match in pattern.finditer(text):
            yield Hit(*match.span(), _kind(text, match), 0.5 if index >= 2 else 0.8)
    for match in _COMPACT.finditer(text):
        if beside(text, *match.span(), _DATE_LABEL, before=10, after=4):
            yield Hit(*match.span(), _kind(text, match), 0.6)
    for pattern in _AGES:
        for match in pattern.finditer(text):
            yield Hit(*match.span(1), "AGE", 0.75)


def _kind(text: str, match: re.Match[str]) -> str:
    return "BIRTH_DATE" if beside(text, *match.span(), _BIRTH, before=10, after=4) else "DATE"


RECOGNIZER = Recognizer(
    "dates_zh", find, trigger=re.compile("[年月岁龄]|(?:19|20)[0-9]{6}"), expressions=(*_DATES, _COMPACT, *_AGES)
)
