"""Identifiers of telephones and their cards: IMEI (3GPP TS 23.003: 15 digits, Luhn), IMEISV (16), ICCID (ITU-T E.118: 89, 19 or 20 digits, Luhn), IMSI (15).

HIPAA 164.514(b)(2)(i)(M) device identifiers; GB/T 35273-2020 annex A. Bare digits need a word for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.check_digits import imei, luhn
from appliance.privacy.recognizers.recognizer import END, START, Hit, Recognizer, beside, compact

_GAP = r"[ .\-·/]?"
_NUMBER = re.compile(rf"{START}([0-9](?:{_GAP}[0-9]){{14,19}}){END}")
_GROUPED = re.compile(r"[0-9]{2}[ \-][0-9]{6}[ \-][0-9]{6}[ \-][0-9]")
_CONTEXT = re.compile(
    r"串号|串码|设备识别|手机识别|(?<![a-z])(?:imei|imeisv|imsi|meid|iccid|sim|esn)(?![a-z])|SIM卡", re.IGNORECASE
)


def find(text: str) -> Iterator[Hit]:
    """Yield numbers beside a word for them (.9 when the check digit fits, else .75), and an IMEI in its own groups (.6)."""
    for match in _NUMBER.finditer(text):
        number = compact(match[1])
        fits = imei(number) or (number.startswith("89") and luhn(number))
        form = "ICCID" if number.startswith("89") and len(number) > 17 else "IMEI"
        if beside(text, *match.span(1), _CONTEXT, before=25, after=12):
            yield Hit(*match.span(1), "DEVICE_ID", 0.9 if fits else 0.75, form)
        elif fits and _GROUPED.fullmatch(match[1]):
            yield Hit(*match.span(1), "DEVICE_ID", 0.6, form)


RECOGNIZER = Recognizer("device", find, min_digits=15, expressions=(_CONTEXT, _GROUPED))
