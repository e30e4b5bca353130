"""Resident identity number of China, also residence permits of Hong Kong, Macau, Taiwan (81, 82, 83) and of foreigners (9).

GB 11643-1999: 6 digits area (GB/T 2260), 8 digits birth date, 3 digits sequence (odd = male), a check character after
ISO 7064 MOD 11-2. The 15-digit form (until 1999) has a two-digit year and no check. The area never vetoes: codes get revoked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.check_digits import born, mod_11_2
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

_GAP = r"[ \t.\-_/·]{0,2}"
_LONG = re.compile(rf"{START}(?=([1-9](?:{_GAP}[0-9]){{16}}{_GAP}[0-9Xx]){END})")
_SHORT = re.compile(rf"{START}(?=([1-9](?:{_GAP}[0-9]){{14}}){END})")
_PERMANENT_RESIDENCE = re.compile(rf"{START}([A-Za-z]{{3}}(?:{_GAP}[0-9]){{12}}){END}")  # foreigners, form of 2017
# The first two digits of GB/T 2260; asked for only where a bare number has no check digit.
_PROVINCES = re.compile("1[1-5]|2[123]|3[1-7]|4[1-6]|5[0-4]|6[1-5]")
_CONTEXT = re.compile(
    r"身份证|身份號|[一二]代证|永居|永久居留|统一证号|身分证|公民身份|证件号|居民证|居住证|居留|户口|户籍|(?<![a-z])(?:id(?:entity)?(?:\s*(?:card|no|number|#))|sfz|national id|resident id)",
    re.IGNORECASE,
)
_LABEL = re.compile(
    rf"(?:身份证(?:件)?(?:号码?)?|公民身份号码|证件号码?|(?<![a-z])(?:sfz|id\s*(?:card)?\s*(?:no\.?|number|#)?))(?:号码?|{BETWEEN})*$",
    re.IGNORECASE,
)


def find(text: str) -> Iterator[Hit]:
    """Yield resident numbers: .95 with a valid date and check digit; a mistyped or 15-digit one by its label; 15 digits that look the part .45."""
    for start, end in overlapping(_LONG, text):
        number = compact(text[start:end])
        dated = born(number[6:14])
        if dated and mod_11_2(number):
            yield Hit(start, end, "ID_NUMBER", 0.95, _form(number))
        elif follows(text, start, _LABEL):
            yield Hit(start, end, "ID_NUMBER", 0.8 if dated else 0.6, _form(number))
    for start, end in overlapping(_SHORT, text):
        number = compact(text[start:end])
        if born("19" + number[6:12]):
            if beside(text, start, end, _CONTEXT, before=20, after=10):
                yield Hit(start, end, "ID_NUMBER", 0.85, "CN_RESIDENT_ID_15")
            elif end - start == 15 and _PROVINCES.match(number) and not slips(text, start):
                yield Hit(start, end, "ID_NUMBER", 0.45, "CN_RESIDENT_ID_15")
    for match in _PERMANENT_RESIDENCE.finditer(text):
        if beside(text, *match.span(), _CONTEXT, after=10):
            yield Hit(*match.span(), "ID_NUMBER", 0.85, "CN_FOREIGNER_RESIDENCE")


def _form(number: str) -> str:
    if number[0] == "9":
        return "CN_FOREIGNER_RESIDENCE"
    return "CN_RESIDENCE_PERMIT" if number[:2] in ("81", "82", "83") else "CN_RESIDENT_ID"


RECOGNIZER = Recognizer(
    "cn_resident_id", find, min_digits=12, strong=True, expressions=(_LONG, _SHORT, _PERMANENT_RESIDENCE)
)
