"""Positions on the earth: decimal degrees and degrees, minutes, seconds (ISO 6709). Precise to some metres they are an address (GB/T 35273-2020 annex B)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.recognizers.recognizer import Hit, Recognizer, beside

_SIGN = r"(?:[NSEWnsew]|[东西南北][经纬]?|[东西]经|[南北]纬)?\s?[+\-]?"
_DECIMAL = r"[0-9]{1,3}\.[0-9]{2,15}"
_SIDE = r"\s?[°度]?\s?(?:[NSEWnsew](?![A-Za-z]))?"
_PAIR = re.compile(
    rf"(?<![0-9A-Za-z.\-])({_SIGN}({_DECIMAL}){_SIDE}\s?(?:[,，、;；/|]|\s)\s?{_SIGN}({_DECIMAL}){_SIDE})(?![0-9]|\.[0-9])"
)
_DEGREES = r"[0-9]{1,3}\s?(?:°|度|º|deg)\s?[0-9]{1,2}(?:\.[0-9]+)?\s?(?:['′’]|分)\s?(?:[0-9]{1,2}(?:\.[0-9]+)?\s?(?:''|′′|[\"″”]|秒))?"
_SEXAGESIMAL = re.compile(
    rf"(?<![0-9A-Za-z.])((?:[NSEW]\s?|[东西]经\s?|[南北]纬\s?)?{_DEGREES}\s?(?:[NSEW](?![A-Za-z]))?)"
)
_LABELLED = re.compile(
    r"(?:(?<![A-Za-z])(?:lat(?:itude)?|lon(?:g(?:itude)?)?|lng)|[东西]?经度?|[南北]?纬度?)\s*(?:is|为|是|[:=\"'])*\s*([+\-]?[0-9]{1,3}\.[0-9]{1,15}(?:\s?[°度])?(?:\s?[NSEW](?![A-Za-z]))?)",
    re.IGNORECASE,
)
_SIDED = re.compile("[NSEW°度经纬]")
_CONTEXT = re.compile(
    r"(?<![a-z])(?:gps|coordinates?|coords?|position|located?|location|lat(?:itude)?|lon(?:gitude)?|lng|geo|map|pin)(?![a-z])|坐标|定位|经纬|经度|纬度|位置|地图",
    re.IGNORECASE,
)


def find(text: str) -> Iterator[Hit]:
    """Yield pairs in range (five decimals .6, three only beside a word for them; with the word .85), sexagesimal (.8) and labelled values (.8)."""
    for match in _PAIR.finditer(text):
        first, second = float(match[2]), float(match[3])
        context = beside(text, *match.span(1), _CONTEXT, before=40, after=15)
        decimals = min(len(match[2].partition(".")[2]), len(match[3].partition(".")[2]))
        sided = bool(_SIDED.search(match[1]))
        precise = decimals >= (4 if sided else 5) or (context and (sided or decimals >= 3))
        if min(first, second) <= 90 and 1 <= max(first, second) <= 180 and precise:
            yield Hit(*match.span(1), "GPS", 0.85 if context else 0.6)
    for pattern in (_SEXAGESIMAL, _LABELLED):
        for match in pattern.finditer(text):
            yield Hit(*match.span(1), "GPS", 0.8)


RECOGNIZER = Recognizer(
    "gps",
    find,
    min_digits=4,
    trigger=re.compile(
        r"[0-9]\.[0-9]{3,15}[^0-9]{1,8}[0-9]{1,3}\.[0-9]{3}|[0-9]\s?(?:°|度|deg)\s?[0-9]|[经纬]度?[^0-9]{0,4}[0-9]|[Ll](?:at|on|ng)[a-z]{0,6}\W{1,4}[0-9]"
    ),
    expressions=(_PAIR, _SEXAGESIMAL, _LABELLED),
)
