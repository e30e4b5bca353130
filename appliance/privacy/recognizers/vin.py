"""Vehicle identification numbers: ISO 3779, GB 16735-2019, 49 CFR 565 (17 characters without I, O, Q; the ninth checks the others).

The check character is law in North America and China; Europe leaves it open, so there a word must stand near.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.check_digits import vin
from appliance.privacy.recognizers.recognizer import END, START, Hit, Recognizer, beside, compact, regular, slips

_GAP = r"[ .\-·]?"
_NUMBER = re.compile(
    rf"{START}(?=(?:{_GAP}[A-Z0-9]){{0,13}}?[0-9]{_GAP}[0-9]{_GAP}[0-9])([A-HJ-NPR-Z0-9](?:{_GAP}[A-HJ-NPR-Z0-9]){{16}}){END}",
    re.IGNORECASE,
)
_CONTEXT = re.compile(
    r"车架|车辆|识别代|识别码|识别号|大架号|(?<![a-z])(?:vin|chassis|vehicle id[a-z]*|frame)(?![a-z])", re.IGNORECASE
)


def find(text: str) -> Iterator[Hit]:
    """Yield numbers that fit (.95 beside a word for them, else .5) and others beside the word (.8)."""
    for match in _NUMBER.finditer(text):
        number = compact(match[1])
        if number.isdigit() or number.isalpha() or slips(text, match.start(1)):
            continue
        fits, named = vin(number), beside(text, *match.span(1), _CONTEXT, before=25, after=12)
        if named or (fits and (len(match[1]) == 17 or regular(match[1]))):
            yield Hit(*match.span(1), "VIN", 0.95 if fits and named else 0.8 if named else 0.5)


_TRIGGER = re.compile(r"[0-9A-HJ-NPR-Z]{17}|(?:[0-9A-HJ-NPR-Z]{3,6}[ .\-·]){3}|[Vv]in[ :#]|车架|识别|大架")
RECOGNIZER = Recognizer("vin", find, min_digits=4, trigger=_TRIGGER, expressions=(_TRIGGER,))
