"""Business identifier codes (SWIFT): ISO 9362, four letters, the country (ISO 3166-1), two characters, and three more for a branch.

Many words of eight letters have the form, so a word for it must stand near.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.recognizers.labels import BETWEEN
from appliance.privacy.recognizers.recognizer import END, START, Hit, Recognizer, beside

_COUNTRIES = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR "
    "CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU "
    "ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ "
    "MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI "
    "SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW"
).replace(" ", "|")


def _form(gap: str) -> str:
    return rf"[A-Z]{{4}}{gap}(?:{_COUNTRIES}){gap}[A-Z0-9]{{2}}(?:{gap}[A-Z0-9]{{3}})?"


_LABELLED = re.compile(
    r"(?:(?<![A-Za-z])(?:SWIFT|BIC|(?i:swift|bic)(?=[/ \-]?(?i:code|no\b|is\b|bic)|[^0-9A-Za-z]{0,2}[^\s0-9A-Za-z]))|国际银行代码)"
    rf"(?:[ /\-]?(?i:code|bic|swift|no\.?|代码|编码|号))*(?i:{BETWEEN})*"
    rf"({_form(' ?')}){END}"
)
_CODE = re.compile(rf"{START}({_form('')}){END}(\s?\(?(?:SWIFT|BIC)(?![A-Za-z]))?")
_TELLING = re.compile("[0-9]|XXX$")  # no word of a language
_CONTEXT = re.compile(r"(?<![A-Za-z])(?:swift|bic|iban)(?![a-z])|汇款|电汇", re.IGNORECASE)


def find(text: str) -> Iterator[Hit]:
    """Yield codes behind their label or with it behind them (.85); near such a word or an IBAN only those with a digit or of eleven characters (.6)."""
    for match in _LABELLED.finditer(text):
        yield Hit(*match.span(1), "BIC", 0.85)
    for match in _CODE.finditer(text):
        if match[2]:
            yield Hit(*match.span(1), "BIC", 0.85)
        elif _TELLING.search(match[1]) and beside(text, *match.span(1), _CONTEXT, before=60, after=40):
            yield Hit(*match.span(1), "BIC", 0.6)


_TRIGGER = re.compile("SWIFT|[Ss]wift|BIC|IBAN|银行代码|汇款|电汇")
RECOGNIZER = Recognizer("bic", find, trigger=_TRIGGER, expressions=(_TRIGGER,))
