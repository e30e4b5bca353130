"""Passports and travel documents (Passport Law of the PRC; Exit and Entry Administration forms; ICAO 9303).

China: E, G, or P, S, D with 8 digits, or E + letter + 7. To Hong Kong and Macau: C, W with 8; home return permit: H, M with 8 or 10; Taiwan: T, L with
8. Officer's card (an ID_NUMBER): 军字第 number 号. Other countries' passports by label only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.recognizers.recognizer import END, START, Hit, Recognizer, beside, slips

_GAP = r"[ \t.\-]?"
_CHINESE = re.compile(rf"{START}([EeGg](?:{_GAP}[0-9]){{8}}|[Ee]{_GAP}[A-HJ-NP-Za-hj-np-z](?:{_GAP}[0-9]){{7}}){END}")
_LABELLED = re.compile(
    rf"{START}([A-Z]{{1,3}}(?:{_GAP}[0-9]){{6,10}}|[0-9]{{7,9}}|(?=(?:[A-Z]*[0-9]){{4}})(?=[0-9]*[A-Z])[0-9A-Z]{{8,9}}){END}",
    re.IGNORECASE,
)
_OFFICER = re.compile(r"[军武海空士文政后南北东西中警][\u4e00-\u9fff]?字第?\s*[0-9](?:[ .\-]?[0-9]){4,9}\s*号?")
_CONTEXT = re.compile(
    r"护照|通行证|[大小]通证|台胞证|回乡证|旅行证|港澳证|入台证|签注|passport|travel (?:permit|document)", re.IGNORECASE
)


def find(text: str) -> Iterator[Hit]:
    """Yield Chinese passports by shape (.6), any by label (.85), officer's cards (.85)."""
    for match in _CHINESE.finditer(text):
        if not slips(text, match.start()):
            yield Hit(*match.span(), "PASSPORT", 0.6, "CN_PASSPORT")
    if _CONTEXT.search(text):
        for match in _LABELLED.finditer(text):
            if beside(text, *match.span(), _CONTEXT, before=25, after=12):
                yield Hit(*match.span(), "PASSPORT", 0.85, _form(match[1]))
    for match in _OFFICER.finditer(text):
        yield Hit(*match.span(), "ID_NUMBER", 0.85, "CN_MILITARY_ID")


def _form(number: str) -> str:
    if number[0] in "CcWwHhMmLlTt":
        return "CN_TRAVEL_PERMIT"
    return "CN_PASSPORT" if number[0] in "EeGgDdSsPp" else ""


RECOGNIZER = Recognizer("passport", find, min_digits=5, strong=True, expressions=(_CHINESE, _OFFICER, _CONTEXT))
