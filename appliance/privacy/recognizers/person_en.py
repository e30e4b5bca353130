"""Names of people by what stands beside them: titles, labels, salutations, kinship, credentials, initials, given names.

HIPAA 164.514(b)(2)(i)(A) makes every name an identifier. A title stays in the text; the whole name behind it goes. Given names come from
`given_names.txt` (its sources stand in it).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from appliance.privacy.recognizers.recognizer import Hit, Recognizer

__all__ = ["NO_NAME", "RECOGNIZER", "given_names"]

# A capital, or a letter beyond ASCII that is not Han: `re` knows no \p{Lu}.
_UPPER = r"(?:[A-Z]|[^\W\d_\x00-\x7f\u2e80-\u9fff\uac00-\ud7af])"
_WORD = rf"{_UPPER}[^\W\d_]+(?:(?:['’]{_UPPER}|-{_UPPER}?)[^\W\d_]+)*"
_JOIN = r"(?:[ \t]+(?:de|da|do|dos|das|du|del|della|di|van|von|der|den|ter|ten|bin|ibn|al|el|la|le|y|af|zu|st\.)){0,2}"
_INITIAL = rf"{_UPPER}(?:\.|(?=[ \t]))"
_AHEAD = r"(?:(?:de|da|dos|du|del|della|di|van|von|der|den|ter|ten|bin|ibn|al|el|la|le)[ \t]+){0,2}"
_NAME = rf"(?:(?:{_INITIAL}[ \t]*){{0,3}}{_AHEAD}{_WORD}(?:{_JOIN}[ \t]+(?:{_INITIAL}[ \t]+){{0,2}}{_WORD}){{0,3}})"
_ANY_CASE = r"(?:[^\W\d_][^\W\d_.'’\-]*(?:['’\-.][^\W\d_]+)*\.?(?:[ \t]+[^\W\d_][^\W\d_]*(?:['’\-][^\W\d_]+)*\.?){0,3})"

NO_NAME = frozenset(
    [
        "the",
        "a",
        "an",
        "and",
        "or",
        "not",
        "no",
        "yes",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "being",
        "am",
        "do",
        "does",
        "did",
        "have",
        "has",
        "had",
        "will",
        "would",
        "can",
        "could",
        "should",
        "may",
        "might",
        "must",
        "shall",
        "i",
        "you",
        "he",
        "she",
        "it",
        "we",
        "they",
        "me",
        "him",
        "her",
        "us",
        "them",
        "my",
        "your",
        "his",
        "its",
        "our",
        "their",
        "this",
        "that",
        "these",
        "those",
        "there",
        "here",
        "who",
        "whom",
        "what",
        "which",
        "when",
        "where",
        "why",
        "how",
        "if",
        "then",
        "than",
        "so",
        "but",
        "for",
        "from",
        "to",
        "of",
        "in",
        "on",
        "at",
        "by",
        "with",
        "as",
        "into",
        "about",
        "after",
        "before",
        "all",
        "any",
        "both",
        "each",
        "few",
        "more",
        "most",
        "other",
        "some",
        "such",
        "only",
        "own",
        "same",
        "too",
        "very",
        "just",
        "now",
        "also",
        "back",
        "out",
        "up",
        "down",
        "off",
        "over",
        "under",
        "again",
        "further",
        "once",
        "sir",
        "madam",
        "team",
        "everyone",
        "everybody",
        "anyone",
        "someone",
        "nobody",
        "customer",
        "customers",
        "client",
        "colleagues",
        "support",
        "service",
        "friends",
        "folks",
        "guys",
        "friend",
        "sirs",
        "hello",
        "hi",
        "hey",
        "dear",
        "thanks",
        "thank",
        "regards",
        "please",
        "sorry",
        "okay",
        "ok",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "january",
        "february",
        "march",
        "april",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "today",
        "tomorrow",
        "yesterday",
        "mr",
        "mrs",
        "ms",
        "miss",
        "dr",
        "prof",
        "doctor",
        "god",
        "lord",
        "patient",
        "unknown",
        "none",
        "null",
        "test",
        "name",
        "address",
        "phone",
        "email",
        "date",
        "not",
        "going",
        "sure",
        "afraid",
        "glad",
        "happy",
        "sad",
        "writing",
        "calling",
        "looking",
        "trying",
        "having",
        "using",
        "unable",
        "aware",
        "interested",
        "still",
        "currently",
        "really",
        "always",
        "never",
        "getting",
        "getting",
        "male",
        "female",
        "american",
        "british",
        "english",
        "french",
        "german",
        "chinese",
        "indian",
        "mexican",
        "canadian",
    ]
)
_TITLES = (
    r"(?:[Mm]rs?|[Mm]s|Miss|Mx|[Dd]r|Doctor|[Pp]rof(?:essor)?|Sir|Dame|Lord|Lady|Judge|Justice|Madam|Mister|Father|Fr|Rev(?:erend)?|Sgt|Sergeant|Lt|Lieutenant|Capt(?:ain)?|Col(?:onel)?|Maj|Cpl|Pvt"
    r"|Officer|Detective|Inspector|Constable|Senator|Sen|Congressman|Congresswoman|Gov(?:ernor)?|Nurse|Sheriff|Attorney|Imam|Rabbi|Pastor|Herr|Frau|Mme|Mlle|Monsieur|Madame|Señora?|Srta?|Dott|Ing|Sig(?:nora)?)"
)
_KIN = (
    r"(?:daughter|son|wife|husband|brother|sister|mother|father|mom|mum|dad|friend|partner|colleague|neighbou?r|fianc[ée]e?|boyfriend|girlfriend|uncle|aunt|cousin|boss|guardian|niece|nephew|grandson|granddaughter|grandmother"
    r"|grandfather|grandma|grandpa|roommate|stepson|stepdaughter|spouse|caregiver|twin|baby|therapist|surgeon|physician|attorney|lawyer|supervisor|manager|assistant|secretary|coach|teacher)"
)
_LABELS = (
    r"(?:(?:full |first |last |middle |maiden |given |family |pet |user |account |card ?holder(?:'s)? |patient(?:'s)? |customer(?:'s)? |client(?:'s)? |employee |contact |legal |birth )?name|surname|patient|pt|customer|client|employee|contact(?: person)?"
    r"|guardian|next of kin|emergency contact|attending(?: physician)?|physician|provider|pcp|surgeon|referred by|referring physician|dictated by|author|sent by|signed(?: by)?|signature|prepared by|reviewed by|approved by|applicant|plaintiff|defendant|respondent|appellant|petitioner"
    r"|claimant|witness|card ?holder|account holder|beneficiary|insured|policy ?holder|attn|attention|recipient|sender|passenger|guest|tenant|landlord|borrower|payee|payer|owner|spouse|father|mother|wife|husband|son|daughter|dear)"
)
_RULES: tuple[tuple[re.Pattern[str], float], ...] = (
    (re.compile(rf"(?<!\w){_TITLES}(?:\.|(?=\s))[ \t]*(?:\n[ \t]*)?({_NAME})"), 0.85),
    (re.compile(rf"(?<!\w)(?:mr|mrs|ms)\.?[ \t]+([^\W\d_]{{2,}}(?:[ \t]+{_WORD})?)"), 0.7),
    (re.compile(rf"(?:^|[\n|,;>(]|(?<=[.:] ))[ \t\-*•]*{_LABELS}[ \t]*(?:name)?[ \t]*[:=][ \t]*({_NAME})", re.IGNORECASE), 0.75),
    (re.compile(rf"(?:^|\n)[ \t\-*•]*(?:full |first |last |maiden |patient |customer |client )?name[ \t]*[:=][ \t]*({_ANY_CASE})(?=[ \t]*(?:$|[\n,;|]))", re.IGNORECASE), 0.7),
    (re.compile(rf"\b[Nn]ame(?:'s|’s| is| was| to|:)[ \t]+(?:[Mm]rs?\.?[ \t]|[Mm]s\.?[ \t]|[Dd]r\.?[ \t])?({_NAME})"), 0.75),
    (re.compile(r"\b(?:my|his|her|their|maiden|full|last|first) name(?:'s|’s| is| was)[ \t]+([^\W\d_]{3,}(?:[ \t][^\W\d_]{3,})?)(?=[ \t]*(?:$|[\n.,;!?]))"), 0.6),
    (re.compile(rf"\b(?:I am|I'm|I’m|[Cc]alls? (?:me|him|her)|[Nn]amed(?: (?:him|her|me|it|after))?|known as|née|nee|a\.k\.a\.|aka)[ \t]+({_NAME})(?!\w)"), 0.6),
    (re.compile(rf"\b[Tt]his is[ \t]+({_NAME})(?=[ \t]*(?:$|[\n.,;!?]|from\b|calling\b|speaking\b|here\b|again\b|and I\b|at\b|with\b))"), 0.6),
    (re.compile(rf"(?:^|\n)[ \t>]*(?:Dear|Hi|Hello|Hey|Hiya|Good (?:morning|afternoon|evening)|Thanks|Thank you|Cheers|Bye|Welcome)[ \t]*,?[ \t]+({_NAME})(?=[ \t]*(?:$|[\n,.!:;\-–]))"), 0.7),
    (re.compile(rf"(?:[Rr]egards|[Ss]incerely|[Yy]ours(?: \w+)?|[Bb]est(?: wishes)?|[Cc]heers|[Tt]hanks(?: (?:again|so much|in advance))?|[Tt]hank you|[Rr]espectfully(?: submitted)?|[Ll]ove|[Cc]ordially|[Ss]igned)[,.!]?[ \t]*\n\s*(?:/s/[ \t]*)?({_NAME})(?=[ \t]*(?:$|[\n,]))"), 0.75),
    (re.compile(rf"\b(?:[Mm]y|[Hh]is|[Hh]er|[Tt]heir|[Oo]ur|[Yy]our|the patient's|'s|’s)[ \t]+(?:\w+[ \t]+)?{_KIN},?[ \t]+({_NAME})(?!\w)"), 0.65),
    (re.compile(rf"(?<!\w)({_NAME}),?[ \t]+(?:M\.?D|R\.?N|Ph\.?D|D\.?O|Esq|J\.?D|PA-C|D\.?D\.?S|MBBS|FRCS|FACS|FACP|LCSW|Pharm\.?D|LPN|DVM|CPA|MBA|Q\.?C|K\.?C)(?![\w])"), 0.75),
    (re.compile(rf"(?<![\w.])((?:[A-Z]\.[ \t]?){{1,3}}{_WORD}(?:{_JOIN}[ \t]+{_WORD})?)"), 0.55),
)  # fmt: skip
_CAPITALISED = re.compile(rf"(?<![\w@#/.\-]){_UPPER}[^\W\d_]+(?:-{_UPPER}[^\W\d_]+)?(?![\w@])")
_REST = re.compile(rf"{_JOIN}[ \t]+(?:(?:{_INITIAL}[ \t]*){{1,2}}{_WORD}|{_WORD})(?:{_JOIN}[ \t]+{_WORD})?")
_SPEAKER = re.compile(rf"(?:^|\n)[ \t]*({_WORD}(?:[ \t]+{_WORD})?):[ \t]+\S")
_STATE_OF_US = frozenset(("U.S.", "U.K.", "U.N.", "E.U.", "D.C."))


@cache
def given_names() -> tuple[frozenset[str], frozenset[str]]:
    """Return the given names that are nothing else, and those that are words or places too, in lower case."""
    lines = [
        line
        for line in Path(__file__).with_name("given_names.txt").read_text("utf-8").splitlines()
        if not line.startswith("#")
    ]
    middle = lines.index("-")
    return frozenset(" ".join(lines[:middle]).split()), frozenset(" ".join(lines[middle:]).split())


def find(text: str) -> Iterator[Hit]:
    """Yield names: by title .85, by label, salutation, kinship, credentials .55-.75, by given name .5-.7."""
    for pattern, score in _RULES:
        for match in pattern.finditer(text):
            start, end = _without_stops(text, *match.span(1))
            if start < end:
                yield Hit(start, end, "PERSON", score)
    yield from _by_given_name(text)
    yield from _speakers(text)


def _without_stops(text: str, start: int, end: int) -> tuple[int, int]:
    """Cut a name ahead of the first word that is none; empty when it is the first one."""
    position = start
    for word in re.finditer(r"\S+", text[start:end]):
        bare = word[0].strip(".,'’").casefold()
        if bare in NO_NAME or word[0] in _STATE_OF_US:
            break
        position = start + word.end()
    return start, position


def _by_given_name(text: str) -> Iterator[Hit]:
    sure, unsure = given_names()
    for match in _CAPITALISED.finditer(text):
        name = match[0].casefold()
        known = name in sure or name.split("-")[0] in sure
        if not known and name not in unsure:
            continue
        rest = _REST.match(text, match.end())
        start, end = _without_stops(text, match.start(), rest.end() if rest else match.end())
        if known:
            yield Hit(start, end, "PERSON", 0.65 if end > match.end() else 0.5)
        elif rest and end > match.end() and text[rest.start() : rest.end()].split()[0].casefold() in sure:
            yield Hit(start, end, "PERSON", 0.5)  # Mark Anthony


def _speakers(text: str) -> Iterator[Hit]:
    """Yield the labels of a dialogue when one of them is a given name: `Ubul: What a wife.` beside `Nicole: Remember me?`."""
    labels = list(_SPEAKER.finditer(text))
    sure, unsure = given_names()
    names = [label[1].split()[0].casefold() for label in labels]
    if len(set(names)) >= 2 and any(name in sure for name in names):
        for label, name in zip(labels, names, strict=True):
            if name not in NO_NAME and (name in sure or name in unsure or label[1].casefold() not in _FIELDS):
                yield Hit(*label.span(1), "PERSON", 0.6)


_FIELDS = frozenset(
    [
        "address",
        "phone",
        "mobile",
        "fax",
        "email",
        "website",
        "date",
        "time",
        "subject",
        "from",
        "to",
        "cc",
        "re",
        "note",
        "notes",
        "desk",
        "cell",
        "tel",
        "dob",
        "age",
        "sex",
        "gender",
        "diagnosis",
        "history",
        "plan",
        "assessment",
        "impression",
        "medications",
        "allergies",
        "summary",
        "status",
        "type",
        "reason",
        "question",
        "answer",
        "user",
        "bot",
        "agent",
        "operator",
        "customer",
        "client",
        "patient",
        "name",
        "label",
        "title",
        "description",
        "comment",
        "warning",
        "error",
        "info",
        "location",
        "city",
        "state",
        "country",
        "zip",
        "price",
        "total",
        "amount",
        "order",
        "invoice",
        "account",
    ]
)

RECOGNIZER = Recognizer("person_en", find, trigger=re.compile(r"[A-Za-z]{2}"), names=True)
