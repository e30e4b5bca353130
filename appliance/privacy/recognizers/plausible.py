"""What a named-entity model takes for a name and is none: eponyms, medicines, abbreviations of medicine and science, institutions without a name.

The models learned from news; in clinic notes, abstracts and reviews of medicines they see people in every capital.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from appliance.privacy.recognizers.gazetteer import cities, given_names, surnames, word_list
from appliance.privacy.recognizers.places import COUNTRIES, PEOPLES, STATES

__all__ = ["DOUBTFUL", "EPONYM", "is_name"]

DOUBTFUL = 0.3  # the score of an entity that looks like no name: counts in the mode max-recall only

# Behind a name: a disease, sign, test, instrument or scale that is called after somebody, who is not the patient.
_EPONYMS = (
    r"(?:disease|syndrome|sign|test|phenomenon|reflex|maneuver|manoeuvre|procedure|operation|method|technique|catheter|line|tube|drain|stent|shunt|valve|graft|bypass|score|scale|index|criteria|classification|grade|stain|agar"
    r"|palsy|paralysis|tumou?r|sarcoma|lymphoma|cell|cells|body|bodies|node|nodes|ring|diverticulum|contracture|ulcer|fracture|dislocation|dystrophy|chorea|ataxia|encephalopathy|neuropathy|cardiomyopathy|anemia|anaemia"
    r"|thyroiditis|arteritis|granulomatosis|purpura|nephropathy|oesophagus|esophagus|hernia|point|triad|law|effect|equation|formula|pump|block|pin|nail|plate|screw|splint|brace|collar|position|mask|unit|units|stage|staging"
    r"|type|rash|nodules?|lesions?|spots?|contractions?|hicks|bacillus|virus|fever|gene|protein|antigen|receptor|factor|pathway|ligament|fascia|canal|gland|duct|fissure|membrane|space|pouch|crisis|coma|neurinoma|arch|chromosome|knife|chambers?|negative|positive|equivocal|downgoing|upgoing|unsteady|stripper|retractor|clamp|forceps|needle|cannula|rats?|mice|mouse|analys[ei]s|regression|hazards?|model)"
)
EPONYM = re.compile(rf"(?:['’]s?)?(?:[ \-][A-Za-z]+(?:['’]s)?){{0,2}}?[ \-]{_EPONYMS}(?![\w])", re.IGNORECASE)
_DISEASES = word_list("eponyms")
_MEDICAL_WORDS = re.compile(
    r"\b(?:mg|mcg|ml|mmhg|patients?|pts?|disease|syndrome|symptoms?|medications?|medicines?|meds?|doctors?|doses?|dosages?|tablets?|pills?|prescri\w+|side effects?|treat(?:ment|ed|ing)|therap\w+|pain|surgery|diagnos\w+|chronic|acute|clinical|lesions?"
    r"|tumou?rs?|carcinoma|cancer|serum|plasma|renal|hepatic|cardiac|coronary|arter\w+|ventric\w+|anxiety|depression|insomnia|migraines?|infections?|antibiotics?|insulin|cholesterol|blood|hx|s/p|b\.?i\.?d|weight loss|nausea|injections?|generic"
    r"|birth control|mood|headaches?|rats?|in vitro|receptors?|antibod\w+|mutations?|biopsy|mortality|ct|mri|ecg|ekg|vitals?|labs?|wnl|denies|prn|po|iv|hpi|ros|copd|pmhx?|nkda|ekg|neuro|admit(?:ted)?|dispo|pcp|icu|cabg|htn|afib|discharged?|p less than|lymph\w+|an[ae]*sthe\w+|spinal|ultrasound|f[oe]*tal|stenosis|hypert\w+|postoperative|leuk[ae]*mia|pulmonary|gastr\w+|epitheli\w+|mg/kg|assays?|enzymes?|antagonis\w+|in vivo|acne|periods?|cramps|bleeding|dizz\w+|withdrawal|allerg\w+|arthritis|diabet\w+|asthma)\b",
    re.IGNORECASE,
)
_ORGANIZATION_WORDS = re.compile(
    r"\b(?:universit\w+|hospitals?|institut\w+|cent(?:er|re)s?|clinics?|inc|ltd|llc|corp\w*|compan\w+|associat\w+|societ\w+|colleges?|schools?|departments?|ministr\w+|foundations?|councils?|committees?|agenc\w+|bank|pharmac\w+|laborator\w+|groups?|health"
    r"|insurance|administration|organi[sz]ation|academy|church|court|police|police|services?|medical|memorial|hospice|general|registry|network|mercy|saint|st)\b",
    re.IGNORECASE,
)
_TITLE_OR_KIN = re.compile(
    r"\b(?:mr|mrs|ms|dr|prof|attn|named|dear|hi|son|daughter|wife|husband|mother|father|brother|sister|aunt|uncle|friend|d/w)[.:]?\s+$",
    re.IGNORECASE,
)
_ABBREVIATIONS = re.compile(r"[A-Z0-9]{1,5}(?:[ /\-][A-Z0-9]{1,5})*")
_BEFORE_PERSON = re.compile(
    r"(?:\b(?:by|per|mr|mrs|ms|dr|prof|with|from|cc|attn|named|dear|hi|son|daughter|wife|husband|mother|father|brother|sister|aunt|uncle|friend|d/w|w/)[.:]?\s+|[-–—:]\s*)$",
    re.IGNORECASE,
)
_BEFORE_ORGANIZATION = re.compile(
    r"\b(?:at|from|by|with|for|transfer(?:red)? to|admitted to|referred to)\s+(?:the\s)?$", re.IGNORECASE
)
_BEFORE_PLACE = re.compile(r"\b(?:in|at|from|near|to|lives in|via|of)\s+(?:the\s+)?$", re.IGNORECASE)
_MEDICINE_AHEAD = re.compile(
    r"\b(?:taking|take|takes|took|tak(?:en|es)|start(?:ed|ing)?|prescrib\w+|switch(?:ed|ing)? (?:to|from|me to)|mgs?(?: of)?|mcg(?: of)?|doses? of|tablets? of|dosage of|using|used|been on|was on|am on|put (?:me |him |her )?on|(?:went|go|going|get|getting) (?:on|off)|off of|meds?:?|called)\s+(?:the\s|a\s|my\s)?$",
    re.IGNORECASE,
)
_MEDICINE_BEHIND = re.compile(
    r"\s*(?:[(,]?\s?[0-9.]+\s?(?:mg|mcg|ml|g|units?|iu|meq)\b|tablets?\b|pills?\b|injections?\b|implant\b|xr\b|er\b|sr\b|cr\b|cream\b|gel\b|patch(?:es)?\b|inhaler\b|qhs\b|prn\b|bid\b|tid\b|daily\b|po\b)",
    re.IGNORECASE,
)
# Institutions and roles that name nobody as long as they stand alone: "the Court", "the Government".
_NAMELESS = word_list("nameless")
_CONTINENTS = word_list("continents")
_ENDINGS = (
    ("", ""),
    ("s", ""),
    ("es", ""),
    ("ies", "y"),
    ("ed", ""),
    ("ed", "e"),
    ("ing", ""),
    ("ing", "e"),
    ("ly", ""),
    ("er", ""),
)
_FUNCTION_WORDS = word_list("function_words")
# Where a capital says nothing: at the start of a text, a sentence, a line, behind the handle that is spoken to.
_STARTS = re.compile(r"(?:^|[.!?:;…\n\"“”(\[|*•]|@\w{2,}|\bRT)\s*$")
_LONG_DRAWN = re.compile(r"([^\W\d_])\1{2,}|^(?:l+o+l+|lmf?ao+|omf?g+|rofl|ha(?:ha)+|hehe+)$", re.IGNORECASE)
_ODD = re.compile(r"[=+%<>&;*\\{}\[\]|~^�]|\d[.,]\d|-\d")
_EDGES = ".,;:!?()[]'’“”\"-/"


@lru_cache(maxsize=256)
def _reads_medical(text: str) -> bool:
    """Tell whether a text speaks of medicine: two words of it or more, and at least one word in 40."""
    count = len(_MEDICAL_WORDS.findall(text))
    return count >= 2 and count * 40 >= len(text.split())


def is_name(text: str, start: int, end: int, kind: str, dictionary: frozenset[str]) -> bool:
    """Tell whether an entity of `kind` (PERSON, ORGANIZATION, LOCATION, NATIONALITY) at [start, end) may be a name.

    `dictionary` holds English words, names among them.
    """
    words = [word.strip(_EDGES).casefold() for word in text[start:end].split()]
    words = [word for word in words if word and word not in ("the", "a", "an")]
    if not words or _names_nobody(words):
        return False
    if kind == "PERSON" and (_ODD.search(text, start, end) or _LONG_DRAWN.search(words[0])):
        return False
    if _is_eponym(text, start, end, words):
        return False
    ahead = text[max(0, start - 25) : start]
    known = _listed(kind, words)
    capital_tells_nothing = kind == "LOCATION" and _STARTS.search(ahead)
    common = all(map(dictionary.__contains__, words)) and (not text[start].isupper() or capital_tells_nothing)
    if kind in ("PERSON", "LOCATION") and not known and (common or _is_foreign(text, dictionary)):
        cue = _BEFORE_PERSON if kind == "PERSON" else _BEFORE_PLACE
        return bool(cue.search(ahead) or (text[start:end].isupper() and len(words[0]) <= 4))
    return not _reads_medical(text) or _is_name_in_medicine(text, start, end, kind, words)


def _names_nobody(words: list[str]) -> bool:
    """Tell whether words are an institution or a role and perhaps a people: `the Polish Government`."""
    return any(word in _NAMELESS for word in words) and all(word in _NAMELESS or word in _peoples() for word in words)


def _is_eponym(text: str, start: int, end: int, words: list[str]) -> bool:
    """Tell whether a name of one word, or two with a hyphen, names a disease, a sign, a device or a germ."""
    if len(words) > 2 or _TITLE_OR_KIN.search(text[max(0, start - 20) : start]):
        return False
    disease = words[0] in _DISEASES and (words[0].endswith("'s") or _reads_medical(text))
    return disease or bool(EPONYM.match(text, end))


def _is_name_in_medicine(text: str, start: int, end: int, kind: str, words: list[str]) -> bool:
    ahead = text[max(0, start - 25) : start]
    if _MEDICINE_BEHIND.match(text, end) or (_MEDICINE_AHEAD.search(ahead) and not any(map(_known_person, words))):
        return False
    first = text[start]
    if _ABBREVIATIONS.fullmatch(text, start, end) and " ".join(words) not in _places():
        return (
            kind == "ORGANIZATION"
            and bool(re.search(r"\b(?:at|from|admitted to|transferred to) (?:the )?$", ahead))
            and text[start:end].isalpha()
        )
    if kind == "PERSON":
        if any(map(_known_person, words)):
            return first.isupper()
        return bool(first.isupper() and (len(words) > 1 or _BEFORE_PERSON.search(ahead)))
    if kind == "ORGANIZATION":
        plain = first.isupper() and not any(map(str.isdigit, text[start:end]))
        return bool(plain and (_ORGANIZATION_WORDS.search(text, start, end) or _BEFORE_ORGANIZATION.search(ahead)))
    if kind == "LOCATION":
        known = " ".join(words) in _places()
        plain = first.isupper() and not text[start:end].isupper() and not any(map(str.isdigit, text[start:end]))
        return known or bool(plain and (len(words) > 1 or _BEFORE_PLACE.search(ahead)))
    return words[-1] in _peoples() or words[-1].endswith(("ans", "ese", "ish", "ean", "jews", "muslims", "nazi"))


def _listed(kind: str, words: list[str]) -> bool:
    """Tell whether words of the dictionary are names too: a surname or given name among them, a city as a whole."""
    if kind == "LOCATION":
        return " ".join(words) in _places()
    return any(word in part for word in words for part in (*given_names(), *surnames()))


def _known_person(word: str) -> bool:
    word = word.removesuffix("'s").removesuffix("’s")
    return word in given_names()[0] or word in surnames()[0]


@lru_cache(maxsize=256)
def _is_foreign(text: str, dictionary: frozenset[str]) -> bool:
    """Tell whether most small words of a text, of at least three, are in no English dictionary."""
    words = [word for word in re.findall(r"(?<![@#/\w])[^\W\d_]{4,}", text) if word.islower()]
    return len(words) >= 3 and 2 * sum(not _is_known(word, dictionary) for word in words) > len(words)


def _is_known(word: str, dictionary: frozenset[str]) -> bool:
    return word in _FUNCTION_WORDS or any(
        word.endswith(end) and word.removesuffix(end) + stem in dictionary for end, stem in _ENDINGS
    )


@cache
def _peoples() -> frozenset[str]:
    return frozenset(PEOPLES.casefold().replace("\n", "|").split("|"))


@cache
def _places() -> frozenset[str]:
    sure, unsure = cities()
    names = re.split(r"[|\n]", f"{COUNTRIES}|{STATES}".replace("\\", ""))
    return sure | unsure | {name.casefold() for name in names} | _CONTINENTS
