"""Telephone numbers of the world: ITU-T E.164 (at most 15 digits), North American Numbering Plan, national forms.

`phonenumbers` (Google's metadata) judges numbers with a country code and unbroken North American ones; shape and label judge the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.recognizers.recognizer import Hit, Recognizer, compact, follows, slips

_EXTENSION = r"(?:\s*(?:x|ext\.?|extension|#)\s*[0-9]{1,6})?"
# A run of digits with the separators people put into telephone numbers.
_RUN = re.compile(
    rf"(?<![0-9A-Za-z.,/\-$€£¥#])(?:\+\s?|00)?\(?[0-9]{{1,5}}\)?(?:[ .\-/]{{0,2}}\(?[0-9]{{1,5}}\)?){{1,7}}{_EXTENSION}(?![0-9A-Za-z%]|[.,/:\-][0-9])",
    re.IGNORECASE,
)
_NORTH_AMERICA = re.compile(r"(?:\+?1[ .\-]?)?(?:\([2-9][0-9]{2}\)[ .\-]?|[2-9][0-9]{2}[ .\-])[0-9]{3}[ .\-][0-9]{4}")
_EXTENDED = re.compile("x|ext|#", re.IGNORECASE)
_DIGITS = re.compile(r"(?<![0-9A-Za-z.,/\-$€£¥#])[0-9](?:[ .\-/()]{0,4}[0-9]){6,14}(?![0-9])")  # 7 to 15 of a run
_SEVEN = re.compile(r"[2-9][0-9]{2}-[0-9]{4}")
_DATE = re.compile(
    r"(?:\(?(?:1[5-9]|20)[0-9]{2} ?[\-/] ?(?:1[5-9]|20)?[0-9]{2}|(?:0?[1-9]|[12][0-9]|3[01])([.\-/ ])(?:0?[1-9]|[12][0-9]|3[01])\1(?:19|20)?[0-9]{2}|(?:19|20)[0-9]{2}([.\-/ ])[0-1]?[0-9]\2[0-3]?[0-9])(?!\d)"
)
_LABEL = re.compile(
    r"(?:\b(?:phone|tel|telephone|cell|cellphone|mobile|fax|call|answering|called|calling|dial|dialed|ring|text|texted|contact|desk|office|home|work|landline|pager|whatsapp|sms|hotline|helpline|reach(?:ed)?|message[sd]?"
    r"|(?:phone|tel|telephone|mobile|cell|contact|fax|callback) (?:no|number|num|nr)|(?:my|his|her|their|our|your|new|following) number)|电话|手机|致电|传真)"
    r"(?:\s|[:.#(\-]|\b(?:me|us|him|her|them|back|is|was|at|on|to|no|number|registered|my|his|the|your|our|of|nr|num)\b|为|是)*$",
    re.IGNORECASE,
)


def find(text: str) -> Iterator[Hit]:
    """Yield telephone numbers: with country code .8, North American shape .75, national shapes .5, any shape behind a label .7."""
    for match in _RUN.finditer(text):
        start, end, run = *match.span(), match[0]
        digits = compact(_EXTENDED.split(run, maxsplit=1)[0]).lstrip("+")
        if not 7 <= len(digits) <= 15 or slips(text, start):
            continue
        score = _shape(run, digits)
        if score < 0.7 and not _DATE.match(run) and follows(text, start, _LABEL, reach=45):
            score = 0.7
        if score:
            yield Hit(start, end, "PHONE", score)


def _shape(run: str, digits: str) -> float:
    if run.startswith(("+", "00")) and _valid("+" + digits.removeprefix("00"), None):
        return 0.8
    if _NORTH_AMERICA.match(run):
        return 0.75
    if _DATE.match(run):
        return 0.0
    groups = re.findall(r"[0-9]+", run)
    if len(groups) == 2 and "." in run and not run.startswith("+"):
        return 0.0  # a decimal
    if run.startswith("+") and len(digits) >= 8 and len(groups) > 1:
        return 0.6
    if len(groups) == 1:
        return 0.45 if len(digits) == 10 and digits[0] in "23456789" and _valid(digits, "US") else 0.0
    if run[0] in "0(" and 8 <= len(digits) <= 12 and max(map(len, groups)) <= 8 and "/" not in run:
        return 0.5
    pairs = len(groups) >= 4 and len(set(map(len, groups))) == 1 and len(groups[0]) == 2
    return 0.45 if pairs or (_SEVEN.match(run) and len(digits) == 7) else 0.0


def _valid(number: str, region: str | None) -> bool:
    import phonenumbers

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False


RECOGNIZER = Recognizer("phone_number", find, min_digits=7, strong=True, expressions=(_DIGITS,))
