"""International bank account numbers: ISO 13616-1 (country, two check digits, national number), ISO 7064 MOD 97-10."""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.check_digits import mod_97
from appliance.privacy.recognizers.labels import BETWEEN
from appliance.privacy.recognizers.recognizer import END, START, Hit, Recognizer, compact, follows

# Lengths from the IBAN registry (SWIFT, release 99).
_LENGTHS = {
    country: int(length)
    for length, countries in {
        "15": "NO", "16": "BE", "18": "DK FI FO GL NL SD FK", "19": "MK SI", "20": "AT BA EE KZ LT LU MN XK", "21": "CH HR LI LV",
        "22": "BG BH CR DE GB GE IE ME RS VA", "23": "AE GI IL IQ TL OM SO", "24": "AD CZ ES MD PK RO SA SE SK TN VG", "25": "LY PT ST",
        "26": "IS TR", "27": "BI DJ FR GR IT MC MR SM", "28": "AL AZ BY CY DO GT HU LB NI PL SV", "29": "BR EG PS QA UA", "30": "JO KW MU YE",
        "31": "MT SC", "32": "LC", "33": "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_GAP = r"[ .\-·]?"
_START = re.compile(rf"(?:{START}|(?<=IBAN)|(?<=iban))([A-Za-z]{{2}}){_GAP}[0-9]{{2}}(?:{_GAP}[0-9A-Za-z]){{9,30}}")
_LABEL = re.compile(
    rf"(?:(?<![a-z])iban|账号|bank account)(?:[ \-]?(?:number|no\.?|code)|号码?|{BETWEEN})*$", re.IGNORECASE
)


def find(text: str) -> Iterator[Hit]:
    """Yield IBANs of the right length: valid 1.0, failing the check .8 behind the label, .45 in one piece."""
    for match in _START.finditer(text):
        length = _LENGTHS.get(match[1].upper())
        if not length:
            continue
        exact = re.compile(rf"(?:{_GAP}[0-9A-Za-z]){{{length}}}{END}").match(text, match.start())
        if not exact:
            continue
        if mod_97(compact(exact[0])):
            yield Hit(*exact.span(), "IBAN", 1.0)
        elif follows(text, match.start(), _LABEL):
            yield Hit(*exact.span(), "IBAN", 0.8)
        elif len(exact[0]) == length and exact[0].isupper():
            yield Hit(*exact.span(), "IBAN", 0.45)


_GLANCE = re.compile(rf"(?:{'|'.join(_LENGTHS)}){_GAP}[0-9]{{2}}(?:{_GAP}[0-9A-Za-z]){{9}}", re.IGNORECASE)
RECOGNIZER = Recognizer(
    "iban", find, min_digits=10, trigger=re.compile(r"[A-Za-z]{2}[ .\-·]?[0-9]{2}"), strong=True, expressions=(_GLANCE,)
)
