"""Unified social credit code (GB 32100-2015) and organization code (GB 11714-1997) of China.

GB 32100: 18 characters of 0-9 A-Z without I O S V Z: authority, category, 6 digits area, 9 characters organization code, check
character = 31 - sum(value_i * 3^(i-1) mod 31) mod 31. GB 11714: 8 characters and a check character, weights 3 7 9 10 5 8 4 2, mod 11.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.check_digits import gb_11714, gb_32100
from appliance.privacy.recognizers.labels import BETWEEN
from appliance.privacy.recognizers.recognizer import (
    END,
    START,
    Hit,
    Recognizer,
    beside,
    compact,
    follows,
    overlapping,
    slips,
)

_GAP = r"[ .\-_·]?"
_LETTER = "[0-9A-HJ-NPQRTUWXYa-hj-npqrtuwxy]"
_CODE = re.compile(rf"{START}(?=({_LETTER}{_GAP}{_LETTER}(?:{_GAP}[0-9]){{6}}(?:{_GAP}{_LETTER}){{10}}){END})")
_ORGANIZATION = re.compile(rf"{START}([0-9A-Z](?:{_GAP}[0-9A-Z]){{7}}{_GAP}[0-9X]){END}")
_LABEL = re.compile(
    rf"(?:统一社会信用代码|信用代码|纳税人识别号|税号|社会信用|USCC|credit code)(?:号码?|{BETWEEN})*$",
    re.IGNORECASE,
)
_ORGANIZATION_LABEL = re.compile(
    rf"(?:组织机构代码证?|机构代码证?|组织代码|机构码|代码证书?|组织机构|organi[sz]ation code)(?:号码?|{BETWEEN})*$",
    re.IGNORECASE,
)


_NEAR = re.compile("机构|代码")


def find(text: str) -> Iterator[Hit]:
    """Yield credit codes (.9 when the organization code in them fits too, else .6, digits alone .3) and labelled ones (.7)."""
    for start, end in overlapping(_CODE, text):
        code = compact(text[start:end])
        if gb_32100(code) and not slips(text, start):
            inner = gb_11714(code[8:17])
            yield Hit(start, end, "USCC", 0.9 if inner else 0.3 if code.isdigit() else 0.6)
        elif follows(text, start, _LABEL):
            yield Hit(start, end, "USCC", 0.7)
    for match in _ORGANIZATION.finditer(text):
        code = compact(match[1])
        fits = gb_11714(code)
        if any(map(str.isdigit, code)) and follows(text, match.start(), _ORGANIZATION_LABEL):
            yield Hit(*match.span(), "USCC", 0.9 if fits else 0.6, "CN_ORGANIZATION_CODE")
        elif (
            fits
            and (match[1][8] == "-" or not code.isalpha())
            and beside(text, *match.span(), _NEAR, before=15, after=10)
        ):
            yield Hit(*match.span(), "USCC", 0.6, "CN_ORGANIZATION_CODE")


_NAMED = re.compile("机构|代码|organi[sz]ation code", re.IGNORECASE)  # an organization code stands beside nothing else
RECOGNIZER = Recognizer(
    "cn_uscc",
    find,
    min_digits=6,
    trigger=re.compile(r"[0-9A-Za-z](?:[ .\-_·]?[0-9A-Za-z]){8}"),
    strong=True,
    expressions=(_CODE, _NAMED),
)
