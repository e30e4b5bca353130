"""Resident identity number of China, also residence permits of Hong Kong, Macau, Taiwan (81, 82, 83) and of foreigners (9).

GB 11643-1999: 6 digits area (GB/T 2260), 8 digits birth date, 3 digits sequence (odd = male), a check character after
ISO 7064 MOD 11-2. The 15-digit form (until 1999) has a two-digit year and no check. The area never vetoes: codes get revoked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from appliance.privacy.recognizers.recognizer import END, START, Hit, Recognizer, beside, compact, follows, overlapping

_GAP = r"[ \t.\-_/·]{0,2}"
_LONG = re.compile(rf"{START}(?=([1-9](?:{_GAP}[0-9]){{16}}{_GAP}[0-9Xx]){END})")
_SHORT = re.compile(rf"{START}(?=([1-9](?:{_GAP}[0-9]){{14}}){END})")
_PERMANENT_RESIDENCE = re.compile(rf"{START}([A-Z]{{3}}[0-9]{{12}}){END}")  # foreigners, form of 2017
_CONTEXT = re.compile(
    r"身份证|身份號|身分证|公民身份|证件号|居民证|居住证|居留|户口|户籍|(?<![a-z])(?:id(?:entity)?(?:\s*(?:card|no|number|#))|sfz|national id|resident id)",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"(?:身份证(?:件)?(?:号码?)?|公民身份号码|证件号码?|(?<![a-z])(?:sfz|id\s*(?:card)?\s*(?:no\.?|number|#)?))\s*(?:is|为|是|[:=])?\s*$",
    re.IGNORECASE,
)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def check_character(digits: str) -> str:
    """Return the 18th character for the first 17 digits (ISO 7064 MOD 11-2, as in GB 11643-1999 section 4.3)."""
    return "10X98765432"[sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS, strict=True)) % 11]


def born(yyyymmdd: str) -> bool:
    """Tell whether eight digits are a day between 1850 and next year."""
    try:
        day = date(int(yyyymmdd[:4]), int(yyyymmdd[4:6]), int(yyyymmdd[6:]))
    except ValueError:
        return False
    return 1850 <= day.year <= date.today().year + 1


def find(text: str) -> Iterator[Hit]:
    """Yield resident numbers: .95 with a valid date and check digit; a mistyped or 15-digit one by its label."""
    for start, end in overlapping(_LONG, text):
        number = compact(text[start:end])
        dated = born(number[6:14])
        if dated and check_character(number[:17]) == number[17]:
            yield Hit(start, end, "ID_NUMBER", 0.95)
        elif follows(text, start, _LABEL):
            yield Hit(start, end, "ID_NUMBER", 0.8 if dated else 0.6)
    for start, end in overlapping(_SHORT, text):
        number = compact(text[start:end])
        if born("19" + number[6:12]) and beside(text, start, end, _CONTEXT, before=20):
            yield Hit(start, end, "ID_NUMBER", 0.85)
    for match in _PERMANENT_RESIDENCE.finditer(text):
        if beside(text, *match.span(), _CONTEXT):
            yield Hit(*match.span(), "ID_NUMBER", 0.85)


RECOGNIZER = Recognizer("cn_resident_id", find, min_digits=12, strong=True)
