"""Identity cards of Hong Kong, Macau and Taiwan.

Hong Kong (Registration of Persons Ordinance, cap. 177): 1 or 2 letters, 6 digits, a check digit in brackets. Macau (law 8/2002): 1, 5 or 7, 6 digits, a digit in
brackets. Taiwan (Household Registration Act): a letter, 1 or 2, 8 digits; resident certificates a letter, 8 or 9, 8 digits (2021), or two letters and 8
digits. Their one check digit is weak, so without a word for them they score .5 at most.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.check_digits import hk_id, tw_id
from appliance.privacy.recognizers.recognizer import END, START, Hit, Recognizer, beside, compact, slips

_GAP = r"[ .\-·]?"
_HONG_KONG = re.compile(rf"{START}([A-Za-z]{{1,2}}(?:{_GAP}[0-9]){{6}}{_GAP}(?:\( ?[0-9Aa] ?\)|[0-9Aa]{END}))")
_MACAU = re.compile(rf"{START}([157](?:{_GAP}[0-9]){{6}}{_GAP}(?:\( ?[0-9] ?\)|/[0-9]{END}|[0-9]{END}))")
_TAIWAN = re.compile(rf"{START}([A-Za-z]{_GAP}(?:[1289]|[A-Da-d])(?:{_GAP}[0-9]){{8}}){END}")
_CONTEXT = re.compile(
    r"身份证|身份證|统一证号|統一證號|身份证字号|身分证|身分證|证件|居留证|居留證|香港|澳门|澳門|台湾|台灣|港人|(?<![a-z])(?:hk ?id|hong kong|macau|macao|taiwan|identity card|id (?:card|no|number)|resident card|arc)(?![a-z])",
    re.IGNORECASE,
)
_MACAU_WORD = re.compile(r"澳门|澳門|(?<![a-z])(?:macau|macao|bir)(?![a-z])", re.IGNORECASE)


def find(text: str) -> Iterator[Hit]:
    """Yield cards whose check digit fits: .9 beside a word for them, else .5 (in brackets) or .45; behind such a word even a wrong one (.6)."""
    for match in _HONG_KONG.finditer(text):
        score = _score(text, match, hk_id(compact(match[1])), 0.5 if match[1].endswith(")") else 0.0)
        if score:
            yield Hit(*match.span(1), "ID_NUMBER", score, "HK_ID")
    for match in _TAIWAN.finditer(text):
        score = _score(
            text, match, tw_id(compact(match[1])), 0.45 if match[1][:2].isupper() and match[1][1].isdigit() else 0.0
        )
        if score:
            yield Hit(*match.span(1), "ID_NUMBER", score, "TW_ID")
    for match in _MACAU.finditer(text):
        if beside(text, *match.span(1), _MACAU_WORD, before=25, after=10):
            yield Hit(*match.span(1), "ID_NUMBER", 0.85, "MO_ID")
        elif match[1].endswith(")") and beside(text, *match.span(1), _CONTEXT, before=25):
            yield Hit(*match.span(1), "ID_NUMBER", 0.6, "MO_ID")


def _score(text: str, match: re.Match[str], fits: bool, alone: float) -> float:
    if beside(text, *match.span(1), _CONTEXT, before=25, after=8):
        return 0.9 if fits else 0.6
    return alone if fits and not slips(text, match.start(1)) else 0.0


_BRACKETS = re.compile(r"[0-9][ .\-·]?\( ?[0-9Aa] ?\)")  # what a card of Hong Kong shows without a word for it
RECOGNIZER = Recognizer(
    "hk_mo_tw_id",
    find,
    min_digits=6,
    trigger=re.compile(
        r"[A-Za-z][ .\-·]?[0-9]{2}|[0-9][ .\-·]?[0-9]\(|[0-9] ?\( ?[0-9A] ?\)|[A-Za-z] [0-9] [0-9]|[澳Mm][门門a]"
    ),
    strong=True,
    expressions=(_CONTEXT, _MACAU_WORD, _BRACKETS, _TAIWAN),
)
