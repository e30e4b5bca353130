"""Telephone numbers of China: mobile, landline, 400 and 800, by the MIIT numbering plan (Telecom network numbering plan, 2017).

Mobile: 1[3-9] and 9 more digits, also +86 / 0086 / 86. Landline: area code 010, 02x or 03xx-09xx, then 7 or 8 digits that start with 2-9.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.glance import loosened
from appliance.privacy.recognizers.labels import BETWEEN
from appliance.privacy.recognizers.recognizer import END, START, Hit, Recognizer, compact, follows, regular, slips

_GAP = r"[ \t.\-_·]{0,2}"
_COUNTRY = rf"(?:\(?(?:\+|00){_GAP}86\)?{_GAP}|86{_GAP})?"
_MOBILE = re.compile(rf"{START}(?<![0-9][.\-]){_COUNTRY}(1{_GAP}[3-9](?:{_GAP}[0-9]){{9}}){END}")
_LANDLINE = re.compile(
    rf"{START}(?:{_COUNTRY}\(?(0(?:10|2[0-9]|[3-9][0-9]{{2}}))\)?|\(?(?:\+|00)86\)?{_GAP}(10|2[0-9]|[3-9][0-9]{{2}}))"
    rf"([ .\-·)]{{0,2}})([2-9](?:[ .\-·]?[0-9]){{6,7}})(?:(?:\s?[\-转#*]\s?|\s?(?:ext\.?|分机)\s?)[0-9]{{1,6}})?{END}",
    re.IGNORECASE,
)
_SERVICE = re.compile(rf"{START}([48]00(?:[ .\-·]?[0-9]){{7}}){END}")
_LOCAL = re.compile(rf"{START}([2-9][0-9]{{2,3}}[ \-]?[0-9]{{4}}){END}")
_FAX = re.compile(rf"(?:传真|[Ff][Aa][Xx])\.?(?:号码?|{BETWEEN})*$")
_LABEL = re.compile(
    rf"(?:电话|座机|固话|传真|热线|手机|(?:联系|电话|传真|手机)号码|致电|拨打|我打|请打|联系方式|[Tt][Ee][Ll]|[Ff][Aa][Xx]|[Pp]hone)\.?(?:号码?|{BETWEEN})*$"
)


def find(text: str) -> Iterator[Hit]:
    """Yield mobile numbers (.85), landlines (.75, unbroken .5) and service numbers; 7 or 8 digits alone only behind a label."""
    for match in _MOBILE.finditer(text):
        if regular(match[1]) and not slips(text, match.start()):
            yield Hit(*match.span(), "PHONE", 0.85, "MOBILE_PHONE")
    for match in _LANDLINE.finditer(text):
        digits = len(compact(match[4]))
        labelled = follows(text, match.start(), _LABEL)
        if (digits == 8 or not (match[1] or "").startswith(("010", "02"))) and not slips(text, match.start()):
            score = 0.85 if labelled else 0.75 if match[3] or "(" in match[0] else 0.5
            yield Hit(*match.span(), "PHONE", score, _form(text, match.start()))
    for match in _SERVICE.finditer(text):
        if follows(text, match.start(), _LABEL) or len(match[1]) > 10:
            yield Hit(*match.span(), "PHONE", 0.75, "CN_SERVICE_PHONE")
        elif not text.isascii() and not slips(text, match.start()):
            yield Hit(*match.span(), "PHONE", 0.45, "CN_SERVICE_PHONE")
    for match in _LOCAL.finditer(text):
        if follows(text, match.start(), _LABEL):
            yield Hit(*match.span(), "PHONE", 0.7, _form(text, match.start()))


def _form(text: str, start: int) -> str:
    return "FAX" if follows(text, start, _FAX) else "LANDLINE"


def _labelled() -> list[str]:
    return [loosened(_LABEL, right=False) + loosened(_LOCAL, left=False)]


RECOGNIZER = Recognizer(
    "cn_phone", find, min_digits=7, strong=True, expressions=(_MOBILE, _LANDLINE, _SERVICE, _labelled)
)
