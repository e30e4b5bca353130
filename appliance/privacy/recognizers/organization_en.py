"""Organizations by their legal form or by the word they end in (ISO 20275 lists legal forms)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.recognizers.gazetteer import word_list
from appliance.privacy.recognizers.recognizer import Hit, Recognizer

_UPPER = r"(?:[A-Z]|[^\W\d_\x00-\x7f\u2e80-\u9fff\uac00-\ud7af])"
# A full stop ends a word of a name only behind an abbreviation (St., Wm.): elsewhere the sentence ends.
_WORD = rf"(?:{_UPPER}[a-z]?[a-z]?\.(?= )|{_UPPER}[\w'’&\-]*(?:\.\w+)*)"
_AHEAD = word_list("ahead_of_organization")
_FORMS = r"Inc|LLC|L\.L\.C|Ltd|Limited|LLP|PLC|plc|GmbH|Corp|Corporation|Co|AG|S\.?A|S\.?p\.?A|S\.?r\.?l|B\.?V|N\.?V|Oyj?|AB|A/S|ApS|K\.?K|Pty|Pte|KG|e\.V|SE|S\.?A\.?S|SARL|Sp\. z o\.o|Kft|Zrt|d\.o\.o|s\.r\.o|a\.s"
_ENDS = (
    r"Hospital|Clinic|Medical Cent(?:er|re)|Health ?care|Pharmacy|University|College|Academy|High School|Elementary School|Middle School|Institute|Foundation|Bank|Credit Union|Insurance|Airlines|Airways|Motors|Pharmaceuticals"
    r"|Laborator(?:y|ies)|Technologies|Software|Systems|Solutions|Consulting|Partners|Holdings|Ventures|Capital|Industries|Enterprises|Associates|Committee|Commission|Association|Society|Federation|Union|Ministry|Police Department"
    r"|Fire Department|Sheriff's Office|District Court|County Court|High Court|Supreme Court|Court of Appeals?|Church|Orchestra|Museum|Library|Hotel|Bakery|Diner|Grill|Pizzeria|Coffee|Caf[eé]|Properties|Apartments|Assisted Living|Senior Living|Brewery|Tavern|Deli|Realty|Logistics|Freight|Trucking|Farms|Dairy|Winery|Casino|Daycare|Preschool|School District|Co-op"
    r"|Rehab|Family Medicine|Family Practice|Pediatrics|Urgent Care|Health System|Health Center|Care Center|Manor|Hospice|Nursing Home|Rehabilitation Center|Surgery Center|Cancer Center"
)
_CHAIN = rf"{_WORD}(?:,? (?:(?:of|and|for|the|de|&) )?{_WORD}){{0,4}}?"
_FORMED = re.compile(rf"(?<![\w])({_CHAIN},? (?:{_FORMS})\.?)(?![\w])")
_ENDED = re.compile(rf"(?<![\w])((?:{_WORD} (?:(?:of|and|for|&) )?){{1,4}}?(?:{_ENDS}))(?![\w])")
_SMALL = re.compile(r"(?<![\w])((?:[a-z][\w'&\-]+ ){1,3}(?:inc|llc|ltd|gmbh|corp|plc)\b\.?)(?![\w])")
_OF = re.compile(
    rf"(?<![\w])((?:University|Bank|Hospital|College|Ministry|Department|Court|Bureau|Institute|Church|Embassy|Republic|Diocese|Office) (?:of|for) (?:the )?{_WORD}(?: (?:and )?{_WORD}){{0,3}})"
)
_TRIGGER = re.compile(rf"(?:{_FORMS}|{_ENDS}|inc|llc|ltd|gmbh|corp| (?:of|for) )")


def find(text: str) -> Iterator[Hit]:
    """Yield organizations by legal form (.7), by their last word (.6), by `University of` and the like (.6)."""
    for pattern, score in ((_FORMED, 0.7), (_SMALL, 0.5), (_ENDED, 0.6), (_OF, 0.6)):
        for match in pattern.finditer(text):
            start = match.start(1)
            for word in re.finditer(r"\S+\s+", match[1]):
                if word[0].strip().casefold() not in _AHEAD:
                    break
                start = match.start(1) + word.end()
            if pattern in (_SMALL, _FORMED) or len(text[start : match.end(1)].split()) > 1:
                yield Hit(start, match.end(1), "ORGANIZATION", score)


RECOGNIZER = Recognizer("organization_en", find, trigger=_TRIGGER, names=True)
