"""US social security numbers and ITINs (SSA POMS RM 10201; IRS Publication 1915).

AAA-GG-SSSS: no area 000, 666, 9xx; no group 00; no serial 0000. ITIN: 9xx with group 50-65, 70-88, 90-92, 94-99.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.recognizers.recognizer import END, START, Hit, Recognizer, beside, slips

_BROKEN = re.compile(rf"{START}(?<![0-9][.\-])([0-9]{{3}})([ .\-·])([0-9]{{2}})\2([0-9]{{4}}){END}(?![.\-][0-9])")
_UNBROKEN = re.compile(rf"{START}([0-9]{{3}})()([0-9]{{2}})([0-9]{{4}}){END}")
_CONTEXT = re.compile(
    r"(?<![a-z])(?:ssn|social security|soc(?:ial)? sec|itin|ssns|tax(?:payer)? id(?:entification)?|tin|社会安全号|社安号)(?![a-z])",
    re.IGNORECASE,
)


def find(text: str) -> Iterator[Hit]:
    """Yield numbers in three groups (.75), unbroken ones only beside a word for them (.7)."""
    for match in _BROKEN.finditer(text):
        context = beside(text, *match.span(), _CONTEXT, after=20)
        if context or (_assigned(match) and not slips(text, match.start())):
            yield Hit(*match.span(), "NATIONAL_ID", 0.95 if context else 0.75, _form(match))
    if _CONTEXT.search(text):
        for match in _UNBROKEN.finditer(text):
            if beside(text, *match.span(), _CONTEXT, after=20):
                yield Hit(*match.span(), "NATIONAL_ID", 0.7, _form(match))


def _form(match: re.Match[str]) -> str:
    return "US_ITIN" if match[1][0] == "9" else "US_SSN"


def _assigned(match: re.Match[str]) -> bool:
    area, group, serial = match[1], match[3], match[4]
    if area[0] == "9":
        return 50 <= int(group) <= 99 and group not in ("89", "93")
    return area not in ("000", "666") and group != "00" and serial != "0000"


RECOGNIZER = Recognizer("us_social_security", find, min_digits=9, strong=True, expressions=(_BROKEN, _UNBROKEN))
