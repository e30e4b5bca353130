"""Look again for names that were found once: `Key` after `Brad L Key`, 张伟 in the next sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from appliance.privacy.recognizers.gazetteer import given_names
from appliance.privacy.recognizers.person_en import NO_NAME
from appliance.privacy.recognizers.person_zh import WORK
from appliance.privacy.recognizers.plausible import EPONYM
from appliance.privacy.recognizers.recognizer import Hit

__all__ = ["RULE", "find_again"]

RULE = "repeat"
_WORD = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*")
_HAN = re.compile("[\u4e00-\u9fff]{2,}")
_SHOUTED = 4  # letters of a name that is also looked for in capitals; shorter ones are abbreviations


def find_again(text: str, hits: Iterable[Hit]) -> Iterator[Hit]:
    """Yield other places where a person's name, a part of it with a capital, or an organization stands (.5).

    A part that the text also writes small, or that is a common word, is not looked for; no more is a Chinese name that was found by a weak rule.
    Names of diseases (Crohn's disease) and what stands in the title of a work (《...》) are passed over.
    """
    kinds: dict[str, str] = {}
    for hit in hits:
        value = text[hit.start : hit.end]
        if hit.kind == "PERSON" and (hit.score >= 0.65 or not _HAN.fullmatch(value)):
            kinds |= dict.fromkeys(_parts(text, value), "PERSON")
        elif hit.kind == "ORGANIZATION" and len(value) >= (3 if _HAN.search(value) else 5):
            kinds.setdefault(value, "ORGANIZATION")
    again = (value for value in kinds if text.count(value) > 1 or (value.isupper() and value in text))
    longest = sorted(again, key=len, reverse=True)
    if longest:
        works = [match.span() for match in WORK.finditer(text)]
        for match in re.finditer("|".join(map(_whole, longest)), text):
            kind = kinds[match[0]]
            eponym = kind == "PERSON" and EPONYM.match(text, match.end())
            if not eponym and not any(start < match.start() < end for start, end in works):
                yield Hit(*match.span(), kind, 0.5)


def _parts(text: str, name: str) -> Iterator[str]:
    if _HAN.fullmatch(name):
        yield name
        return
    _sure, unsure = given_names()
    for word in _WORD.findall(name):
        small = word.casefold()
        common = small in NO_NAME or small in unsure or re.search(rf"(?<!\w){re.escape(word.lower())}(?!\w)", text)
        if len(word) >= 3 and word[0].isupper() and not common and not _HAN.search(word):
            yield word
            if len(word) >= _SHOUTED:
                yield word.upper()


def _whole(value: str) -> str:
    inner = re.escape(value)
    return inner if _HAN.search(value) else rf"(?<!\w){inner}(?!\w)"
