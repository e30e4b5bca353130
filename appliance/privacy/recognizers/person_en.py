"""Names of people by what stands beside them: titles, labels, salutations, kinship, credentials, initials, given names.

HIPAA 164.514(b)(2)(i)(A) makes every name an identifier. A title stays in the text; the whole name behind it goes. Given names come from
`given_names.txt` (its sources stand in it).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from appliance.privacy.recognizers.gazetteer import given_names, no_names, surnames, word_list
from appliance.privacy.recognizers.recognizer import Hit, Recognizer

__all__ = ["NO_NAME", "RECOGNIZER"]

# A capital, or a letter beyond ASCII that is not Han: `re` knows no \p{Lu}.
_UPPER = r"(?:[A-Z]|[^\W\d_\x00-\x7f\u2e80-\u9fff\uac00-\ud7af])"
_WORD = rf"{_UPPER}[^\W\d_]+(?:(?:['’]{_UPPER}|-{_UPPER}?)[^\W\d_]+)*"
_JOIN = r"(?:[ \t]+(?:de|da|do|dos|das|du|del|della|di|van|von|der|den|ter|ten|bin|ibn|al|el|la|le|y|af|zu|st\.)){0,2}"
_INITIAL = rf"{_UPPER}(?:\.|(?=[ \t]))"
_AHEAD = r"(?:(?:de|da|dos|du|del|della|di|van|von|der|den|ter|ten|bin|ibn|al|el|la|le)[ \t]+){0,2}"
_NAME = (
    rf"(?:(?:{_INITIAL}[ \t]*){{0,3}}{_AHEAD}{_WORD}(?:{_JOIN}[ \t]{{1,2}}(?:{_INITIAL}[ \t]+){{0,2}}{_WORD}){{0,3}})"
)
_ANY_CASE = r"(?:[^\W\d_][^\W\d_.'’\-]*(?:['’\-.][^\W\d_]+)*\.?(?:[ \t]+[^\W\d_][^\W\d_]*(?:['’\-][^\W\d_]+)*\.?){0,3})"

NO_NAME = word_list("no_name")
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
    (re.compile(rf"(?<![\w.])((?:[A-Z]\.[ \t]?){{2,3}}{_WORD}(?:{_JOIN}[ \t]+{_WORD})?)"), 0.55),
    # seen by Wu
    (re.compile(rf"\b(?:seen|examined|evaluated|read|reviewed|signed|dictated|performed|interpreted|followed|treated|transcribed|written|prepared|reported|referred|intubated|placed|paged|owned|accompanied|represented|defended|murdered|attacked) by[ \t]({_WORD}(?:[ \t]{_WORD})?)(?=[ \t]*(?:$|[\n.,;()]|(?:in|at|on|for|and|who|from|today|yesterday|via|re)\b))"), 0.45),
    # HOLLOWAY, Theresa M.
    (re.compile(rf"(?:^|[\n|])[ \t\-*•]*(?i:{_LABELS})[ \t]*(?i:name)?[ \t]*[:=][ \t]*({_WORD}(?:[ \t]{_WORD})?,[ \t]{{0,2}}{_WORD}(?:[ \t](?:[A-Z]\b\.?|{_WORD}))?)(?=[ \t]*(?:$|[\n,;|(\d]|[ \t]{{2}}))"), 0.8),
)  # fmt: skip
# ZHANG, WEI; O'BRIEN, MARY K.: the surname first, all of it in capitals.
_CAPITALS = r"[A-ZÀ-ÖØ-Þ](?:['’]?[A-ZÀ-ÖØ-Þ])+"
_INVERTED = re.compile(
    rf"(?<![\w.@&])({_CAPITALS}(?:[ \-]{_CAPITALS})?),[ \t]{{0,2}}({_CAPITALS}(?:-{_CAPITALS})?(?:[ \t](?:[A-Z]\b\.?|{_CAPITALS}))?)(?![\w@])"
)
_LABEL_AHEAD = re.compile(rf"(?<!\w)(?:{_LABELS})[ \t]*(?:name)?[ \t]*[:=]?[ \t]*$", re.IGNORECASE)
# ROBERT_SMITH_1, report_john_smith.pdf
_UNDERSCORED = re.compile(r"(?<![^\W_])[^\W\d_]{2,}(?:_[^\W\d_]{2,}){1,4}(?![^\W_])")
# Dwayne "Duke" Ferreira, Margaret (Peg) Sullivan
_NICKNAMED = re.compile(rf"(?<![\w@#/.\-])({_WORD}) (?:[\"'‘“]{_WORD}[\"'’”]|\({_WORD}\)) ({_WORD}(?: {_WORD})?)(?!\w)")
_CAPITALISED = re.compile(rf"(?<![\w@#/.\-]){_UPPER}[^\W\d_]+(?:-{_UPPER}[^\W\d_]+)?(?![\w@])")
_REST = re.compile(rf"{_JOIN}[ \t]{{1,2}}(?:(?:{_INITIAL}[ \t]{{0,2}}){{1,2}}{_WORD}|{_WORD})(?:{_JOIN}[ \t]+{_WORD})?")
_SPEAKER = re.compile(rf"(?:^|\n)[ \t]*({_WORD}(?:[ \t]+{_WORD})?):[ \t]+\S")
# Novak and Others v. Poland; In re Smith
_CAPTION = re.compile(
    rf"(?:^|\n|\b(?:[Cc]ase of|CASE OF|[Ii]n|[Ss]ee(?: also)?|[Cc]ited in|[Aa]lso|[Aa]nd|[Tt]he|cf\.|[Ii]n re|[Mm]atter of)[ \t])[ \t]*({_NAME})(?:,? (?:and|AND|&) (?:[Oo]thers|OTHERS|[Aa]nother)|,? et al\.?)?,?[ \t]+(?:v\.?|vs\.?|V\.)[ \t]+(?:the[ \t])?({_NAME})"
)
_AHEAD_OF_PARTY = re.compile(r"(?:.*\b(?:case of|in re|see also|matter of|in|see|also|and|the|of)\s)?", re.IGNORECASE)
_BEHIND_PARTY = re.compile(r"\s+(?:and|&)\s+(?:others|another)$", re.IGNORECASE)  # in capitals it looks like a name
_ONE_INITIAL = re.compile(rf"(?<![\w.])([A-Z]\.[ \t]?({_WORD})(?:-{_WORD})?(?:{_JOIN}[ \t]+{_WORD})?)")
_STATE_OF_US = frozenset(("U.S.", "U.K.", "U.N.", "E.U.", "D.C."))


def find(text: str) -> Iterator[Hit]:
    """Yield names: by title .85, by label, salutation, kinship, credentials .55-.75, by given name .5-.7."""
    for pattern, score in _RULES:
        for match in pattern.finditer(text):
            start, end = _without_stops(text, *match.span(1))
            if start < end and text[start:end].casefold() not in _NO_PERSON:
                yield Hit(start, end, "PERSON", score)
    for match in _CAPTION.finditer(text):
        for side in (1, 2):
            end = match.start(side) + len(_BEHIND_PARTY.sub("", match[side]))
            start = match.start(side) + len(_AHEAD_OF_PARTY.match(text[match.start(side) : end])[0])  # type: ignore[index]
            if _is_party(text[start:end]):
                yield Hit(start, end, "PERSON", 0.6)
    for match in _ONE_INITIAL.finditer(text):
        start, end = _without_stops(text, *match.span(1))
        if start < end and (_listed(match[2]) or text[max(0, start - 3) : start] in ("by ", ": ", "/s/")):
            yield Hit(start, end, "PERSON", 0.55)
    yield from _by_given_name(text)
    yield from _speakers(text)
    yield from _in_other_forms(text)


def _in_other_forms(text: str) -> Iterator[Hit]:
    """Yield names with the surname first in capitals (.7), with a nickname between (.6), with underscores (.6)."""
    if "," in text:
        yield from _inverted(text)
    if "_" in text:
        yield from _underscored(text)
    for match in _NICKNAMED.finditer(text):
        first, nick, last = (word.strip("\"'‘’“”()").casefold() for word in match[0].split()[:3])
        if any(first in part for part in given_names()) and (_listed(last) or nick in given_names()[0]):
            yield Hit(*match.span(), "PERSON", 0.6)


def _inverted(text: str) -> Iterator[Hit]:
    """Yield `ZHANG, WEI` behind a label or with a listed given name; a field's name behind it (`DOB`) is no part of it."""
    sure, unsure = given_names()
    for match in _INVERTED.finditer(text):
        first = match[2].split()[0].split("-")[0].casefold()
        listed = first in sure or (first in unsure and match[1].casefold() in surnames()[0])
        if listed or _LABEL_AHEAD.search(text[max(0, match.start() - 40) : match.start()]):
            start, end = _without_stops(text, *match.span())
            if match[2].split()[-1].casefold() in _FIELDS:
                end = match.start(2) + len(match[2].split()[0])
            if "," in text[start:end]:
                yield Hit(start, end, "PERSON", 0.7)


def _underscored(text: str) -> Iterator[Hit]:
    """Yield two words joined by an underscore when one is a given name and the other a surname."""
    for match in _UNDERSCORED.finditer(text):
        words = list(re.finditer(r"[^\W_]+", match[0]))
        for first, last in pairwise(words):
            if _is_pair(first[0].casefold(), last[0].casefold()):
                yield Hit(match.start() + first.start(), match.start() + last.end(), "PERSON", 0.6)


def _is_pair(first: str, last: str) -> bool:
    (given, given_words), (family, family_words) = given_names(), surnames()
    if first in given:
        return last in family or last in family_words
    return (first in given_words and (last in family or last in _FREQUENT)) or (first in family and last in given)


def _without_stops(text: str, start: int, end: int) -> tuple[int, int]:
    """Cut a name ahead of the first word that is none; empty when it is the first one."""
    position = start
    for word in re.finditer(r"\S+", text[start:end]):
        bare = word[0].strip(".,:'’").casefold()
        apart = text[start:end][: word.start()].endswith(("\t", "  "))  # Jan Novak   DOB: the next field of a form
        if bare in NO_NAME or word[0] in _STATE_OF_US or (apart and bare in no_names()):
            break
        position = start + word.end()
    return start, position


def _listed(word: str) -> bool:
    small = word.casefold().split("-")[0]
    return any(small in part for part in (*surnames(), *given_names())) and small not in NO_NAME


def _is_party(name: str) -> bool:
    """Tell whether a party of a case may be a person: no state, no firm, no word for an institution."""
    words = [word.strip(".,").casefold() for word in name.split()]
    return not any(word in _NO_PARTY or word in NO_NAME for word in words)


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
        elif rest and end > match.end() and _goes_on(text[rest.start() : end].split()):
            yield Hit(start, end, "PERSON", 0.5)  # Mark Anthony, Jan Brewer


def _goes_on(words: list[str]) -> bool:
    """Tell whether the words behind a given name that is also a word go on as a name does."""
    first, last = words[0].casefold(), words[-1].casefold().strip(".")
    return first in given_names()[0] or (last not in NO_NAME and (last in surnames()[0] or last in _FREQUENT))


def _speakers(text: str) -> Iterator[Hit]:
    """Yield the labels of a dialogue when one of them is a given name: `Ubul: What a wife.` beside `Nicole: Remember me?`."""
    labels = list(_SPEAKER.finditer(text))
    sure, unsure = given_names()
    names = [label[1].split()[0].casefold() for label in labels]
    if len(set(names)) >= 2 and any(name in sure for name in names):
        for label, name in zip(labels, names, strict=True):
            if name not in NO_NAME and (name in sure or name in unsure or label[1].casefold() not in _FIELDS):
                yield Hit(*label.span(1), "PERSON", 0.6)


_FREQUENT = word_list("frequent_surnames")
_NO_PARTY = word_list("no_party")
_NO_PERSON = word_list("nameless") | no_names()
_FIELDS = word_list("fields")


def _find_eagerly(text: str) -> Iterator[Hit]:
    """Yield the names of `find`, every listed surname and given name with a capital (.3), and small given names that are no words (.25)."""
    yield from find(text)
    lists = (*given_names(), *surnames())
    for match in _CAPITALISED.finditer(text):
        name = match[0].casefold()
        if name not in NO_NAME and any(name in names for names in lists):
            yield Hit(*match.span(), "PERSON", 0.3)
    for match in re.finditer(r"(?<![\w@#/.\-])[^\W\d_]{4,}(?![\w@])", text):
        if match[0].islower() and match[0] in given_names()[0]:
            yield Hit(*match.span(), "PERSON", 0.25)


RECOGNIZER = Recognizer("person_en", find, trigger=re.compile(r"[A-Za-z]{2}"), names=True, eager=_find_eagerly)
