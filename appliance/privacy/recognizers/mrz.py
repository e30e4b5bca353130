"""The machine-readable zone of passports, identity cards and visas: ICAO Doc 9303 parts 4 (TD3), 5 (TD1), 6 (TD2) and 7 (visas).

Two lines of 44 or 36, or three of 30, of A-Z 0-9 and <. The zone holds a name, so it goes as a whole, line breaks in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.check_digits import mrz
from appliance.privacy.recognizers.recognizer import Hit, Recognizer

# Characters of the zone; copies put spaces and line breaks between lines, and lose fillers at their ends.
_ZONE = re.compile(r"(?<![0-9A-Z<])[ACIPV][A-Z<][A-Z<]{3}[0-9A-Z<]{5,39}(?:\s{0,4}[0-9A-Z<]{10,90}){0,2}")
_SECOND = re.compile(r"(?<![0-9A-Z<])[0-9A-Z<]{9}[0-9][A-Z<]{3}[0-9]{7}[MFX<][0-9]{7}[0-9A-Z<]{2,16}(?![0-9A-Z<])")
_THIRD = re.compile(r"(?<![0-9A-Z<])[0-9]{7}[MFX<][0-9]{7}[A-Z<]{3}[0-9A-Z<]{11}[0-9](?![0-9A-Z<])")


def find(text: str) -> Iterator[Hit]:
    """Yield zones: 1.0 when their check digits fit, .85 when not (a misread letter); a second line alone .9."""
    for match in _ZONE.finditer(text):
        characters = re.sub(r"\s", "", match[0])
        if len(characters) < 28:
            continue
        if "<<" in characters and any(map(str.isdigit, characters)):
            yield Hit(*match.span(), "PASSPORT", 1.0 if mrz(characters) else 0.85, "MRZ")
        elif "<<" in characters:
            yield Hit(*match.span(), "PASSPORT", 0.7, "MRZ")
    for pattern in (_SECOND, _THIRD):
        for match in pattern.finditer(text):
            yield Hit(*match.span(), "PASSPORT", 0.9, "MRZ")


RECOGNIZER = Recognizer(
    "mrz", find, trigger=re.compile("<<|[MFX<][0-9]{7}"), strong=True, expressions=(_ZONE, _SECOND, _THIRD)
)
