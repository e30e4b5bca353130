"""Calendar dates as English texts write them (ISO 8601, day-month-year, month-day-year), ages, times beside a date."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from appliance.privacy.glance import Glance
from appliance.privacy.recognizers.recognizer import END, START, Hit, Recognizer, beside

_MONTH = r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
_DAY = r"(?:0?[1-9]|[12][0-9]|3[01])(?:st|nd|rd|th)?"
_YEAR = r"(?:(?:1[5-9]|20|21)[0-9]{2}|'[0-9]{2})"
_CLOCK = r"(?:(?:,? (?:at )?|T)[0-2]?[0-9]:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?(?:\s?(?:[AaPp]\.[Mm]\.?|[AaPp][Mm]))?(?:Z|[+\-][0-9]{2}:?[0-9]{2})?)?"
_NUMERIC = re.compile(
    rf"(?<![0-9A-Za-z\-/])(?<![0-9A-Za-z]\.)(?:(?:1[5-9]|20|21)[0-9]{{2}}([.\-/])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12][0-9]|3[01])"
    rf"|(?:0?[1-9]|[12][0-9]|3[01])([.\-/])(?:0?[1-9]|[12][0-9]|3[01])\2(?:(?:1[5-9]|20|21)[0-9]{{2}}|[0-9]{{2}})){_CLOCK}(?![0-9A-Za-z]|[\-/][0-9]|\.[0-9])"
)
_WORDS = re.compile(
    rf"{START}(?:{_DAY}(?: of|-| day of)?[ \-,]{{0,2}}{_MONTH}(?:[ ,\-]{{1,2}}{_YEAR})?|{_MONTH}[ \-]{_DAY}(?:(?:, ?| |-){_YEAR})?|{_MONTH},? (?:of )?{_YEAR}){_CLOCK}{END}",
    re.IGNORECASE,
)
_MAY = re.compile(r"^(?:may|mar|march|sept?|dec|jan)\b", re.IGNORECASE)
_BIRTH = re.compile(r"\b(?:born|birth(?:day|date)?|d\.?o\.?b|b\.)\b", re.IGNORECASE)
_AGE = re.compile(
    r"(?<![0-9A-Za-z.,/])([0-9]{1,3})(?=(?:[ \-]?(?:years?|yrs?|months?|mos?|weeks?|days?)[ \-]?(?:old|of age)\b|[ \-]?(?:y/?o|y\.o\.?|yo[mf]?)\b|[ \-]?(?:year|yr)s?[ \-](?:male|female|man|woman|boy|girl|lady|gentleman)\b"
    r"|[ ]?[MF]\b(?=[, ](?:with|w/|who|presents?|c/o|hx|s/p|pt))))"
    r"|\b(?:aged?|turned|turning|turns|age[ds]? of|age (?:is|was))[: ]{1,2}([0-9]{1,3})(?![0-9A-Za-z%]|[.,:/][0-9]| ?(?:percent|minutes|hours|dollars|times))",
    re.IGNORECASE,
)
_YEAR_ALONE = re.compile(
    r"(?:\b(?:in|since|from|until|till|by|during|before|after|between|to|of|circa|early|late|mid|year|class of|and|back in|born(?: in)?|died(?: in)?|d\.|b\.|c\.)[ \-]|(?<=\d)[-–]|[(\[])((?:1[89]|20)[0-9]{2})(?![0-9A-Za-z%]|[.,:/\-][0-9])(?!\s*(?:mg|ml|kg|km|cm|mm|m|ft|feet|miles|dollars|euros|people|men|women|patients|times|calories|units|words|points|votes|employees|rpm|watts|hours|days|years|members|others)\b)"
)
# a 2021 film, the 1990s, 03/2019, spring 2020
_YEAR_IN_PHRASE = re.compile(
    r"\b(?:an?|the|that|this|his|her|its|their|our|my|early|mid|late)[ \-]((?:19|20)[0-9]{2})(?= [A-Za-z])(?! (?:mg|ml|kg|km|cm|mm|people|patients|men|women|dollars|euros|pounds|miles|words|votes)\b)"
    r"|(?<![0-9A-Za-z.,/\-])((?:1[89]|20)[0-9]0['’]?s)(?![0-9A-Za-z])|(?<![0-9/.\-])((?:0?[1-9]|1[0-2])/(?:19|20)[0-9]{2})(?![0-9/])|\b((?:spring|summer|autumn|fall|winter|Q[1-4]|FY)[ ,]{0,2}(?:19|20)[0-9]{2})(?![0-9A-Za-z])",
    re.IGNORECASE,
)
_MONTH_DAY = re.compile(
    r"(?:\b(?i:on|drawn|since|until|from|by|dated?|of|for|due|labs|seen|appt|at)[ :]{1,2})((?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12][0-9]|3[01]))(?![0-9/]|\.[0-9]|\s*(?:cm|mm|mg|inch|of|tsp|tab)\b)"
)
_NUMBER_WORD = r"(?:(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:[ \-](?:one|two|three|four|five|six|seven|eight|nine))?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen)"
# seventy-two years old, in her 40s, her 30th birthday, I'm 23, is 23 years, Mary Nguyen (45)
_AGE_IN_WORDS = re.compile(
    rf"\b({_NUMBER_WORD})[ \-](?:years?|months?|weeks?)[ \-](?:old|of age)\b|\b(?:aged?|turned) ({_NUMBER_WORD})\b|\bin (?:my|his|her|their|your) (?:early |mid[ \-]?|late )?([2-9]0['’]?s)\b|\b([1-9][0-9]?(?:st|nd|rd|th)) birthday\b"
    r"|\b(?:I|he|she|who|they)['’](?:m|s|re) (?:now |only |just |almost |about )?([1-9][0-9])(?=[.,;!?]|$| (?:and|when|now|at|years?|yrs?|but)\b)|\b(?:is|am|was|are|were) (?:now |only |just |almost |about )?([1-9][0-9]) (?:years?|yrs?)(?=[.,;!?]|$)",
    re.IGNORECASE,
)
_AGE_IN_BRACKETS = re.compile(r"[A-Z][a-zà-ÿ'’\-]+ [A-Z][a-zà-ÿ'’\-]+ \(([1-9][0-9])\)(?!['’])")
_AGE_AFTER_NAME = re.compile(
    r"(?:[A-Z][a-zà-ÿ'’\-]+|[A-Z]\.), ([1-9][0-9])(?=, |\.(?:\s|$)| of [A-Z]|,? (?:who|was|is|and|a|an|from)\b)"
    r"|[A-Z][a-zà-ÿ'’\-]+, (?:then|now|just|only|aged?) ([1-9][0-9]?)(?=, |\.(?:\s|$))"
)
_COPULA = re.compile(
    r"\b(?:[Hh]e|[Ss]he|I|[Ww]ho|they) (?:is|was|am|were|are) (?:now |only |just )?([1-9][0-9]?)(?=[.,;!?]|$| (?:and|when|now|at)\b)"
)

_EXPRESSIONS = (
    _NUMERIC,
    _WORDS,
    _YEAR_ALONE,
    _YEAR_IN_PHRASE,
    _MONTH_DAY,
    _AGE,
    _COPULA,
    _AGE_IN_WORDS,
    _AGE_IN_BRACKETS,
    _AGE_AFTER_NAME,
)


@cache
def _glance() -> Glance[re.Pattern[str]]:
    return Glance([{expression: (expression,) for expression in _EXPRESSIONS}])


def find(text: str) -> Iterator[Hit]:
    """Yield dates (.8; years alone, month and day by what stands ahead .6; BIRTH_DATE beside a word for birth) and ages (.75, the number alone)."""
    seen = _glance()(text)
    for pattern in _EXPRESSIONS:
        for match in pattern.finditer(text) if pattern in seen else ():
            yield from _hits(text, pattern, match)


def _hits(text: str, pattern: re.Pattern[str], match: re.Match[str]) -> Iterator[Hit]:
    group = next((index for index, value in enumerate(match.groups(), 1) if value), 0)
    if pattern in (_AGE, _COPULA, _AGE_AFTER_NAME):
        if int(match[group]) <= 125:
            yield Hit(*match.span(group), "AGE", 0.75)
    elif pattern in (_AGE_IN_WORDS, _AGE_IN_BRACKETS):
        yield Hit(*match.span(group), "AGE", 0.6)
    elif pattern in (_YEAR_ALONE, _YEAR_IN_PHRASE, _MONTH_DAY):
        birth = beside(text, *match.span(group), _BIRTH, before=25)
        yield Hit(*match.span(group), "BIRTH_DATE" if birth else "DATE", 0.6)
    elif any(map(str.isdigit, match[0])):
        yield Hit(*match.span(), "BIRTH_DATE" if beside(text, *match.span(), _BIRTH, before=25) else "DATE", 0.8)


RECOGNIZER = Recognizer(
    "dates_en", find, min_digits=1, trigger=re.compile("[A-Za-z]|[0-9][.\\-/][0-9]"), expressions=_EXPRESSIONS
)
